"""What a summarization engine does."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from buhin import engine
from buhin.text.sentences import Span

NO_SPACES = {"ja", "zh", "th"}
"""Languages whose sentences stand side by side without a space."""


CHARACTERS_A_SENTENCE = {True: 45, False: 110}
"""Length of a written sentence to plan with, for the languages of NO_SPACES and for others."""

WRITES, COMPARES = "writing", "ranking and citations"
"""Roles of the models."""


class Method(enum.Enum):
    """How to summarize."""

    EXTRACTIVE = enum.auto()
    ABSTRACTIVE = enum.auto()


class Style(enum.Enum):
    """Form of the summary."""

    PARAGRAPH = enum.auto()
    BULLETS = enum.auto()
    ABSTRACT = enum.auto()
    HEADLINE = enum.auto()
    MINUTES = enum.auto()


@dataclass(frozen=True)
class Options:
    """What is wanted. Languages are without region; exactly one of the two lengths is set."""

    method: Method
    style: Style
    source: str
    target: str
    max_characters: int | None = None
    max_sentences: int | None = None
    query: str = ""

    @property
    def opening(self) -> str:
        """What stands before the first sentence."""
        return "- " if self.style is Style.BULLETS else ""

    @property
    def separator(self) -> str:
        """What stands between two sentences."""
        if self.style is Style.BULLETS:
            return "\n- "
        return "" if self.target in NO_SPACES else " "

    def lay_out(self, sentences: list[str]) -> str:
        """The sentences as one text in the style that is wanted."""
        return self.opening + self.separator.join(sentences) if sentences else ""

    def of_points(self) -> Options:
        """How the points are written that an abstract or a headline is written from."""
        return replace(self, style=Style.BULLETS, target=self.source)

    def fits(self, sentences: list[str]) -> bool:
        """Whether the sentences stay within the length."""
        if self.max_sentences is not None:
            return len(sentences) <= self.max_sentences
        return self.max_characters is None or len(self.lay_out(sentences)) <= self.max_characters


@dataclass(frozen=True)
class Citation:
    """A place of the source and its similarity to the sentence, -1 to 1."""

    span: Span
    similarity: float


@dataclass(frozen=True)
class Sentence:
    """A sentence of the summary and what it stands on, best first.

    ``support`` is 0 to 1; ``foreign_numbers`` and ``foreign_names`` are those of the sentence that the source does not
    have; ``finished`` is False when it was cut at the engine's limit.
    """

    text: str
    citations: tuple[Citation, ...]
    support: float
    foreign_numbers: frozenset[str] = frozenset()
    finished: bool = True
    foreign_names: frozenset[str] = frozenset()


@dataclass(frozen=True)
class MinutesItem:
    """The place of a sentence in the summary, from 0, and who said it; empty where nobody knows."""

    sentence: int
    speaker: str = ""


@dataclass(frozen=True)
class MinutesAction:
    """The place of a sentence in the summary, from 0, who does it and by when, in the words of the source, or empty."""

    sentence: int
    owner: str = ""
    due: str = ""


@dataclass(frozen=True)
class MinutesTopic:
    """What was talked about, in a few words, and what was said."""

    title: str
    items: tuple[MinutesItem, ...]


@dataclass(frozen=True)
class Minutes:
    """The sentences of a summary by what they are: topics first, then decisions, actions, open questions, each in the
    order of the text. ``left_out`` counts decisions, actions and questions that were found beyond what is written.
    """

    topics: tuple[MinutesTopic, ...] = ()
    decisions: tuple[MinutesItem, ...] = ()
    actions: tuple[MinutesAction, ...] = ()
    open_questions: tuple[MinutesItem, ...] = ()
    left_out: int = 0


@dataclass(frozen=True)
class Summary:
    """The sentences in order. ``injections`` are places of the source that look like instructions to the engine;
    ``dropped`` counts sentences that were written and had no room; ``minutes`` only with Style.MINUTES.
    """

    sentences: tuple[Sentence, ...]
    model_ids: tuple[str, ...]
    injections: tuple[Span, ...] = ()
    dropped: int = 0
    minutes: Minutes | None = None


class SummarizeEngine(engine.Engine, Protocol):
    """Shortens texts."""

    def summarize(self, text: str, options: Options, stop: engine.Stop) -> Iterator[str | Summary]:
        """Summarize: the next characters of a draft as they are written, then the summary, once.

        Raises CancelledError soon after ``stop`` is set, OutOfRangeError where no sentence fits, and
        UnsupportedTaskError or UnsupportedLanguageError where the models cannot do what is wanted.
        """
