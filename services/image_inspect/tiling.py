"""A large photograph as overlapping tiles of one size, and their answers blended into one.

Working memory is that of the tiles at hand; what grows with the photograph is one byte a pixel, the answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.image_inspect.engine import Photo, Scores


@dataclass(frozen=True)
class Tile:
    """A square part of a photograph, and by how many pixels it overlaps the tiles above and to the left."""

    top: int
    left: int
    height: int
    width: int
    above: int
    before: int

    def of(self, photo: Photo) -> Photo:
        """Its pixels; beyond the edges of a small photograph, mirrored ones."""
        part = photo[self.top : self.top + self.height, self.left : self.left + self.width]
        missing = [(0, self.height - part.shape[0]), (0, self.width - part.shape[1]), (0, 0)]
        return np.pad(part, missing, mode="symmetric") if any(more for _, more in missing) else part

    def blend(self, scores: Scores, found: Scores) -> None:
        """Write what was found in it. Over an overlap what stands there fades out and this fades in."""
        place = scores[self.top : self.top + self.height, self.left : self.left + self.width]
        found = found[: place.shape[0], : place.shape[1]]
        weight = np.outer(_ramp(place.shape[0], self.above), _ramp(place.shape[1], self.before))
        place[:] = (place + weight * (found.astype(np.float32) - place) + np.float32(0.5)).astype(np.uint8)


def tiles(height: int, width: int, *, side: int, overlap: int, stride: int) -> Iterator[Tile]:
    """The tiles of a photograph, row by row, all of one size: ``side`` or, of a smaller photograph, the next multiple
    of ``stride``. ``side`` is a multiple of it; neighbours overlap by at least ``overlap`` pixels.
    """
    rows, columns = (_starts(length, side, overlap) for length in (height, width))
    tall, broad = (min(side, -(-length // stride) * stride) for length in (height, width))
    for n, top in enumerate(rows):
        for m, left in enumerate(columns):
            above = rows[n - 1] + side - top if n else 0
            before = columns[m - 1] + side - left if m else 0
            yield Tile(top, left, tall, broad, above, before)


def _starts(length: int, side: int, overlap: int) -> list[int]:
    if length <= side:
        return [0]
    count = -(-(length - overlap) // (side - overlap))
    return [round(n * (length - side) / (count - 1)) for n in range(count)]


def _ramp(length: int, overlap: int) -> npt.NDArray[np.float32]:
    weights = np.ones(length, np.float32)
    weights[:overlap] = ((np.arange(overlap) + 0.5) / max(1, overlap))[:length]
    return weights
