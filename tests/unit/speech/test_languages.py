"""The language of each voice: from its sound, and from the voices around it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from buhin.engine import Stop
from buhin.errors import CancelledError
from services.speech.engine import VOICE_FRAME, VOICE_FRAME_S, Transcription
from services.speech.languages import main_language, smoothed, stretches
from tests.unit.speech.fakes import FakeEngine

JA, EN = {"ja": 0.98, "en": 0.01, "de": 0.01}, {"ja": 0.02, "en": 0.97, "de": 0.01}
DOUBT, NEAR = {"ja": 0.3, "en": 0.45, "de": 0.25}, {"ja": 0.45, "en": 0.5, "de": 0.05}


@pytest.mark.parametrize(
    ("heard", "lengths_s", "before", "expected"),
    [
        pytest.param([], [], None, [], id="nobody"),
        pytest.param([DOUBT], [5], None, ["en"], id="the most probable one"),
        pytest.param([DOUBT], [5], "ja", ["ja"], id="what was spoken before"),
        pytest.param([EN], [5], "ja", ["en"], id="another than before"),
        pytest.param([EN], [5], "fr", ["en"], id="before is unknown here"),
        pytest.param([JA, EN, JA], [5, 5, 5], None, ["ja", "en", "ja"], id="certain"),
        pytest.param([JA, EN, JA], [5, 0.5, 5], None, ["ja", "ja", "ja"], id="short"),
        pytest.param([JA, DOUBT, NEAR, JA], [5, 5, 5, 5], None, ["ja"] * 4, id="doubtful"),
        pytest.param([JA, EN, EN, EN], [5, 0.7, 0.7, 0.7], None, ["ja", "en", "en", "en"], id="short but many"),
        pytest.param([DOUBT, JA, JA], [1, 5, 5], None, ["ja"] * 3, id="doubtful in the beginning"),
        pytest.param([JA, {}, JA], [5, 1, 5], None, ["ja"] * 3, id="nothing told of one"),
        pytest.param([JA, {"de": 1.0}], [5, 5], None, ["ja", "de"], id="others not told"),
    ],
)
def test_only_what_is_certain_changes_the_language(
    heard: list[dict[str, float]], lengths_s: list[float], before: str | None, expected: list[str]
) -> None:
    assert smoothed(heard, lengths_s, before) == expected


class Turns(FakeEngine):
    """Hears English in what is loud, Japanese in what is not."""

    def __init__(self) -> None:
        super().__init__()
        self.lengths: list[int] = []

    def identify(self, samples: NDArray[np.float32]) -> Mapping[str, float]:
        """By its middle."""
        self.lengths.append(len(samples) // VOICE_FRAME)
        return EN if samples[len(samples) // 2] > 0.5 else JA


def voices(*stretches: tuple[int, float, float]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Samples and probabilities, given frames, loudness and probability of a voice of each stretch."""
    loudness = np.concatenate([np.full(frames, level, np.float32) for frames, level, _ in stretches])
    return np.repeat(loudness, VOICE_FRAME), np.concatenate(
        [np.full(frames, probability, np.float32) for frames, _, probability in stretches]
    )


def test_stretches_meet_in_pauses_and_leave_nothing_out() -> None:
    samples, probabilities = voices(
        (20, 0, 0), (100, 0.2, 1), (20, 0, 0), (100, 0.2, 1), (40, 0, 0), (100, 0.9, 1), (30, 0, 0)
    )
    found = stretches(samples, probabilities, Turns(), None, Stop())
    assert [(stretch.language, round(stretch.probability, 2)) for stretch in found] == [("ja", 0.98), ("en", 0.97)]
    frames = [(round(stretch.start_s / VOICE_FRAME_S), round(stretch.end_s / VOICE_FRAME_S)) for stretch in found]
    assert frames == [(0, 260), (260, 410)]


def test_a_long_voice_is_told_in_pieces_that_end_where_it_is_quietest() -> None:
    samples, probabilities = voices((300, 0.2, 1), (8, 0.2, 0.6), (600, 0.9, 1))
    engine = Turns()
    found = stretches(samples, probabilities, engine, None, Stop())
    assert [stretch.language for stretch in found] == ["ja", "en"]
    assert round(found[0].end_s / VOICE_FRAME_S) == pytest.approx(304, abs=3)
    assert max(engine.lengths) <= 375
    assert sum(engine.lengths) == 908


def test_where_nobody_speaks_there_is_no_language() -> None:
    samples, probabilities = voices((100, 0, 0))
    [found] = stretches(samples, probabilities, Turns(), "ja", Stop())
    assert (found.start_s, found.end_s, found.language, found.probability) == (0, 100 * VOICE_FRAME_S, None, 0)


def test_a_caller_who_leaves_is_noticed_at_the_next_voice() -> None:
    stop = Stop()
    stop.set()
    with pytest.raises(CancelledError):
        stretches(*voices((100, 0.2, 1)), Turns(), None, stop)


def test_the_main_language_is_spoken_longest() -> None:
    done = [Transcription((), *each) for each in (("ja", 0.9, 4.0), ("en", 0.8, 5.0), ("ja", 0.6, 2.0), ("", 0.0, 9.0))]
    assert main_language(done)[0] == "ja"
    assert main_language(done)[1] == pytest.approx(0.8)
    assert main_language([]) == ("", 0.0)
