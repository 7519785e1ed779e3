"""A speech engine that answers what a test tells it, behind the real service."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from buhin.config import SpeechSettings
from buhin.engine import LoadedModel, Stop
from buhin.serving import Application
from services.speech.__main__ import application
from services.speech.engine import (
    VOICE_FRAME,
    Options,
    Segment,
    Span,
    SpeechEngine,
    Transcription,
    VoiceDetector,
    Word,
)
from tests.support import ANY_PORT


def segment(start_s: float, end_s: float, text: str, **values: Any) -> Segment:
    """A segment that nobody has to look at, of one word."""
    word = Word(start_s, end_s, text, 0.875)
    defaults = {"confidence": 0.875, "no_speech_probability": 0.125, "compression_ratio": 1.5, "words": (word,)}
    return Segment(start_s, end_s, text, **{**defaults, **values})


PART_S = 60.0
NOTHING = Transcription(segments=(), language="", language_probability=0.0, speech_s=0.0)
SENTENCES = Transcription(
    segments=(
        segment(0.25, 1.5, "始めます。", words=(Word(0.25, 1.0, "始め", 0.75), Word(1.0, 1.5, "ます。", 1.0))),
        segment(1.5, 2.0, "はい。", confidence=0.75, no_speech_probability=0.25, compression_ratio=1.25),
    ),
    language="ja",
    language_probability=0.9375,
    speech_s=1.75,
)


class FakeEngine:
    """Keeps what it was asked."""

    name = "fake"
    version = "1.2"
    models = (LoadedModel("tiny", "sha256:" + "ab" * 32, "testing", "MIT", 12),)
    languages = ("en", "ja", "jv", "no", "zh")
    part_s = PART_S

    def __init__(self, answer: Transcription = SENTENCES) -> None:
        self.answer = answer
        self.asked: list[tuple[NDArray[np.float32], Options]] = []

    def warm_up(self) -> None:
        """Nothing to warm."""

    def close(self) -> None:
        """Nothing to free."""

    def recognize(self, samples: NDArray[np.float32], options: Options, stop: Stop) -> Transcription:
        """The answer."""
        stop.check()
        self.asked.append((samples, options))
        return self.answer

    def identify(self, samples: NDArray[np.float32]) -> Mapping[str, float]:
        """That of the answer, where it is not silent."""
        return {self.answer.language: self.answer.language_probability} if samples.any() else {}

    def draft(self, samples: NDArray[np.float32], options: Options, stop: Stop) -> tuple[Word, ...]:
        """Nothing yet."""
        stop.check()
        return ()

    def voice_detector(self) -> VoiceDetector:
        """Hears a voice in every sound."""
        return FakeDetector()


class FakeDetector:
    """Hears a voice wherever it is not silent."""

    def probabilities(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """One or zero for each frame."""
        return np.array([frame.any() for frame in samples.reshape(-1, VOICE_FRAME)], np.float32)


class FakeVoices:
    """Every second stretch is of another speaker; keeps what it was asked."""

    model = LoadedModel("voices", "sha256:" + "cd" * 32, "speaker embeddings", "MIT", 3)

    def __init__(self) -> None:
        self.counts: list[int | None] = []

    def embed(self, samples: NDArray[np.float32], spans: Sequence[Span], stop: Stop) -> NDArray[np.float32]:
        """No more than their number."""
        return np.zeros((len(spans), 1), np.float32)

    def tell_apart(self, vectors: NDArray[np.float32], lengths_s: Sequence[float], count: int | None) -> list[int]:
        """One and two, in turn."""
        self.counts.append(count)
        return [1 + number % 2 for number in range(len(vectors))]


def fake_application(engine: FakeEngine, **settings: Any) -> Application[SpeechEngine]:
    """The service as it is, with another engine."""
    load: Callable[[], SpeechEngine] = lambda: engine  # noqa: E731 - a lambda is what it is
    return dataclasses.replace(application(SpeechSettings(**(ANY_PORT | settings))), load=load)
