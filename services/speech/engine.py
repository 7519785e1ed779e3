"""What a speech engine does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from buhin import engine

ROLE, SPEAKER_ROLE = "speech recognition", "speaker embeddings"
"""Roles of the models."""
VOICE_FRAME = 512
"""Samples of a frame in which there is a voice or not."""
VOICE_FRAME_S = VOICE_FRAME / 16_000


class Task(StrEnum):
    """What to write: what is said, or the same in English."""

    TRANSCRIBE = "transcribe"
    TRANSLATE = "translate"


@dataclass(frozen=True)
class Options:
    """How to recognize. ``language`` is one of the engine's, None to detect; hotwords most important first; ``terms``
    are hotwords too, in the language under which they stand. ``identify_languages``: the language may change.
    """

    language: str | None = None
    task: Task = Task.TRANSCRIBE
    voice_activity_detection: bool = True
    hotwords: tuple[str, ...] = ()
    terms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    identify_languages: bool = False

    def spoken_in(self, language: str | None) -> Options:
        """The same for audio in a language."""
        terms = (term for term in self.terms.get(language or "", ()) if term not in self.hotwords)
        return replace(self, language=language, hotwords=(*self.hotwords, *terms), terms={})


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
    language: str = ""
    """Where languages were told apart."""
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
    hotwords_cut: int = 0
    """How many had none."""


class VoiceDetector(Protocol):
    """Hears one stream as it comes, and remembers what it heard of it. Called from one thread at a time."""

    def probabilities(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """The probability of a voice in each of the next frames, of shape (n,), 0 to 1, for n * VOICE_FRAME samples,
        mono at 16 kHz.
        """


class SpeechEngine(engine.Engine, Protocol):
    """Recognizes speech."""

    @property
    def languages(self) -> Sequence[str]:
        """Primary subtags of BCP-47 that it recognizes, sorted."""

    @property
    def part_s(self) -> float:
        """Seconds of a recording that it works on together."""

    def recognize(self, samples: NDArray[np.float32], options: Options, stop: engine.Stop) -> Transcription:
        """Recognize mono samples at 16 kHz, shape (n,), -1 to 1. Raises CancelledError."""

    def identify(self, samples: NDArray[np.float32]) -> Mapping[str, float]:
        """The languages that may be spoken, by their probabilities; empty where nothing is said."""

    def draft(self, samples: NDArray[np.float32], options: Options, stop: engine.Stop) -> tuple[Word, ...]:
        """Recognize at most 30 s quickly, of speech that goes on. The texts of the words, joined, are what was said.

        Raises CancelledError.
        """

    def voice_detector(self) -> VoiceDetector:
        """One for a new stream."""
