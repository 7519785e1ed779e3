"""Makes the sample photographs of a sea wall: ``python -m samples.concrete.make [--masks FOLDER]``.

Everything is generated from a seed; no photograph of anything was used. Cracks are branching random walks whose width
tapers; surfaces are fractal noise with pores, stains, formwork lines, a joint, moss and shadows.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

WIDTH, HEIGHT = 1024, 768
QUALITY = 88
START = (35.6262, 139.7820)
"""Latitude and longitude of the first photograph; a made-up walk along a quay."""

Floats = npt.NDArray[np.float32]
Draw = Callable[["Scene"], None]


class Scene:
    """A surface on which things are drawn; brightness is 0 to 1, shape (height, width, 3)."""

    def __init__(self, seed: int, tone: float) -> None:
        self.random = np.random.default_rng(seed)
        noise = self.fractal(6) * 0.10 + self.fractal(2) * 0.06
        colour = np.array([0.985, 1.0, 1.01], np.float32)
        self.image: Floats = ((tone + noise)[..., None] * colour).astype(np.float32)
        self.mask = np.zeros((HEIGHT, WIDTH), np.uint8)

    def fractal(self, cells: int) -> Floats:
        """Noise of many sizes, about -1 to 1; ``cells`` is how many of the largest fit across."""
        total = np.zeros((HEIGHT, WIDTH), np.float32)
        amplitude = 1.0
        while cells < WIDTH:
            grid = self.random.normal(size=(cells * 3 // 4 + 1, cells + 1)).astype(np.float32)
            total += amplitude * cv2.resize(grid, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
            cells, amplitude = cells * 2, amplitude * 0.62
        return np.asarray(total / np.abs(total).max(), np.float32)

    def darken(self, alpha: npt.NDArray[Any], tone: float, tint: tuple[float, float, float] = (1, 1, 1)) -> None:
        """Blend towards a tone where ``alpha``, 0 to 1, says."""
        self.image += alpha[..., None] * (np.array(tint, np.float32) * tone - self.image)

    def pores(self, count: int) -> None:
        """Small round holes."""
        layer = np.zeros((HEIGHT, WIDTH), np.float32)
        for _ in range(count):
            centre = (int(self.random.integers(WIDTH)), int(self.random.integers(HEIGHT)))
            axes = (int(self.random.integers(1, 4)), int(self.random.integers(1, 4)))
            cv2.ellipse(layer, centre, axes, 0, 0, 360, float(self.random.uniform(0.3, 0.8)), -1, cv2.LINE_AA)
        self.darken(cv2.GaussianBlur(layer, (0, 0), 0.8), 0.24)

    def stain(self, strength: float, tint: tuple[float, float, float]) -> None:
        """A soft patch with runs downwards."""
        shape = np.clip(self.fractal(3) * 2.2 - 0.2, 0, 1)
        runs = cv2.GaussianBlur(np.clip(self.fractal(40) - 0.1, 0, 1), (0, 0), sigmaX=3, sigmaY=60)
        self.darken((strength * np.clip(shape * 0.7 + runs * 2 * shape, 0, 1)).astype(np.float32), 0.36, tint)

    def moss(self) -> None:
        """Green patches from below."""
        height = np.linspace(-0.9, 0.75, HEIGHT, dtype=np.float32)[:, None]
        self.darken(np.clip((self.fractal(8) + height) * 1.6, 0, 0.75), 0.32, (0.86, 1.0, 0.72))

    def formwork(self, spacing: int) -> None:
        """The lines of boards, and their tie holes."""
        for y in range(spacing // 2, HEIGHT, spacing):
            ridge = np.zeros((HEIGHT, WIDTH), np.float32)
            cv2.line(ridge, (0, y), (WIDTH, y + int(self.random.integers(-2, 3))), 1.0, 2, cv2.LINE_AA)
            self.image += (
                cv2.GaussianBlur(ridge, (0, 0), 1.2) * 0.07 - cv2.GaussianBlur(np.roll(ridge, 3, 0), (0, 0), 1.5) * 0.09
            )[..., None]
        for x in (WIDTH // 4, 3 * WIDTH // 4):
            hole = np.zeros((HEIGHT, WIDTH), np.float32)
            cv2.circle(hole, (x, HEIGHT // 2), 13, 1.0, -1, cv2.LINE_AA)
            self.darken(cv2.GaussianBlur(hole, (0, 0), 1.5) * 0.75, 0.27)

    def joint(self, x: int) -> None:
        """An expansion joint: straight, of one width, with light edges."""
        for width, tone, strength in ((26, 0.66, 0.5), (15, 0.22, 0.95)):
            layer = np.zeros((HEIGHT, WIDTH), np.float32)
            cv2.line(layer, (x, -5), (x + 6, HEIGHT + 5), 1.0, width, cv2.LINE_AA)
            self.darken(cv2.GaussianBlur(layer, (0, 0), 1.3) * strength, tone)

    def shadow(self, *corners: tuple[int, int]) -> None:
        """A cast shadow with a soft edge."""
        layer = np.zeros((HEIGHT, WIDTH), np.float32)
        cv2.fillPoly(layer, [np.array(corners, np.int32)], 1.0, cv2.LINE_AA)
        self.image *= 1 - 0.42 * cv2.GaussianBlur(layer, (0, 0), 5)[..., None]

    def crack(self, start: tuple[float, float], heading: float, length: float, width: float, branches: int = 2) -> None:
        """A random walk from a point; heading in degrees, 0 to the right and 90 downwards; width in pixels."""
        scale = 8
        depth = np.zeros((HEIGHT, WIDTH), np.float32)
        walks = [(np.array(start), np.radians(heading), length, width)]
        forks = sorted(self.random.uniform(0.2, 0.8, branches))
        while walks:
            place, angle, left, thick = walks.pop()
            drift, gone, main = 0.0, 0.0, thick == width
            while gone < left:
                drift = 0.85 * drift + self.random.normal(0, 0.16)
                step = float(self.random.uniform(4, 9))
                following = place + step * np.array([np.cos(angle + drift), np.sin(angle + drift)])
                taper = thick * (1 - 0.75 * (gone / left) ** 1.5) * float(self.random.uniform(0.8, 1.15))
                ends = [tuple(int(v) for v in np.round(p * scale)) for p in (place, following)]
                drawn = max(1, round(taper))
                cv2.line(depth, ends[0], ends[1], min(1.0, 0.45 + taper / 4), drawn, cv2.LINE_AA, 3)
                cv2.line(self.mask, ends[0], ends[1], 255, drawn, cv2.LINE_8, 3)
                place, gone = following, gone + step
                if main and forks and gone / left > forks[0]:
                    forks.pop(0)
                    side = float(self.random.choice([-1, 1]) * self.random.uniform(0.5, 1.0))
                    walks.append((place, angle + side, left * float(self.random.uniform(0.2, 0.4)), thick * 0.6))
        self.darken(np.clip(cv2.GaussianBlur(depth, (0, 0), 0.7), 0, 1) * 0.9, 0.16, (1.04, 1.0, 0.95))

    def photograph(self) -> npt.NDArray[np.uint8]:
        """As a camera sees it: light falls off, the lens blurs a little, the sensor adds noise."""
        y, x = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j]
        image = self.image * (1 - 0.14 * (x**2 + y**2)[..., None]).astype(np.float32)
        image = cv2.GaussianBlur(image, (0, 0), 0.6) + self.random.normal(0, 0.012, image.shape).astype(np.float32)
        return np.asarray(np.clip(image * 255, 0, 255), np.uint8)


def plain(s: Scene) -> None:
    """Concrete with pores and nothing else."""
    s.pores(90)


def stained(s: Scene) -> None:
    """Rust and water stains."""
    s.pores(50)
    s.stain(0.75, (1.25, 1.0, 0.75))


def jointed(s: Scene) -> None:
    """An expansion joint."""
    s.pores(60)
    s.joint(430)


def shadowed(s: Scene) -> None:
    """The shadow of a railing."""
    s.pores(60)
    s.shadow((0, 520), (1024, 260), (1024, 400), (0, 660))
    s.shadow((620, 0), (700, 0), (980, 768), (900, 768))


def cracked(s: Scene) -> None:
    """A wide crack with branches."""
    s.pores(60)
    s.crack((90, 120), 32, 900, 7, branches=3)


def hairline(s: Scene) -> None:
    """A hairline crack on a bright wall."""
    s.pores(40)
    s.crack((980, 180), 160, 860, 2.2, branches=2)


def boards(s: Scene) -> None:
    """A crack across board marks."""
    s.formwork(150)
    s.crack((520, 20), 96, 700, 5, branches=2)


def weathered(s: Scene) -> None:
    """Moss, stains and two cracks."""
    s.stain(0.5, (1.1, 1.0, 0.85))
    s.moss()
    s.crack((120, 640), -38, 620, 6, branches=1)
    s.crack((640, 90), 75, 420, 4, branches=1)


def joint_and_crack(s: Scene) -> None:
    """A crack that ends at a joint, in shadow on one side."""
    s.pores(50)
    s.shadow((700, 0), (1024, 0), (1024, 768), (560, 768))
    s.joint(760)
    s.crack((760, 330), 172, 640, 5, branches=2)


SCENES: list[tuple[str, Draw, float]] = [
    ("wall_01_plain", plain, 0.62),
    ("wall_02_stain", stained, 0.60),
    ("wall_03_joint", jointed, 0.58),
    ("wall_04_shadow", shadowed, 0.64),
    ("wall_05_crack", cracked, 0.60),
    ("wall_06_hairline", hairline, 0.68),
    ("wall_07_boards", boards, 0.57),
    ("wall_08_weathered", weathered, 0.59),
    ("wall_09_joint_crack", joint_and_crack, 0.61),
]


def exif(number: int) -> Image.Exif:
    """Where the photograph says that it was taken: 4 metres further along the quay each."""
    data = Image.Exif()
    gps = data.get_ifd(0x8825)
    for tag, reference, degrees in ((1, "N", START[0] + number * 2.4e-5), (3, "E", START[1] + number * 3.2e-5)):
        minutes = degrees % 1 * 60
        gps[tag] = reference
        gps[tag + 1] = (float(int(degrees)), float(int(minutes)), round(minutes % 1 * 60, 3))
    return data


def main() -> None:
    """Write the photographs beside this file."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--masks", type=Path, help="also write where the cracks are, as PNG")
    masks: Path | None = options.parse_args().masks
    for number, (name, draw, tone) in enumerate(SCENES):
        scene = Scene(seed=number + 1, tone=tone)
        draw(scene)
        picture = Image.fromarray(scene.photograph())
        data = exif(number)
        if name == "wall_08_weathered":  # held upright: stored turned, as cameras do
            picture, data[0x0112] = picture.transpose(Image.Transpose.ROTATE_90), 6
        picture.save(Path(__file__).with_name(f"{name}.jpg"), quality=QUALITY, exif=data)
        if masks is not None:
            masks.mkdir(parents=True, exist_ok=True)
            Image.fromarray(scene.mask).save(masks / f"{name}.png")


if __name__ == "__main__":
    main()
