"""What must survive a translation as it is: terms, numbers, dates, addresses, placeholders."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from buhin.text import dates
from buhin.text.checks import LARGEST_WRITTEN_OUT, numbers, spelled_numbers
from services.translate.engine import Options

EXACT = re.compile(
    r"(?P<url>https?://[A-Za-z0-9._~:/?#@!$&*+,;=%-]*[A-Za-z0-9_~/#=&%+-])"
    r"|(?P<email>[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)"
    r"|(?P<placeholder>\$?\{\{?[\w.:-]{1,64}\}?\}|%(?:\(\w+\))?[sdif](?![A-Za-z]))"
    r"|(?P<tag></?[A-Za-z][A-Za-z0-9-]{0,20}(?:\s+[\w-]{1,30}=\"[^\"<>\s]{0,200}\")*\s*/?>)"
)
"""Text that has to stand in the translation character by character."""
_SPELLED = {"ja", "en", "zh"}
"""Languages whose small numbers and months are known when they are written as words."""
_QUESTION = re.compile(r"[?？؟]|か[。」』)]*$|[吗呢]|ไหม|หรือไม่|까[.\"]*$|요[.\"]*$")
_MARK = re.compile(r"XQ\d+")
_ALPHABETIC = r"[0-9A-Za-zÀ-ɏͰ-ӿ]"
"""Letters of the scripts that put spaces between words."""
_PLURAL, _INFLECTION = r"(?:e?s|['’]s)?", r"\w{0,3}(?:['’]s)?"


@dataclass(frozen=True)
class Lost:
    """What a sentence has and its translation has not. ``terms`` are pairs of a term and its translation; ``days`` of
    the month and of the week are as the target language writes them.
    """

    terms: tuple[tuple[str, str], ...]
    numbers: tuple[str, ...]
    days: tuple[str, ...]
    exact: tuple[str, ...]

    @property
    def needed(self) -> list[str]:
        """What the translation should have contained."""
        return [*(meaning for _, meaning in self.terms), *self.exact, *self.days, *self.numbers]


def lost(source: str, target: str, options: Options) -> Lost:
    """Compare a sentence with its translation.

    Numbers may be grouped and, up to 12 where the language is known, written out; days may be written in any way of the
    language; the year of an era may be the western one; all else must be there exactly.
    """
    exact = tuple(dict.fromkeys(m.group() for m in EXACT.finditer(source) if m.group() not in target))
    spelled = {options.source, options.language} <= _SPELLED
    plain = EXACT.sub(" ", source)
    given, kept = numbers(plain, least=0 if spelled else LARGEST_WRITTEN_OUT), _said(target)
    eras = dates.eras(plain)
    known = {options.source, options.language} <= dates.LANGUAGES
    given_days = dates.days(plain) if known else set()
    days = [dates.written(day, options.language) for day in sorted(given_days - dates.days(target))]
    if known:
        weekdays = dates.weekdays(plain) - dates.weekdays(target)
        days += [dates.written_weekday(weekday, options.language) for weekday in sorted(weekdays)]
    in_days = {str(part) for day in given_days for part in day}
    missing = sorted(number for number in given - kept - in_days if eras.get(number) not in kept)
    terms = tuple(
        (term, meaning)
        for term, meaning in dict(occurring(source, options.glossary)).items()
        if not _bounded(meaning, _INFLECTION if term != meaning else _PLURAL).search(target)
    )
    return Lost(terms, tuple(missing), tuple(days), exact)


def is_question(sentence: str) -> bool:
    """Whether a sentence asks something, by its marks."""
    return _QUESTION.search(sentence) is not None


def occurring(sentence: str, glossary: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The terms in a sentence as it writes them, with their translations. The longest goes first where terms overlap;
    in scripts with spaces a term is a whole word, or its plural.
    """
    terms = sorted(glossary, key=len, reverse=True)
    if terms:
        for found in re.finditer("|".join(f"({_bounded(term, _PLURAL).pattern})" for term in terms), sentence, re.I):
            term = terms[(found.lastindex or 0) - 1]
            yield term, glossary[term]


def masked(sentence: str, options: Options) -> tuple[str, dict[str, str]]:
    """The sentence with marks in place of all that must survive, and what each mark stands for: for a model that cannot
    be told what to keep, and copies what is no word. Without marks where the sentence has such words itself.
    """
    if _MARK.search(sentence):
        return sentence, {}
    patterns = [f"(?:{_bounded(term, _PLURAL).pattern})" for term in sorted(options.glossary, key=len, reverse=True)]
    patterns += [f"(?:{EXACT.pattern})", r"\d(?:[\d,.:/-]*\d)?"]
    meanings = {term.casefold(): meaning for term, meaning in options.glossary.items()}
    stand: dict[str, str] = {}

    def mark(found: re.Match[str]) -> str:
        stand[f"XQ{len(stand)}"] = meanings.get(found.group().casefold(), found.group())
        return f"XQ{len(stand) - 1}"

    return re.sub("|".join(patterns), mark, sentence, flags=re.IGNORECASE), stand


def unmasked(translation: str, stand: Mapping[str, str]) -> str | None:
    """The translation with what its marks stand for; None where a mark is missing or there twice."""
    if not stand or sorted(_MARK.findall(translation)) != sorted(stand):
        return None
    return _MARK.sub(lambda found: stand[found.group()], translation)


def _said(text: str) -> set[str]:
    return numbers(text, least=0) | spelled_numbers(text)


def _bounded(term: str, ending: str) -> re.Pattern[str]:
    before = rf"(?<!{_ALPHABETIC})" if re.match(_ALPHABETIC, term) else ""
    after = rf"{ending}(?!{_ALPHABETIC})" if re.match(_ALPHABETIC, term[-1:]) else ""
    return re.compile(before + re.escape(term) + after, re.IGNORECASE)
