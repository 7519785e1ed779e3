"""Telling languages."""

from __future__ import annotations

import pytest

from buhin.text.languages import NAMES, detect, normalize


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("明日の訓練は九時に始まります。", "ja"),
        ("会議", "ja"),
        ("The drill starts at nine.", "en"),
        ("Hello", "en"),
        ("我们明天开会。", "zh"),
        ("내일 회의가 있습니다.", "ko"),
        ("Das ist gut.", "de"),
        ("Bonjour à tous.", "fr"),
        ("Gracias por venir.", "es"),
        ("สวัสดีครับ", "th"),
        ("first line\nsecond line", "en"),
    ],
)
def test_detect(text: str, language: str) -> None:
    candidates = detect(text)
    assert candidates[0].language == language
    assert sum(candidate.probability for candidate in candidates) == pytest.approx(1)
    assert {candidate.language for candidate in candidates} <= set(NAMES)


@pytest.mark.parametrize("text", ["", "123", " \n", "!?"])
def test_without_letters_there_is_no_language(text: str) -> None:
    assert detect(text) == []


@pytest.mark.parametrize(("code", "expected"), [("ja-JP", "ja"), ("EN_us", "en"), ("zh-Hant-TW", "zh"), ("", "")])
def test_normalize(code: str, expected: str) -> None:
    assert normalize(code) == expected
