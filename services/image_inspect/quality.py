"""What lies in the photograph itself: blur, light, shadow, scale. All but the scale is seen in a copy of at most 1024
pixels a side.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt

from buhin.review import Reason
from services.image_inspect import subject
from services.image_inspect.engine import Photo

SIDE_PX = 1024
CELLS = 4
MIN_SHARPNESS = 12.0
"""Variance of the Laplacian in the sharpest cell (Pech-Pacheco et al. 2000,
https://doi.org/10.1109/ICPR.2000.903548)."""
MIN_BRIGHTNESS, MAX_BRIGHTNESS = 45.0, 225.0
"""Medians, of 255."""
MAX_CLIPPED = 0.25
"""Share of pixels that are black or white."""
SHADOW_RATIO, MIN_SHADOW, MAX_SHADOW = 0.6, 0.08, 0.92
"""A shadow is so much darker than the light, and of such a share of the photograph."""
SHADOW_COLOUR, SHADOW_EDGE = 0.05, 0.02
"""Its shares of red, green and blue differ by no more, and so much of the photograph is a sharp edge of it at most."""
MIN_WIDTH_PX = 2.0
"""Narrower cracks are not seen for certain."""


def of_photo(photo: Photo) -> Iterator[Reason]:
    """Reasons to look that lie in the photograph."""
    shrink = min(1.0, SIDE_PX / max(photo.shape))
    small = cv2.resize(photo, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA) if shrink < 1 else photo
    small = np.asarray(small, np.uint8)
    grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
    yield from subject.of_photo(small, grey)
    yield from _blur(grey)
    yield from _light(grey)
    yield from _shadow(small, grey)


def of_scale(mm_per_px: float, min_width_mm: float) -> Iterator[Reason]:
    """A reason to look where cracks of the width asked for are too narrow in the photograph to be seen."""
    width = min_width_mm / mm_per_px
    if width < MIN_WIDTH_PX:
        yield Reason(
            "SCALE_TOO_COARSE",
            f"cracks of {min_width_mm:g} mm are narrower than {MIN_WIDTH_PX:g} pixels; photograph from nearer",
            f"幅 {min_width_mm:g} mm のひび割れは {MIN_WIDTH_PX:g} 画素未満です。より近くから撮影してください",
            value=round(width, 2),
            threshold=MIN_WIDTH_PX,
        )


def _blur(grey: npt.NDArray[np.uint8]) -> Iterator[Reason]:
    laplacian = cv2.Laplacian(grey, cv2.CV_32F)
    rows = np.array_split(laplacian, CELLS, axis=0)
    sharpness = max(float(cell.var()) for row in rows for cell in np.array_split(row, CELLS, axis=1))
    if sharpness < MIN_SHARPNESS:
        yield Reason(
            "BLURRED",
            "the photograph is blurred; fine cracks may be missed",
            "写真がぼけています。細いひび割れを見落とすおそれがあります",
            value=round(sharpness, 1),
            threshold=MIN_SHARPNESS,
        )


def _light(grey: npt.NDArray[np.uint8]) -> Iterator[Reason]:
    brightness, black, white = float(np.median(grey)), float((grey <= 2).mean()), float((grey >= 253).mean())
    if brightness < MIN_BRIGHTNESS or black > MAX_CLIPPED:
        yield Reason(
            "UNDEREXPOSED", "the photograph is dark", "写真が暗すぎます", value=brightness, threshold=MIN_BRIGHTNESS
        )
    if brightness > MAX_BRIGHTNESS or white > MAX_CLIPPED:
        yield Reason(
            "OVEREXPOSED",
            "the photograph is too bright",
            "写真が明るすぎます",
            value=brightness,
            threshold=MAX_BRIGHTNESS,
        )


def _shadow(small: Photo, grey: npt.NDArray[np.uint8]) -> Iterator[Reason]:
    """Where brightness falls in two, sharply, while the colour stays."""
    smooth = np.asarray(cv2.medianBlur(grey, 15), np.uint8)
    threshold, _ = cv2.threshold(smooth, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    dark = smooth <= threshold
    share = float(dark.mean())
    if not MIN_SHADOW <= share <= MAX_SHADOW:
        return
    means = [small[where].mean(axis=0) + 1.0 for where in (dark, ~dark)]
    colours = [mean / mean.sum() for mean in means]
    ratio = float(means[0].sum() / means[1].sum())
    edge = cv2.morphologyEx(dark.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)).mean()
    between = (smooth > 0.8 * means[0].mean() + 0.2 * means[1].mean()) & (
        smooth < 0.2 * means[0].mean() + 0.8 * means[1].mean()
    )
    alike = float(np.abs(colours[0] - colours[1]).max()) < SHADOW_COLOUR
    if ratio < SHADOW_RATIO and alike and edge < SHADOW_EDGE and between.mean() < 0.15:
        yield Reason(
            "SHADOWED",
            "a part of the photograph lies in shadow; its edge moves with the sun and hides cracks",
            "写真の一部が影になっています。影の縁は時刻で動き、ひび割れを隠すことがあります",
            value=round(share, 3),
            threshold=MIN_SHADOW,
        )
