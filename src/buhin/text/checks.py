"""What is asked of every text before any work, and signals of trouble in every text that a model wrote."""

from __future__ import annotations

import calendar
import re
import unicodedata
import zlib

from buhin.errors import EmptyInputError, InputTooLargeError, InvalidValueError

MAX_COMPRESSION_RATIO = 2.4
"""Above this a text repeats itself; the limit is Whisper's (Radford et al. 2022, https://arxiv.org/abs/2212.04356)."""
_LEAST_BYTES = 120
"""Shorter texts say nothing by how well they compress."""

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069]")
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?(?![\d,]*[万億兆千百])")
LARGEST_WRITTEN_OUT = 12
"""Numbers up to this are often words in the other language: three, October."""

_WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_MONTHS = [calendar.month_name[n] for n in range(1, 13)]
_KANJI = ["一", "二", "三", "四", "五", "六", "七", "八", "九", "十", "十一", "十二"]


def require_text(text: str, field: str) -> None:
    """Raise EmptyInputError for nothing but white space, InvalidValueError for control and bidirectional characters."""
    if not text.strip():
        raise EmptyInputError(field=field)
    require_printable(text, field)


def require_printable(text: str, field: str) -> None:
    """Raise InvalidValueError for control and bidirectional characters."""
    if found := _CONTROL.search(text):
        raise InvalidValueError(
            field=field,
            value=f"U+{ord(found.group()):04X} at character {found.start()}",
            accepted="text without control characters",
        )


def require_length(characters: int, limit: int, field: str) -> None:
    """Raise InputTooLargeError over the limit."""
    if characters > limit:
        raise InputTooLargeError(field=field, size=characters, unit="characters", limit=limit)


def compression_ratio(text: str) -> float:
    """Bytes of the text over its compressed bytes; 0 for a text too short to tell."""
    data = text.encode()
    return len(data) / len(zlib.compress(data)) if len(data) >= _LEAST_BYTES else 0.0


def numbers(text: str, *, least: float = LARGEST_WRITTEN_OUT) -> set[str]:
    """The numbers in digits that are greater than ``least`` or have decimals, without those before 万 and the like.

    By default only those that any language writes in digits.
    """
    found = {match.group().replace(",", "") for match in _NUMBER.finditer(unicodedata.normalize("NFKC", text))}
    return {number for number in found if "." in number or int(number) > least}


def spelled_numbers(text: str) -> set[str]:
    """The numbers 1 to 12, in digits, that a text has as English words or months, or as kanji."""
    words = {word.lower() for word in re.findall(r"[A-Za-z]+", text)}
    return {
        str(n)
        for n, (word, month, kanji) in enumerate(zip(_WORDS, _MONTHS, _KANJI, strict=True), start=1)
        if word in words or month.lower() in words or kanji in text
    }
