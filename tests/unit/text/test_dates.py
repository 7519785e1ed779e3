"""Days of the month and of the week in the ways that languages write them."""

from __future__ import annotations

import pytest

from buhin.text.dates import days, eras, weekdays, written, written_weekday


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-15 と 2026/1/2", {(11, 15), (1, 2)}),
        ("１１月１５日", {(11, 15)}),
        ("on 15 November and Dec. 3rd", {(11, 15), (12, 3)}),
        ("the 1st of May", {(5, 1)}),
        ("it may rain 15 times", set()),
    ],
)
def test_days_of_the_month(text: str, expected: set[tuple[int, int]]) -> None:
    assert days(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("日曜日の朝、月曜の夜", {6, 0}),
        ("11月15日（日）と16日(月)", {6, 0}),
        ("On Sunday, not on Mondays", {6, 0}),
        ("Tue., Sat, and Wed.", {1, 5, 2}),
        ("星期天不行，周三可以，星期日", {2, 6}),
        ("The sun sat on a wed stone; Sun light", set()),
        ("日本の月と火と水", set()),
    ],
)
def test_days_of_the_week(text: str, expected: set[int]) -> None:
    assert weekdays(text) == expected


def test_years_of_eras_are_western_years() -> None:
    assert eras("令和8年と昭和元年") == {"8": "2026", "元": "1926"}


@pytest.mark.parametrize(
    ("language", "day", "weekday"),
    [("en", "November 15", "Sunday"), ("ja", "11月15日", "日曜日"), ("zh", "11月15日", "星期日")],
)
def test_days_are_written_as_a_language_does(language: str, day: str, weekday: str) -> None:
    assert (written((11, 15), language), written_weekday(6, language)) == (day, weekday)
