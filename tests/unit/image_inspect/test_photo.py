"""Photographs are checked before they are decoded, and decoded as they are meant."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from buhin import errors
from buhin.config import ImageSettings
from services.image_inspect import photo
from services.image_inspect.engine import Photo
from tests.unit.image_inspect.drawings import encoded, wall

GREY = wall(1, height=48, width=64)
SETTINGS = ImageSettings(max_pixels=10_000, max_side_px=200)


def header_only(width: int, height: int) -> bytes:
    """The beginning of a PNG, which says its size and has no pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = (header, b"IDAT" + zlib.compress(b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks
    )


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", errors.EmptyInputError),
        (b"\0" * 500, errors.UnreadableMediaError),
        (b"not an image " * 20, errors.UnreadableMediaError),
        (b"%PDF-1.7 " * 20, errors.UnreadableMediaError),
        (encoded(GREY, "GIF"), errors.UnreadableMediaError),
        (encoded(GREY, "BMP"), errors.UnreadableMediaError),
        (encoded(GREY)[:20], errors.UnreadableMediaError),
        (header_only(30_000, 30_000), errors.InputTooLargeError),
        (header_only(2**31 - 1, 2**31 - 1), errors.InputTooLargeError),
        (header_only(201, 33), errors.InputTooLargeError),
        (header_only(31, 100), errors.OutOfRangeError),
    ],
)
def test_what_is_refused_by_its_header(data: bytes, error: type[errors.BuhinError]) -> None:
    with pytest.raises(error) as caught:
        photo.check(data, SETTINGS)
    assert caught.value.field == "image"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
@pytest.mark.parametrize("kept", [0.5, 0.9])
def test_a_cut_file_is_refused(kind: str, kept: float) -> None:
    data = encoded(GREY, kind)
    with pytest.raises(errors.UnreadableMediaError):
        photo.decode(photo.check(data[: int(len(data) * kept)], SETTINGS))


DEEP = (GREY[..., 0].astype(np.uint16) * 257).astype(np.uint16)
SEEN = Image.fromarray(np.dstack([GREY, np.full(GREY.shape[:2], 255, np.uint8)]))
UNSEEN = Image.fromarray(np.dstack([GREY, np.zeros(GREY.shape[:2], np.uint8)]))
WHITE = np.full_like(GREY, 255)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (encoded(GREY), GREY),
        (encoded(GREY, "TIFF"), GREY),
        (encoded(GREY, "WEBP", lossless=True), GREY),
        (encoded(GREY[..., 0]), GREY),
        (encoded(DEEP), GREY),
        (encoded(SEEN), GREY),
        (encoded(UNSEEN), WHITE),
        (encoded(Image.fromarray(GREY).convert("P", palette=Image.Palette.ADAPTIVE)), GREY),
    ],
    ids=["png", "tiff", "webp", "grey", "16 bits", "opaque", "transparent", "palette"],
)
def test_every_kind_of_pixel_becomes_red_green_blue(data: bytes, expected: Photo) -> None:
    pixels, notices = photo.decode(photo.check(data, SETTINGS))
    assert pixels.dtype == np.uint8
    assert pixels.shape == expected.shape
    assert int(np.abs(pixels.astype(int) - expected).max()) <= 1
    assert notices == []


@pytest.mark.parametrize(("orientation", "turns"), [(3, 2), (6, 3), (8, 1)])
def test_it_is_turned_as_the_camera_was(orientation: int, turns: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels, (notice,) = photo.decode(photo.check(encoded(GREY, exif=exif), SETTINGS))
    assert np.array_equal(pixels, np.rot90(GREY, turns))
    assert notice.code == "ORIENTATION_APPLIED"


def test_of_several_pictures_the_first_is_read() -> None:
    options: dict[str, Any] = {"save_all": True, "append_images": [Image.fromarray(WHITE)]}
    pixels, (notice,) = photo.decode(photo.check(encoded(GREY, "TIFF", **options), SETTINGS))
    assert np.array_equal(pixels, GREY)
    assert notice.code == "FIRST_FRAME"
