"""A text as summaries see it: its sentences that say something, and what they mean."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from buhin.text.embeddings import SentenceEncoder, Vectors
from buhin.text.injection import suspected
from buhin.text.sentences import Span, split
from services.summarize.engines.small_talk import that_matter


@dataclass(frozen=True)
class Source:
    """The sentences of a text in order, with their vectors of length 1, shape (n, d), without small talk and without
    ``injections``, which look like instructions to a model.
    """

    text: str
    spans: Sequence[Span]
    vectors: Vectors
    injections: tuple[Span, ...]

    def of(self, places: Iterable[int], separator: str = "\n") -> str:
        """The sentences at some places."""
        return separator.join(self.spans[i].of(self.text) for i in places)


def read(text: str, encoder: SentenceEncoder) -> Source:
    """Take a text apart."""
    everything = split(text)
    injections = suspected(text, everything)
    spans = [span for span in everything if span not in injections and any(map(str.isalnum, span.of(text)))]
    vectors = encoder.encode([span.of(text) for span in spans])
    matter = that_matter(vectors, encoder) if spans else []
    return Source(text, [spans[i] for i in matter], vectors[matter], injections)
