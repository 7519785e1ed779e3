"""Days of the calendar in a text, so that they can be compared over languages."""

from __future__ import annotations

import calendar
import re
import unicodedata

_MONTH = {name.lower(): n for n, name in enumerate(calendar.month_name) if n} | {
    name.lower(): n for n, name in enumerate(calendar.month_abbr) if n
}
_NAMES = "|".join(sorted(_MONTH, key=len, reverse=True))
_ISO = re.compile(r"(?<!\d)\d{4}([-/.])(0?[1-9]|1[0-2])\1(0?[1-9]|[12]\d|3[01])(?!\d)")
_KANJI = re.compile(r"(?<!\d)(\d{1,2})月(\d{1,2})日")
_DAY_FIRST = re.compile(rf"(?i)\b(\d{{1,2}})(?:st|nd|rd|th)?(?: of)? ({_NAMES})\b")
_MONTH_FIRST = re.compile(rf"(?i)\b({_NAMES})\.? (\d{{1,2}})(?:st|nd|rd|th)?\b")
_ERA = re.compile(r"(明治|大正|昭和|平成|令和)(元|\d{1,2})年")
_BEFORE = {"明治": 1867, "大正": 1911, "昭和": 1925, "平成": 1988, "令和": 2018}
"""The western year before the first of an era."""
_WEEKDAYS = {"ja": "月火水木金土日", "zh": "一二三四五六日"}
_WEEKDAY_NAMES = "|".join(calendar.day_name)
_WEEKDAY_EN = re.compile(rf"\b({_WEEKDAY_NAMES})s?\b|\b({'|'.join(calendar.day_abbr)})(?=[.,])")
_WEEKDAY_JA = re.compile(r"([月火水木金土日])曜|[（(]([月火水木金土日])[）)]")
_WEEKDAY_ZH = re.compile(r"(?:星期|礼拜|周)([一二三四五六日])")

LANGUAGES = {"ja", "en", "zh"}
"""Languages whose dates are known in every usual way of writing."""


def days(text: str) -> set[tuple[int, int]]:
    """The (month, day) pairs of a text: 2026-11-15, 11月15日, November 15, 15 Nov."""
    plain = unicodedata.normalize("NFKC", text)
    found = {(int(m[2]), int(m[3])) for m in _ISO.finditer(plain)}
    found |= {(int(m[1]), int(m[2])) for m in _KANJI.finditer(plain)}
    found |= {(_MONTH[m[2].lower()], int(m[1])) for m in _DAY_FIRST.finditer(plain)}
    return found | {(_MONTH[m[1].lower()], int(m[2])) for m in _MONTH_FIRST.finditer(plain)}


def eras(text: str) -> dict[str, str]:
    """The years of Japanese eras in a text, each with the western year: 8 (of 令和8年) is 2026."""
    plain = unicodedata.normalize("NFKC", text)
    return {
        found[2]: str(_BEFORE[found[1]] + (1 if found[2] == "元" else int(found[2]))) for found in _ERA.finditer(plain)
    }


def weekdays(text: str) -> set[int]:
    """The days of the week in a text, 0 for Monday to 6: 日曜日, (日), Sunday, Sun., 星期日."""
    plain = unicodedata.normalize("NFKC", text)
    found = {calendar.day_name[:].index(m[1]) for m in _WEEKDAY_EN.finditer(plain) if m[1]}
    found |= {calendar.day_abbr[:].index(m[2]) for m in _WEEKDAY_EN.finditer(plain) if m[2]}
    found |= {_WEEKDAYS["ja"].index(m[1] or m[2]) for m in _WEEKDAY_JA.finditer(plain)}
    return found | {_WEEKDAYS["zh"].index(m[1]) for m in _WEEKDAY_ZH.finditer(plain)}


def written_weekday(weekday: int, language: str) -> str:
    """A day of the week in a language of LANGUAGES: Sunday, 日曜日, 星期日."""
    if language == "en":
        return calendar.day_name[weekday]
    return f"星期{_WEEKDAYS['zh'][weekday]}" if language == "zh" else f"{_WEEKDAYS['ja'][weekday]}曜日"


def written(day: tuple[int, int], language: str) -> str:
    """A day in a language: November 15 in English, else 11月15日."""
    return f"{calendar.month_name[day[0]]} {day[1]}" if language == "en" else f"{day[0]}月{day[1]}日"
