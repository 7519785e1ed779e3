"""What of the engine needs no model: what is missing in a transcript."""

from __future__ import annotations

import pytest

from services.speech.engine import Span
from services.speech.engines.faster_whisper import gaps
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
