"""What people look at: the mask, and the photograph with its cracks drawn on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from services.image_inspect.engine import Mask, Photo
from services.image_inspect.skeleton import Points

Colour = tuple[int, int, int]
LINE: Colour = (230, 0, 80)
_HALO: Colour = (255, 255, 255)
_SIDE_FOR_WIDTH_1 = 900
_SHIFT = 3
_PARTS = 1 << _SHIFT


def png(image: npt.NDArray[np.uint8]) -> bytes:
    """A picture, grey or red green blue, as a PNG."""
    done, data = cv2.imencode(".png", image[..., ::-1] if image.ndim == 3 else image)
    if not done:
        raise RuntimeError("the picture could not be written")
    return data.tobytes()


def mask_image(mask: Mask) -> npt.NDArray[np.uint8]:
    """255 where there is a crack."""
    return mask.astype(np.uint8) * 255


@dataclass(frozen=True)
class Drawn:
    """Lines of one colour (red, green, blue), and what stands beside the first of them."""

    lines: Sequence[Points]
    label: str
    colour: Colour = LINE


def drawn(photo: Photo, things: Sequence[Drawn]) -> Photo:
    """The photograph with lines and labels on it, legible at any size."""
    picture = photo.copy()
    unit = max(1, round(max(photo.shape) / _SIDE_FOR_WIDTH_1))
    for halo in (True, False):
        for thing in things:
            for line in thing.lines:
                points = [np.round(line * _PARTS).astype(np.int32)]
                colour, width = (_HALO, 3 * unit) if halo else (thing.colour, unit)
                cv2.polylines(picture, points, False, colour, width, cv2.LINE_AA, _SHIFT)
    for thing in things:
        _label(picture, thing, unit)
    return picture


def _label(picture: Photo, thing: Drawn, unit: int) -> None:
    scale = 0.5 * unit
    (width, height), base = cv2.getTextSize(thing.label, cv2.FONT_HERSHEY_SIMPLEX, scale, unit)
    line = thing.lines[0]
    x, y = line[len(line) // 2] + 6 * unit
    left = int(np.clip(x, 2 * unit, max(2 * unit, picture.shape[1] - width - 4 * unit)))
    bottom = int(np.clip(y + height, height + 4 * unit, max(height + 4 * unit, picture.shape[0] - base - 2 * unit)))
    corner, other = (left - 2 * unit, bottom - height - 2 * unit), (left + width + 2 * unit, bottom + base)
    cv2.rectangle(picture, corner, other, _HALO, -1)
    cv2.putText(picture, thing.label, (left, bottom), cv2.FONT_HERSHEY_SIMPLEX, scale, thing.colour, unit, cv2.LINE_AA)
