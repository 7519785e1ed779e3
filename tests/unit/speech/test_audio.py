"""Every format that is accepted, and everything that is not."""

from __future__ import annotations

import struct
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from buhin.engine import Stop
from buhin.errors import (
    BuhinError,
    CancelledError,
    EmptyInputError,
    InputTooLargeError,
    OutOfRangeError,
    UnreadableMediaError,
)
from services.speech.audio import SAMPLE_RATE, Source, linear16, sniff
from tests.audio_files import decode, encode, m4a_for_streaming, sine, wav

SECONDS = 2.0
TONE = sine(SECONDS)
TONE_48K = sine(SECONDS, rate=48_000)


def read(data: bytes, max_seconds: float = 60.0) -> NDArray[np.float32]:
    """What the service does with a file."""
    return decode(sniff(data), max_seconds, Stop())


@pytest.mark.parametrize(
    ("muxer", "codec", "rate", "layout"),
    [
        ("wav", "pcm_s16le", 16_000, "mono"),
        ("wav", "pcm_s16le", 44_100, "stereo"),
        ("wav", "pcm_u8", 8_000, "mono"),
        ("wav", "pcm_s24le", 48_000, "5.1"),
        ("wav", "pcm_f32le", 96_000, "7.1"),
        ("wav", "pcm_mulaw", 8_000, "mono"),
        ("flac", "flac", 16_000, "mono"),
        ("flac", "flac", 192_000, "7.1"),
        ("mp3", "libmp3lame", 44_100, "stereo"),
        ("mp3", "libmp3lame", 8_000, "mono"),
        ("ipod", "aac", 44_100, "stereo"),
        ("ipod", "alac", 48_000, "mono"),
        ("mp4", "aac", 16_000, "mono"),
        ("ogg", "libopus", 48_000, "mono"),
        ("ogg", "vorbis", 44_100, "stereo"),
        ("ogg", "flac", 16_000, "mono"),
    ],
)
def test_a_tone_comes_out_of_every_format_as_it_went_in(muxer: str, codec: str, rate: int, layout: str) -> None:
    samples = read(encode(muxer, codec, sine(SECONDS, rate=rate), rate=rate, layout=layout))
    assert samples.dtype == np.float32
    assert samples.ndim == 1
    assert len(samples) / SAMPLE_RATE == pytest.approx(SECONDS, abs=0.15)
    middle = samples[SAMPLE_RATE // 2 : SAMPLE_RATE // 2 + SAMPLE_RATE]
    assert np.abs(np.fft.rfft(middle)).argmax() == 440
    assert np.sqrt((middle**2).mean()) == pytest.approx(0.3 / np.sqrt(2), rel=0.06)


@pytest.mark.parametrize("channels", range(1, 9))
def test_channels_of_raw_samples_are_averaged(channels: int) -> None:
    levels = np.arange(1, channels + 1) * 1000
    data = np.tile(levels, 8_000).astype("<i2").tobytes()
    samples = decode(linear16(data, 8_000, channels, 60), 60, Stop())
    assert len(samples) == SAMPLE_RATE
    assert samples[4_000] * 32_768 == pytest.approx(levels.mean(), abs=1)


def test_no_channels_mean_one() -> None:
    assert len(decode(linear16(b"\0\0" * 16_000, 16_000, 0, 60), 60, Stop())) == 16_000


def changed(data: bytes, at: int, by: bytes) -> bytes:
    """The bytes with some of them replaced."""
    return data[:at] + by + data[at + len(by) :]


def floats(value: float) -> bytes:
    """A float WAV with one odd sample."""
    data = encode("wav", "pcm_f32le", TONE)
    return changed(data, data.index(b"data") + 8 + 4_000, struct.pack("<f", value))


WAV, FLAC, MP3 = wav(TONE), encode("flac", "flac", TONE), encode("mp3", "libmp3lame", TONE)
M4A, OGG = encode("ipod", "aac", TONE), encode("ogg", "libopus", TONE_48K, rate=48_000)
UNKNOWN_LENGTH = FLAC[:21] + bytes([FLAC[21] & 0xF0]) + b"\0\0\0\0" + FLAC[26:]


@pytest.mark.parametrize(
    ("data", "error", "problem"),
    [
        pytest.param(b"", EmptyInputError, "", id="nothing"),
        pytest.param("これは音声ではありません".encode() * 9, UnreadableMediaError, "no accepted format", id="text"),
        pytest.param(b"RIFF", UnreadableMediaError, "no accepted format", id="four bytes"),
        pytest.param(b"\xff\xfb", UnreadableMediaError, "no accepted format", id="two bytes of MP3"),
        pytest.param(b"RIFF\0\0\0\0AVI " + WAV[12:], UnreadableMediaError, "no accepted format", id="avi"),
        pytest.param(encode("adts", "aac", TONE), UnreadableMediaError, "no accepted format", id="adts"),
        pytest.param(b"#EXTM3U\nfile:///etc/passwd\n", UnreadableMediaError, "no accepted format", id="playlist"),
        pytest.param(b"fLaC" + b"nonsense" * 99, UnreadableMediaError, "broken", id="fake flac"),
        pytest.param(b"OggS" + b"nonsense" * 99, UnreadableMediaError, "cut off", id="fake ogg"),
        pytest.param(b"ID3\4\0\0\0\0\0\0" + b"nonsense" * 99, UnreadableMediaError, "broken", id="fake mp3"),
        pytest.param(b"\0\0\0\x1cftypM4A " + b"nonsense" * 99, UnreadableMediaError, "broken", id="fake m4a"),
        pytest.param(WAV[:44], UnreadableMediaError, "64000 bytes of samples declared, 0 there", id="wav header"),
        pytest.param(changed(WAV[:44], 40, b"\0\0\0\0"), EmptyInputError, "", id="wav of nothing"),
        pytest.param(WAV[:36], UnreadableMediaError, "no data chunk", id="wav without data"),
        pytest.param(WAV[:-2], UnreadableMediaError, "64000 bytes of samples declared, 63998", id="wav cut off"),
        pytest.param(FLAC[: len(FLAC) // 2], UnreadableMediaError, "cut off", id="flac cut off"),
        pytest.param(MP3[: len(MP3) // 2], UnreadableMediaError, "cut off", id="mp3 cut off"),
        pytest.param(M4A[: len(M4A) // 2], UnreadableMediaError, "cut off", id="m4a cut off"),
        pytest.param(OGG[: len(OGG) // 2], UnreadableMediaError, "cut off", id="ogg cut off"),
        pytest.param(OGG[:-1], UnreadableMediaError, "cut off", id="ogg cut off by a byte"),
        pytest.param(changed(WAV, 24, b"\0\0\0\0"), UnreadableMediaError, "", id="rate 0"),
        pytest.param(encode("wav", "pcm_s16le", TONE, rate=4_000), UnreadableMediaError, "4000 Hz", id="rate 4000"),
        pytest.param(changed(WAV, 22, b"\0\0"), UnreadableMediaError, "0 channels", id="no channels"),
        pytest.param(changed(WAV, 22, b"\xff\xff"), UnreadableMediaError, "channels", id="65535 channels"),
        pytest.param(encode("wav", "adpcm_ms", TONE), UnreadableMediaError, "adpcm_ms", id="adpcm"),
        pytest.param(encode("mp4", "libopus", TONE_48K, rate=48_000), UnreadableMediaError, "opus", id="opus"),
        pytest.param(floats(float("nan")), UnreadableMediaError, "not finite", id="nan"),
        pytest.param(floats(float("-inf")), UnreadableMediaError, "not finite", id="infinity"),
    ],
)  # fmt: skip
def test_bad_files_are_refused(data: bytes, error: type[BuhinError], problem: str) -> None:
    with pytest.raises(error) as raised:
        read(data)
    assert type(raised.value) is error
    assert raised.value.field == "audio"
    assert problem in raised.value.metadata.get("problem", "")


def test_a_film_without_sound_is_refused() -> None:
    buffer = BytesIO()
    with av.open(buffer, "w", format="mp4") as output:
        stream = output.add_stream("mpeg4", rate=25, width=64, height=64, pix_fmt="yuv420p")
        for _ in range(5):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")))
        output.mux(stream.encode(None))
    with pytest.raises(UnreadableMediaError, match="no audio stream"):
        read(buffer.getvalue())


def test_an_m4a_cut_off_behind_its_index_is_refused(tmp_path: Path) -> None:
    data = m4a_for_streaming(TONE, tmp_path)
    assert len(read(data)) / SAMPLE_RATE == pytest.approx(SECONDS, abs=0.15)
    with pytest.raises(UnreadableMediaError, match="cut off"):
        read(data[: len(data) // 2])


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(WAV, id="wav"),
        pytest.param(FLAC, id="flac"),
        pytest.param(MP3, id="mp3"),
        pytest.param(encode("mp3", "libmp3lame", TONE, write_xing="0"), id="mp3 without a length"),
        pytest.param(M4A, id="m4a"),
        pytest.param(OGG, id="ogg"),
        pytest.param(UNKNOWN_LENGTH, id="flac without a length"),
        pytest.param(changed(WAV, 40, b"\xff\xff\xff\xff"), id="wav of unknown length"),
    ],
)
def test_the_limit_holds_whatever_the_header_says(data: bytes) -> None:
    assert len(read(data, max_seconds=2.2)) / SAMPLE_RATE == pytest.approx(SECONDS, abs=0.15)
    with pytest.raises(InputTooLargeError) as raised:
        read(data, max_seconds=1.0)
    assert raised.value.metadata["unit"] == "seconds"
    assert float(raised.value.metadata["size"]) > 1.0
    assert float(raised.value.metadata["limit"]) == 1.0


@pytest.mark.parametrize(
    ("make", "error", "field"),
    [
        (lambda: linear16(b"", 16_000, 1, 60), EmptyInputError, "audio"),
        (lambda: linear16(b"\0\0", 0, 1, 60), OutOfRangeError, "config.sample_rate_hertz"),
        (lambda: linear16(b"\0\0", -16_000, 1, 60), OutOfRangeError, "config.sample_rate_hertz"),
        (lambda: linear16(b"\0\0", 7_999, 1, 60), OutOfRangeError, "config.sample_rate_hertz"),
        (lambda: linear16(b"\0\0", 192_001, 1, 60), OutOfRangeError, "config.sample_rate_hertz"),
        (lambda: linear16(b"\0\0", 16_000, -1, 60), OutOfRangeError, "config.audio_channel_count"),
        (lambda: linear16(b"\0\0" * 9, 16_000, 9, 60), OutOfRangeError, "config.audio_channel_count"),
        (lambda: linear16(b"\0\0\0", 16_000, 1, 60), UnreadableMediaError, "audio"),
        (lambda: linear16(b"\0\0", 16_000, 2, 60), UnreadableMediaError, "audio"),
        (lambda: linear16(b"\0\0" * 16_001, 8_000, 1, 2), InputTooLargeError, "audio"),
    ],
)
def test_bad_raw_samples_are_refused_before_decoding(
    make: Callable[[], Source], error: type[BuhinError], field: str
) -> None:
    with pytest.raises(error) as raised:
        make()
    assert raised.value.field == field


def test_decoding_stops_when_nobody_waits() -> None:
    stop = Stop()
    stop.set()
    with pytest.raises(CancelledError):
        decode(sniff(WAV), 60, stop)
