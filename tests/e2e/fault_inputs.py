"""What the rows of faults.yaml send: recordings, photographs and texts with one thing wrong."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from PIL import Image

from tests.conftest import ROOT

RATE = 16_000


def wav(body: bytes, *, rate: int = RATE, kind: int = 1, bits: int = 16, declared: int | None = None) -> bytes:
    """A WAV file (RIFF, format chunk of 16 bytes) of one channel around some samples."""
    size = len(body) if declared is None else declared
    form = struct.pack("<HHIIHH", kind, 1, rate, rate * bits // 8 % 2**32, bits // 8, bits)
    return b"".join(
        [b"RIFF", struct.pack("<I", 36 + size), b"WAVEfmt ", struct.pack("<I", 16), form,
         b"data", struct.pack("<I", size), body]
    )  # fmt: skip


def floats(value: float) -> bytes:
    """A WAV file of 32-bit floats, one of which is no number of sound."""
    samples = np.zeros(RATE, "<f4")
    samples[100] = value
    return wav(samples.tobytes(), kind=3, bits=32)


def png(width: int, height: int) -> bytes:
    """A PNG whose header says a size and whose body is whole: rows of zeros, well compressed."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    packer = zlib.compressobj(9)
    row = bytes(1 + width)
    body = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@cache
def cracked() -> Image.Image:
    """A photograph of a wall with a crack."""
    with Image.open(ROOT / "samples" / "concrete" / "wall_05_crack.jpg") as image:
        image.load()
        return image.copy()


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The image as a file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def deep_png() -> bytes:
    """16 bits a pixel, all of them used: clipped to 8 bits it would be white."""
    values = np.asarray(cracked().convert("L"), np.uint16) * 257
    return saved(Image.fromarray(values), "PNG")


def turned() -> bytes:
    """Lying on its side, with the EXIF orientation that says so."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(cracked().rotate(90, expand=True), "JPEG", exif=exif, quality=95)


def speech() -> bytes:
    """A sentence."""
    return (ROOT / "services" / "speech" / "acceptance.flac").read_bytes()


def five_hours() -> bytes:
    """A FLAC whose header (RFC 9639, section 8.2) says that it is longer than the service takes."""
    data = bytearray(speech())
    samples = RATE * 5 * 3_600
    data[21:26] = ((data[21] & 0xF0) << 32 | samples).to_bytes(5, "big")
    return bytes(data)


AUDIO: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "header only": lambda: wav(b""),
    "shorter than declared": lambda: wav(bytes(RATE), declared=10 * RATE),
    "rate 0": lambda: wav(bytes(RATE), rate=0),
    "rate of 4 GHz": lambda: wav(bytes(RATE), rate=4_000_000_000),
    "codec ADPCM": lambda: wav(bytes(RATE), kind=2, bits=4),
    "codec unknown": lambda: wav(bytes(RATE), kind=0x7777),
    "NaN": lambda: floats(float("nan")),
    "infinite": lambda: floats(float("inf")),
    "too long": five_hours,
    "silence": lambda: wav(bytes(2 * RATE * 3)),
    "a picture": lambda: png(64, 64),
    "a WAV header around a picture": lambda: b"RIFF\xff\xff\0\0WAVE" + png(64, 64),
    "a FLAC header around text": lambda: b"fLaC" + b"this is not audio " * 50,
    "an M4A without an index": lambda: struct.pack(">I", 24) + b"ftypM4A \0\0\0\0M4A isom" + b"\0" * 200,
    "cut in the middle": lambda: speech()[:20_000],
}
IMAGES: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "text": lambda: b"not a photograph " * 50,
    "a recording": lambda: wav(bytes(RATE)),
    "a GIF": lambda: saved(cracked().convert("P"), "GIF"),
    "a BMP": lambda: saved(cracked(), "BMP"),
    "a bomb of 144 megapixels": lambda: png(12_000, 12_000),
    "empty segments": lambda: b"\xff\xd8" + b"\xff\xe0\x00\x02" * 4_000_000,
    "30000 x 30000": lambda: png(30_000, 30),
    "a JPEG header around text": lambda: b"\xff\xd8\xff\xe0\0\x10JFIF\0" + b"not a photograph " * 50,
    "cut in the middle": lambda: saved(cracked(), "JPEG")[:40_000],
    "8 pixels": lambda: png(8, 8),
    "CMYK": lambda: saved(cracked().convert("CMYK"), "JPEG", quality=95),
    "16 bits": deep_png,
    "turned by EXIF": turned,
    "animated": lambda: saved(cracked(), "PNG", save_all=True, append_images=[Image.new("RGB", cracked().size)]),
    "a text of 20 MB in its metadata": lambda: _with_text(20_000_000),
}
TEXTS: dict[str, Callable[[], str]] = {
    "blank": lambda: " \n　",
    "NUL": lambda: "窓口は\0二階です。",
    "bidi controls": lambda: "窓口は\u202e二階です。",
    "10 MB": lambda: "あ" * 3_400_000,
    "one character too many": lambda: "あ" * 50_001,
    "a short text": lambda: "窓口は二階です。受付は九時からです。",
}


def _with_text(size: int) -> bytes:
    """A PNG with a compressed text chunk that is large when it is read (a decompression bomb in metadata)."""
    body = b"Comment\0\0" + zlib.compress(b"a" * size, 9)
    chunk = struct.pack(">I", len(body)) + b"zTXt" + body + struct.pack(">I", zlib.crc32(b"zTXt" + body))
    whole = saved(cracked(), "PNG")
    return whole[:33] + chunk + whole[33:]
