"""Where sentences end, in Japanese and English, and what holds for any text."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buhin.text.sentences import split


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("本日は晴れ。明日は雨。", ["本日は晴れ。", "明日は雨。"]),
        ("本当ですか？はい！次へ", ["本当ですか？", "はい！", "次へ"]),
        ("課長は「明日です。九時です。」と言った。以上。", ["課長は「明日です。九時です。」と言った。", "以上。"]),
        ("（注。終わり）次。", ["（注。終わり）次。"]),
        ("「閉じない。次の文。", ["「閉じない。", "次の文。"]),
        ("見出し\n本文。\n\n次", ["見出し", "本文。", "次"]),
        ("Mr. Smith came at 3.5 p.m. today. OK? Yes.", ["Mr. Smith came at 3.5 p.m. today.", "OK?", "Yes."]),
        ("See e.g. Fig. 2. J. Doe wrote it.", ["See e.g. Fig. 2.", "J. Doe wrote it."]),
        ('He said "no." Then he left.', ['He said "no."', "Then he left."]),
        ("Version 2.0.1 is out.", ["Version 2.0.1 is out."]),
        ("いつですか?10月です!よし", ["いつですか?", "10月です!", "よし"]),
        ("see https://example.jp/a?b=1 now? Yes", ["see https://example.jp/a?b=1 now?", "Yes"]),
        ("待って……。行こう", ["待って……。", "行こう"]),
        ("  margins \n", ["margins"]),
        ("", []),
        (" \n ", []),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert [span.of(text) for span in split(text)] == expected


def test_a_run_without_an_end_is_cut_at_a_pause() -> None:
    text = "あ" * 30 + "、" + "い" * 30 + "、" + "う" * 30
    parts = [span.of(text) for span in split(text, max_characters=40)]
    assert parts == ["あ" * 30 + "、", "い" * 30 + "、", "う" * 30]
    assert all(len(span.of("x" * 1000)) <= 40 for span in split("x" * 1000, max_characters=40))


@given(st.text(alphabet="あ。「」？！.a \nMr'\"、", max_size=80), st.integers(2, 30))
def test_spans_are_in_order_bounded_and_lose_nothing(text: str, most: int) -> None:
    spans = split(text, max_characters=most)
    assert all(0 < span.end - span.start <= most for span in spans)
    assert all(a.end <= b.start for a, b in itertools.pairwise(spans))
    kept = "".join(span.of(text) for span in spans)
    assert "".join(kept.split()) == "".join(text.split())
