"""Who spoke when: words are put together into units of one voice, and segments are split where the voice changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from buhin.engine import LoadedModel, Stop
from services.speech.engine import Segment, Span, Word

MAX_SPEAKERS = 20
UNIT_PAUSE_S = 0.3
"""A pause of this length ends a unit, and so does the end of a sentence: there another person may go on."""

_SENTENCE_END = tuple("。．.!?！？")


class Voices(Protocol):
    """Tells voices apart."""

    @property
    def model(self) -> LoadedModel:
        """What it knows voices by."""

    def embed(self, samples: NDArray[np.float32], spans: Sequence[Span], stop: Stop) -> NDArray[np.float32]:
        """A vector of each stretch of mono samples at 16 kHz, shape (len(spans), d). Raises CancelledError."""

    def tell_apart(self, vectors: NDArray[np.float32], lengths_s: Sequence[float], count: int | None) -> list[int]:
        """The speaker of each vector, numbered from 1 by first appearance; ``count``: how many, if known."""


@dataclass
class Diarization:
    """Tells the speakers of one recording, part by part. ``count``: 1 to 20, None to find out."""

    voices: Voices
    count: int | None
    _vectors: list[NDArray[np.float32]] = field(default_factory=list)

    def hear(self, samples: NDArray[np.float32], segments: Sequence[Segment], stop: Stop) -> None:
        """Take the next part, with its segments. Raises CancelledError."""
        if segments:
            self._vectors.append(self.voices.embed(samples, spans(segments), stop))

    def tell(self, segments: Sequence[Segment]) -> tuple[Segment, ...]:
        """All segments that were heard, in order, with their speakers."""
        if not segments:
            return ()
        lengths_s = [span.end_s - span.start_s for span in spans(segments)]
        return label(segments, self.voices.tell_apart(np.concatenate(self._vectors), lengths_s, self.count))


def spans(segments: Iterable[Segment]) -> list[Span]:
    """Where the units of all segments, in order, begin and end."""
    return [Span(unit[0].start_s, unit[-1].end_s) for segment in segments for unit in _units(segment)]


def label(segments: Iterable[Segment], speakers: Iterable[int]) -> tuple[Segment, ...]:
    """The segments with ``speaker-1`` and the like, one number for each of their ``spans``; split where it changes."""
    numbers = iter(speakers)
    return tuple(part for segment in segments for part in _parts(segment, numbers))


def _parts(segment: Segment, numbers: Iterator[int]) -> Iterator[Segment]:
    told = [(f"speaker-{next(numbers)}", unit) for unit in _units(segment)]
    groups = [
        (speaker, [replace(word, speaker=speaker) for _, unit in group for word in unit])
        for speaker, group in groupby(told, key=lambda each: each[0])
    ]
    if len(groups) == 1:
        [(speaker, words)] = groups
        yield replace(segment, speaker=speaker, words=tuple(words) if segment.words else ())
        return
    texts = _cut(segment.text, [words for _, words in groups])
    for number, ((speaker, words), text) in enumerate(zip(groups, texts, strict=True)):
        end_s = segment.end_s if number == len(groups) - 1 else words[-1].end_s
        yield replace(
            segment,
            start_s=segment.start_s if not number else words[0].start_s,
            end_s=end_s,
            text=text,
            confidence=sum(word.confidence for word in words) / len(words),
            words=tuple(words),
            speaker=speaker,
        )


def _cut(text: str, groups: Sequence[Sequence[Word]]) -> list[str]:
    """A text in as many pieces, each with the words of its group."""
    position, starts = 0, []
    for words in groups:
        starts.append(max(text.find(words[0].text, position), position))
        for word in words:
            position = max(text.find(word.text, position), position) + len(word.text)
    starts[0] = 0
    return [text[start:end].strip() for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]


def _units(segment: Segment) -> list[list[Word]]:
    """The words of a segment in units; a segment without words is one."""
    words = segment.words or (Word(segment.start_s, segment.end_s, segment.text, segment.confidence),)
    found = [[words[0]]]
    for word in words[1:]:
        before = found[-1][-1]
        if word.start_s - before.end_s >= UNIT_PAUSE_S or before.text.endswith(_SENTENCE_END):
            found.append([])
        found[-1].append(word)
    return found
