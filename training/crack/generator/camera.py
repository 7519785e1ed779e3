"""Light and camera: from a surface to the photograph of it."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from training.crack.generator.scene import Grey, Random, Scene, fractal


def photograph(rng: Random, scene: Scene) -> NDArray[np.uint8]:
    """A photograph of shape (size, size, 3): lit, out of focus or moved, noisy, compressed."""
    image = scene.colour * _light(rng, scene)[..., None]
    image = np.clip(image, 0, 1) ** rng.uniform(0.75, 1.3) * rng.uniform(0.7, 1.25)
    mean = image.mean()
    image = mean + (image - mean) * rng.uniform(0.6, 1.25)
    image = _blur(rng, image.astype(np.float32))
    if rng.random() < 0.7:
        noise = rng.standard_normal(image.shape, np.float32)
        image = image + rng.uniform(0.002, 0.03) * noise
    pixels = np.clip(image * 255, 0, 255).astype(np.uint8)
    if rng.random() < 0.12:
        pixels = np.repeat(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    if rng.random() < 0.6:
        _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(35, 96))])
        pixels = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return pixels


def _light(rng: Random, scene: Scene) -> Grey:
    """How bright the light makes each place: from one side, low or high, and uneven."""
    direction = rng.uniform(0, 2 * np.pi)
    relief = cv2.GaussianBlur(scene.relief, (0, 0), 0.6)
    dx = cv2.Sobel(relief, cv2.CV_32F, 1, 0, ksize=3, scale=0.125)
    dy = cv2.Sobel(relief, cv2.CV_32F, 0, 1, ksize=3, scale=0.125)
    slope = np.cos(direction) * dx + np.sin(direction) * dy
    grazing = rng.choice([rng.uniform(0, 0.08), rng.uniform(0.05, 0.35)])
    uneven = 1 + rng.uniform(0, 0.25) * np.tanh(fractal(rng, scene.size, cells=1, octaves=2))
    return np.asarray(np.clip(1 + grazing * slope, 0.3, 1.8) * uneven, np.float32)


def _blur(rng: Random, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Out of focus, or moved while the shutter was open, or enlarged, or sharp."""
    kind = rng.random()
    found: Any = image
    if kind < 0.45:
        found = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 1.6))
    elif kind < 0.55:
        length = int(rng.integers(2, 8))
        kernel = np.zeros((2 * length + 1, 2 * length + 1), np.float32)
        angle = rng.uniform(0, np.pi)
        end = (round(length + length * np.cos(angle)), round(length + length * np.sin(angle)))
        cv2.line(kernel, (2 * length - end[0], 2 * length - end[1]), end, 1.0)
        found = cv2.filter2D(image, -1, kernel / kernel.sum())
    elif kind < 0.7:
        side = int(len(image) * rng.uniform(0.5, 0.95))
        small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
        found = cv2.resize(small, (len(image), len(image)), interpolation=cv2.INTER_CUBIC)
    elif kind < 0.8:
        found = image + rng.uniform(0.2, 0.9) * (image - cv2.GaussianBlur(image, (0, 0), 1.2))
    return np.asarray(found, np.float32)
