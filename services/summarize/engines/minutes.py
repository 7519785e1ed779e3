"""Minutes of a meeting: what was talked about, decided, to be done and left open, each sentence cited.

All sentences are looked at by phrases and likeness (``cues``), which costs little, so that nothing is lost in the
middle of a long text. Of what is found the model writes one short sentence each, mostly from the statement alone: a
small model does one thing at a time well. Where it does not say what the statement says, the statement itself is taken.
Who does it and by when is read from the statement, not written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from buhin.engine import Stop
from buhin.text.embeddings import SentenceEncoder
from buhin.text.generator import Generator
from buhin.text.injection import suspected
from services.summarize.engine import Minutes, MinutesAction, MinutesItem, MinutesTopic, Options, Summary
from services.summarize.engines.ability import require_able
from services.summarize.engines.cues import Kind
from services.summarize.engines.minutes_plan import Said, plan
from services.summarize.engines.minutes_writer import Writer, Written
from services.summarize.engines.small_talk import is_small_talk
from services.summarize.engines.speakers import utterances
from services.summarize.markdown import markdown


def summarize(
    text: str, options: Options, generator: Generator, encoder: SentenceEncoder, pool: ThreadPoolExecutor, stop: Stop
) -> Iterator[str | Summary]:
    """Write minutes: the sentences as they are written, then the minutes.

    What looks like an instruction is not shown to the model. Raises what ``require_able`` raises.
    """
    require_able(generator, options)
    everything = utterances(text)
    injections = suspected(text, [each.span for each in everything])
    shown = [each for each in everything if each.span not in injections]
    model_ids = (generator.model.model_id, encoder.model.model_id)
    if not shown:
        yield Summary((), model_ids, injections, minutes=Minutes())
        return
    vectors = encoder.encode([each.span.of(text) for each in shown])
    talk = is_small_talk(vectors, encoder)
    stop.check()
    labels = frozenset(each.speaker for each in shown if each.speaker)
    said = Said(text, shown, vectors, [i for i in range(len(shown)) if not talk[i]], labels)
    items, left_out = plan(said, options, encoder)
    writer = Writer(said, options, generator, encoder, stop)
    written: list[Written] = []
    for each in pool.map(writer.item, items):
        if each is not None:
            written.append(each)
            yield f"- {each.sentence.text}\n"
    runs = list(dict.fromkeys(each.item.topic for each in written if each.item.topic))
    titles = dict(zip(runs, pool.map(writer.title, runs), strict=True))
    stop.check()
    kept = _within(written, titles, options)
    minutes = _minutes(kept, titles, left_out)
    sentences = tuple(each.sentence for each in _in_order(kept))
    yield Summary(sentences, model_ids, injections, len(written) - len(kept), minutes)


def _within(written: Sequence[Written], titles: Mapping[range, str], options: Options) -> list[Written]:
    """Those that fit, the most important first."""
    kept: list[Written] = []
    for each in written:
        tried = [*kept, each]
        texts = [one.sentence.text for one in _in_order(tried)]
        if options.max_sentences is not None:
            fits = len(texts) <= options.max_sentences
        else:
            length = len(markdown(_minutes(tried, titles, 0), texts, options.target))
            fits = options.max_characters is None or length <= options.max_characters
        if fits:
            kept = tried
    return kept


def _in_order(written: Sequence[Written]) -> list[Written]:
    """As the proto has them: topics, decisions, actions, open questions, each in the order of the text."""
    kinds = [Kind.TOPIC, Kind.DECISION, Kind.ACTION, Kind.QUESTION]
    return sorted(written, key=lambda each: (kinds.index(each.item.kind), each.item.place))


def _minutes(written: Sequence[Written], titles: Mapping[range, str], left_out: int) -> Minutes:
    numbered = list(enumerate(_in_order(written)))

    def items(kind: Kind, topic: range | None = None) -> tuple[MinutesItem, ...]:
        return tuple(
            MinutesItem(number, each.speaker)
            for number, each in numbered
            if each.item.kind is kind and each.item.topic == topic
        )

    return Minutes(
        topics=tuple(
            MinutesTopic(title, items(Kind.TOPIC, run))
            for run, title in sorted(titles.items(), key=lambda each: each[0].start)
            if items(Kind.TOPIC, run)
        ),
        decisions=items(Kind.DECISION),
        actions=tuple(
            MinutesAction(number, each.owner, each.due) for number, each in numbered if each.item.kind is Kind.ACTION
        ),
        open_questions=items(Kind.QUESTION),
        left_out=left_out,
    )
