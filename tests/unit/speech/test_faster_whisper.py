"""The parts of the engine that need no model: what to leave out, what is missing."""

from __future__ import annotations

import pytest

from services.speech.engine import Segment, Span
from services.speech.engines.faster_whisper import gaps, is_invented
from tests.unit.speech.fakes import segment


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (segment(1.5, 2.5, "に voice"), False),
        (segment(2.0, 3.0, "after the voice"), True),
        (segment(0.0, 1.0, "before the voice"), True),
        (segment(1.5, 2.0, "sure", confidence=0.1, no_speech_probability=0.5), False),
        (segment(1.5, 2.0, "sure", confidence=0.2, no_speech_probability=0.9), False),
        (segment(1.5, 2.0, "You", confidence=0.19, no_speech_probability=0.51), True),
    ],
)
def test_what_nobody_said_is_found_out(found: Segment, expected: bool) -> None:
    assert is_invented(found, [Span(1.0, 2.0)]) is expected


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
