"""What a translation engine does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from buhin import engine
from buhin.text.generator import Quality
from buhin.text.languages import PLAIN_JAPANESE
from buhin.text.sentences import Span

WRITES, COMPARES = "translation", "translation check"
"""Roles of the models."""


@dataclass(frozen=True)
class Options:
    """Languages without region, and terms with their translations. ``target`` may be plain Japanese (``ja-x-easy``),
    with the readings of kanji in brackets where ``furigana`` is set.
    """

    source: str
    target: str
    glossary: Mapping[str, str] = field(default_factory=dict)
    furigana: bool = False

    @property
    def language(self) -> str:
        """The language that is written."""
        return "ja" if self.target == PLAIN_JAPANESE else self.target


@dataclass(frozen=True)
class Pair:
    """A sentence of the content and its translation, at their places.

    ``similarity`` is the cosine of the two in a cross-lingual space, -1 to 1; ``finished`` is False when the
    translation was cut at the engine's limit. ``kept`` says that no acceptable translation was found and the sentence
    stands as it was; ``names`` are those that plain Japanese lost.
    """

    source: Span
    target: Span
    similarity: float
    finished: bool
    kept: bool = False
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plainness:
    """How plain a Japanese text is.

    Sentences are measured in characters. ``highest_grade`` is the school grade of its kanji, 1 to 6, 7 for the other
    kanji of common use, 8 for rarer ones, 0 without kanji. ``easy_share`` is the share of content words that are easy,
    0 to 1; ``difficult`` are the others, each once.
    """

    longest: int
    mean: float
    highest_grade: int
    easy_share: float
    difficult: tuple[str, ...]


@dataclass(frozen=True)
class Translation:
    """The translation of one content. ``plainness`` is measured for plain Japanese, without furigana."""

    text: str
    pairs: tuple[Pair, ...]
    plainness: Plainness | None = None


class TranslateEngine(engine.Engine, Protocol):
    """Translates texts."""

    @property
    def directions(self) -> Mapping[tuple[str, str], Quality]:
        """Every direction (source, target) that it has."""

    def translate(self, content: str, options: Options, stop: engine.Stop) -> Translation:
        """Translate a content sentence by sentence; line breaks stay. Raises CancelledError after ``stop`` is set."""
