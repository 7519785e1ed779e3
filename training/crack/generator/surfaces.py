"""Surfaces: concrete in many states, boards, slabs, bricks, asphalt."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from training.crack.generator.scene import (
    Grey,
    Random,
    Scene,
    axes,
    fractal,
    grain,
    mostly_upright,
    smoothstep,
    stretched,
    tint,
)


def _scene(rng: Random, size: int, base: float, mottle: float, fine: float, radius: float) -> Scene:
    """A plain surface: how light it is, how mottled, and its grain."""
    value = base + mottle * fractal(rng, size, cells=rng.uniform(1, 6), persistence=rng.uniform(0.5, 0.85))
    value += fine * grain(rng, size, radius)
    colour = value[..., None] * tint(rng)
    relief = 0.5 * fractal(rng, size, cells=4) + grain(rng, size, radius)
    nothing = np.zeros((size, size), np.float32)
    return Scene(colour.astype(np.float32), relief.astype(np.float32), nothing > 0, nothing)


def smooth(rng: Random, size: int) -> Scene:
    """Concrete or plaster that was floated."""
    return _scene(
        rng, size, rng.uniform(0.4, 0.85), rng.uniform(0.005, 0.04), rng.uniform(0.004, 0.02), rng.uniform(0, 1.2)
    )


def rough(rng: Random, size: int) -> Scene:
    """Weathered concrete with aggregate."""
    scene = _scene(
        rng, size, rng.uniform(0.25, 0.7), rng.uniform(0.03, 0.1), rng.uniform(0.02, 0.07), rng.uniform(0.4, 1.6)
    )
    for _ in range(rng.integers(0, 3)):
        stones = smoothstep(grain(rng, size, rng.uniform(1, 4)), rng.uniform(0.8, 1.6), 2.2)
        scene.paint(stones * np.float32(rng.uniform(0.2, 0.7)), rng.uniform(0.2, 0.9) * tint(rng))
        scene.relief += 1.5 * stones
    return scene


def asphalt(rng: Random, size: int) -> Scene:
    """A road: dark binder, stones of all greys."""
    scene = _scene(
        rng, size, rng.uniform(0.25, 0.6), rng.uniform(0.01, 0.05), rng.uniform(0.03, 0.1), rng.uniform(0.5, 1.2)
    )
    for _ in range(rng.integers(1, 4)):
        stones = smoothstep(grain(rng, size, rng.uniform(0.8, 3.5)), rng.uniform(0.5, 1.6), 2.0)
        scene.paint(stones * np.float32(rng.uniform(0.2, 0.6)), rng.uniform(0.25, 0.85) * tint(rng, 0.07))
        scene.relief += 2.0 * stones
    holes = smoothstep(grain(rng, size, rng.uniform(0.8, 2.0)), rng.uniform(1.2, 1.9), 2.6)
    scene.darken(1 - np.float32(rng.uniform(0.2, 0.7)) * holes)
    return scene


def boards(rng: Random, size: int) -> Scene:
    """Concrete that shows the boards of its formwork: grain, steps between boards, lines that come and go."""
    scene = rough(rng, size) if rng.random() < 0.6 else smooth(rng, size)
    add_boards(rng, scene)
    return scene


def add_boards(rng: Random, scene: Scene) -> None:
    """Let a surface show the boards of its formwork."""
    size = scene.size
    along, across = axes(rng, size, turned=mostly_upright(rng), bent=rng.uniform(0, 3))
    period = float(np.exp(rng.uniform(np.log(10), np.log(140))))
    across = across + rng.uniform(0, 1.2) * stretched(rng, along, across, 30, 60)
    number = np.floor(across / period).astype(int)
    shades = rng.normal(0, rng.uniform(0, 0.06), number.max() - number.min() + 1).astype(np.float32)
    scene.colour += shades[number - number.min()][..., None]
    wood = stretched(rng, along, across, rng.uniform(25, 90), rng.uniform(0.8, 3))
    scene.colour += (rng.uniform(0, 0.05) * wood)[..., None]
    scene.relief += rng.uniform(0, 0.8) * wood
    ends = rng.uniform(0, 2 * size, len(shades))
    apart = np.abs(((across / period + 0.5) % 1 - 0.5) * period)
    lines = _groove(rng, scene, apart, along, across)
    if rng.random() < 0.4:
        _groove(rng, scene, np.abs(along + size - ends[number - number.min()].astype(np.float32)), across, along)
    scene.joints |= lines
    if rng.random() < 0.4:
        _holes(rng, scene)


def _groove(rng: Random, scene: Scene, apart: Grey, along: Grey, across: Grey) -> np.ndarray:
    """Draw a line where ``apart``, its distance in pixels, is small: dark or light, stronger here than there."""
    width = rng.uniform(0.6, 3.0)
    strength = np.clip(
        rng.uniform(0.2, 1) + rng.uniform(0, 0.8) * stretched(rng, along, across, rng.uniform(8, 60), 200), 0, 1
    )
    ragged = apart + rng.uniform(0, 1.0) * grain(rng, scene.size, 1.0)
    line = (np.exp(-((ragged / width) ** 2)) * strength).astype(np.float32)
    if rng.random() < 0.75:
        scene.darken(1 - np.float32(rng.uniform(0.15, 0.8)) * line)
    else:
        scene.paint(line * np.float32(rng.uniform(0.2, 0.6)), 0.85)
    scene.relief += np.float32(rng.uniform(-4, 2)) * line
    return apart < width + 1.5


def _holes(rng: Random, scene: Scene) -> None:
    """Holes of the ties that held the formwork, in rows."""
    step, radius = rng.uniform(50, 160), rng.uniform(2, 7)
    x0, y0 = rng.uniform(0, step, 2)
    cover = np.zeros((scene.size, scene.size), np.float32)
    for x in np.arange(x0, scene.size, step):
        for y in np.arange(y0, scene.size, step):
            cv2.circle(cover, (int(x), int(y)), int(radius), 1, -1, cv2.LINE_AA)
    scene.darken(1 - np.float32(rng.uniform(0.3, 0.9)) * cover)


def _cells(rng: Random, size: int, width: float, height: float, bond: float) -> tuple[Grey, Grey, np.ndarray]:
    """Distance to the edge of a cell, a random value for each cell, and how it is turned."""
    along, across = axes(rng, size, turned=mostly_upright(rng), bent=rng.uniform(0, 2))
    wobble = rng.uniform(0, 0.9)
    along = along + wobble * grain(rng, size, 2)
    across = across + wobble * grain(rng, size, 2)
    row = np.floor(across / height)
    shifted = along + row * bond * width
    column = np.floor(shifted / width)
    dx = np.abs((shifted / width + 0.5) % 1 - 0.5) * width
    dy = np.abs((across / height + 0.5) % 1 - 0.5) * height
    table = rng.standard_normal((64, 64)).astype(np.float32)
    values = table[(row % 64).astype(int), (column % 64).astype(int)]
    return np.minimum(dx, dy).astype(np.float32), values, row


def bricks(rng: Random, size: int) -> Scene:
    """Masonry in running bond: bricks or stones of their own shades, mortar between them."""
    scene = rough(rng, size)
    height = float(np.exp(rng.uniform(np.log(12), np.log(70))))
    edge, values, _ = _cells(rng, size, height * rng.uniform(1.6, 3.6), height, 0.5)
    half = max(0.7, height * rng.uniform(0.03, 0.12))
    clay = rng.random() < 0.6
    base = np.array([0.55, 0.32, 0.25]) if clay else rng.uniform(0.35, 0.7) * tint(rng, 0.06)
    shade = base * rng.uniform(0.7, 1.4) + rng.uniform(0.02, 0.1) * values[..., None]
    texture = scene.colour - scene.colour.mean()
    scene.colour = (shade + rng.uniform(0.4, 1) * texture).astype(np.float32)
    mortar = 1 - smoothstep(edge + rng.uniform(0, 0.8) * grain(rng, size, 1.2), half - 0.7, half + 0.9)
    bed = rng.uniform(0.2, 0.85) * tint(rng)
    scene.paint(mortar, np.clip(bed + 0.6 * texture, 0, 1))
    scene.relief -= np.float32(rng.uniform(0, 5)) * mortar
    scene.joints |= edge < half + 1.5
    return scene


def slabs(rng: Random, size: int) -> Scene:
    """Tiles, pavement slabs or panels with narrow straight joints."""
    scene = smooth(rng, size) if rng.random() < 0.6 else rough(rng, size)
    width = float(np.exp(rng.uniform(np.log(40), np.log(350))))
    edge, values, _ = _cells(rng, size, width, width * rng.uniform(0.5, 1), float(rng.choice([0, 0.5])))
    scene.colour += (rng.uniform(0, 0.05) * values)[..., None]
    half = rng.uniform(0.7, 4)
    joint = 1 - smoothstep(edge, half - 0.6, half + 0.8)
    scene.paint(joint * np.float32(rng.uniform(0.5, 1)), rng.uniform(0.1, 0.9) * tint(rng))
    scene.relief -= np.float32(rng.uniform(0, 4)) * joint
    scene.joints |= edge < half + 1.5
    return scene


KINDS: dict[str, tuple[Callable[[Random, int], Scene], float]] = {
    "smooth": (smooth, 0.16),
    "rough": (rough, 0.2),
    "boards": (boards, 0.26),
    "asphalt": (asphalt, 0.16),
    "bricks": (bricks, 0.14),
    "slabs": (slabs, 0.08),
}
"""Each kind of surface, and its share of the samples."""
