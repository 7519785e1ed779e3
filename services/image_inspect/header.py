"""How many parts a file has, counted before Pillow reads them: it does so in Python, one by one, whoever sent them."""

from __future__ import annotations

from collections.abc import Callable

MAX_PARTS = 20_000
"""Segments of a JPEG file before its picture, or chunks of a PNG file. A thermal camera's data come in segments of
64 KiB, a picture in chunks of 8 KiB."""
_JPEG, _PNG = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"
_START_OF_SCAN = 0xDA
_WITH_LENGTH = {*range(0xC0, 0xD0), *range(0xDA, 0xF0), 0xFE} - {0xC8}
"""Markers of segments (ITU-T T.81, table B.1); Pillow looks for the next one right behind all others."""


def is_bounded(data: bytes) -> bool:
    """Whether a file has no more than MAX_PARTS; that of another format always has."""
    if data.startswith(_JPEG):
        return _ends(data, len(_JPEG), _next_segment)
    if data.startswith(_PNG):
        return _ends(data, len(_PNG), _next_chunk)
    return True


def _ends(data: bytes, place: int, following: Callable[[bytes, int], int | None]) -> bool:
    for _ in range(MAX_PARTS):
        found = following(data, place) if place < len(data) else None
        if found is None:
            return True
        place = found
    return False


def _next_segment(data: bytes, place: int) -> int | None:
    """The place after a marker and its segment, or after a byte that is none; None where the picture begins."""
    if data[place] != 0xFF:
        return place + 1
    marker = data[place + 1] if place + 1 < len(data) else 0
    if marker == _START_OF_SCAN:
        return None
    if marker not in _WITH_LENGTH:
        return place + 1
    return place + 2 + max(2, int.from_bytes(data[place + 2 : place + 4], "big"))


def _next_chunk(data: bytes, place: int) -> int:
    return place + 12 + int.from_bytes(data[place : place + 4], "big")
