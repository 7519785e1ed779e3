"""When a person should look at the findings: the photograph, and the cracks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from buhin.review import Reason
from services.image_inspect.engine import Photo
from services.image_inspect.measure import Crack

MIN_SHARPNESS = 12.0
MIN_BRIGHTNESS, MAX_BRIGHTNESS = 45.0, 225.0
MIN_CONFIDENCE = 0.6
MAX_CRACKS = 30
_SIDE_PX = 1024


def of_photo(photo: Photo) -> Iterator[Reason]:
    """Reasons that lie in the photograph. Sharpness is the variance of the Laplacian (Pech-Pacheco et al. 2000,
    https://doi.org/10.1109/ICPR.2000.903548) at a side of at most 1024 pixels; brightness is 0 to 255.
    """
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
    shrink = min(1.0, _SIDE_PX / max(grey.shape))
    small = cv2.resize(grey, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    sharpness = float(cv2.Laplacian(small, cv2.CV_64F).var())
    brightness = float(np.median(small))
    if sharpness < MIN_SHARPNESS:
        yield Reason(
            "BLURRED",
            "the photograph is blurred; fine cracks may be missed",
            "写真がぼけています。細いひび割れを見落とすおそれがあります",
            value=round(sharpness, 1),
            threshold=MIN_SHARPNESS,
        )
    if brightness < MIN_BRIGHTNESS:
        yield Reason(
            "UNDEREXPOSED",
            "the photograph is dark",
            "写真が暗すぎます",
            value=brightness,
            threshold=MIN_BRIGHTNESS,
        )
    if brightness > MAX_BRIGHTNESS:
        yield Reason(
            "OVEREXPOSED",
            "the photograph is too bright",
            "写真が明るすぎます",
            value=brightness,
            threshold=MAX_BRIGHTNESS,
        )


def of_cracks(cracks: Sequence[Crack]) -> Iterator[Reason]:
    """Reasons that lie in the findings."""
    if len(cracks) > MAX_CRACKS:
        yield Reason(
            "MANY_FINDINGS",
            "so many findings are more likely a texture than cracks",
            "検出数が多く、ひび割れではなく表面の模様の可能性があります",
            value=len(cracks),
            threshold=MAX_CRACKS,
        )
    for number, crack in enumerate(cracks):
        if crack.confidence < MIN_CONFIDENCE:
            yield Reason(
                "LOW_CONFIDENCE",
                f"crack C{number + 1} is uncertain",
                f"ひび割れ C{number + 1} は確実ではありません",
                f"cracks[{number}]",
                round(crack.confidence, 3),
                MIN_CONFIDENCE,
            )
