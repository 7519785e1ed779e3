"""When a person should look at a translation."""

from __future__ import annotations

from collections.abc import Iterator

from buhin.review import Reason
from buhin.text.checks import MAX_COMPRESSION_RATIO, compression_ratio
from buhin.text.generator import Quality
from buhin.text.languages import detect
from services.translate.engine import Options, Translation
from services.translate.kept import Lost, lost

MIN_SIMILARITY = 0.45
"""Below this a pair is flagged: of 1,000 true pairs of meetings 7.5 %, of random ones 91 % (`evaluate.py`)."""
MIN_LANGUAGE_PROBABILITY = 0.5
_CHECKED_CHARACTERS = 12
"""Shorter sentences are too short to tell their language by."""


def of_direction(options: Options, quality: Quality) -> Iterator[Reason]:
    """Reasons that lie in the direction."""
    if quality is Quality.WEAK:
        yield Reason(
            "WEAK_DIRECTION",
            f"the model is weak from {options.source} to {options.target}",
            f"このモデルは {options.source} から {options.target} への翻訳が苦手です",
        )


def of_detection(number: int, language: str, probability: float) -> Iterator[Reason]:
    """Reasons that lie in the language that was detected."""
    if probability < MIN_LANGUAGE_PROBABILITY:
        yield Reason(
            "LANGUAGE_UNCERTAIN",
            f"the text was taken to be {language}, which is not certain",
            f"原文を {language} とみなしましたが、確実ではありません",
            f"translations[{number}]",
            probability,
            MIN_LANGUAGE_PROBABILITY,
        )


def of_translation(number: int, content: str, translation: Translation, options: Options) -> Iterator[Reason]:
    """Reasons that lie in the sentences of one translation."""
    for n, pair in enumerate(translation.pairs):
        source, target = pair.source.of(content), pair.target.of(translation.text)
        subject = f"translations[{number}].sentences[{n}]"
        if pair.similarity < MIN_SIMILARITY:
            yield Reason(
                "LOW_SIMILARITY",
                "the translation may say something else than the sentence",
                "訳文の意味が原文と異なる可能性があります",
                subject,
                round(pair.similarity, 3),
                MIN_SIMILARITY,
            )
        yield from _of_lost(lost(source, target, options), subject)
        if _untranslated(source, target, options):
            yield Reason(
                "UNTRANSLATED",
                "the sentence seems to be left in its language",
                "原文の言語のまま残っているようです",
                subject,
            )
        if not pair.finished:
            yield Reason("TRUNCATED", "the translation was cut", "訳文が途中で切れています", subject)
        if (ratio := compression_ratio(target)) > MAX_COMPRESSION_RATIO:
            yield Reason(
                "REPETITION",
                "the translation repeats itself",
                "訳文に同じ語句の繰り返しがあります",
                subject,
                round(ratio, 2),
                MAX_COMPRESSION_RATIO,
            )


def _of_lost(missing: Lost, subject: str) -> Iterator[Reason]:
    if missing.numbers:
        text = ", ".join(missing.numbers)
        yield Reason(
            "NUMBER_MISMATCH",
            f"numbers of the sentence are not in its translation: {text}",
            f"原文の数値が訳文にありません: {text}",
            subject,
        )
    if missing.exact:
        text = ", ".join(missing.exact)
        yield Reason(
            "EXACT_TEXT_LOST",
            f"addresses or placeholders of the sentence are not in its translation: {text}",
            f"原文の URL、メールアドレス、差し込み記号が訳文にありません: {text}",
            subject,
        )
    for term, meaning in missing.terms:
        yield Reason(
            "GLOSSARY_VIOLATION",
            f"«{term}» was not translated as «{meaning}»",
            f"用語「{term}」が「{meaning}」と訳されていません",
            subject,
        )


def _untranslated(source: str, target: str, options: Options) -> bool:
    if len(target) < _CHECKED_CHARACTERS:
        return False
    if source == target:
        return True
    found = detect(target)
    return bool(found) and found[0].language == options.source and found[0].probability > MIN_LANGUAGE_PROBABILITY
