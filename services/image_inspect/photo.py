"""Photographs: checked by their header, then decoded to red, green and blue in 8 bits."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from buhin.config import ImageSettings
from buhin.errors import EmptyInputError, InputTooLargeError, OutOfRangeError, UnreadableMediaError
from buhin.review import Notice
from services.image_inspect.engine import Photo
from services.image_inspect.header import is_bounded

FORMATS = ("JPEG", "PNG", "TIFF", "WEBP")
MIN_SIDE_PX = 32
_ORIENTATION = 0x0112


@dataclass(frozen=True)
class Header:
    """A file whose header was found to be right; nothing of it is decoded yet."""

    data: bytes
    width: int
    height: int
    field: str = "image"


def pixels(data: bytes, field: str = "image") -> int:
    """How many there are, by the header. Raises UnreadableMediaError or InputTooLargeError."""
    with _open(data, field) as image:
        return image.width * image.height


def check(data: bytes, settings: ImageSettings, field: str = "image") -> Header:
    """Read the header of what came in a field.

    Raises EmptyInputError, UnreadableMediaError, InputTooLargeError or OutOfRangeError.
    """
    if not data:
        raise EmptyInputError(field=field)
    with _open(data, field) as image:
        width, height = image.size
    if width * height > settings.max_pixels:
        raise InputTooLargeError(field=field, size=width * height, unit="pixels", limit=settings.max_pixels)
    if max(width, height) > settings.max_side_px:
        raise InputTooLargeError(
            field=field, size=max(width, height), unit="pixels on a side", limit=settings.max_side_px
        )
    if min(width, height) < MIN_SIDE_PX:
        raise OutOfRangeError(
            field=field, value=f"{width}x{height} pixels", minimum=MIN_SIDE_PX, maximum=settings.max_side_px
        )
    return Header(data, width, height, field)


def decode(header: Header) -> tuple[Photo, list[Notice]]:
    """The pixels, turned as the EXIF orientation says. 16 bits are scaled to 8, transparency is put on white.

    Raises UnreadableMediaError for a file that is cut or corrupt.
    """
    notices = []
    try:
        with _open(header.data, header.field) as image:
            if _has_more(image):
                notices.append(
                    Notice(
                        "FIRST_FRAME",
                        "only the first of several pictures was read",
                        "最初の画像だけを読みました",
                        header.field,
                    )
                )
            if image.getexif().get(_ORIENTATION, 1) != 1:
                notices.append(
                    Notice(
                        "ORIENTATION_APPLIED",
                        "the photograph was turned as its EXIF orientation says, and so are coordinates",
                        "EXIF の向きに従って回転しました。座標は回転後のものです",
                        header.field,
                    )
                )
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            return np.asarray(_rgb(image), np.uint8), notices
    except Exception as error:  # whatever Pillow raises for what a file claims
        raise _unreadable(header.field, "it is cut or broken") from error


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        values = np.nan_to_num(np.asarray(image, np.float64))
        most = 65_535 if image.mode.startswith("I") else max(1.0, float(values.max()))
        return Image.fromarray(np.clip(values / most * 255, 0, 255).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _has_more(image: Image.Image) -> bool:
    """Whether another picture follows. Those of a TIFF file are not counted, since all would be read for it."""
    if image.format != "TIFF":
        return getattr(image, "n_frames", 1) > 1
    try:
        image.seek(1)
    except EOFError:
        return False
    image.seek(0)
    return True


def _open(data: bytes, field: str) -> Image.Image:
    if not is_bounded(data):
        raise _unreadable(field, "its header has too many parts")
    try:
        with warnings.catch_warnings():
            # Pillow warns of large images, which `check` refuses before anything is decoded, and of broken metadata.
            warnings.simplefilter("ignore")
            return Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise InputTooLargeError(field=field, size="too many", unit="pixels", limit=Image.MAX_IMAGE_PIXELS) from error
    except Exception as error:  # whatever Pillow raises for what a header claims
        raise _unreadable(field, "not a picture of these formats") from error


def _unreadable(field: str, problem: str) -> UnreadableMediaError:
    return UnreadableMediaError(field=field, problem=problem, accepted=", ".join(FORMATS))
