"""What people look at: the mask, and the photograph with its cracks drawn on it."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from services.image_inspect.engine import Mask, Photo
from services.image_inspect.measure import Crack

_LINE = (230, 0, 80)
_HALO = (255, 255, 255)
_SIDE_FOR_WIDTH_1 = 900


def png(image: npt.NDArray[np.uint8]) -> bytes:
    """A picture, grey or red green blue, as a PNG."""
    done, data = cv2.imencode(".png", image[..., ::-1] if image.ndim == 3 else image)
    if not done:
        raise RuntimeError("the picture could not be written")
    return data.tobytes()


def mask_image(mask: Mask) -> npt.NDArray[np.uint8]:
    """255 where there is a crack."""
    return mask.astype(np.uint8) * 255


def overlay(photo: Photo, cracks: Sequence[tuple[str, Crack]]) -> Photo:
    """The photograph with every crack's branches beside its edges and its name, legible at any size."""
    drawn = photo.copy()
    unit = max(1, round(max(photo.shape) / _SIDE_FOR_WIDTH_1))
    for colour, extra in ((_HALO, 2 * unit), (_LINE, 0)):
        for _, crack in cracks:
            for branch in crack.branches:
                cv2.polylines(drawn, [np.round(branch).astype(np.int32)], False, colour, unit + extra, cv2.LINE_AA)
    for name, crack in cracks:
        _label(drawn, name, crack, unit)
    return drawn


def _label(drawn: Photo, name: str, crack: Crack, unit: int) -> None:
    scale = 0.55 * unit
    (width, height), base = cv2.getTextSize(name, cv2.FONT_HERSHEY_SIMPLEX, scale, unit)
    branch = crack.branches[0]
    x, y = branch[len(branch) // 2] + 6 * unit
    left = int(np.clip(x, 2 * unit, max(2 * unit, drawn.shape[1] - width - 4 * unit)))
    bottom = int(np.clip(y + height, height + 4 * unit, drawn.shape[0] - base - 2 * unit))
    corner, other = (left - 2 * unit, bottom - height - 2 * unit), (left + width + 2 * unit, bottom + base)
    cv2.rectangle(drawn, corner, other, _HALO, -1)
    cv2.putText(drawn, name, (left, bottom), cv2.FONT_HERSHEY_SIMPLEX, scale, _LINE, max(1, unit), cv2.LINE_AA)
