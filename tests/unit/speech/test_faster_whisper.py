"""What of the engine needs no model: what is missing in a transcript."""

from __future__ import annotations

import pytest
from faster_whisper.transcribe import Segment as Piece
from faster_whisper.transcribe import Word as PieceWord

from services.speech.engine import Span
from services.speech.engines.faster_whisper import gaps, sentences
from tests.unit.speech.fakes import segment


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        ([], [(10, 20)]),
        ([(0, 5), (25, 30)], [(10, 20)]),
        ([(9, 12), (15, 21)], [(10, 9), (12, 15), (21, 20)]),
    ],
)
def test_what_segments_leave_of_a_voice(
    segments: list[tuple[float, float]], expected: list[tuple[float, float]]
) -> None:
    found = gaps(Span(10, 20), [segment(start, end, "x") for start, end in segments])
    assert found == [Span(*gap) for gap in expected]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([("今日は", 0, 1), ("晴れ。", 1, 2), ("明日は", 2, 3), ("雨。", 3, 4)], ["今日は晴れ。", "明日は雨。"]),
        ([("はい。", 0, 0.5), ("晴れです。", 0.5, 2), ("雨", 2, 3)], ["はい。晴れです。", "雨"]),
        ([("今日は", 0, 1), ("晴れです", 2.5, 3)], ["今日は", "晴れです"]),
        ([(" It", 0, 1), (" rains.", 1, 2), (" Again.", 2, 3)], [" It rains.", " Again."]),
        ([(" Ask", 0, 1), (" Dr.", 1, 2), (" Ito.", 2, 3)], [" Ask Dr. Ito."]),
        ([(" Ask", 0, 1), (" him.", 1, 2), (" Now.", 2.3, 3)], [" Ask him.", " Now."]),
        ([(" About", 0, 1), (" 3.", 1, 2), ("5", 2, 3)], [" About 3.5"]),
        ([], []),
    ],
)
def test_a_window_is_cut_where_sentences_end(words: list[tuple[str, float, float]], expected: list[str]) -> None:
    spoken = [PieceWord(start, end, text, 0.9) for text, start, end in words]
    text = "".join(word.word for word in spoken)
    window = Piece(1, 0, 0.0, 20.0, text, [], -0.2, 1.2, 0.1, spoken, 0.0)
    found = list(sentences(window))
    assert [part.text for part in found] == expected
    assert [word for part in found for word in part.words or []] == spoken
    assert all((part.start, part.end) == (part.words[0].start, part.words[-1].end) for part in found if part.words)
