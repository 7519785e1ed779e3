"""The engine with its real model."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from buhin.engine import Stop
from buhin.errors import CancelledError
from buhin.models.store import ModelStore
from services.speech import recording
from services.speech.audio import linear16
from services.speech.engine import Options
from services.speech.engines import faster_whisper
from services.speech.engines.faster_whisper import FasterWhisperEngine
from services.speech.evaluate import character_error_rate
from services.speech.live import End
from services.speech.subtitles import Layout
from tests.audio_files import RATE, meeting, noises

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def engine(store: ModelStore) -> FasterWhisperEngine:
    """The engine alone."""
    return FasterWhisperEngine(store.open("whisper-base"), threads=2, workers=1, beam_size=1, batch_size=4)


def test_the_guard_takes_out_what_whisper_invents(engine: FasterWhisperEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the first guard out of the way, Whisper is asked to hear something in noise, and the second holds. What it
    invents is not the same on all processors; it may be nothing.
    """
    everywhere = "services.speech.engines.faster_whisper.get_speech_timestamps"
    monkeypatch.setattr(everywhere, lambda samples, options: [{"start": 0, "end": 16}])
    bursts = noises(12.0)["bursts"]
    results = [
        engine.recognize(bursts, Options(language=language, voice_activity_detection=False), Stop())
        for language in ("en", "ja")
    ]
    assert [each.segments for each in results] == [(), ()]
    assert any(each.removed for each in results)


def test_long_audio_is_recognized_in_parts_that_fit_together(
    engine: FasterWhisperEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts of ten seconds give what one part gives, at the same times."""
    audio, options = meeting()[: 28 * RATE], Options(language="ja")
    whole = engine.recognize(audio, options, Stop())
    monkeypatch.setattr(engine, "part_s", 10.0)
    source = linear16((audio * 32_767).astype("<i2").tobytes(), RATE, 1, 100)
    *_, end = recording.recognize(source, 100, engine, options, Stop(), Layout())
    assert isinstance(end, End)
    in_parts = end.result
    texts = ["".join(segment.text for segment in found.segments) for found in (whole, in_parts)]
    assert character_error_rate(*texts) < 0.1
    words = {word.text: word.start_s for segment in whole.segments for word in segment.words if len(word.text) > 1}
    again = {word.text: word.start_s for segment in in_parts.segments for word in segment.words}
    moved = [abs(again[text] - start_s) for text, start_s in words.items() if text in again]
    assert len(moved) > 5
    assert sorted(moved)[len(moved) // 2] < 0.1
    assert in_parts.speech_s == pytest.approx(whole.speech_s, abs=3)


@pytest.mark.parametrize("wrong", [False, True], ids=["in batches", "each again, alone"])
def test_windows_of_a_recording_are_decoded_together_and_those_that_come_out_wrong_alone(
    engine: FasterWhisperEngine, monkeypatch: pytest.MonkeyPatch, wrong: bool
) -> None:
    """With no window too long, as with one after the other: the same text at the same times."""
    audio, options = meeting()[: 60 * RATE], Options(language="ja")
    windows = faster_whisper._windows(audio)
    assert len(windows) > 2
    assert all(window.end_s - window.start_s <= 20 for window in windows)
    with monkeypatch.context() as patch:
        patch.setattr(faster_whisper, "_windows", lambda samples: [])
        sequential = engine.recognize(audio, options, Stop())
    monkeypatch.setattr(faster_whisper, "_repeats_or_is_improbable", lambda pieces: wrong)
    found = engine.recognize(audio, options, Stop())
    texts = ["".join(segment.text for segment in each.segments) for each in (sequential, found)]
    assert character_error_rate(*texts) < 0.06
    starts_s = [{word.text: word.start_s for s in each.segments for word in s.words} for each in (sequential, found)]
    apart = [
        abs(starts_s[0][text] - starts_s[1][text]) for text in starts_s[0] if len(text) > 1 and text in starts_s[1]
    ]
    assert len(apart) > 10
    assert sorted(apart)[len(apart) // 2] < 0.1
    assert max(segment.end_s - segment.start_s for segment in found.segments) < 12
    assert [segment.start_s for segment in found.segments] == sorted(segment.start_s for segment in found.segments)


@pytest.mark.parametrize(
    ("texts", "log_probability", "wrong"),
    [
        (["今日は晴れです。", "明日は雨です。"], -0.3, False),
        (["はい。" * 40], -0.1, True),
        (["はい。"] * 40, -0.1, True),
        (["今日は晴れです。"], -1.2, True),
    ],
)
def test_a_window_repeats_or_is_improbable_where_it_repeats_itself_or_is_improbable(
    texts: list[str], log_probability: float, wrong: bool
) -> None:
    pieces: list[Any] = [SimpleNamespace(text=text, avg_logprob=log_probability) for text in texts]
    assert faster_whisper._repeats_or_is_improbable(pieces) is wrong


def test_a_caller_who_leaves_is_noticed_after_a_batch(
    engine: FasterWhisperEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_batch_size", 1)
    stop = Impatient()
    with pytest.raises(CancelledError):
        engine.recognize(meeting(), Options(language="ja"), stop)
    assert stop.looks == 2


class Impatient(Stop):
    """Somebody who leaves after the second look."""

    looks = 0

    def check(self) -> None:
        """Count, and leave."""
        self.looks += 1
        if self.looks == 2:
            self.set()
        super().check()


def test_recognition_ends_at_the_next_segment_when_nobody_waits(engine: FasterWhisperEngine) -> None:
    stop = Impatient()
    with pytest.raises(CancelledError):
        engine.recognize(meeting()[: 12 * RATE], Options(language="ja"), stop)
    assert stop.looks == 2


def test_the_engine_offers_the_languages_that_its_model_knows(engine: FasterWhisperEngine) -> None:
    assert len(engine.languages) == 99
    assert {"ja", "en", "zh", "jv", "vi"} <= set(engine.languages)
    assert not {"yue", "jw"} & set(engine.languages)
