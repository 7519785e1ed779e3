"""What of a meeting is written: everything that is found by cues, and the statements that matter most of each topic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from buhin.text.embeddings import SentenceEncoder, Vectors
from services.summarize.engine import NO_SPACES, Options
from services.summarize.engines.cues import Found, Kind, find, says_little
from services.summarize.engines.segments import segments
from services.summarize.engines.speakers import Utterance

MOST = {Kind.DECISION: 8, Kind.ACTION: 10, Kind.QUESTION: 6, Kind.TOPIC: 10}
"""Most sentences that are written of each kind; they bound the calls of the model, whatever the length of the text."""
_MOST_TOPICS, _SENTENCES_A_TOPIC, _POINTS_A_TOPIC = 5, 5, 2
_BEFORE_CHARACTERS = 240
_SAME = 0.9
"""Statements of one kind more alike than this say the same; only the one that a cue tells best is written."""
_NUMBER_BONUS, _QUERY_BONUS = 0.3, 1.0
_CHARACTERS_A_SENTENCE = {True: 40, False: 90}
"""Length of a written sentence to plan with, for languages without spaces and for others."""


@dataclass(frozen=True)
class Said:
    """The text as statements with their vectors, shape (n, d), and which of them are about the matter."""

    text: str
    utterances: list[Utterance]
    vectors: Vectors
    matter: list[int]
    labels: frozenset[str]

    def line(self, place: int) -> str:
        """A statement with who says it."""
        said = self.utterances[place]
        return (f"{said.speaker}: " if said.speaker else "") + said.span.of(self.text)

    def before(self, place: int) -> list[int]:
        """The place before a statement, which tells what it is about; none at the beginning or where that is long."""
        return [place - 1] if place > 0 and len(self.line(place - 1)) <= _BEFORE_CHARACTERS else []


@dataclass(frozen=True)
class Item:
    """Something to write: the statement at a place, what it is, and for a point the topic it is of."""

    place: int
    kind: Kind
    topic: range | None = None


def plan(said: Said, options: Options, encoder: SentenceEncoder) -> tuple[list[Item], int]:
    """What to write, the most important first, and how much more there would be."""
    sentences = [each.span.of(said.text) for each in said.utterances]
    bonus = np.zeros(len(sentences), np.float32)
    if options.query:
        bonus += _QUERY_BONUS * (said.vectors @ encoder.encode([options.query])[0])
    matter = set(said.matter)
    found = [each for each in find(sentences, said.vectors, encoder) if each.place in matter]
    found = [replace(each, score=each.score + float(bonus[each.place])) for each in found]
    distinct = _distinct(sorted(found, key=lambda each: (-each.score, each.place)), said.vectors)
    items = [
        Item(each.place, kind)
        for kind in (Kind.DECISION, Kind.ACTION, Kind.QUESTION)
        for each in [one for one in distinct if one.kind is kind][: MOST[kind]]
    ]
    taken = {each.place for each in found}
    items += _points(said, sentences, [place for place in said.matter if place not in taken], bonus)
    room = options.max_sentences or max(
        1, (options.max_characters or 0) // _CHARACTERS_A_SENTENCE[options.target in NO_SPACES]
    )
    planned = items[:room]
    return planned, len(distinct) - sum(item.kind is not Kind.TOPIC for item in planned)


def _distinct(found: Sequence[Found], vectors: Vectors) -> list[Found]:
    """Without those that say the same as one that is written; ``found`` is the best first."""
    kept: list[Found] = []
    written: dict[Kind, list[int]] = {kind: [] for kind in Kind}
    for each in found:
        same = written[each.kind]
        if not same or float((vectors[same] @ vectors[each.place]).max()) <= _SAME:
            kept.append(each)
            if len(same) < MOST[each.kind]:
                same.append(each.place)
    return kept


def _points(said: Said, sentences: Sequence[str], free: Sequence[int], bonus: Vectors) -> list[Item]:
    """The statements of each topic that are most like the whole of it, have numbers and answer the query; the first of
    every topic before the second of any.
    """
    free = [place for place in free if not says_little(sentences[place])]
    if not free:
        return []
    vectors = said.vectors[said.matter]
    count = min(_MOST_TOPICS, -(-len(said.matter) // _SENTENCES_A_TOPIC))
    ranked = []
    for run in segments(vectors, count):
        topic = range(said.matter[run.start], said.matter[run.stop - 1] + 1)
        middle = vectors[run.start : run.stop].sum(axis=0)
        middle /= np.linalg.norm(middle)

        def matters(place: int, middle: Vectors = middle) -> float:
            has_number = any(letter.isdigit() for letter in sentences[place])
            return float(said.vectors[place] @ middle + bonus[place]) + _NUMBER_BONUS * has_number

        best = sorted((place for place in free if place in topic), key=matters, reverse=True)[:_POINTS_A_TOPIC]
        ranked += [(n, topic.start, Item(place, Kind.TOPIC, topic)) for n, place in enumerate(best)]
    return [item for _, _, item in sorted(ranked, key=lambda each: each[:2])][: MOST[Kind.TOPIC]]
