"""What is on a surface and no crack: joints, cables, letters, stains, moss, pores, scratches, plants, other things."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

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


def _empty(scene: Scene) -> Grey:
    return np.zeros((scene.size, scene.size), np.float32)


def _curve(rng: Random, size: int, bend: float, points: int = 24) -> NDArray[np.int32]:
    """A smooth line across the picture."""
    start, end = rng.uniform(-0.2, 1.2, (2, 2)) * size
    share = np.linspace(0, 1, points)[:, None]
    normal = np.array([start[1] - end[1], end[0] - start[0]]) / (np.linalg.norm(end - start) + 1e-6)
    waves = rng.normal(0, bend, 3) @ np.stack(
        [np.sin(np.pi * (k + 1) * share[:, 0] + rng.uniform(0, 3)) for k in range(3)]
    )
    return np.asarray(np.round((start + (end - start) * share + waves[:, None] * normal) * 16), np.int32)


def _stroke(scene: Scene, line: NDArray[np.int32], width: float) -> Grey:
    cover = _empty(scene)
    cv2.polylines(cover, [line.reshape(-1, 1, 2)], False, 1, max(1, round(width)), cv2.LINE_AA, 4)
    return cover


def joint(rng: Random, scene: Scene) -> None:
    """An expansion joint or a saw cut: straight and even, open or filled, sometimes with chipped edges."""
    along, across = axes(rng, scene.size, turned=mostly_upright(rng))
    half = rng.uniform(0.8, 8)
    apart = np.abs(across + rng.uniform(-0.4, 0.4) * scene.size)
    apart += rng.uniform(0, 0.3) * half * np.maximum(0, stretched(rng, along, across, rng.uniform(6, 40), 300))
    cover = 1 - smoothstep(apart.astype(np.float32), half - 0.6, half + 0.7)
    if rng.random() < 0.7:
        scene.darken(1 - np.float32(rng.uniform(0.3, 0.95)) * cover)
    else:
        scene.paint(cover, rng.uniform(0.1, 0.8) * tint(rng, 0.1))
    scene.relief -= np.float32(rng.uniform(0, 6)) * cover
    scene.joints |= apart < half + 1.5


def cable(rng: Random, scene: Scene) -> None:
    """A cable, a pipe or a bar: a smooth line with a bright side and a shadow."""
    line = _curve(rng, scene.size, rng.uniform(0, 0.12) * scene.size)
    width = rng.uniform(2, 12)
    shift = np.round(rng.normal(0, width, 2) * 16).astype(np.int32)
    shadow = cv2.GaussianBlur(_stroke(scene, line + shift, width), (0, 0), rng.uniform(0.5, 3))
    scene.darken(1 - np.float32(rng.uniform(0, 0.6)) * shadow)
    tone = rng.uniform(0.02, 0.9)
    scene.paint(_stroke(scene, line, width), tone * tint(rng, 0.15))
    scene.paint(_stroke(scene, line + np.int32(width * 4), max(1, width / 4)) * 0.5, min(1.0, tone + 0.3))


def marks(rng: Random, scene: Scene) -> None:
    """Letters, numbers and lines that somebody painted or chalked."""
    cover = _empty(scene)
    for _ in range(rng.integers(1, 4)):
        if rng.random() < 0.5:
            text = "".join(rng.choice(list("ABCDEHKLMNPRSTXZ0123456789-"), rng.integers(1, 6)))
            at = tuple(int(v) for v in rng.uniform(-0.1, 0.9, 2) * scene.size)
            size, thick = rng.uniform(0.4, 3.5), int(rng.integers(1, 7))
            letters = np.zeros(cover.shape, np.uint8)
            cv2.putText(letters, text, at, int(rng.integers(0, 5)), size, 255, thick, cv2.LINE_AA)
            cover = np.maximum(cover, letters.astype(np.float32) / 255)
        else:
            cover = np.maximum(cover, _stroke(scene, _curve(rng, scene.size, rng.uniform(0, 15)), rng.uniform(1, 7)))
    worn = smoothstep(fractal(rng, scene.size, cells=10), rng.uniform(-2, -0.3), rng.uniform(0, 1.5))
    colour = rng.choice([rng.uniform(0.02, 0.25), rng.uniform(0.75, 1.0)]) * tint(rng, 0.3)
    scene.paint(cover * worn * np.float32(rng.uniform(0.4, 1)), np.clip(colour, 0, 1))


def stripe(rng: Random, scene: Scene) -> None:
    """A broad painted band, as on roads."""
    _, across = axes(rng, scene.size, turned=mostly_upright(rng))
    half = rng.uniform(10, 60)
    band = 1 - smoothstep(np.abs(across - rng.uniform(-0.5, 0.5) * scene.size), half - 1, half + 1)
    worn = smoothstep(fractal(rng, scene.size, cells=8, persistence=0.8), rng.uniform(-2, -0.5), rng.uniform(-0.3, 1))
    scene.paint(band * worn * np.float32(0.85), rng.choice([0.9, 0.75]) * np.array([1, 1, rng.choice([0.3, 1.0])]))


def stain(rng: Random, scene: Scene) -> None:
    """Water, rust and soot: blots with soft or sharp rims."""
    low = rng.uniform(0.2, 1.2)
    blot = smoothstep(
        fractal(rng, scene.size, cells=rng.uniform(1, 4), persistence=0.5), low, low + rng.uniform(0.05, 1)
    )
    scene.paint(blot * np.float32(rng.uniform(0.1, 0.6)), rng.choice([0.1, 0.25, 0.9]) * tint(rng, 0.25))


def streaks(rng: Random, scene: Scene) -> None:
    """What runs down a wall."""
    along, across = axes(rng, scene.size, turned=np.pi / 2 + rng.normal(0, 0.05))
    runs = smoothstep(
        stretched(rng, along, across, rng.uniform(40, 200), rng.uniform(1.5, 12)), rng.uniform(0, 1.2), 2.5
    )
    fades = smoothstep(fractal(rng, scene.size, cells=1.5, octaves=3), -0.6, 0.8)
    scene.paint(runs * fades * np.float32(rng.uniform(0.2, 0.7)), rng.choice([0.08, 0.2, 0.9]) * tint(rng, 0.2))


def moss(rng: Random, scene: Scene) -> None:
    """Moss, algae and lichen."""
    low = rng.uniform(0.3, 1.4)
    patch = smoothstep(fractal(rng, scene.size, cells=rng.uniform(2, 8), persistence=0.85), low, low + 0.4)
    green = np.array([0.25, 0.3, 0.12]) * rng.uniform(0.4, 1.6) * tint(rng, 0.15)
    texture = 1 + 0.25 * grain(rng, scene.size, 1.0)
    scene.paint(patch * np.float32(rng.uniform(0.4, 0.95)), green * texture[..., None])


def pores(rng: Random, scene: Scene) -> None:
    """Air holes: dark dots with a light rim."""
    cover = _empty(scene)
    for _ in range(rng.integers(5, 120)):
        at = tuple(int(v) for v in rng.uniform(0, scene.size, 2))
        radii = tuple(int(v) for v in np.maximum(1, np.exp(rng.normal(0.4, 0.6)) * rng.uniform(0.7, 1.3, 2)))
        cv2.ellipse(cover, at, radii, rng.uniform(0, 180), 0, 360, 1, -1, cv2.LINE_AA)
    scene.darken(1 - np.float32(rng.uniform(0.3, 0.9)) * cover)
    scene.relief -= np.float32(rng.uniform(0, 3)) * cover


def scratches(rng: Random, scene: Scene) -> None:
    """Scratches, hairs, threads: thin smooth lines, mostly light."""
    for _ in range(rng.integers(1, 7)):
        cover = _stroke(scene, _curve(rng, scene.size, rng.uniform(0, 0.1) * scene.size), rng.uniform(1, 2.4))
        if rng.random() < 0.75:
            scene.paint(cover * np.float32(rng.uniform(0.1, 0.5)), rng.uniform(0.75, 1))
        else:
            scene.darken(1 - np.float32(rng.uniform(0.1, 0.4)) * cover)


def shadow(rng: Random, scene: Scene) -> None:
    """The shadow of something with straight or round edges."""
    cover = _empty(scene)
    corners = rng.uniform(-0.5, 1.5, (int(rng.integers(3, 6)), 2)) * scene.size
    cv2.fillPoly(cover, [np.round(corners).astype(np.int32)], 1.0)
    if rng.random() < 0.4:
        cover = smoothstep(fractal(rng, scene.size, cells=2, octaves=4), 0, rng.uniform(0.05, 0.5))
    soft = np.asarray(cv2.GaussianBlur(cover, (0, 0), rng.uniform(0.5, 6)), np.float32)
    scene.darken(1 - np.float32(rng.uniform(0.25, 0.75)) * soft)


def elsewhere(rng: Random, scene: Scene) -> None:
    """Where the surface ends: water, grass, soil, sky, another wall; often with a dark or light rim."""
    along, across = axes(rng, scene.size, turned=mostly_upright(rng), bent=rng.uniform(0, 6))
    edge = across - rng.uniform(-0.35, 0.35) * scene.size
    other = smoothstep(edge.astype(np.float32), 0, rng.uniform(0.8, 3))
    kind = rng.integers(4)
    texture = (
        stretched(rng, along, across, rng.uniform(3, 60), rng.uniform(1, 8)) if kind else grain(rng, scene.size, 0.6)
    )
    base = [[0.25, 0.35, 0.15], [0.35, 0.4, 0.38], [0.45, 0.4, 0.33], [0.75, 0.8, 0.88]][kind]
    picture = np.array(base) * rng.uniform(0.4, 1.4) + rng.uniform(0.02, 0.18) * texture[..., None]
    scene.paint(other, np.clip(picture, 0, 1))
    rim = np.exp(-((edge / rng.uniform(1, 10)) ** 2)).astype(np.float32)
    scene.darken(1 - np.float32(rng.uniform(0, 0.8)) * rim)
    scene.joints |= np.abs(edge) < 3


def things(rng: Random, scene: Scene) -> None:
    """Leaves, twigs, stones, litter, with a shadow."""
    for _ in range(rng.integers(1, 8)):
        cover = _empty(scene)
        at = tuple(int(v) for v in rng.uniform(0, scene.size, 2))
        length = rng.uniform(3, 40)
        radii = (int(length), int(max(1, length * rng.uniform(0.08, 0.7))))
        cv2.ellipse(cover, at, radii, rng.uniform(0, 180), 0, 360, 1, -1, cv2.LINE_AA)
        fallen = np.roll(cv2.GaussianBlur(cover, (0, 0), 1.5), tuple(rng.integers(-5, 6, 2)), (0, 1))
        scene.darken(1 - np.float32(rng.uniform(0, 0.6)) * fallen)
        scene.paint(cover, rng.uniform(0.05, 0.95) * np.clip(tint(rng, 0.3), 0, 2))


def roots(rng: Random, scene: Scene) -> None:
    """Ivy, roots and dry stems: lines that wind and branch like cracks, lighter, round, with a shadow."""
    for _ in range(rng.integers(1, 4)):
        points = _curve(rng, scene.size, 0.08 * scene.size, 60)
        points = points + np.round(np.cumsum(rng.normal(0, 18, points.shape), axis=0)).astype(np.int32)
        width = rng.uniform(1.5, 6)
        cast = cv2.GaussianBlur(_stroke(scene, points + np.int32(16 * width / 2), width), (0, 0), 1.0)
        scene.darken(1 - np.float32(rng.uniform(0.2, 0.6)) * cast)
        scene.paint(_stroke(scene, points, width), rng.uniform(0.3, 0.85) * np.array([1, 0.85, 0.65]) * tint(rng, 0.1))


HARMLESS: dict[str, tuple[Callable[[Random, Scene], None], float]] = {
    "stain": (stain, 0.4),
    "streaks": (streaks, 0.25),
    "moss": (moss, 0.15),
    "pores": (pores, 0.25),
    "shadow": (shadow, 0.2),
    "things": (things, 0.12),
}
"""What does not look like a crack, and how often it is on a surface."""
HARD: dict[str, tuple[Callable[[Random, Scene], None], float]] = {
    "joint": (joint, 0.22),
    "marks": (marks, 0.12),
    "cable": (cable, 0.1),
    "scratches": (scratches, 0.12),
    "elsewhere": (elsewhere, 0.14),
    "stripe": (stripe, 0.06),
    "roots": (roots, 0.06),
}
"""What looks like a crack, and how often it is on a surface; twice as often on one without cracks."""
