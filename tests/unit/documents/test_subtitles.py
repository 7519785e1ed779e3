"""SRT and WebVTT: times and settings stay, sentences over cues are translated whole."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buhin import errors
from buhin.documents.subtitles import SubtitleDocument, divided
from tests.unit.documents.fake import swapped

VTT = """WEBVTT - header

NOTE a note
text

STYLE
::cue { color: red }

1
00:00:01.000 --> 00:00:03.000 align:start position:10%
<v Roger>hello there my friend
how are

00:00:03.100 --> 00:00:05.000
<v Roger>you doing today &amp; now?

intro
00:05.000 --> 00:07.000
- who is it?
- it is <i>me</i>.

00:08.000 --> 00:09.000
<i>all italic</i>

00:10.000 --> 00:11.000
{\\an8}<b>half</b> bold <00:10.500>late

00:12.000 --> 00:13.000

"""


def written(source: str, write: object = swapped) -> str:
    """The subtitles with their segments translated by a function."""
    document = SubtitleDocument(source.encode())
    return document.write([write(segment.text) for segment in document.segments]).decode()  # type: ignore[operator]


def test_words_are_translated_and_all_else_stays() -> None:
    expected = VTT.replace("hello there my friend\nhow are", "HELLO THERE\nMY FRIEND HOW")
    expected = expected.replace("you doing", "ARE YOU DOING").replace("today &amp; now?", "TODAY &amp; NOW?")
    expected = expected.replace("who is it", "WHO IS IT").replace("it is <i>me</i>", "IT IS <i>ME</i>")
    expected = expected.replace("all italic", "ALL ITALIC").replace("half</b> bold", "HALF</b> BOLD")
    assert written(VTT) == expected.replace("late", "LATE")


def test_segments_are_sentences_with_the_cue_where_they_begin() -> None:
    found = [(segment.text, segment.place.en) for segment in SubtitleDocument(VTT.encode()).segments]
    assert found == [
        ("hello there my friend how are you doing today & now?", "cue 1"),
        ("who is it?", "cue 3"),
        ("it is <g1>me</g1>.", "cue 3"),
        ("all italic", "cue 4"),
        ("<g1>half</g1> bold <x2/>late", "cue 5"),
    ]


@pytest.mark.parametrize(
    ("begins", "first", "segments"),
    [
        ("00:00:02,100", "and so", 1), ("00:00:09,000", "and so", 2), ("00:00:02,100", "and so.", 2),
        ("00:00:02,100", "そして、", 1), ("00:00:02,100", "「そうです。」", 2),
    ],
)  # fmt: skip
def test_a_sentence_runs_on_where_it_has_no_end_and_no_pause(begins: str, first: str, segments: int) -> None:
    source = f"1\n00:00:01,000 --> 00:00:02,000\n{first}\n\n2\n{begins} --> 00:00:10,000\nit goes on\n"
    assert len(SubtitleDocument(source.encode()).segments) == segments


@pytest.mark.parametrize(
    ("text", "shares", "expected"),
    [
        ("one two three four", [1, 1], ["one two", "three four"]),
        ("one two three four", [1, 3], ["one", "two three four"]),
        (
            "今日はとても良い天気ですから、散歩に行きましょう。",
            [1, 1],
            ["今日はとても良い天気ですから、", "散歩に行きましょう。"],
        ),
        ("はい。", [1, 1], ["はい。", "はい。"]),
        ("a b", [5, 1, 1], ["a", "b", "b"]),
        ("", [1, 1], ["", ""]),
    ],
)
def test_a_translation_is_cut_between_phrases(text: str, shares: list[int], expected: list[str]) -> None:
    assert divided(text, shares) == expected


CUES = st.lists(
    st.tuples(st.text(alphabet="ab 。.あ\n-<i>{}&", min_size=1, max_size=20), st.integers(0, 5)), min_size=1, max_size=6
)


@given(CUES, st.sampled_from(["\n", "\r\n"]))
def test_nothing_but_words_changes(cues: list[tuple[str, int]], newline: str) -> None:
    lines = ["x"] * 0
    for number, (text, pause) in enumerate(cues):
        time = f"00:00:{number * 6 + pause:02},000 --> 00:00:{number * 6 + 5:02},999"
        lines += [str(number + 1), time, *(line for line in text.split("\n") if line.strip()), ""]
    source = newline.join([*lines, "z", "00:01:00,000 --> 00:01:01,000", "end", ""])
    assert written(source, lambda text: text) == source
    once = written(source)
    times = re.compile(r"\d\d:[^\r\n]*-->[^\r\n]*")
    assert times.findall(once) == times.findall(source)
    assert once.count(newline + newline) == source.count(newline + newline)


@pytest.mark.parametrize(
    ("data", "problem"), [(b"hello\n", "no cue was found"), (b"", "no cue was found"), (b"\xff", "UTF-8")]
)
def test_other_files_are_refused(data: bytes, problem: str) -> None:
    with pytest.raises(errors.UnreadableMediaError, match=problem):
        SubtitleDocument(data)


def test_a_file_without_an_end_is_read_in_one_pass() -> None:
    hostile = "1\n00:00:01,000 --> 00:00:02,000\n" + "<i>" * 20_000 + " " * 20_000 + "-->" * 1000 + "\n"
    assert written(hostile, lambda text: text) == hostile
