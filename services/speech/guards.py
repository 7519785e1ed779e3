"""What was hardly said: the signs of invented text in a recognized segment, and what follows from them.

Whisper invents where there is little to hear (Koenecke et al. 2024, https://arxiv.org/abs/2402.08021): known phrases,
and loops. A sign in the text alone proves nothing, since people do say such things; together with doubtful sound it is
enough to leave the text out.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path

import yaml

from services.speech.engine import Segment, Span

MAX_COMPRESSION_RATIO = 2.4
"""The limit of Whisper itself."""
REPEATS = 3
"""A segment, or a row of up to three, said this often one after the other is looked at."""
LOOP_TIMES, LOOP_LETTERS = 4, 12
"""The same letters this often one after the other, and this many letters in all, are a loop."""
_NO_SPEECH = 0.5
_HARDLY_SPOKEN = 0.2
"""More probably no speech than this, or out of a window that repeats itself, and less confident than that: invented,
whatever the text."""
_DOUBTFUL = 0.4
"""Confidence below which a text is doubtful enough to be left out for a sign of invention."""
_LITTLE_VOICE = 0.3
"""Share of a segment with a voice below which the sound is doubtful."""
_MAX_PERIOD = 40
_WHATEVER = "…"


class Phrase(Enum):
    """How a text is known as one that Whisper invents."""

    RARE = "rare"
    EVERYDAY = "everyday"


def is_invented(segment: Segment, voices: Sequence[Span]) -> bool:
    """Whether a segment is to be left out, given where voices are heard.

    It is where nobody is heard, where it is improbable in every respect or in a window that repeats itself, and where
    its text is of the kind that is invented while the sound is doubtful.
    """
    share = _voiced(segment, voices)
    unlikely = segment.no_speech_probability > _NO_SPEECH
    looped = segment.compression_ratio > MAX_COMPRESSION_RATIO
    if share == 0 or ((unlikely or looped) and segment.confidence < _HARDLY_SPOKEN):
        return True
    if not (unlikely or share < _LITTLE_VOICE or segment.confidence < _DOUBTFUL):
        return False
    return known_phrase(segment.text) is not None or loops(segment.text)


def known_phrase(text: str) -> Phrase | None:
    """Whether a text is nothing but a known phrase, once or again and again."""
    letters = _letters(text)
    return next((kind for kind, pattern in _phrases().items() if letters and pattern.fullmatch(letters)), None)


def rare_sentence(text: str) -> bool:
    """Whether one of the sentences of a text is a known phrase that hardly anybody says."""
    sentences = [text, *re.split(r"(?<=[.!?])\s+|(?<=[。！？])", text)]
    return any(known_phrase(sentence) is Phrase.RARE for sentence in sentences)


def loops(text: str) -> bool:
    """Whether the same letters come again and again; numbers do so by right."""
    letters = _letters(text)
    for start, period, times in _rows(letters, _MAX_PERIOD, LOOP_TIMES):
        if period * times >= LOOP_LETTERS and not letters[start : start + period].isnumeric():
            return True
    return False


def repeated(segments: Sequence[Segment]) -> list[int]:
    """The segments from which on what was said already, one or up to three segments, is said for the third time."""
    texts = [_letters(segment.text) for segment in segments]
    return sorted(
        start + period * (REPEATS - 1)
        for start, period, _ in _rows(texts, 3, REPEATS)
        if period == 1 or len(set(texts[start : start + period])) > 1
    )


def _rows(items: Sequence[str], longest: int, least: int) -> Iterator[tuple[int, int, int]]:
    """Where the same one to ``longest`` items stand at least ``least`` times in a row: start, period and times."""
    for period in range(1, min(longest, len(items) // least) + 1):
        run = 0
        for position in range(period, len(items) + 1):
            if position < len(items) and items[position] == items[position - period]:
                run += 1
                continue
            times = run // period + 1
            if times >= least:
                yield position - run - period, period, times
            run = 0


def _voiced(segment: Segment, voices: Sequence[Span]) -> float:
    """Share of a segment with a voice, 0 to 1; of one without length, whether it lies in a voice."""
    inside = [v for v in voices if v.start_s < segment.end_s and segment.start_s < v.end_s]
    length = segment.end_s - segment.start_s
    if not length:
        return float(any(voice.start_s <= segment.start_s <= voice.end_s for voice in voices))
    return sum(min(v.end_s, segment.end_s) - max(v.start_s, segment.start_s) for v in inside) / length


@functools.cache
def _phrases() -> dict[Phrase, re.Pattern[str]]:
    """What the letters of a text match when they are phrases of a kind and nothing else."""
    found = yaml.safe_load(Path(__file__).with_name("phrases.yaml").read_text(encoding="utf-8"))
    return {kind: re.compile(f"(?:{'|'.join(_pattern(p) for p in _all(found[kind.value]))})+") for kind in Phrase}


def _all(by_language: dict[str, list[str]]) -> list[str]:
    return sorted((phrase for phrases in by_language.values() for phrase in phrases), key=len, reverse=True)


def _pattern(phrase: str) -> str:
    return re.escape(_letters(phrase)) + (".{0,40}" if phrase.endswith(_WHATEVER) else "")


def _letters(text: str) -> str:
    """What counts of a text: letters and digits, after NFKC and case folding."""
    return "".join(letter for letter in unicodedata.normalize("NFKC", text).casefold() if letter.isalnum())
