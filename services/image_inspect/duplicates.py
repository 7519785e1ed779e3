"""Photographs of a flight that show mostly the same place, so that one crack is not counted with each of them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from services.image_inspect.engine import Photo
from services.image_inspect.registration import Features, features, register

MIN_OVERLAP = 0.5
"""Of both photographs so much shows the same place."""
FEATURES = 400
"""Kept of a photograph: with its digest about 55 kB."""
RECENT = 12
"""A photograph is laid upon so many of those before it, and upon all whose perceptual digest is near."""
_NEAR_BITS = 12


@dataclass(frozen=True)
class Group:
    """Photographs in order of arrival, the first of which stands for all; ``overlap`` is the least that one of them
    shares with it.
    """

    photo_ids: tuple[str, ...]
    overlap: float


@dataclass
class _Place:
    digest: int
    seen: Features
    photo_ids: list[str]
    overlap: float = 1.0


class Duplicates:
    """The places of a flight. A photograph belongs to the place with whose first photograph it shares the most."""

    def __init__(self) -> None:
        self._places: list[_Place] = []

    def add(self, photo_id: str, photo: Photo) -> None:
        """Find the place of a photograph, or make it one of its own."""
        digest, seen = difference_hash(photo), features(photo, FEATURES)
        best, overlap = None, MIN_OVERLAP
        for number, place in enumerate(self._places):
            recent = number >= len(self._places) - RECENT
            if not recent and (digest ^ place.digest).bit_count() > _NEAR_BITS:
                continue
            found = register(seen, place.seen)
            if found is not None and min(found.overlap, found.overlap_back) >= overlap:
                best, overlap = place, min(found.overlap, found.overlap_back)
        if best is None:
            self._places.append(_Place(digest, seen, [photo_id]))
        else:
            best.photo_ids.append(photo_id)
            best.overlap = min(best.overlap, overlap)

    def groups(self) -> list[Group]:
        """The places with more than one photograph."""
        return [Group(tuple(place.photo_ids), place.overlap) for place in self._places if len(place.photo_ids) > 1]


def difference_hash(photo: Photo) -> int:
    """64 bits: in a copy of 9x8 pixels, whether each is lighter than its right neighbour (dHash, Krawetz 2013)."""
    small = cv2.resize(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), (9, 8), interpolation=cv2.INTER_AREA).astype(int)
    return int.from_bytes(np.packbits(small[:, :-1] > small[:, 1:]).tobytes(), "big")
