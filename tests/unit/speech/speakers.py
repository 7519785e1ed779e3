"""Speech for tests: every level of sound is a word, so that an engine without a model understands it."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray

from buhin.engine import Stop
from buhin.errors import BuhinError
from buhin.speech.v1 import speech_pb2, speech_pb2_grpc
from buhin.status import decode_call
from services.speech.engine import Options, Segment, Transcription, Word
from tests.support import serving
from tests.unit.speech.fakes import FakeEngine, fake_application

RATE = 16_000
RAW: dict[str, Any] = {"encoding": speech_pb2.AUDIO_ENCODING_LINEAR16, "sample_rate_hertz": RATE}


def say(*words: int, each_s: float = 0.48) -> NDArray[np.float32]:
    """Words of ``each_s`` one after the other, 1 to 127; 0 is silence. Times are whole frames of the detector."""
    return np.repeat(np.array(words, np.float32) / 128, round(each_s * RATE))


def raw(samples: NDArray[np.float32]) -> bytes:
    """Raw 16-bit samples."""
    return (samples * 32_768).astype("<i2").tobytes()


class Listener(FakeEngine):
    """Understands ``say``. A draft is unsure of its last word. ``before`` runs before each recognition."""

    def __init__(self, before: Callable[[Stop], None] = lambda stop: None, **answer: Any) -> None:
        super().__init__()
        self.before = before
        self.changes: dict[str, Any] = {"language": "ja", "language_probability": 0.9} | answer
        self.working = threading.Event()

    def recognize(self, samples: NDArray[np.float32], options: Options, stop: Stop) -> Transcription:
        """A segment a stretch of sound."""
        self.asked.append((samples, options))
        self.working.set()
        self.before(stop)
        stop.check()
        segments: list[list[Word]] = []
        for word in _words(samples):
            if segments and segments[-1][-1].end_s == word.start_s:
                segments[-1].append(word)
            else:
                segments.append([word])
        found = tuple(
            Segment(words[0].start_s, words[-1].end_s, " ".join(w.text for w in words), 0.875, 0.125, 1.5, tuple(words))
            for words in segments
        )
        changes = dict(self.changes)
        if options.language:
            changes |= {"language": options.language, "language_probability": 1.0}
        return Transcription(segments=found, speech_s=sum(s.end_s - s.start_s for s in found), **changes)

    def draft(self, samples: NDArray[np.float32], options: Options, stop: Stop) -> tuple[Word, ...]:
        """The words with the space before each; the last one is misheard, another way each time."""
        words = [Word(w.start_s, w.end_s, f" {w.text}", w.confidence) for w in _words(samples)]
        last = words.pop()
        return (*words, Word(last.start_s, last.end_s, f"{last.text}misheard{len(samples)}", 0.25))


def _words(samples: NDArray[np.float32]) -> Iterable[Word]:
    levels = np.round(samples * 128).astype(int)
    edges = [0, *(np.flatnonzero(np.diff(levels)) + 1), len(levels)]
    for start, end in pairwise(edges):
        if levels[start]:
            yield Word(start / RATE, end / RATE, f"w{levels[start]}", 0.875)


def config(**values: Any) -> speech_pb2.StreamingRecognizeRequest:
    """The first message of a stream of raw samples; fields of the stream and of its config by their names."""
    stream = {key: values.pop(key) for key in ("interim_results", "voice_activity_events", "mode") if key in values}
    recognition = speech_pb2.RecognitionConfig(**(RAW | values))
    return speech_pb2.StreamingRecognizeRequest(
        streaming_config=speech_pb2.StreamingRecognitionConfig(config=recognition, **stream)
    )


def portions(data: bytes, size: int = 3_200) -> list[speech_pb2.StreamingRecognizeRequest]:
    """The messages of the audio."""
    return [speech_pb2.StreamingRecognizeRequest(audio=data[at : at + size]) for at in range(0, len(data), size)]


@asynccontextmanager
async def streaming(engine: FakeEngine, **settings: Any) -> AsyncIterator[Any]:
    """The stub's method on a running service."""
    async with serving(fake_application(engine, **settings)) as channel:
        yield speech_pb2_grpc.SpeechServiceStub(channel).StreamingRecognize


async def transcribe(
    engine: FakeEngine, data: bytes, *, size: int = 3_200, settings: dict[str, Any] | None = None, **values: Any
) -> list[speech_pb2.StreamingRecognizeResponse]:
    """All that comes back for some audio."""
    async with streaming(engine, **(settings or {})) as method:
        return [response async for response in method(iter([config(**values), *portions(data, size)]), timeout=60)]


def finals(responses: Iterable[speech_pb2.StreamingRecognizeResponse]) -> list[tuple[float, float, str]]:
    """Start, end and text of the final results."""
    return [
        (s.start_offset.ToMilliseconds() / 1000, s.end_offset.ToMilliseconds() / 1000, s.text)
        for response in responses
        if response.result.is_final
        for s in [response.result.segment]
    ]


async def left(call: Any) -> list[speech_pb2.StreamingRecognizeResponse]:
    """What still comes."""
    found = []
    while (response := await call.read()) is not grpc.aio.EOF:
        found.append(response)
    return found


async def failure(call: Any) -> tuple[BuhinError, list[speech_pb2.StreamingRecognizeResponse]]:
    """The error that ends a stream, and what comes before it."""
    found = []
    try:
        while (response := await call.read()) is not grpc.aio.EOF:
            found.append(response)
    except grpc.aio.AioRpcError as error:
        return decode_call(error, ""), found
    raise AssertionError("the stream ended well")
