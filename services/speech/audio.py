"""Bytes to samples: recognizes a file by its first bytes, decodes it with PyAV, mixes to mono at 16 kHz.

Only five containers and their usual codecs are accepted, and only from memory: no protocol, playlist or reference of a
file is ever followed. Decoding goes frame by frame and ends at the limit, whatever a header says.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from mmap import mmap

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from buhin.engine import Stop
from buhin.errors import (
    EmptyInputError,
    InputTooLargeError,
    OutOfRangeError,
    UnreadableMediaError,
)

SAMPLE_RATE = 16_000
"""Samples per second of what ``samples`` gives."""
MIN_RATE, MAX_RATE = 8_000, 192_000
MAX_CHANNELS = 8
ACCEPTED = "WAV (PCM), FLAC, MP3, M4A (AAC, ALAC), OGG (Opus, Vorbis, FLAC), LINEAR16 (raw samples)"

_TOLERANCE_S = 0.25
"""How much shorter than its header says a file may be; encoders round to their frames."""
_UNKNOWN_SIZE = 0xFFFFFFFF
_CODECS = {
    "flac": ("flac",),
    "mov": ("aac", "alac"),
    "mp3": ("mp3", "mp3float"),
    "ogg": ("opus", "vorbis", "flac"),
    "s16le": ("pcm_s16le",),
    "wav": ("pcm_",),
}
"""Demuxers of FFmpeg and how the names of the accepted codecs begin."""


@dataclass(frozen=True)
class Source:
    """Audio whose kind is known. ``demuxer`` is FFmpeg's, ``options`` are what it needs."""

    data: bytes | mmap
    demuxer: str
    options: dict[str, str] = field(default_factory=dict)

    @cached_property
    def file(self) -> BytesIO | mmap:
        """The same as a file."""
        return BytesIO(self.data) if isinstance(self.data, bytes) else self.data


def sniff(data: bytes | mmap) -> Source:
    """Tell the container of a file by its first bytes. Raises EmptyInputError or UnreadableMediaError."""
    if not data:
        raise EmptyInputError(field="audio")
    head = data[:12]
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return Source(data, "wav")
    if head[:4] == b"fLaC":
        return Source(data, "flac")
    if head[:4] == b"OggS":
        return Source(data, "ogg")
    if head[4:8] == b"ftyp":
        return Source(data, "mov")
    if head[:3] == b"ID3" or _is_mp3_frame(head):
        return Source(data, "mp3")
    raise _unreadable("it is in no accepted format")


def linear16(data: bytes | mmap, sample_rate: int, channels: int, max_seconds: float) -> Source:
    """Raw signed 16-bit little-endian samples, channels interleaved; 0 channels mean one.

    Raises EmptyInputError, OutOfRangeError, UnreadableMediaError or InputTooLargeError.
    """
    if not data:
        raise EmptyInputError(field="audio")
    raw = Raw.checked(sample_rate, channels)
    raw.check_size(len(data))
    _check_length(len(data) / (raw.frame_bytes * sample_rate), max_seconds)
    return Source(data, "s16le", raw.options)


@dataclass(frozen=True)
class Raw:
    """How raw samples are laid out: signed 16-bit little-endian, channels interleaved."""

    sample_rate: int
    channels: int

    @classmethod
    def checked(cls, sample_rate: int, channels: int) -> Raw:
        """0 channels mean one. Raises OutOfRangeError."""
        if not MIN_RATE <= sample_rate <= MAX_RATE:
            raise OutOfRangeError(
                field="config.sample_rate_hertz", value=sample_rate, minimum=MIN_RATE, maximum=MAX_RATE
            )
        if not 0 <= channels <= MAX_CHANNELS:
            raise OutOfRangeError(field="config.audio_channel_count", value=channels, minimum=1, maximum=MAX_CHANNELS)
        return cls(sample_rate, channels or 1)

    @property
    def frame_bytes(self) -> int:
        """Bytes of a sample of all channels."""
        return 2 * self.channels

    @property
    def options(self) -> dict[str, str]:
        """What FFmpeg needs to know of them."""
        return {"sample_rate": str(self.sample_rate), "ch_layout": f"{self.channels}c"}

    def check_size(self, size: int) -> None:
        """Raise UnreadableMediaError where bytes end inside a sample."""
        if size % self.frame_bytes:
            raise _unreadable(f"{size} bytes are no whole number of 16-bit samples of {self.channels} channel(s)")


def length(source: Source, max_seconds: float, stop: Stop) -> float:
    """Seconds of audio, all of it decoded once to see that it is sound, in memory that does not grow with it.

    Raises UnreadableMediaError (broken, cut off, another codec, NaN), EmptyInputError (a header and nothing else),
    InputTooLargeError (longer than ``max_seconds``) or CancelledError.
    """
    if source.demuxer == "wav":
        _check_wav(source.data)
    elif source.demuxer == "ogg":
        _check_ogg(source.data)
    count = 0
    with _opened(source) as (container, stream):
        declared_s = _declared_s(stream, source)
        check_stream(stream, source.demuxer)
        _check_length(declared_s, max_seconds)
        for block in blocks(container, stream):
            stop.check()
            count += len(block)
            _check_length(count / SAMPLE_RATE, max_seconds)
    decoded_s = count / SAMPLE_RATE
    if decoded_s < declared_s - _TOLERANCE_S:
        raise _unreadable(f"it is cut off: the header says {declared_s:.2f} s, there are {decoded_s:.2f} s")
    if not count:
        raise EmptyInputError(field="audio")
    return decoded_s


def samples(source: Source) -> Iterator[NDArray[np.float32]]:
    """The samples of sound audio, piece by piece: mono at 16 kHz, float32 of shape (n,), -1 to 1.

    Channels are averaged. Raises UnreadableMediaError.
    """
    with _opened(source) as (container, stream):
        yield from blocks(container, stream)


@contextmanager
def _opened(source: Source) -> Iterator[tuple[av.container.InputContainer, av.AudioStream]]:
    """The audio stream of a source."""
    source.file.seek(0)
    try:
        with av.open(
            source.file, mode="r", format=source.demuxer, options=source.options, metadata_errors="replace"
        ) as container:
            if not container.streams.audio:
                raise _unreadable("it has no audio stream")
            yield container, container.streams.audio[0]
    except FFmpegError as error:
        raise _unreadable("it is broken or cut off") from error


def blocks(container: av.container.InputContainer, stream: av.AudioStream) -> Iterator[NDArray[np.float32]]:
    """What ``samples`` gives, of an open container. Raises UnreadableMediaError or FFmpegError."""
    resampler = av.AudioResampler(format="flt", rate=SAMPLE_RATE)  # packed: PyAV reads planes past the eighth

    def mixed(frame: av.AudioFrame | None) -> Iterator[NDArray[np.float32]]:
        for part in resampler.resample(frame):
            block = part.to_ndarray().reshape(-1, part.layout.nb_channels)
            if not np.isfinite(block).all():
                raise _unreadable("it has samples that are not finite numbers")
            yield block.mean(axis=1).clip(-1, 1)

    frame = None
    for frame in container.decode(stream):
        yield from mixed(frame)
    if frame is not None:
        yield from mixed(None)


def check_stream(stream: av.AudioStream, demuxer: str) -> None:
    """Raise UnreadableMediaError where the codec, the rate or the channels are not accepted."""
    codec = stream.codec_context
    if codec is None:  # where FFmpeg has no decoder for it
        raise _unreadable("its codec is not known")
    if not codec.name.startswith(_CODECS[demuxer]):
        raise _unreadable(f"its codec is {codec.name}")
    if not MIN_RATE <= codec.sample_rate <= MAX_RATE:
        raise _unreadable(f"its sample rate is {codec.sample_rate} Hz, not {MIN_RATE} to {MAX_RATE}")
    if not 1 <= codec.channels <= MAX_CHANNELS:
        raise _unreadable(f"it has {codec.channels} channels, not 1 to {MAX_CHANNELS}")


def _check_length(seconds: float, limit: float) -> None:
    if seconds > limit:
        raise InputTooLargeError(field="audio", size=math.ceil(seconds * 10) / 10, unit="seconds", limit=limit)


def _declared_s(stream: av.AudioStream, source: Source) -> float:
    """Length by the header, 0 where it says none. An MP3 without a Xing header has only an estimate."""
    if source.demuxer == "mp3" and not any(tag in source.data[:65_536] for tag in (b"Xing", b"Info")):
        return 0.0
    return float(stream.duration * stream.time_base) if stream.duration and stream.time_base else 0.0


_MAX_CHUNKS = 10_000
"""Of a WAV file, before its samples."""


def _check_wav(data: bytes | mmap) -> None:
    """FFmpeg takes what is there; the size of the data chunk says what should be."""
    position = 12
    for _ in range(_MAX_CHUNKS):
        if position + 8 > len(data):
            break
        name, size = struct.unpack_from("<4sI", data, position)
        position += 8
        if name == b"data":
            if size == 0:
                raise EmptyInputError(field="audio")
            if size != _UNKNOWN_SIZE and size > len(data) - position:
                raise _unreadable(f"it is cut off: {size} bytes of samples declared, {len(data) - position} there")
            return
        position += size + size % 2
    raise _unreadable("it has no data chunk")


def _check_ogg(data: bytes | mmap) -> None:
    """The last page must be whole and marked as the end of the stream (RFC 3533, section 6)."""
    start = data.rfind(b"OggS")
    header = data[start : start + 27]
    segments = header[26] if len(header) == 27 else 0
    lacing = data[start + 27 : start + 27 + segments]
    whole = len(header) == 27 and len(lacing) == segments and start + 27 + segments + sum(lacing) <= len(data)
    if not whole or not header[5] & 4:
        raise _unreadable("it is cut off: the last page is not the end of the stream")


def _is_mp3_frame(head: bytes) -> bool:
    """Whether bytes begin with the header of an MPEG audio frame of layer III."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return False
    return head[2] >> 4 != 15 and head[2] >> 2 & 3 != 3


def _unreadable(problem: str) -> UnreadableMediaError:
    return UnreadableMediaError(field="audio", problem=problem, accepted=ACCEPTED)
