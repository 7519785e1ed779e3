"""Summaries out of sentences of the source, unchanged and in their order."""

from __future__ import annotations

from buhin.engine import Stop
from buhin.errors import OutOfRangeError
from buhin.text.embeddings import SentenceEncoder
from buhin.text.sentences import split
from services.summarize.engine import Citation, Options, Sentence, Summary
from services.summarize.engines.ranking import by_marginal_relevance, relevance
from services.summarize.engines.small_talk import that_matter

_SAME = 0.97
"""Sentences more alike than this say the same; the second is left out."""


def summarize(text: str, options: Options, encoder: SentenceEncoder, stop: Stop) -> Summary:
    """Take the sentences that matter most as long as they fit. Raises OutOfRangeError where none fits."""
    spans = split(text)
    vectors = encoder.encode([span.of(text) for span in spans])
    stop.check()
    kept = that_matter(vectors, encoder)
    spans, vectors = [spans[i] for i in kept], vectors[kept]
    sentences = [span.of(text) for span in spans]
    query = encoder.encode([options.query]) if options.query else None
    chosen: list[int] = []
    for candidate in by_marginal_relevance(vectors, relevance(vectors, query)):
        said = bool(chosen) and float((vectors[chosen] @ vectors[candidate]).max()) > _SAME
        if not said and options.fits([sentences[i] for i in sorted([*chosen, candidate])]):
            chosen.append(candidate)
    if not chosen:
        shortest = min(len(options.lay_out([sentence])) for sentence in sentences)
        raise OutOfRangeError(
            field="max_characters",
            value=options.max_characters,
            minimum=shortest,
            maximum=len(options.lay_out(sentences)),
        )
    return Summary(
        tuple(Sentence(sentences[i], (Citation(spans[i], 1.0),), support=1.0) for i in sorted(chosen)),
        model_ids=(encoder.model.model_id,),
    )
