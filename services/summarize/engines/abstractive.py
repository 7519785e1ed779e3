"""Summaries that a language model writes, part by part, each sentence cited to the source.

A small model copies when it is given a whole text and summarizes well when it is given one thing at a time. So the text
is cut into topics, the ones that matter most are kept, and the model writes the point of each. That also bounds the
prompt, whatever the length of the text, and spreads the summary over all of it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from buhin.engine import Stop
from buhin.text.checks import LARGEST_WRITTEN_OUT, numbers, spelled_numbers
from buhin.text.embeddings import SentenceEncoder, Vectors
from buhin.text.generator import Generator
from buhin.text.injection import looks_like_an_instruction
from buhin.text.sentences import Span, split
from services.summarize.engine import NO_SPACES, Citation, Options, Sentence, Summary
from services.summarize.engines import prompts
from services.summarize.engines.ranking import by_marginal_relevance, relevance, topics
from services.summarize.engines.small_talk import is_small_talk, that_matter

_CHARACTERS_A_SENTENCE = {True: 45, False: 110}
"""Length of a written sentence to plan with, for languages without spaces and for others."""
_TOPIC_SENTENCES, _TOPIC_CHARACTERS = 5, 600
_SPELLED_OUT = {"ja", "en", "zh"}
"""Languages whose small numbers are known when they are written as words."""
_CITATIONS, _CITATION_MARGIN = 3, 0.15


@dataclass(frozen=True)
class _Source:
    text: str
    spans: list[Span]
    vectors: Vectors


def summarize(
    text: str, options: Options, generator: Generator, encoder: SentenceEncoder, pool: ThreadPoolExecutor, stop: Stop
) -> Summary:
    """Write a sentence for each topic that matters. What looks like an instruction is not shown to the model."""
    everything = split(text)
    injections = tuple(span for span in everything if looks_like_an_instruction(span.of(text)))
    spans = [span for span in everything if span not in injections]
    model_ids = (generator.model.model_id, encoder.model.model_id)
    if not spans:
        return Summary((), model_ids, injections)
    vectors = encoder.encode([span.of(text) for span in spans])
    matter = that_matter(vectors, encoder)
    source = _Source(text, [spans[i] for i in matter], vectors[matter])
    stop.check()
    runs, order = _plan(source, options, encoder)
    written = list(pool.map(lambda run: _write(source, run, options, generator, stop), runs))
    stop.check()
    parts = [
        _sentences(each, finished, run, source, options, encoder)
        for (each, finished), run in zip(written, runs, strict=True)
    ]
    parts = _that_matter(parts, encoder)
    kept = _within(parts, order, options)
    dropped = sum(map(len, parts)) - len(kept)
    return Summary(tuple(kept), model_ids, injections, dropped)


def _plan(source: _Source, options: Options, encoder: SentenceEncoder) -> tuple[list[range], list[int]]:
    """The topics to write about, in the order of the text, and their positions, the most important first."""
    wanted = options.max_sentences or max(
        1, (options.max_characters or 0) // _CHARACTERS_A_SENTENCE[options.target in NO_SPACES]
    )
    runs = topics(
        source.vectors,
        [span.end - span.start for span in source.spans],
        count=wanted,
        max_parts=_TOPIC_SENTENCES,
        max_length=_TOPIC_CHARACTERS,
    )
    means = np.stack([source.vectors[run.start : run.stop].mean(axis=0) for run in runs])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    query = encoder.encode([options.query]) if options.query else None
    order = by_marginal_relevance(means, relevance(means, query))[:wanted]
    places = sorted(order)
    return [runs[n] for n in places], [places.index(n) for n in order]


def _write(source: _Source, run: range, options: Options, generator: Generator, stop: Stop) -> tuple[str, bool]:
    part = "\n".join(source.spans[i].of(source.text) for i in run)
    written = generator.generate(prompts.to_write(part, options.source), stop=stop)
    if options.target == options.source:
        return written.text, written.finished
    translation = prompts.to_translate(" ".join(written.text.split()), options.source, options.target)
    translated = generator.generate(translation, stop=stop)
    return translated.text, written.finished and translated.finished


def _sentences(
    written: str, finished: bool, run: range, source: _Source, options: Options, encoder: SentenceEncoder
) -> list[Sentence]:
    texts = [span.of(written).removeprefix("- ").removeprefix("・") for span in split(written)]
    topic = " ".join(source.spans[i].of(source.text) for i in run)
    topic_vector = encoder.encode([topic])[0]
    known = numbers(topic, least=0) | spelled_numbers(topic)
    least = (
        0
        if options.source == options.target or {options.source, options.target} <= _SPELLED_OUT
        else LARGEST_WRITTEN_OUT
    )
    sentences = []
    for n, (text, vector) in enumerate(zip(texts, encoder.encode(texts), strict=True)):
        similarities = source.vectors @ vector
        best = float(similarities.max())
        cited = [int(i) for i in np.argsort(-similarities)[:_CITATIONS] if similarities[i] >= best - _CITATION_MARGIN]
        sentences.append(
            Sentence(
                text,
                tuple(Citation(source.spans[i], float(similarities[i])) for i in cited),
                support=max(0.0, best, float(topic_vector @ vector)),
                foreign_numbers=frozenset(numbers(text, least=least) - known),
                finished=finished or n + 1 < len(texts),
            )
        )
    return sentences


def _that_matter(parts: list[list[Sentence]], encoder: SentenceEncoder) -> list[list[Sentence]]:
    """The parts without sentences that say nothing, unless there are no others."""
    talk = iter(is_small_talk(encoder.encode([sentence.text for part in parts for sentence in part]), encoder))
    kept = [[sentence for sentence in part if not next(talk)] for part in parts]
    return kept if any(kept) else parts


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
