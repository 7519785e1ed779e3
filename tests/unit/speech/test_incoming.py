"""Bytes in any portions in, samples out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from buhin.engine import Stop
from buhin.errors import BuhinError, EmptyInputError, InputTooLargeError, StreamIdleError, UnreadableMediaError
from services.speech import audio
from services.speech.engine import VOICE_FRAME
from services.speech.incoming import Incoming
from tests.audio_files import RATE, decode, encode, m4a_for_streaming, sine, wav
from tests.unit.speech.fakes import FakeDetector

TONE = sine(2.5)
MONO = audio.Raw.checked(RATE, 1)


async def sent(data: bytes, size: int) -> AsyncIterator[bytes]:
    """The bytes in portions, with an empty one in between."""
    for start in range(0, len(data), size):
        yield data[start : start + size]
        if start == 0:
            yield b""


async def decoded(data: bytes, size: int = 1_000, raw: audio.Raw | None = None, limit: float = 60) -> NDArray[Any]:
    """The samples, checked to come in whole frames."""
    incoming = Incoming(sent(data, size), raw, FakeDetector(), limit)
    blocks = [block async for block in incoming]
    for block in blocks:
        assert len(block.probabilities) == -(-len(block.samples) // VOICE_FRAME)
        assert block is blocks[-1] or len(block.samples) % VOICE_FRAME == 0
    samples = np.concatenate([block.samples for block in blocks])
    assert incoming.audio_s == len(samples) / RATE
    return samples


def files(folder: Path) -> dict[str, bytes]:
    """The tone in every container that can be decoded as it comes."""
    return {
        "wav": wav(TONE),
        "wav of unknown length": wav(TONE)[:40] + b"\xff\xff\xff\xff" + wav(TONE)[44:],
        "flac": encode("flac", "flac", TONE),
        "mp3": encode("mp3", "libmp3lame", TONE),
        "ogg": encode("ogg", "libopus", TONE),
        "m4a": m4a_for_streaming(TONE, folder),
        "fragmented m4a": encode("ipod", "aac", TONE, movflags="frag_keyframe+empty_moov"),
    }


@pytest.mark.parametrize("size", [997, 1_000_000])
async def test_a_file_in_portions_is_decoded_as_a_whole_one(size: int, tmp_path: Path) -> None:
    for name, data in files(tmp_path).items():
        samples = await decoded(data, size)
        whole = decode(audio.sniff(data), 60, Stop())
        assert len(samples) == pytest.approx(len(whole), abs=1_500), name  # a codec's first frames
        assert np.sqrt(np.mean(samples**2)) == pytest.approx(np.sqrt(np.mean(whole**2)), rel=0.1), name


async def test_portions_of_one_byte_will_do() -> None:
    short = sine(0.1)
    np.testing.assert_array_equal(await decoded(wav(short), 1), await decoded(wav(short), 10_000))
    np.testing.assert_array_equal(await decoded(wav(short)[44:], 1, MONO), await decoded(wav(short)))


async def test_raw_samples_are_read_as_they_are_laid_out() -> None:
    stereo = np.repeat(np.array([[0.25, 0.75]], np.float32), 8_000, axis=0)
    data = (stereo * 32_768).astype("<i2").tobytes()
    samples = await decoded(data, 333, audio.Raw.checked(8_000, 2))
    assert len(samples) == pytest.approx(RATE, abs=100)
    assert np.median(samples) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("data", "raw", "error", "problem"),
    [
        (b"", None, EmptyInputError, ""),
        (b"", MONO, EmptyInputError, ""),
        (wav(TONE)[:44], None, EmptyInputError, ""),
        (b"hello, this is no audio", None, UnreadableMediaError, "it is in no accepted format"),
        (b"fLaC", None, UnreadableMediaError, "it is broken or cut off"),
        (b"fLaC" + bytes(9_000), None, UnreadableMediaError, "it is broken or cut off"),
        (b"OggS" + bytes(9_000), None, UnreadableMediaError, "it is broken or cut off"),
        (wav(TONE)[:44] + b"x", MONO, UnreadableMediaError, "45 bytes are no whole number"),
        (encode("ipod", "aac", TONE), None, UnreadableMediaError, "its index comes after its audio"),
        (b"\0\0\0\x0cftypM4A " + b"\0\0\x10\0free" * 300_000, None, UnreadableMediaError, "it has no index"),
        (encode("wav", "adpcm_ms", TONE), None, UnreadableMediaError, "its codec is adpcm_ms"),
        (wav(sine(3.1)), None, InputTooLargeError, ""),
        (wav(sine(3.1))[44:], MONO, InputTooLargeError, ""),
    ],
)
async def test_what_is_no_audio_is_refused(
    data: bytes, raw: audio.Raw | None, error: type[BuhinError], problem: str
) -> None:
    with pytest.raises(error) as caught:
        await decoded(data, 50_000, raw, limit=3.0)
    assert caught.value.field == "audio"
    assert problem in caught.value.metadata.get("problem", "")


async def test_an_m4a_that_cannot_be_streamed_is_refused_before_its_audio_has_come() -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield encode("ipod", "aac", TONE)[:60]
        await asyncio.Event().wait()

    with pytest.raises(UnreadableMediaError):
        await anext(aiter(Incoming(endless(), None, FakeDetector(), 60)))


async def test_an_error_of_the_caller_comes_after_what_came_before_it() -> None:
    async def failing() -> AsyncIterator[bytes]:
        yield wav(TONE)[44:]
        raise StreamIdleError(limit_s=1)

    samples = 0
    with pytest.raises(StreamIdleError):
        async for block in Incoming(failing(), MONO, FakeDetector(), 60):
            samples += len(block.samples)
    assert samples == len(TONE)


async def test_nothing_is_read_ahead_of_who_listens() -> None:
    taken = 0

    async def counted() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield bytes(RATE * 2)

    blocks = aiter(Incoming(counted(), MONO, FakeDetector(), 3_600))
    await anext(blocks)
    await asyncio.wait_for(blocks.aclose(), 10)
    assert taken < 10


async def test_who_leaves_ends_the_thread_that_waits_for_more() -> None:
    left = asyncio.Event()

    async def waiting() -> AsyncIterator[bytes]:
        try:
            yield wav(TONE)[44:]
            await asyncio.Event().wait()
        finally:
            left.set()

    blocks = aiter(Incoming(waiting(), MONO, FakeDetector(), 60))
    await anext(blocks)
    await blocks.aclose()
    await asyncio.wait_for(left.wait(), 10)
