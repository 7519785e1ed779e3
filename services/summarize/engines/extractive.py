"""Summaries out of sentences of the source, unchanged and in their order."""

from __future__ import annotations

from collections.abc import Iterator

from buhin.engine import Stop
from buhin.errors import OutOfRangeError
from buhin.text.embeddings import SentenceEncoder
from services.summarize.engine import Citation, Options, Sentence, Summary
from services.summarize.engines.ranking import by_marginal_relevance, relevance
from services.summarize.engines.source import read

_SAME = 0.97
"""Sentences more alike than this say the same; the second is left out."""


def summarize(text: str, options: Options, encoder: SentenceEncoder, stop: Stop) -> Iterator[str | Summary]:
    """Take the sentences that matter most as long as they fit, none that looks like an instruction.

    Raises OutOfRangeError where none fits.
    """
    source = read(text, encoder)
    stop.check()
    model_ids = (encoder.model.model_id,)
    if not source.spans:
        yield Summary((), model_ids, source.injections)
        return
    sentences = [span.of(text) for span in source.spans]
    likeness = (source.vectors @ encoder.encode([options.query]).T)[:, 0] if options.query else None
    chosen: list[int] = []
    for candidate in by_marginal_relevance(source.vectors, relevance(source.vectors, likeness)):
        stop.check()
        said = bool(chosen) and float((source.vectors[chosen] @ source.vectors[candidate]).max()) > _SAME
        if not said and options.fits([sentences[i] for i in sorted([*chosen, candidate])]):
            chosen.append(candidate)
        if options.max_sentences is not None and len(chosen) == options.max_sentences:
            break
    if not chosen:
        shortest = min(len(options.lay_out([sentence])) for sentence in sentences)
        raise OutOfRangeError(
            field="max_characters",
            value=options.max_characters,
            minimum=shortest,
            maximum=len(options.lay_out(sentences)),
        )
    summary = Summary(
        tuple(Sentence(sentences[i], (Citation(source.spans[i], 1.0),), support=1.0) for i in sorted(chosen)),
        model_ids,
        source.injections,
    )
    yield options.lay_out([sentence.text for sentence in summary.sentences])
    yield summary
