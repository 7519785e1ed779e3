"""What the network learns from and is chosen by: generated samples, and photographs with masks.

The photographs are drone photographs of concrete (UAV-Based Crack Detection, CC0) and photographs of asphalt
(SUT-Crack, Sabouri & Sepidbar 2023, CC BY 4.0). Parts of both are for validation only; the drone's overlap in
strips, of which all parts are on the same side.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from services.image_inspect.evaluate import for_validation
from training.crack.generator import mixed, sample
from training.crack.generator.scene import Mask, Random
from training.crack.generator.surfaces import KINDS

Pixels = NDArray[np.uint8]
SIDE = 256
_VALIDATION_SEED = 1_000_000_000


@dataclass(frozen=True)
class Labelled:
    """A photograph of shape (height, width, 3), where its cracks are, and where joints are, if that is known."""

    name: str
    photo: Pixels
    cracks: Mask
    joints: Mask | None = None


def generated(count: int, first_seed: int = 0) -> tuple[Pixels, Mask]:
    """Samples of SIDE for training: photographs (n, SIDE, SIDE, 3) and masks (n, SIDE, SIDE)."""
    photos, masks = np.zeros((count, SIDE, SIDE, 3), np.uint8), np.zeros((count, SIDE, SIDE), bool)
    with ProcessPoolExecutor() as pool:
        made = pool.map(_pair, range(first_seed, first_seed + count), chunksize=32)
        for n, (photo, mask) in enumerate(made):
            photos[n], masks[n] = photo, mask
    return photos, masks


def _pair(seed: int) -> tuple[Pixels, Mask]:
    made = sample(seed, SIDE)
    return made.photo, made.cracks


def generated_for_validation(each: int, size: int = 448) -> dict[str, list[Labelled]]:
    """Samples that are never learned from: of each kind of surface with cracks, and of all kinds without any."""
    sets = {
        kind: [_labelled(_VALIDATION_SEED + 1_000 * number + n, size, kind, True) for n in range(each)]
        for number, kind in enumerate(KINDS)
    }
    sets["no crack"] = [
        _labelled(_VALIDATION_SEED + 100_000 + n, size, list(KINDS)[n % len(KINDS)], False) for n in range(2 * each)
    ]
    return sets


def _labelled(seed: int, size: int, kind: str, cracked: bool) -> Labelled:
    made = sample(seed, size, kind=kind, cracked=cracked)
    return Labelled(f"{kind} {seed}", made.photo, made.cracks, made.joints)


def photographs(folder: Path, *, validation: bool) -> dict[str, list[Labelled]]:
    """The photographs of one side of the split, by their set."""
    found: dict[str, list[Labelled]] = {}
    for name in ("uav", "sut"):
        files = sorted((folder / name / "images").iterdir())
        found[name] = [_read(file) for file in files if for_validation(file) == validation]
    return found


def _read(file: Path) -> Labelled:
    photo = cv2.imread(str(file), cv2.IMREAD_COLOR)
    mask = cv2.imread(str(file.parent.parent / "masks" / f"{file.stem}.png"), cv2.IMREAD_GRAYSCALE)
    if photo is None or mask is None:
        raise FileNotFoundError(file)
    return Labelled(file.name, np.asarray(photo[..., ::-1], np.uint8), np.asarray(mask > 127))


def digest(folder: Path) -> str:
    """SHA-256 over the names and bytes of all files of the photographs."""
    seen = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        seen.update(str(file.relative_to(folder)).encode())
        seen.update(file.read_bytes())
    return seen.hexdigest()


class Crops:
    """Random parts of photographs, larger or smaller; most show a crack, and half have generated clutter on them."""

    def __init__(self, photos: list[Labelled], rng: Random) -> None:
        self._photos = photos
        self._cracked = [photo for photo in photos if photo.cracks.any()]
        self._rng = rng

    def draw(self, count: int) -> Iterator[tuple[Pixels, Mask]]:
        """So many crops of SIDE."""
        for _ in range(count):
            pair = self._crop()
            yield mixed(self._rng, *pair) if self._rng.random() < 0.5 else pair

    def _crop(self) -> tuple[Pixels, Mask]:
        rng = self._rng
        pool = self._cracked if rng.random() < 0.6 else self._photos
        photo = pool[int(rng.integers(len(pool)))]
        side = min(int(SIDE / np.exp(rng.uniform(-0.45, 0.5))), *photo.cracks.shape)
        top, left = (int(rng.integers(0, length - side + 1)) for length in photo.cracks.shape)
        if rng.random() < 0.5 and photo.cracks.any():
            y, x = (int(v) for v in rng.choice(np.argwhere(photo.cracks)))
            top = int(np.clip(y - rng.integers(0, side), 0, photo.cracks.shape[0] - side))
            left = int(np.clip(x - rng.integers(0, side), 0, photo.cracks.shape[1] - side))
        part = slice(top, top + side), slice(left, left + side)
        pixels = cv2.resize(
            photo.photo[part], (SIDE, SIDE), interpolation=cv2.INTER_AREA if side > SIDE else cv2.INTER_LINEAR
        )
        cover = cv2.resize(photo.cracks[part].astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
        return np.asarray(pixels, np.uint8), cover > 0.5


def varied(rng: Random, photo: Pixels, mask: Mask) -> tuple[Pixels, Mask]:
    """Turned by quarters, mirrored, in another light and colour."""
    turns, mirrored = int(rng.integers(4)), rng.random() < 0.5
    photo, mask = np.rot90(photo, turns), np.rot90(mask, turns)
    if mirrored:
        photo, mask = photo[:, ::-1], mask[:, ::-1]
    value: NDArray[np.floating[Any]] = photo.astype(np.float32) / 255
    if rng.random() < 0.8:
        mean = value.mean()
        value = (value - mean) * rng.uniform(0.6, 1.4) + mean * rng.uniform(0.6, 1.4)
        value *= 1 + rng.normal(0, 0.06, 3).astype(np.float32)
    if rng.random() < 0.2:
        value = np.asarray(cv2.GaussianBlur(value, (0, 0), rng.uniform(0.4, 1.3)), np.float32)
    if rng.random() < 0.3:
        value = value + rng.uniform(0.005, 0.03) * rng.standard_normal(value.shape, np.float32)
    return np.ascontiguousarray(np.clip(value * 255, 0, 255).astype(np.uint8)), np.ascontiguousarray(mask)
