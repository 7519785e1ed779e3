"""What the sentences of a summary stand on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from buhin.text.checks import LARGEST_WRITTEN_OUT, numbers, spelled_numbers
from buhin.text.embeddings import SentenceEncoder
from services.summarize.engine import Citation, Options, Sentence
from services.summarize.engines.source import Source

_SPELLED_OUT = {"ja", "en", "zh"}
"""Languages whose small numbers are known when they are written as words."""
_CITATIONS, _CITATION_MARGIN = 3, 0.15


def cite(
    texts: Sequence[str],
    finished: bool,
    places: Sequence[int],
    source: Source,
    options: Options,
    encoder: SentenceEncoder,
) -> list[Sentence]:
    """The sentences that were written of those at ``places``, each with the most similar ones of these.

    A sentence is supported as well as it is like one of them, or like those that it cites together. Its numbers must
    stand there too.
    """
    shown = source.of(places, " ")
    known = numbers(shown, least=0) | spelled_numbers(shown)
    written_out = options.source != options.target and not {options.source, options.target} <= _SPELLED_OUT
    least = LARGEST_WRITTEN_OUT if written_out else 0
    vectors = source.vectors[list(places)]
    sentences = []
    for n, (text, vector) in enumerate(zip(texts, encoder.encode(texts), strict=True)):
        similarities = vectors @ vector
        best = float(similarities.max())
        near = np.argsort(-similarities)[:_CITATIONS]
        cited = {places[i]: float(similarities[i]) for i in near if similarities[i] >= best - _CITATION_MARGIN}
        context = encoder.encode([shown if len(places) <= _CITATIONS + 2 else source.of(sorted(cited), " ")])[0]
        sentences.append(
            Sentence(
                text,
                tuple(Citation(source.spans[place], similarity) for place, similarity in cited.items()),
                support=max(0.0, best, float(context @ vector)),
                foreign_numbers=frozenset(numbers(text, least=least) - known),
                finished=finished or n + 1 < len(texts),
            )
        )
    return sentences
