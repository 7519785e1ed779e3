"""When a person should look at a summary."""

from __future__ import annotations

from collections.abc import Iterator

from buhin.review import Reason
from buhin.text.checks import MAX_COMPRESSION_RATIO, compression_ratio
from buhin.text.languages import detect
from services.summarize.engine import Method, Options, Sentence, Summary

MIN_SUPPORT = 0.45
"""Below this a sentence is not supported. `python -m services.translate.evaluate` shows what it separates."""
_MIN_LANGUAGE_PROBABILITY = 0.5
_CHECKED_CHARACTERS = 12
"""Shorter sentences are too short to tell their language by."""


def supported(sentence: Sentence) -> bool:
    """Whether the source supports a sentence."""
    return sentence.support >= MIN_SUPPORT and not sentence.foreign_numbers and not sentence.foreign_names


def reasons(text: str, summary: Summary, options: Options) -> Iterator[Reason]:
    """The reasons to look, most serious first."""
    for span in summary.injections:
        yield Reason(
            "INJECTION_SUSPECTED",
            f"characters {span.start} to {span.end} of the text look like an instruction and were left out",
            f"本文の {span.start}〜{span.end} 文字目は指示のように見えるため、要約の対象から外しました",
        )
    if options.method is Method.ABSTRACTIVE:
        for number, sentence in enumerate(summary.sentences):
            yield from _of_sentence(f"sentences[{number}]", sentence, options)
    if summary.minutes is not None and summary.minutes.left_out:
        left_out = summary.minutes.left_out
        yield Reason(
            "ITEMS_LEFT_OUT",
            f"{left_out} further decisions, actions or open questions seem to be in the text and were not written",
            f"このほかに {left_out} 件の決定・実施事項・未決事項らしい発言があり、書き出していません",
            value=left_out,
            threshold=0,
        )
    if summary.dropped:
        yield Reason(
            "SHORTENED",
            f"{summary.dropped} sentences had no room in the length that was asked for",
            f"指定の長さに収まらない {summary.dropped} 文を省きました",
            value=summary.dropped,
            threshold=0,
        )


def _of_sentence(subject: str, sentence: Sentence, options: Options) -> Iterator[Reason]:
    if sentence.foreign_numbers:
        text = ", ".join(sorted(sentence.foreign_numbers))
        yield Reason(
            "NUMBER_NOT_IN_SOURCE",
            f"numbers of the sentence are not in its source: {text}",
            f"出典にない数値があります: {text}",
            subject,
        )
    if sentence.foreign_names:
        text = ", ".join(sorted(sentence.foreign_names))
        yield Reason(
            "NAME_NOT_IN_SOURCE",
            f"names of the sentence are not in its source: {text}",
            f"出典にない名前があります: {text}",
            subject,
        )
    if sentence.support < MIN_SUPPORT:
        yield Reason(
            "UNSUPPORTED_SENTENCE",
            "the source may not say this",
            "本文に裏付けが見当たりません",
            subject,
            round(sentence.support, 3),
            MIN_SUPPORT,
        )
    found = detect(sentence.text) if len(sentence.text) >= _CHECKED_CHARACTERS else []
    if found and found[0].language != options.target and found[0].probability > _MIN_LANGUAGE_PROBABILITY:
        yield Reason(
            "WRONG_LANGUAGE",
            f"the sentence seems to be in {found[0].language}",
            f"{found[0].language} で書かれているようです",
            subject,
            round(found[0].probability, 3),
            _MIN_LANGUAGE_PROBABILITY,
        )
    if (ratio := compression_ratio(sentence.text)) > MAX_COMPRESSION_RATIO:
        yield Reason(
            "REPETITION",
            "the sentence repeats itself",
            "同じ語句の繰り返しがあります",
            subject,
            round(ratio, 2),
            MAX_COMPRESSION_RATIO,
        )
    if not sentence.finished:
        yield Reason("TRUNCATED", "the sentence was cut", "文が途中で切れています", subject)
