"""The parts of the engine that need no model: where to cut, what is missing."""

from __future__ import annotations

import pytest

from services.speech.engine import Span
from services.speech.engines.faster_whisper import gaps, parts
from tests.unit.speech.fakes import segment


@pytest.mark.parametrize(
    ("voices", "audio_s", "expected"),
    [
        ([(1, 9)], 10, [(0, 10)]),
        ([(0, 100), (110, 290), (292, 299)], 320, [(0, 320)]),
        ([(0, 100), (110, 290), (292, 301)], 320, [(0, 291), (291, 320)]),
        ([(0, 140), (150, 290), (290, 430), (440, 580), (590, 640)], 650, [(0, 290), (290, 585), (585, 650)]),
        ([(0, 10), (900, 910)], 1000, [(0, 455), (455, 1000)]),
    ],
)
def test_long_audio_is_cut_in_pauses(
    voices: list[tuple[float, float]], audio_s: float, expected: list[tuple[float, float]]
) -> None:
    assert parts([Span(*voice) for voice in voices], audio_s) == [Span(*part) for part in expected]


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
