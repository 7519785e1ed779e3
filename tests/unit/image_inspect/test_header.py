"""Files of too many parts are refused before Pillow reads them one by one."""

from __future__ import annotations

import struct
import zlib

import pytest

from buhin.errors import UnreadableMediaError
from services.image_inspect import photo
from services.image_inspect.header import MAX_PARTS, is_bounded
from tests.e2e.fault_inputs import cracked, png, saved

JPEG = saved(cracked(), "JPEG")


def chunk(name: bytes, body: bytes = b"") -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (JPEG, True),
        (JPEG[:2] + (b"\xff\xe3\xff\xff" + bytes(65_533)) * 40 + JPEG[2:], True),
        (png(64, 64), True),
        (b"RIFF no part is looked for", True),
        (b"", True),
        (b"\xff\xd8", True),
        (b"\xff\xd8\xff", True),
        (png(64, 64)[:8], True),
        (png(64, 64)[:9], True),
        (b"\xff\xd8" + b"\xff\xe0\x00\x02" * 2 * MAX_PARTS, False),
        (b"\xff\xd8" + b"\xff\xe0\x00\x00" * 2 * MAX_PARTS, False),
        (b"\xff\xd8" + b"\xff" * 2 * MAX_PARTS, False),
        (b"\xff\xd8" + b"\xff\xf0" * 2 * MAX_PARTS, False),
        (b"\xff\xd8" + bytes(2 * MAX_PARTS), False),
        (png(64, 64)[:33] + chunk(b"abCd") * 2 * MAX_PARTS, False),
    ],
)
def test_parts(data: bytes, expected: bool) -> None:
    assert is_bounded(data) is expected
    if not expected:
        with pytest.raises(UnreadableMediaError, match="too many parts"):
            photo.pixels(data)
