"""A surface while it is being made, and the noise that everything is made of."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.float32]
"""Shape (size, size)."""
Colour = NDArray[np.float32]
"""Shape (size, size, 3), red green blue, 0 to 1."""
Mask = NDArray[np.bool_]
Random = np.random.Generator


@dataclass
class Scene:
    """A surface seen from above: its colour, its relief (height in pixels), where joints and board lines are, and what
    was covered, 0 to 1.
    """

    colour: Colour
    relief: Grey
    joints: Mask
    covered: Grey

    @property
    def size(self) -> int:
        """Its side in pixels."""
        return len(self.relief)

    def paint(self, cover: Grey, colour: Grey | NDArray[np.float64] | float) -> None:
        """Cover by a share of 0 to 1 with a colour: one grey, three channels, or a picture."""
        self.colour += cover[..., None] * (np.asarray(colour, np.float32) - self.colour)
        self.covered = np.maximum(self.covered, cover)

    def darken(self, factor: Grey) -> None:
        """Multiply by a factor."""
        self.colour *= factor[..., None]


def fractal(rng: Random, size: int, *, cells: float = 2.0, persistence: float = 0.6, octaves: int = 6) -> Grey:
    """Noise of mean 0 and deviation 1 with ``cells`` lumps a side in its coarsest octave, each next one half as large
    and ``persistence`` as strong.
    """
    total = np.zeros((size, size), np.float32)
    for octave in range(octaves):
        side = min(size, max(2, round(cells * 2**octave)))
        lattice = rng.standard_normal((side + 3, side + 3), np.float32)
        full = cv2.resize(lattice, (size + size // side * 2, size + size // side * 2), interpolation=cv2.INTER_CUBIC)
        top, left = rng.integers(0, max(1, size // side * 2), 2)
        total += persistence**octave * full[top : top + size, left : left + size]
        if side == size:
            break
    return np.asarray((total - total.mean()) / (total.std() + 1e-6), np.float32)


def grain(rng: Random, size: int, radius: float) -> Grey:
    """Noise of mean 0 and deviation 1 of one radius in pixels."""
    noise = rng.standard_normal((size, size), np.float32)
    if radius > 0.3:
        noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), radius), np.float32)
    return np.asarray(noise / (noise.std() + 1e-6), np.float32)


def smoothstep(values: Grey, low: float, high: float) -> Grey:
    """0 below ``low``, 1 above ``high``, smooth between them."""
    share = np.clip((values - low) / (high - low), 0, 1)
    return np.asarray(share * share * (3 - 2 * share), np.float32)


def axes(rng: Random, size: int, *, turned: float | None = None, bent: float = 0.0) -> tuple[Grey, Grey]:
    """Coordinates in pixels along and across a direction, ``turned`` by radians (any by default), a little ``bent``."""
    angle = rng.uniform(0, np.pi) if turned is None else turned
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) - size / 2
    along = (np.cos(angle) * x + np.sin(angle) * y).astype(np.float32)
    across = (-np.sin(angle) * x + np.cos(angle) * y).astype(np.float32)
    if bent:
        across = across + bent * fractal(rng, size, cells=1, octaves=2)
        along = along + bent * fractal(rng, size, cells=1, octaves=2)
    return along, across


def mostly_upright(rng: Random) -> float:
    """An angle as people hold cameras: near the horizontal or the vertical in two thirds of cases, in radians."""
    if rng.random() < 0.65:
        return float(rng.choice([0, np.pi / 2]) + rng.normal(0, 0.06))
    return float(rng.uniform(0, np.pi))


def stretched(rng: Random, along: Grey, across: Grey, length: float, width: float) -> Grey:
    """Noise drawn out along a direction: ``length`` and ``width`` of its streaks in pixels."""
    noise = np.pad(rng.standard_normal((256, 256), np.float32), 8, mode="wrap")
    blurred = np.asarray(cv2.GaussianBlur(noise, (0, 0), 1.0)[8:-8, 8:-8], np.float32)
    texture = blurred / blurred.std()
    x, y = (along / length) % 256, (across / width) % 256
    return np.asarray(cv2.remap(texture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP), np.float32)


def tint(rng: Random, spread: float = 0.04) -> NDArray[np.float32]:
    """A factor for each channel: yellowish, bluish, reddish."""
    warm = rng.normal(0, spread)
    return np.array([1 + warm, 1 + rng.normal(0, spread / 3), 1 - warm], np.float32)
