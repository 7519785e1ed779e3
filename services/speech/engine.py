"""What a speech engine does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from buhin import engine


class Task(StrEnum):
    """What to write: what is said, or the same in English."""

    TRANSCRIBE = "transcribe"
    TRANSLATE = "translate"


@dataclass(frozen=True)
class Options:
    """How to recognize. ``language`` is one of the engine's, None to detect; hotwords most important first."""

    language: str | None = None
    task: Task = Task.TRANSCRIBE
    voice_activity_detection: bool = True
    hotwords: tuple[str, ...] = ()


@dataclass(frozen=True)
class Span:
    """A stretch of the audio, in seconds from its beginning."""

    start_s: float
    end_s: float


@dataclass(frozen=True)
class Word(Span):
    """A word; ``confidence`` is the mean probability of its tokens. ``speaker`` is empty where it is not known."""

    text: str
    confidence: float
    speaker: str = ""


@dataclass(frozen=True)
class Segment(Span):
    """A stretch of speech. ``words`` lie inside it, in order; ``confidence`` is their mean.

    ``no_speech_probability`` and ``compression_ratio`` are those of the window that it was decoded in.
    """

    text: str
    confidence: float
    no_speech_probability: float
    compression_ratio: float
    words: tuple[Word, ...]
    speaker: str = ""


@dataclass(frozen=True)
class Transcription:
    """What was recognized, and what a person should know of it."""

    segments: tuple[Segment, ...]
    language: str
    """Given or detected; empty when it was not given and nothing was said."""
    language_probability: float
    """1 when the language was given."""
    speech_s: float
    """Seconds with a voice; all of them without voice activity detection."""
    removed: tuple[Segment, ...] = ()
    """What was recognized where hardly anybody can have spoken, and was therefore left out."""
    unheard: tuple[Span, ...] = ()
    """Where there is a voice and no text."""
    hotwords_used: int = 0
    """How many of the hotwords had room."""


class SpeechEngine(engine.Engine, Protocol):
    """Recognizes speech."""

    @property
    def languages(self) -> Sequence[str]:
        """Primary subtags of BCP-47 that it recognizes, sorted."""

    def recognize(self, samples: NDArray[np.float32], options: Options, stop: engine.Stop) -> Transcription:
        """Recognize mono samples at 16 kHz, shape (n,), -1 to 1. Raises CancelledError."""
