"""Whether a photograph shows a surface at all, or the sky, plants or water, a page of text, a face."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from buhin.review import Reason
from services.image_inspect.engine import Photo

Grey = npt.NDArray[np.uint8]

MIN_SHARE = 0.6
"""Of the photograph."""
SMOOTH, BLUE, BRIGHT, VIVID = 4.0, 20.0, 235.0, 70.0
"""Grey levels of 255: the deviation in 9x9 pixels of what is smooth, by how much sky is bluer than red, what is very
bright, the chroma (CIELAB) times two of plants and paint."""
LETTERS, LETTER_LIGHT = 120, 0.7
"""So many signs of one size on light paper are a page."""
FACE_SHARE = 0.02
_NAMES = {
    "sky": ("the sky", "空"),
    "plants": ("plants or something painted", "植物や塗装"),
    "text": ("a page of text", "文書"),
    "face": ("a face", "人の顔"),
}


def of_photo(small: Photo, grey: Grey) -> Iterator[Reason]:
    """A reason to look where a photograph of at most 1024 pixels a side shows something else than a surface."""
    found = _sky(small, grey), _plants(small), _text(grey), _face(grey)
    for name, share in zip(_NAMES, found, strict=True):
        if share is not None:
            what, what_ja = _NAMES[name]
            yield Reason(
                "NOT_A_SURFACE",
                f"this looks like {what}, not like a surface to inspect",
                f"点検対象の面ではなく{what_ja}のように見えます",
                value=round(share, 3),
            )
            return


def _sky(small: Photo, grey: Grey) -> float | None:
    """The share that is smooth and blue or very bright."""
    values = grey.astype(np.float32)
    mean = cv2.blur(values, (9, 9))
    smooth = cv2.blur(values**2, (9, 9)) - mean**2 < SMOOTH**2
    blue = small[..., 2].astype(np.int16) - small[..., 0] > BLUE
    share = float((smooth & (blue | (mean > BRIGHT))).mean())
    return share if share >= MIN_SHARE and float((smooth & blue).mean()) > 0.1 else None


def _plants(small: Photo) -> float | None:
    """The share of strong colour other than that of brick and rust."""
    lab = cv2.cvtColor(cv2.GaussianBlur(small, (0, 0), 2), cv2.COLOR_RGB2LAB).astype(np.float32) - 128
    a, b = lab[..., 1], lab[..., 2]
    share = float(((2 * np.hypot(a, b) > VIVID) & (a < 8)).mean())
    return share if share >= MIN_SHARE else None


def _text(grey: Grey) -> float | None:
    """The number of dark signs of about one height on even light paper."""
    light = float(np.median(grey))
    if light < 150 or float((np.abs(grey.astype(np.int16) - light) < 18).mean()) < LETTER_LIGHT:
        return None
    _, _, stats, _ = cv2.connectedComponentsWithStats((grey < 0.6 * light).astype(np.uint8), connectivity=8)
    heights = stats[1:, cv2.CC_STAT_HEIGHT]
    heights = heights[(heights >= 5) & (heights <= 60) & (stats[1:, cv2.CC_STAT_WIDTH] <= 90)]
    if len(heights) < LETTERS:
        return None
    alike = int((np.abs(heights - np.median(heights)) <= 0.35 * np.median(heights)).sum())
    return float(alike) if alike >= LETTERS else None


def _face(grey: Grey) -> float | None:
    """The share that the largest face takes (local binary patterns, Liao et al. 2007)."""
    side = max(24, round((FACE_SHARE * grey.size) ** 0.5))
    faces = _cascade().detect_multi_scale(
        img=grey, scale_factor=1.2, step_ratio=1.2, min_size=(side, side), max_size=grey.shape, min_neighbor_number=8
    )
    shares = [float(face["width"] * face["height"] / grey.size) for face in faces]
    return max(shares, default=None)


@cache
def _cascade() -> Any:
    import skimage.data  # slow to import, and needed for few photographs
    from skimage.feature import Cascade

    return Cascade(skimage.data.lbp_frontal_face_cascade_filename())
