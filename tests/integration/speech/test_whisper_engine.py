"""The engine with its real model."""

from __future__ import annotations

import pytest

from buhin.engine import Stop
from buhin.errors import CancelledError
from buhin.models.store import ModelStore
from services.speech import recording
from services.speech.audio import linear16
from services.speech.engine import Options
from services.speech.engines.faster_whisper import FasterWhisperEngine
from services.speech.evaluate import character_error_rate
from services.speech.live import End
from services.speech.subtitles import Layout
from tests.audio_files import RATE, meeting, noises

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def engine(store: ModelStore) -> FasterWhisperEngine:
    """The engine alone."""
    return FasterWhisperEngine(store.open("whisper-base"), threads=2, workers=1, beam_size=1)


def test_the_guard_takes_out_what_whisper_invents(engine: FasterWhisperEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the first guard out of the way, Whisper is asked to hear something in noise, and the second holds."""
    module = "services.speech.engines.faster_whisper"
    bursts, nobody = noises(12.0)["bursts"], Options(language="en", voice_activity_detection=False)
    everywhere = f"{module}.get_speech_timestamps"
    monkeypatch.setattr(everywhere, lambda samples, options: [{"start": 0, "end": 16}])
    result = engine.recognize(bursts, nobody, Stop())
    assert result.segments == ()
    assert result.removed


def test_long_audio_is_recognized_in_parts_that_fit_together(
    engine: FasterWhisperEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts of ten seconds give what one part gives, at the same times."""
    audio, options = meeting()[: 28 * RATE], Options(language="ja")
    whole = engine.recognize(audio, options, Stop())
    monkeypatch.setattr("services.speech.recording.PART_S", 10.0)
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
