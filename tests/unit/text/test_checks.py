"""What is asked of a text, and the numbers in it."""

from __future__ import annotations

import pytest

from buhin import errors
from buhin.text.checks import compression_ratio, numbers, require_length, require_text, spelled_numbers


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", errors.EmptyInputError),
        (" \n\t　", errors.EmptyInputError),
        ("a\x00b", errors.InvalidValueError),
        ("a\x1bb", errors.InvalidValueError),
        ("a\u202eb", errors.InvalidValueError),
    ],
)
def test_texts_that_are_refused(text: str, error: type[errors.BuhinError]) -> None:
    with pytest.raises(error) as caught:
        require_text(text, "text")
    assert caught.value.field == "text"
    assert "\x00" not in caught.value.message


def test_texts_that_are_taken() -> None:
    require_text("一行目\n\t二行目\r\n", "text")
    require_length(10, 10, "text")
    with pytest.raises(errors.InputTooLargeError, match="11 characters"):
        require_length(11, 10, "text")


@pytest.mark.parametrize(
    ("text", "least", "expected"),
    [
        ("500本と３００人", 12, {"500", "300"}),
        ("1,200 and 3.5", 12, {"1200", "3.5"}),
        ("10月5日の3時", 12, set()),
        ("10月5日の3時", 0, {"10", "5", "3"}),
        ("3万5000円", 12, {"5000"}),
        ("なし", 0, set()),
    ],
)
def test_numbers(text: str, least: float, expected: set[str]) -> None:
    assert numbers(text, least=least) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("three on 5 October", {"3", "10"}), ("三時に十人", {"3", "10"}), ("someone", set())],
)
def test_spelled_numbers(text: str, expected: set[str]) -> None:
    assert spelled_numbers(text) == expected


def test_repetition_shows_in_the_compression_ratio() -> None:
    assert compression_ratio("同じことを言う。" * 20) > 2.4
    assert (
        0
        < compression_ratio(
            "今年の訓練は、11月15日、日曜日の午前9時から、中央公園で行います。雨が強い場合は体育館です。"
        )
        < 2.4
    )
    assert compression_ratio("短い") == 0
