"""Subtitles: what holds for any transcript, and what particular ones look like."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.speech.engine import Segment, Word
from services.speech.subtitles import Cue, Format, Layout, columns, cues, too_fast, write
from tests.unit.speech.fakes import segment

MEETING = "それでは、防災訓練の打ち合わせを始めます。今年の訓練は、11月15日、日曜日の午前9時から、中央公園で行います。"
SPEECH = "And so, my fellow Americans, ask not what your country can do for you, ask what you can do for your country."


def spoken(start_s: float, end_s: float, text: str, *, speaker: str = "", pause_s: float = 0.0) -> Segment:
    """A segment of even words (characters where there are no spaces), with a pause in its middle."""
    said = text.split() if " " in text else list(text)
    step = (end_s - start_s - pause_s) / len(said)
    late = [pause_s if 2 * n >= len(said) else 0.0 for n in range(len(said))]
    words = tuple(
        Word(start_s + n * step + late[n], start_s + (n + 1) * step + late[n], word, 0.9) for n, word in enumerate(said)
    )
    return segment(start_s, end_s, text, words=words, speaker=speaker)


def lines(text: str, **limits: Any) -> list[list[str]]:
    """The lines of each cue of a text at usual speed."""
    seconds = columns(text) / 15
    return [list(cue.lines) for cue in cues([spoken(0, seconds, text)], Layout(**limits), seconds)]


@st.composite
def transcripts(draw: st.DrawFn) -> list[Segment]:
    """Segments in order, of any text, with words at any times inside, or without words."""
    clock = 0.0
    found = []
    for text in draw(st.lists(st.text(min_size=1, max_size=80).filter(str.strip), max_size=6)):
        pieces = text.split() if draw(st.booleans()) else list("".join(text.split()))
        start = clock + draw(st.floats(0, 3))
        clock, words = start, []
        for piece in pieces if draw(st.booleans()) else []:
            begin = clock + draw(st.sampled_from([0.0, 0.0, 0.2, 2.0]))
            clock = begin + draw(st.sampled_from([0.0, 0.01, 0.1, 0.5]))
            words.append(Word(begin, clock, piece, 0.5))
        clock += draw(st.sampled_from([0.0, 0.3]))
        found.append(segment(start, clock, text, words=tuple(words), speaker=draw(st.sampled_from(["", "speaker-1"]))))
    return found


@given(
    transcripts(),
    st.builds(
        Layout,
        max_columns=st.integers(10, 100),
        max_lines=st.integers(1, 4),
        max_columns_per_second=st.floats(5, 60),
    ),
)
def test_any_transcript_gives_cues_in_order_within_the_limits_and_with_all_of_the_text(
    segments: list[Segment], layout: Layout
) -> None:
    audio_s = segments[-1].end_s + 1 if segments else 1.0
    found = cues(segments, layout, audio_s)
    assert all(cue.start_ms < cue.end_ms for cue in found)
    assert all(before.end_ms <= after.start_ms for before, after in pairwise(found))
    assert all(1 <= len(cue.lines) <= layout.max_lines for cue in found)
    assert all(line and columns(line) <= layout.max_columns for cue in found for line in cue.lines)
    said = "".join("".join(segment.text.split()) for segment in segments)
    assert "".join("".join(line.split()) for cue in found for line in cue.lines) == said
    for cue in found:
        early = cue.columns_per_second > layout.max_columns_per_second * 1.001
        assert bool(too_fast([cue], layout)) == early
    blocks = write(found, Format.WEBVTT).split("\n\n")
    assert len(blocks) == len(found) + 1
    assert len(re.findall(r"(?m)^\d\d:\d\d:\d\d,\d\d\d --> \d\d:\d\d:\d\d,\d\d\d$", write(found, Format.SRT))) == len(
        found
    )


@pytest.mark.parametrize(
    ("text", "limits", "expected"),
    [
        (MEETING, {}, [["それでは、防災訓練の打ち合わせを始めます。"],
                       ["今年の訓練は、11月15日、日曜日の", "午前9時から、中央公園で行います。"]]),
        (MEETING[:21], {"max_columns": 16}, [["それでは、", "防災訓練の"], ["打ち合わせを", "始めます。"]]),
        (SPEECH, {}, [["And so, my fellow Americans,", "ask not what your country can do for you,"],
                      ["ask what you can do for your country."]]),
        ("はい。そうです。", {}, [["はい。そうです。"]]),
        ("今天天气很好。我们去公园玩吧。", {"max_columns": 16, "max_lines": 1},
         [["今天天气很好。"], ["我们去公园玩吧。"]]),
        ("x" * 25, {"max_columns": 10}, [["xxxxxxxxxx"], ["xxxxxxxxxx", "xxxxx"]]),
        ("ヴヴヴヴヴッヴ", {"max_columns": 10}, [["ヴヴヴヴ", "ヴッヴ"]]),
        ("はい", {"max_lines": 1}, [["はい"]]),
    ],
)  # fmt: skip
def test_lines_end_where_a_reader_expects_it(text: str, limits: dict[str, int], expected: list[list[str]]) -> None:
    assert lines(text, **limits) == expected


def test_the_label_of_a_speaker_has_room_in_its_line() -> None:
    for cue in cues([spoken(0, 20, SPEECH, speaker="speaker-1")], Layout(), 20):
        assert columns("speaker-1: " + cue.lines[0]) <= 42


@pytest.mark.parametrize(
    ("segments", "audio_s", "expected"),
    [
        ([spoken(1, 1.2, "はい。")], 10, [(1_000, 2_000)]),
        ([spoken(1, 1.2, "はい。")], 1.5, [(1_000, 1_500)]),
        ([spoken(1, 1.2, "はい。"), spoken(1.5, 3, "いいえ。")], 10, [(1_000, 1_500), (1_500, 3_000)]),
        ([spoken(0, 1, "あ" * 20)], 10, [(0, 2_000)]),
        ([spoken(0, 8, "one two", pause_s=5)], 10, [(0, 1_500), (6_500, 8_000)]),
        (
            [spoken(2, 2, "a"), spoken(2, 2, "b"), spoken(2, 3, "c")],
            3,
            [(2_000, 2_001), (2_001, 2_002), (2_002, 3_000)],
        ),
    ],
)
def test_a_cue_begins_with_its_first_word_and_stays_as_long_as_it_needs_and_may(
    segments: list[Segment], audio_s: float, expected: list[tuple[int, int]]
) -> None:
    assert [(cue.start_ms, cue.end_ms) for cue in cues(segments, Layout(), audio_s)] == expected


def test_a_cue_that_nobody_can_read_in_time_is_a_reason_to_look() -> None:
    layout = Layout(max_columns_per_second=10)
    found = cues([spoken(0, 1, "あ" * 20), spoken(1, 9, "はい。")], layout, 9)
    [reason] = too_fast(found, layout)
    assert (reason.code, reason.subject, reason.value, reason.threshold) == ("READING_SPEED", "subtitles", 40, 10)
    assert "1 of 2" in reason.message
    assert "0.0–1.0" in reason.message_ja
    assert too_fast(found[1:], layout) == []


CUES = [
    Cue(0, 1_500, ("A <b> & c", "d --> e"), "speaker-2"),
    Cue(3_600_001, 36_000_000, ("はい。",)),
]


def test_srt() -> None:
    assert write(CUES, Format.SRT) == (
        "1\n00:00:00,000 --> 00:00:01,500\nspeaker-2: A <b> & c\nd --> e\n\n2\n01:00:00,001 --> 10:00:00,000\nはい。\n"
    )
    assert write([], Format.SRT) == ""


def test_webvtt() -> None:
    assert write(CUES, Format.WEBVTT) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\n<v speaker-2>A &lt;b&gt; &amp; c\nd --&gt; e\n"
        "\n01:00:00.001 --> 10:00:00.000\nはい。\n"
    )
    assert write([], Format.WEBVTT) == "WEBVTT\n"
