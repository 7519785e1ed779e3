"""What a translation engine does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from buhin import engine
from buhin.text.generator import Quality
from buhin.text.sentences import Span


@dataclass(frozen=True)
class Options:
    """Languages without region, and terms with their translations."""

    source: str
    target: str
    glossary: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Pair:
    """A sentence of the content and its translation, at their places.

    ``similarity`` is the cosine of the two in a cross-lingual space, -1 to 1; ``finished`` is False when the
    translation was cut at the engine's limit.
    """

    source: Span
    target: Span
    similarity: float
    finished: bool


@dataclass(frozen=True)
class Translation:
    """The translation of one content."""

    text: str
    pairs: tuple[Pair, ...]


class TranslateEngine(engine.Engine, Protocol):
    """Translates texts."""

    @property
    def directions(self) -> Mapping[tuple[str, str], Quality]:
        """Every direction (source, target) that it has."""

    def translate(self, content: str, options: Options, stop: engine.Stop) -> Translation:
        """Translate a content sentence by sentence; line breaks stay. Raises CancelledError after ``stop`` is set."""
