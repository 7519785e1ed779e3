"""Where voices begin and end."""

from __future__ import annotations

import pytest

from services.speech.endpointing import Endpointer
from services.speech.engine import VOICE_FRAME_S

V, Q, S = 0.9, 0.4, 0.1
"""A voice, something between, silence, for a threshold of 0.5."""


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        pytest.param([S] * 50, [], id="silence"),
        pytest.param([Q] * 50, [], id="never a voice"),
        pytest.param([S] * 5 + [V] * 10 + [S] * 16, [(True, 5), (False, 15)], id="a voice and its end"),
        pytest.param([S] * 5 + [V] * 3 + [S] * 50, [], id="too short"),
        pytest.param([V] * 4, [(True, 0), (False, 4)], id="to the end of the audio"),
        pytest.param([V] * 9 + [S] * 15 + [V] * 9 + [S] * 16, [(True, 0), (False, 33)], id="a short pause"),
        pytest.param([V] * 9 + [Q] * 50 + [S] * 16, [(True, 0), (False, 59)], id="a voice that fades"),
        pytest.param([V] * 9 + [S] + [Q] * 15 + [V] * 9, [(True, 0), (False, 9), (True, 25), (False, 34)], id="ended"),
        pytest.param([V] * 9 + [S] * 10, [(True, 0), (False, 9)], id="silence, and the end of the audio"),
        pytest.param(([V] * 5 + [S] * 20) * 2, [(True, 0), (False, 5), (True, 25), (False, 30)], id="two voices"),
    ],
)
def test_endpoints(frames: list[float], expected: list[tuple[bool, int]]) -> None:
    at_once, one_by_one = Endpointer(0.5), Endpointer(0.5)
    found = [*at_once.hear(frames), *at_once.finish()]
    assert [(endpoint.begins, round(endpoint.offset_s / VOICE_FRAME_S)) for endpoint in found] == expected
    assert [*(each for frame in frames for each in one_by_one.hear([frame])), *one_by_one.finish()] == found


def test_a_voice_that_falls_silent_is_said_to_pause_before_it_has_ended() -> None:
    endpointer = Endpointer(0.5)
    told = []
    for frame in [V] * 10 + [S] * 16 + [V]:
        ended = [endpoint for endpoint in endpointer.hear([frame]) if not endpoint.begins]
        told.append((endpointer.pausing, bool(ended)))
    assert told == [(False, False)] * 16 + [(True, False)] * 9 + [(False, True), (False, False)]
