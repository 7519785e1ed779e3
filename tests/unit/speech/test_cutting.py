"""Windows moved, cut and joined."""

from __future__ import annotations

import dataclasses

import pytest

from services.speech.cutting import before, best_cut, joined, moved
from services.speech.engine import Span, Transcription, Word
from tests.unit.speech.fakes import NOTHING, SENTENCES, segment

HELLO = segment(
    0.0,
    10.0,
    "It is, it is. Go on!",
    words=(
        Word(0.0, 1.0, "It", 0.5), Word(1.0, 2.0, "is,", 0.75), Word(4.0, 5.0, "it", 1.0), Word(5.0, 6.0, "is.", 1.0),
        Word(6.5, 7.0, "Go", 1.0), Word(9.0, 10.0, "on!", 1.0),
    ),
)  # fmt: skip
WINDOW = dataclasses.replace(
    NOTHING, segments=(HELLO,), removed=(segment(11.0, 12.0, "x"),), unheard=(Span(4.0, 9.0),), hotwords_used=2
)


def test_all_times_are_moved() -> None:
    found = moved(WINDOW, 100.0)
    assert (found.segments[0].start_s, found.segments[0].end_s) == (100.0, 110.0)
    assert [word.start_s for word in found.segments[0].words] == [100.0, 101.0, 104.0, 105.0, 106.5, 109.0]
    assert (found.removed[0].start_s, found.unheard) == (111.0, (Span(104.0, 109.0),))
    assert found.segments[0].text == HELLO.text


@pytest.mark.parametrize(
    ("cut_s", "text", "end_s", "confidence", "unheard", "removed"),
    [
        (20.0, HELLO.text, 10.0, HELLO.confidence, (Span(4.0, 9.0),), 1),
        (6.2, "It is, it is.", 6.0, 0.8125, (Span(4.0, 6.2),), 0),
        (3.0, "It is,", 2.0, 0.625, (), 0),
    ],
)
def test_what_comes_before_a_cut_is_kept(
    cut_s: float, text: str, end_s: float, confidence: float, unheard: tuple[Span, ...], removed: int
) -> None:
    found = before(WINDOW, cut_s)
    [kept] = found.segments
    assert (kept.text, kept.end_s, kept.confidence) == (text, end_s, confidence)
    assert "".join(word.text for word in kept.words) == text.replace(" ", "")
    assert (found.unheard, len(found.removed)) == (unheard, removed)


@pytest.mark.parametrize(
    ("draft", "span", "expected"),
    [
        pytest.param(HELLO.words, Span(0.0, 8.0), 6.25, id="the last sentence"),
        pytest.param(HELLO.words[4:], Span(0.0, 8.0), 6.25, id="nothing agreed, the last sentence"),
        pytest.param(HELLO.words, Span(0.0, 13.0), 8.0, id="no sentence ends in the second half, the longest pause"),
        pytest.param(HELLO.words[:3], Span(0.0, 8.0), 5.0, id="what is agreed before all"),
        pytest.param(HELLO.words, Span(0.0, 24.0), 24.0, id="no word in the second half"),
        pytest.param((), Span(0.0, 8.0), 6.25, id="no draft"),
    ],
)
def test_the_best_cut(draft: tuple[Word, ...], span: Span, expected: float) -> None:
    assert best_cut(WINDOW, draft, span) == expected


def test_a_stream_is_its_windows_in_order() -> None:
    whole = joined([SENTENCES, WINDOW, NOTHING], "ja", 0.75, 4.5)
    assert whole.segments == (*SENTENCES.segments, HELLO)
    assert (whole.removed, whole.unheard, whole.hotwords_used) == (WINDOW.removed, WINDOW.unheard, 2)
    assert (whole.language, whole.language_probability, whole.speech_s) == ("ja", 0.75, 4.5)
    assert joined([], "", 0.0, 0.0) == Transcription((), "", 0.0, 0.0)


def test_the_hotwords_of_a_stream_are_those_of_its_fullest_window() -> None:
    windows = [
        dataclasses.replace(NOTHING, hotwords_used=used, hotwords_cut=cut)
        for used, cut in ((3, 0), (2, 8), (1, 8), (0, 0))
    ]
    whole = joined(windows, "ja", 1.0, 1.0)
    assert (whole.hotwords_used, whole.hotwords_cut) == (2, 8)
