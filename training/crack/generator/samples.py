"""Samples: a surface, what is on it, perhaps cracks, and a photograph of it all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.crack.generator import clutter
from training.crack.generator.camera import photograph
from training.crack.generator.cracks import add_cracks
from training.crack.generator.scene import Mask, Random, Scene
from training.crack.generator.surfaces import KINDS, add_boards

CRACKED = 2 / 3
"""Share of samples with a crack; of the others, hard negatives are twice as cluttered."""

_HIDES = 0.6
"""What covers a crack by more cannot be seen through."""


@dataclass(frozen=True)
class Sample:
    """A photograph of shape (size, size, 3), where cracks are, where joints, board lines and edges are, and the kind of
    surface.
    """

    photo: NDArray[np.uint8]
    cracks: Mask
    joints: Mask
    kind: str


def sample(seed: int, size: int = 256, *, kind: str | None = None, cracked: bool | None = None) -> Sample:
    """The sample of a seed. ``kind`` of KINDS and ``cracked`` are drawn too, unless they are given."""
    rng = np.random.default_rng(seed)
    names, shares = zip(*((name, share) for name, (_, share) in KINDS.items()), strict=True)
    drawn_kind = str(rng.choice(names, p=np.array(shares) / sum(shares)))
    drawn_cracked = bool(rng.random() < CRACKED)
    kind = kind or drawn_kind
    cracked = drawn_cracked if cracked is None else cracked
    scene = KINDS[kind][0](rng, size)
    _add(rng, scene, clutter.HARMLESS, 0.5)
    over = rng.random() < 0.5
    if not over:
        _add(rng, scene, clutter.HARD, 1.0 if cracked else 2.0)
    cracks = add_cracks(rng, scene) if cracked else np.zeros((size, size), bool)
    scene.covered = np.zeros((size, size), np.float32)
    if over:
        _add(rng, scene, clutter.HARD, 1.0 if cracked else 2.0)
    _add(rng, scene, clutter.HARMLESS, 0.3)
    return Sample(photograph(rng, scene), cracks & (scene.covered < _HIDES), scene.joints, kind)


def mixed(rng: Random, photo: NDArray[np.uint8], cracks: Mask) -> tuple[NDArray[np.uint8], Mask]:
    """A real photograph of shape (size, size, 3) with generated boards, joints and other clutter on it, and with a
    generated crack where it has none: what is a line in a photograph need not be a crack.
    """
    nothing = np.zeros(cracks.shape, np.float32)
    scene = Scene(np.asarray(photo, np.float32) / np.float32(255), nothing.copy(), cracks & False, nothing)
    if rng.random() < 0.5:
        add_boards(rng, scene)
    if not cracks.any() and rng.random() < 0.5:
        cracks = add_cracks(rng, scene)
    scene.covered = nothing.copy()
    _add(rng, scene, clutter.HARD, 1.5)
    return np.asarray(scene.colour * 255, np.uint8), cracks & (scene.covered < _HIDES)


def _add(
    rng: Random, scene: Scene, kinds: Mapping[str, tuple[Callable[[Random, Scene], None], float]], times: float
) -> None:
    for add, share in kinds.values():
        if rng.random() < times * share:
            add(rng, scene)
    np.clip(scene.colour, 0, 1, out=scene.colour)
