"""When a person should look at a translation."""

from __future__ import annotations

from collections.abc import Iterator

from buhin.review import Reason
from buhin.text.checks import MAX_COMPRESSION_RATIO, compression_ratio
from buhin.text.generator import Quality
from buhin.text.injection import looks_like_an_instruction
from buhin.text.languages import PLAIN_JAPANESE, detect
from services.translate.engine import Options, Plainness, Translation
from services.translate.kept import Lost, lost

MIN_SIMILARITY = 0.45
"""Below this a pair is flagged: of 1,000 true pairs of meetings 7.5 %, of random ones 91 % (`evaluate.py`)."""
MIN_LANGUAGE_PROBABILITY = 0.5
MAX_SENTENCE_CHARACTERS = 40
"""Longest sentence of plain Japanese, without furigana."""
MAX_KANJI_GRADE = 6
"""Last school grade whose kanji plain Japanese shows without furigana: that of primary school."""
MIN_EASY_SHARE = 0.7
"""Least share of the content words of plain Japanese that the dictionary of easy words has."""
_WORDS_NAMED = 10
_CHECKED_CHARACTERS = 12
"""Shorter sentences are too short to tell their language by."""


def of_direction(source: str, target: str, quality: Quality) -> Iterator[Reason]:
    """Reasons that lie in the direction."""
    if quality is Quality.WEAK:
        yield Reason(
            "WEAK_DIRECTION",
            f"the model is weak from {source} to {target}",
            f"このモデルは {source} から {target} への翻訳が苦手です",
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


def of_translation(content: str, translation: Translation, options: Options, where: str) -> Iterator[Reason]:
    """Reasons that lie in one translation. ``where`` is its path in the response; without it the translation is the
    whole answer and its reasons have no subject.
    """
    for n, pair in enumerate(translation.pairs):
        source, target = pair.source.of(content), pair.target.of(translation.text)
        subject = f"{where}.sentences[{n}]" if where else ""
        yield from _of_order(source, subject)
        if pair.kept:
            yield _of_kept(options, subject)
            continue
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

    if translation.plainness is not None:
        yield from _of_plainness(translation.plainness, options, where)


def _of_order(source: str, subject: str) -> Iterator[Reason]:
    if looks_like_an_instruction(source):
        yield Reason(
            "INJECTION_SUSPECTED",
            "the sentence seems to be an instruction to the model; it was treated as text",
            "モデルへの指示のように見える文です。指示ではなく文章として扱いました",
            subject,
        )


def _of_kept(options: Options, subject: str) -> Reason:
    if options.target == PLAIN_JAPANESE:
        return Reason(
            "NOT_SIMPLIFIED",
            "no plainer sentence was found that says the same; the sentence was left as it was",
            "同じ内容でよりやさしい文を作れなかったため、元の文のまま残しました",
            subject,
        )
    return Reason(
        "NOT_TRANSLATED",
        "what the model wrote was no translation; the sentence was left as it was",
        "モデルの出力が訳文ではなかったため、元の文のまま残しました",
        subject,
    )


def _of_plainness(plainness: Plainness, options: Options, subject: str) -> Iterator[Reason]:
    if plainness.longest > MAX_SENTENCE_CHARACTERS:
        yield Reason(
            "LONG_SENTENCE",
            "a sentence is long for plain Japanese",
            "やさしい日本語としては長い文があります",
            subject,
            plainness.longest,
            MAX_SENTENCE_CHARACTERS,
        )
    if plainness.highest_grade > MAX_KANJI_GRADE and not options.furigana:
        yield Reason(
            "DIFFICULT_KANJI",
            "there are kanji that are not learned at primary school, without furigana",
            "小学校で習わない漢字に、ふりがながありません",
            subject,
            plainness.highest_grade,
            MAX_KANJI_GRADE,
        )
    if plainness.easy_share < MIN_EASY_SHARE:
        words = ", ".join(plainness.difficult[:_WORDS_NAMED])
        yield Reason(
            "DIFFICULT_WORDS",
            f"many words are not in the dictionary of easy words: {words}",
            f"やさしい語の一覧にない語が多くあります: {words}",
            subject,
            round(plainness.easy_share, 3),
            MIN_EASY_SHARE,
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
    if missing.days:
        text = ", ".join(missing.days)
        yield Reason(
            "DATE_MISMATCH",
            f"dates of the sentence are not in its translation: {text}",
            f"原文の日付が訳文にありません: {text}",
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
    if len(target) < _CHECKED_CHARACTERS or options.source == options.language:
        return False
    if source == target:
        return True
    found = detect(target)
    return bool(found) and found[0].language == options.source and found[0].probability > MIN_LANGUAGE_PROBABILITY
