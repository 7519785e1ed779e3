"""The policy of what will stay of a text that is still being spoken."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.speech.agreement import LocalAgreement, letters
from services.speech.engine import Word


def words(*texts: str) -> list[Word]:
    """Words of a second each."""
    return [Word(float(n), n + 1.0, text, 0.5) for n, text in enumerate(texts)]


def text(found: Sequence[Word]) -> str:
    return "".join(word.text for word in found)


@pytest.mark.parametrize(
    ("n", "hypotheses", "agreed", "rest"),
    [
        (2, [["今日"]], "", "今日"),
        (2, [["今日", "は"], ["今日", "は", "雨"]], "今日は", "雨"),
        (2, [["今日", "は", "飴"], ["今日", "は", "雨", "です"]], "今日は", "雨です"),
        (2, [["今", "日は"], ["今日", "は雨"]], "今日", "は雨"),
        (2, [["水", "は", "。"], ["水", "は", "、", "500"]], "水は", "、500"),
        (2, [[" Hello", " World"], [" hello", ",", " world", "."]], " hello, world", "."),
        (2, [["水"], ["水", "は"], ["氷", "は", "足"]], "水", "は足"),
        (2, [["水", "は"], ["水は"], ["水は足", "り"], ["水は足", "り"]], "水は足り", ""),
        (3, [["水"], ["水", "は"]], "", "水は"),
        (3, [["水"], ["水", "は"], ["水", "は", "足"]], "水", "は足"),
        (1, [["水", "は"]], "水は", ""),
        (2, [["水", "は"], [], ["水", "は", "足"]], "", "水は足"),
    ],
)
def test_what_hypotheses_have_in_common_is_agreed(n: int, hypotheses: list[list[str]], agreed: str, rest: str) -> None:
    policy = LocalAgreement(n)
    for hypothesis in hypotheses:
        left = policy.add(words(*hypothesis))
    assert (text(policy.agreed), text(left)) == (agreed, rest)


TEXTS = st.lists(st.text("ab水は。 ,Aß", min_size=1, max_size=4), max_size=6)


@given(st.integers(1, 4), st.lists(TEXTS, max_size=8))
def test_what_was_agreed_is_never_taken_back(n: int, hypotheses: list[list[str]]) -> None:
    policy, before = LocalAgreement(n), ""
    for hypothesis in hypotheses:
        policy.add(words(*hypothesis))
        assert text(policy.agreed).startswith(before)
        before = text(policy.agreed)


@given(st.integers(1, 4), st.lists(TEXTS, max_size=8))
def test_no_letter_is_lost_or_doubled_where_a_hypothesis_goes_on_from_what_was_agreed(
    n: int, hypotheses: list[list[str]]
) -> None:
    policy = LocalAgreement(n)
    for hypothesis in hypotheses:
        agreed = letters(policy.agreed)
        rest = policy.add(words(*hypothesis))
        if letters(words(*hypothesis)).startswith(agreed):
            assert letters(policy.agreed) + letters(rest) == letters(words(*hypothesis))


@given(TEXTS, st.lists(st.integers(0, 6), max_size=8))
def test_drafts_that_only_grow_agree_on_all_but_the_last_of_them(whole: list[str], lengths: list[int]) -> None:
    policy = LocalAgreement()
    grown = [words(*whole[:length]) for length in sorted(lengths)]
    for hypothesis in grown:
        policy.add(hypothesis)
    assert letters(policy.agreed) == (letters(grown[-2]) if len(grown) > 1 else "")
