"""The audio of a stream: bytes in portions of any size in, samples and where there is a voice out.

A thread of the stream's own decodes and listens, so that neither holds up the event loop or takes a place of the
recognizer. It asks for the next message only when FFmpeg has read the last one and what it decoded was taken; gRPC's
flow control then holds the caller back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from buhin.errors import EmptyInputError, InputTooLargeError, UnreadableMediaError
from services.speech import audio
from services.speech.engine import VOICE_FRAME, VoiceDetector

T = TypeVar("T")

_HEAD_BYTES = 12
"""As many as tell the container of a file."""
_FFMPEG_OPTIONS = {"analyzeduration": "0", "probesize": "32"}
"""Decode what is there; do not wait for more to look at first."""
_HEAD_LIMIT = 1024 * 1024
"""The index of an M4A begins before this."""
_QUEUED = 4


@dataclass(frozen=True)
class Block:
    """The next samples, mono at 16 kHz, and the probability of a voice in each frame of VOICE_FRAME samples.

    Only the last block of a stream has samples short of a frame, which then count as one.
    """

    samples: NDArray[np.float32]
    probabilities: NDArray[np.float32]


class Incoming:
    """The audio of a stream as it comes; iterate once.

    ``raw`` says how samples without a header are laid out; None: the stream is a file. An M4A must have its index
    before its audio, as files made for streaming have.

    Raises UnreadableMediaError (broken, another codec, NaN), EmptyInputError (nothing came), InputTooLargeError (more
    than ``max_seconds``), and what ``messages`` raises.
    """

    def __init__(
        self,
        messages: AsyncIterator[bytes],
        raw: audio.Raw | None,
        detector: VoiceDetector,
        max_seconds: float,
    ) -> None:
        self._messages = messages
        self._raw = raw
        self._detector = detector
        self._max_seconds = max_seconds
        self._given: asyncio.Queue[Block | None] = asyncio.Queue(_QUEUED)
        self._loop = asyncio.get_running_loop()
        self._waiting: Future[Any] | None = None
        self._closed = False
        self.audio_s = 0.0
        """Length so far."""

    async def __aiter__(self) -> AsyncGenerator[Block, None]:
        thread = ThreadPoolExecutor(1, thread_name_prefix="incoming")
        decoding = self._loop.run_in_executor(thread, self._work)
        decoding.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            while (block := await self._given.get()) is not None:
                yield block
            await decoding
        finally:
            self._closed = True
            if self._waiting is not None:
                self._waiting.cancel()
            await asyncio.wait([decoding])
            thread.shutdown()

    def _work(self) -> None:
        try:
            self._decode(_Pipe(lambda: self._wait_for(self._next_message())))
        finally:
            with suppress(CancelledError):
                self._wait_for(self._given.put(None))

    def _decode(self, pipe: _Pipe) -> None:
        demuxer, options = ("s16le", self._raw.options) if self._raw else (_demuxer(pipe), {})
        try:
            with av.open(
                pipe, mode="r", format=demuxer, options=_FFMPEG_OPTIONS | options, metadata_errors="replace"
            ) as container:
                if not container.streams.audio:
                    raise _unreadable("it has no audio stream")
                stream = container.streams.audio[0]
                audio.check_stream(stream, demuxer)
                self._listen(audio.blocks(container, stream))
        except FFmpegError as error:
            pipe.check()
            raise _unreadable("it is broken or cut off") from error
        pipe.check()
        if self._raw is not None:
            self._raw.check_size(pipe.size)
        if not self.audio_s:
            raise EmptyInputError(field="audio")

    def _listen(self, blocks: Iterator[NDArray[np.float32]]) -> None:
        """Hand over whole frames, and what is left in the end."""
        count, rest = 0, np.zeros(0, np.float32)
        for block in blocks:
            count += len(block)
            self.audio_s = count / audio.SAMPLE_RATE
            if self.audio_s > self._max_seconds:
                raise InputTooLargeError(field="audio", size=self.audio_s, unit="seconds", limit=self._max_seconds)
            rest = np.concatenate([rest, block])
            whole = len(rest) // VOICE_FRAME * VOICE_FRAME
            if whole:
                self._give(rest[:whole], rest[:whole])
                rest = rest[whole:]
        if len(rest):
            self._give(rest, np.pad(rest, (0, VOICE_FRAME - len(rest))))

    def _give(self, samples: NDArray[np.float32], frames: NDArray[np.float32]) -> None:
        self._wait_for(self._given.put(Block(samples, self._detector.probabilities(frames))))

    async def _next_message(self) -> bytes | None:
        return await anext(self._messages, None)

    def _wait_for(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Wait in the thread for the event loop. Raises CancelledError where nobody wants the audio any more."""
        self._waiting = waiting = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        if self._closed:
            waiting.cancel()
        return waiting.result()


class _Pipe:
    """The bytes of a stream as the file that FFmpeg reads. Its end is the end of the stream, or an error."""

    def __init__(self, fetch: Callable[[], bytes | None]) -> None:
        self._fetch = fetch
        self._left = memoryview(b"")
        self._failed: Exception | None = None
        self._ended = False
        self.size = 0
        """Bytes that came so far."""

    def read(self, size: int) -> bytes:
        """At most so many bytes, at least one until the end. Raises nothing: FFmpeg could not handle it."""
        while not self._left and not self._ended:
            self._more()
        piece, self._left = self._left[:size], self._left[size:]
        return bytes(piece)

    def ahead(self, size: int) -> bytes:
        """The next bytes, left where they are; less only at the end. Raises what ended the stream."""
        while len(self._left) < size and not self._ended:
            self._more()
        self.check()
        return bytes(self._left[:size])

    def check(self) -> None:
        """Raise what ended the stream, if anything did."""
        if self._failed is not None:
            raise self._failed

    def _more(self) -> None:
        try:
            data = self._fetch()
        except Exception as error:  # noqa: BLE001 - raised again by check
            data, self._failed = None, error
        if data is None:
            self._ended = True
        else:
            self.size += len(data)
            self._left = memoryview(bytes(self._left) + data if self._left else data)


def _demuxer(pipe: _Pipe) -> str:
    """FFmpeg's name of the container. Raises EmptyInputError or UnreadableMediaError."""
    demuxer = audio.sniff(pipe.ahead(_HEAD_BYTES)).demuxer
    if demuxer == "mov":
        _check_index_first(pipe)
    return demuxer


def _check_index_first(pipe: _Pipe) -> None:
    """Raise where the boxes (ISO/IEC 14496-12, section 4.2) with the audio come before the one that says what it is."""
    position = 0
    while position < _HEAD_LIMIT:
        header = pipe.ahead(position + 8)[position:]
        if len(header) < 8 or header[4:] == b"moov":
            return
        if header[4:] == b"mdat":
            raise _unreadable("its index comes after its audio; make it for streaming (faststart), or use mode FILE")
        position += max(int.from_bytes(header[:4], "big"), 8)
    raise _unreadable("it has no index at its beginning")


def _unreadable(problem: str) -> UnreadableMediaError:
    return UnreadableMediaError(field="audio", problem=problem, accepted=audio.ACCEPTED)
