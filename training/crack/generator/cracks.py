"""Cracks: random walks that branch and taper, cut into a surface, open, filled, wet or spalled."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from training.crack.generator.scene import Grey, Mask, Random, Scene, fractal, grain, smoothstep, tint

_SCALE = 3
"""Cracks are drawn so many times larger."""
_WIDER = 2.0
"""Lines are drawn so much wider than their thickness says."""
_SHIFT = 4
_PARTS = 1 << _SHIFT
"""Coordinates are drawn in such parts of a pixel."""
Line = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Points of shape (n, 2), x and y in pixels, and the width at each."""


def add_cracks(rng: Random, scene: Scene) -> Mask:
    """Cut cracks of one character into a scene; gives where they are."""
    cover = np.zeros((scene.size, scene.size), np.float32)
    width = draw_width(rng)
    for _ in range(1 + rng.poisson(0.5)):
        lines = list(crack(rng, scene.size, width * rng.uniform(0.6, 1.2)))
        cover = np.maximum(cover, drawn(rng, scene.size, lines))
    _cut(rng, scene, cover, width)
    return cover > 0.45


def draw_width(rng: Random) -> float:
    """Widths that drones and phones see: mostly 2 to 6 pixels, from 1 to 40."""
    return float(np.clip(np.exp(rng.normal(1.2, 0.65)), 1.0, 40))


def crack(rng: Random, size: int, width: float) -> Iterator[Line]:
    """A crack from edge to edge, or from somewhere to somewhere, with its branches, the main line first."""
    inside = rng.random() < 0.5
    start = rng.uniform(0, size, 2) if inside else _on_edge(rng, size)
    towards = rng.uniform(0, size, 2) - start
    heading = float(np.arctan2(towards[1], towards[0]))
    length = size * (rng.uniform(0.3, 1.0) if inside else rng.uniform(0.7, 1.8))
    jagged = rng.uniform(0.12, 0.45)
    yield from _grow(rng, start, heading, length, width, jagged, depth=0)


def _on_edge(rng: Random, size: int) -> NDArray[np.float64]:
    point = rng.uniform(0, size, 2)
    point[rng.integers(2)] = rng.choice([-4, size + 4])
    return point


def _grow(
    rng: Random, start: NDArray[np.float64], heading: float, length: float, width: float, jagged: float, depth: int
) -> Iterator[Line]:
    """Walk: the heading wanders around its mean, with sharp turns now and then; the width varies and tapers."""
    step = max(1.5, min(5.0, width * 0.8))
    count = max(4, int(length / step))
    wander = np.zeros(count)
    noise = rng.normal(0, jagged, count) * (1 + 2.0 * (rng.random(count) < 0.06))
    slow = np.cumsum(rng.normal(0, 0.02, count))
    for n in range(1, count):
        wander[n] = 0.72 * wander[n - 1] + noise[n]
    headings = heading + wander + slow
    steps = step * np.stack([np.cos(headings), np.sin(headings)], axis=1)
    points = start + np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)[:-1]])
    share = np.linspace(0, 1, count)
    taper = np.clip(np.minimum(share, 1 - share) * rng.uniform(2, 12) + rng.uniform(0.15, 1), 0, 1)
    rough = np.exp(rng.uniform(0.1, 0.4) * np.convolve(rng.normal(0, 1.4, count + 8), np.ones(9) / 3, "valid"))
    widths = np.clip(width * taper * rough, 0.5, 2.5 * width)
    if rng.random() < 0.15 and count > 12:
        gap = rng.integers(3, count - 8)
        widths[gap : gap + rng.integers(2, 6)] = 0
    yield points, widths
    if depth == 2:
        return
    for _ in range(rng.poisson((1.1, 0.5)[depth] * length / 250)):
        n = int(rng.integers(count // 8, count))
        turn = rng.choice([-1, 1]) * rng.uniform(0.35, 1.3)
        narrower = max(0.8, widths[n] * rng.uniform(0.35, 0.9))
        reach = length * rng.uniform(0.1, 0.5)
        yield from _grow(rng, points[n], headings[n] + turn, reach, narrower, jagged, depth + 1)


def drawn(rng: Random, size: int, lines: list[Line]) -> Grey:
    """The share of each pixel that the lines cover, with edges as ragged as they are wide."""
    full, core = np.zeros((2, size * _SCALE, size * _SCALE), np.uint8)
    widest = 1.0
    for points, widths in lines:
        at = np.round((points + 0.5) * _SCALE * _PARTS).astype(int)
        widest = max(widest, float(widths.max()))
        for (start, end), width in zip(pairwise(at), widths, strict=False):
            if width > 0:
                for canvas, share in ((full, 1.0), (core, 0.6)):
                    thickness = max(2, round(share * width * _SCALE - _WIDER))
                    cv2.line(canvas, start.tolist(), end.tolist(), 255, thickness, cv2.LINE_8, _SHIFT)
    if widest > 2.5:
        blurred = cv2.GaussianBlur(full, (0, 0), min(6.0, 0.2 * widest * _SCALE)).astype(np.float32) / 255
        ragged = rng.uniform(0.05, 0.2) * fractal(rng, size * _SCALE, cells=size / 16, octaves=3, persistence=0.8)
        full = (((blurred + ragged * (blurred > 0.02)) > 0.5) | (core > 0)).astype(np.uint8) * 255
    small = cv2.resize(full, (size, size), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32) / np.float32(255)


def _cut(rng: Random, scene: Scene, cover: Grey, width: float) -> None:
    """Show a crack: dark inside, or filled; with broken edges, damp or dirt around it."""
    size = scene.size
    kind = rng.choice(["open", "filled", "sealed"], p=[0.87, 0.09, 0.04])
    around = cv2.GaussianBlur(cover, (0, 0), max(1.5, 1.2 * width))
    if rng.random() < 0.25:
        scene.darken(1 - np.float32(rng.uniform(0.1, 0.45)) * np.clip(2 * around, 0, 1))
    elif rng.random() < 0.15:
        scene.paint(np.clip(1.5 * around, 0, 1) * np.float32(rng.uniform(0.1, 0.5)), rng.uniform(0.6, 0.95) * tint(rng))
    if rng.random() < 0.25:
        _spall(rng, scene, cover, width)
    depth = np.clip(rng.uniform(0.35, 0.95) + 0.12 * fractal(rng, size, cells=6, octaves=3), 0.12, 0.97)
    if kind == "open":
        soft = cv2.GaussianBlur(cover, (0, 0), rng.uniform(0.3, 0.8)) if rng.random() < 0.5 else cover
        scene.darken(1 - soft * depth.astype(np.float32))
    else:
        light = rng.uniform(0.65, 0.95) if kind == "filled" else rng.uniform(0.05, 0.2)
        scene.paint(cover * depth.astype(np.float32), light * tint(rng))
    scene.relief -= np.float32(rng.uniform(1, 6)) * cover


def _spall(rng: Random, scene: Scene, cover: Grey, width: float) -> None:
    """Pieces that broke away beside a crack: rough, lighter or darker, not cracks themselves."""
    near = cv2.GaussianBlur(cover, (0, 0), max(2.0, width)) / (0.05 + cover.max())
    broken = smoothstep(near + 0.25 * fractal(rng, scene.size, cells=8, octaves=3), 0.45, 0.6)
    broken *= fractal(rng, scene.size, cells=3, octaves=2) > rng.uniform(0, 1)
    tone = rng.uniform(0.7, 1.35)
    scene.colour *= (1 + (tone - 1 + 0.12 * grain(rng, scene.size, 1.0)) * broken)[..., None]
    scene.relief -= np.float32(rng.uniform(0.5, 3)) * broken
