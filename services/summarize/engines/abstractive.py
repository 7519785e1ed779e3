"""Summaries that a language model writes, part by part, each sentence cited to the source.

A small model copies when it is given a whole text and summarizes well when it is given one thing at a time. So the text
is cut into topics, and the model writes the point of each that matters. That bounds the prompt, whatever the length of
the text. Without a query, the text is also cut into as many sections as the summary has sentences, and each section has
its say, so that the middle of a long text is not lost. An abstract or a headline is then written from the points.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from buhin.engine import Stop
from buhin.text.embeddings import SentenceEncoder
from buhin.text.generator import Generator
from buhin.text.sentences import split
from services.summarize.engine import CHARACTERS_A_SENTENCE, NO_SPACES, Options, Sentence, Style, Summary
from services.summarize.engines import prompts
from services.summarize.engines.ability import require_able
from services.summarize.engines.citing import cite
from services.summarize.engines.condensing import condense
from services.summarize.engines.ranking import by_marginal_relevance, centrality, relevance, topics
from services.summarize.engines.small_talk import is_small_talk
from services.summarize.engines.source import Source, read
from services.summarize.engines.writer import Part, Writer

_TOPIC_SENTENCES, _TOPIC_CHARACTERS = 5, 600
_POINTS = {Style.ABSTRACT: 10, Style.HEADLINE: 4}
"""Points that a condensed style is written from."""


def summarize(
    text: str, options: Options, generator: Generator, encoder: SentenceEncoder, pool: ThreadPoolExecutor, stop: Stop
) -> Iterator[str | Summary]:
    """Write a sentence for each topic that matters. What looks like an instruction is not shown to the model.

    Raises UnsupportedTaskError or UnsupportedLanguageError where the model cannot do what is wanted.
    """
    require_able(generator, options)
    source = read(text, encoder)
    stop.check()
    model_ids = (generator.model.model_id, encoder.model.model_id)
    if not source.spans:
        yield Summary((), model_ids, source.injections)
        return
    writer = Writer(generator, encoder, pool, options, stop)
    runs, order = _plan(source, options, encoder)
    condensed = options.style in _POINTS
    of_points = replace(writer, options=options.of_points()) if condensed else writer
    parts = [of_points.start(prompts.to_write(source.of(run), options.source, options.query), run) for run in runs]
    try:
        for n, part in enumerate(parts):
            if not condensed:
                yield options.separator if n else options.opening
            for characters in iter(part.drafted.get, None):
                if not condensed:
                    yield characters
        sentences = [_sentences(part, source, of_points) for part in parts]
    finally:
        for part in parts:
            part.written.cancel()
    stop.check()
    sentences = _that_matter(sentences, encoder)
    if condensed:
        written = [sentence for part in sentences for sentence in part]
        points = [sentence.text for sentence in written if sentence.finished] or [sentence.text for sentence in written]
        kept, dropped = yield from condense(points, [i for run in runs for i in run], source, writer)
    else:
        if options.query:
            sentences = [_about(options.query, part, encoder) for part in sentences]
        kept = _within(sentences, order, options)
        dropped = sum(map(len, sentences)) - len(kept)
    yield Summary(tuple(kept), model_ids, source.injections, dropped)


def _plan(source: Source, options: Options, encoder: SentenceEncoder) -> tuple[list[range], list[int]]:
    """The topics to write about, in the order of the text, and their positions, the most important first."""
    characters = CHARACTERS_A_SENTENCE[options.target in NO_SPACES]
    wanted = _POINTS.get(options.style) or options.max_sentences or max(1, (options.max_characters or 0) // characters)
    runs = topics(
        source.vectors,
        [span.end - span.start for span in source.spans],
        count=wanted,
        max_parts=_TOPIC_SENTENCES,
        max_length=_TOPIC_CHARACTERS,
    )
    means = np.stack([source.vectors[run.start : run.stop].mean(axis=0) for run in runs])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    if options.query:
        likeness = (source.vectors @ encoder.encode([options.query]).T)[:, 0]
        best = np.array([likeness[run.start : run.stop].max() for run in runs], np.float32)
        order = list(by_marginal_relevance(means, relevance(means, best)))[:wanted]
    else:
        scores = centrality(means)
        sections = topics(means, [1] * len(runs), count=wanted)
        order = sorted((max(section, key=lambda n: scores[n]) for section in sections), key=lambda n: -scores[n])
    places = sorted(order)
    return [runs[n] for n in places], [places.index(n) for n in order]


def _sentences(part: Part, source: Source, writer: Writer) -> list[Sentence]:
    written = part.written.result()
    texts = [span.of(written.text).removeprefix("- ").removeprefix("・") for span in split(written.text)]
    return cite(texts, written.finished, part.places, source, writer.options, writer.encoder)


def _that_matter(parts: list[list[Sentence]], encoder: SentenceEncoder) -> list[list[Sentence]]:
    """The parts without sentences that say nothing, unless there are no others."""
    talk = iter(is_small_talk(encoder.encode([sentence.text for part in parts for sentence in part]), encoder))
    kept = [[sentence for sentence in part if not next(talk)] for part in parts]
    return kept if any(kept) else parts


def _about(query: str, part: list[Sentence], encoder: SentenceEncoder) -> list[Sentence]:
    """The sentences of a part, those about the query first."""
    likeness = (encoder.encode([sentence.text for sentence in part]) @ encoder.encode([query]).T).sum(axis=1)
    return [part[n] for n in np.argsort(-likeness, kind="stable")]


def _within(parts: list[list[Sentence]], order: list[int], options: Options) -> list[Sentence]:
    """The sentences that fit: the first of every part, then the second, the most important part first."""
    sizes = [0] * len(parts)
    kept: list[Sentence] = []
    for size in range(1, max(map(len, parts), default=0) + 1):
        for n in order:
            tried = [*sizes[:n], size, *sizes[n + 1 :]]
            sentences = [sentence for part, most in zip(parts, tried, strict=True) for sentence in part[:most]]
            if sizes[n] == size - 1 and options.fits([sentence.text for sentence in sentences]):
                sizes, kept = tried, sentences
    return kept
