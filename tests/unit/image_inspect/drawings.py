"""Cracks of known size, drawn by their geometry."""

from __future__ import annotations

import io
from typing import Any

import cv2
import numpy as np
from PIL import Image

from services.image_inspect.engine import Detection, Mask, Photo


def bar(
    length: float, width: float, degrees: float, *, size: int = 400, centre: tuple[float, float] | None = None
) -> Mask:
    """A straight bar with square ends, turned counter-clockwise; a pixel belongs to it when its place does."""
    x0, y0 = centre or (size / 2, size / 2)
    y, x = np.mgrid[:size, :size]
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    along, across = (x - x0) * cos - (y - y0) * sin, (x - x0) * sin + (y - y0) * cos
    inside = (-length / 2 <= along) & (along < length / 2) & (-width / 2 <= across) & (across < width / 2)
    return np.asarray(inside)


def ring(radius: float, width: float, *, size: int = 400) -> Mask:
    """A circle."""
    y, x = np.mgrid[:size, :size]
    return np.asarray(np.abs(np.hypot(x - size / 2, y - size / 2) - radius) <= width / 2)


def detection(mask: Mask, score: float = 0.9) -> Detection:
    """As an engine that is sure of it."""
    return Detection(mask, np.where(mask, round(255 * score), 0).astype(np.uint8), 127.5 * score)


def wall(seed: int, *, height: int = 400, width: int = 400) -> Photo:
    """A grey surface with soft clouds and the noise of a sensor."""
    random = np.random.default_rng(seed)
    clouds = cv2.GaussianBlur(random.normal(0, 1, (height, width)).astype(np.float32), (0, 0), 30)
    grey = 160 + clouds / clouds.std() * 8 + random.normal(0, 2.5, (height, width))
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def wandering(photo: Photo, degrees: float, *, width: float = 4.0, length: int = 260) -> Mask:
    """Draw a dark crack that wanders by 6 pixels through the middle of a photograph; where it is."""
    height, breadth = photo.shape[:2]
    t = np.linspace(-length / 2, length / 2, 200)
    off = 6 * np.sin(t / 22) + 3 * np.sin(t / 9)
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    points = np.stack([breadth / 2 + t * cos + off * sin, height / 2 - t * sin + off * cos], axis=1)
    layer = np.zeros((height * 4, breadth * 4), np.uint8)
    cv2.polylines(layer, [np.round(points * 4).astype(np.int32)], False, 255, round(width * 4))
    share = cv2.resize(layer, (breadth, height), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    photo[:] = (photo * (1 - 0.7 * share[..., None])).astype(np.uint8)
    return np.asarray(share > 0.5)


def winding(
    width: float, degrees: float, *, more: float, to_width: float | None = None, size: int = 420, length: float = 300
) -> tuple[Photo, Mask, float]:
    """A photograph of a crack of known width that winds by 5 pixels around a line, a mask that is wider than it by
    ``more`` on each side, and its length. ``to_width``: how wide it is at its other end.
    """
    y, x = np.mgrid[:size, :size].astype(np.float64) - size / 2 - 0.3
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    along, across = x * cos - y * sin, x * sin + y * cos
    away = np.abs(across - 5 * np.sin(along / 30)) / np.hypot(1, 5 / 30 * np.cos(along / 30))
    wide = width + ((to_width or width) - width) * (along / length + 0.5)
    cover = np.clip(wide / 2 - away + 0.5, 0, 1) * np.clip(length / 2 - np.abs(along) + 0.5, 0, 1)
    dark = wall(round(degrees), height=size, width=size) * (1 - 0.6 * cover[..., None])
    noise = np.random.default_rng(round(degrees)).normal(0, 3, dark.shape)
    photo = np.clip(cv2.GaussianBlur(dark, (0, 0), 0.7) + noise, 0, 255).astype(np.uint8)
    t = np.linspace(-length / 2, length / 2, 4000)
    total = float(np.hypot(np.diff(t), np.diff(5 * np.sin(t / 30))).sum())
    return photo, np.asarray((away <= wide / 2 + more) & (np.abs(along) <= length / 2)), total


def encoded(pixels: Any, kind: str = "PNG", **options: Any) -> bytes:
    """An image file of an array or a Pillow image."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
