"""Windows of a stream: moved to their place in it, cut where a voice does not pause, joined to a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from itertools import chain, pairwise
from typing import Any, TypeVar

from services.speech.agreement import LocalAgreement
from services.speech.engine import Segment, Span, Transcription, Word

T = TypeVar("T", bound=Span | Transcription)

_SENTENCE_ENDS = tuple("。．.!?！？")


def moved(found: T, by_s: float) -> T:
    """The same, with all its times later."""
    inside: dict[str, Any] = {
        name: tuple(moved(each, by_s) if isinstance(each, Span) else each for each in values)
        for name, values in _tuples(found).items()
    }
    if isinstance(found, Span):
        inside |= {"start_s": found.start_s + by_s, "end_s": found.end_s + by_s}
    return replace(found, **inside)


def before(window: Transcription, cut_s: float) -> Transcription:
    """What of a window comes before the cut; a segment across it keeps its words before it."""
    kept: dict[str, Any] = {
        name: tuple(
            each if not isinstance(each, Span) or each.end_s <= cut_s else _shortened(each, cut_s)
            for each in values
            if not isinstance(each, Span) or each.start_s < cut_s
        )
        for name, values in _tuples(window).items()
    }
    return replace(window, **kept)


def best_cut(window: Transcription, draft: Sequence[Word], span: Span) -> float:
    """Where to cut a window whose voice goes on: in its second half, after a word on which the window and an earlier
    draft of it agree, at the last end of a sentence, else in the longest pause.

    Where they agree on no word there, in the longest pause between any; where there is none, at the end.
    """
    words = [word for segment in window.segments for word in segment.words]
    agreement = LocalAgreement()
    agreement.add(draft)
    agreement.add(words)
    places = [
        (word, after, number < len(agreement.agreed))
        for number, (word, after) in enumerate(pairwise(words))
        if word.end_s > (span.start_s + span.end_s) / 2
    ]
    places = [place for place in places if place[2]] or places
    if not places:
        return span.end_s
    sentences = [place for place in places if place[0].text.endswith(_SENTENCE_ENDS)]
    word, after, _ = sentences[-1] if sentences else max(places, key=lambda place: place[1].start_s - place[0].end_s)
    return (word.end_s + after.start_s) / 2


def joined(windows: Sequence[Transcription], language: str, probability: float, speech_s: float) -> Transcription:
    """The windows of a stream, in order, as one."""
    whole = Transcription(segments=(), language=language, language_probability=probability, speech_s=speech_s)
    found: dict[str, Any] = {
        name: tuple(chain.from_iterable(getattr(window, name) for window in windows)) for name in _tuples(whole)
    }
    fullest = max(windows, key=lambda window: (window.hotwords_cut, window.hotwords_used), default=whole)
    return replace(whole, **found, hotwords_used=fullest.hotwords_used, hotwords_cut=fullest.hotwords_cut)


def _tuples(found: Span | Transcription) -> dict[str, tuple[Any, ...]]:
    """The fields that hold many."""
    values = {each.name: getattr(found, each.name) for each in fields(found)}
    return {name: value for name, value in values.items() if isinstance(value, tuple)}


def _shortened(span: Span, end_s: float) -> Span:
    """Its part before ``end_s``."""
    if not isinstance(span, Segment) or not span.words:
        return replace(span, end_s=end_s)
    words = tuple(word for word in span.words if (word.start_s + word.end_s) / 2 < end_s)
    position = 0
    for word in words:
        position = span.text.index(word.text, position) + len(word.text)
    return replace(
        span,
        end_s=min(end_s, words[-1].end_s) if words else end_s,
        text=span.text[:position],
        words=words,
        confidence=sum(word.confidence for word in words) / len(words) if words else span.confidence,
    )
