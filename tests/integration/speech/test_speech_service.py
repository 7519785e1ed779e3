"""The running service with its real model, on real sound."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import pytest_asyncio
import yaml

from buhin.config import SpeechSettings
from buhin.models.store import ModelStore
from buhin.speech.v1 import speech_pb2, speech_pb2_grpc
from services.speech.__main__ import application
from services.speech.evaluate import character_error_rate, recordings
from services.speech.speakers_evaluate import right_share
from services.speech.subtitles import columns
from tests.audio_files import FIRST_TURN, RATE, meeting, noises, wav
from tests.conftest import ROOT
from tests.support import AS_DEPLOYED, serving

pytestmark = [pytest.mark.model, pytest.mark.asyncio(loop_scope="module")]

SAMPLE = ROOT / "samples" / "meeting"


class Service:
    """What tests ask of the running service."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = speech_pb2_grpc.SpeechServiceStub(channel)

    async def recognize(self, audio: bytes, **config: Any) -> speech_pb2.RecognizeResponse:
        """One call."""
        return await self._stub.Recognize(
            speech_pb2.RecognizeRequest(audio=audio, config=speech_pb2.RecognitionConfig(**config)), timeout=200
        )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(store: ModelStore) -> AsyncIterator[Service]:
    """The service, its model loaded once for the module."""
    settings = SpeechSettings(**AS_DEPLOYED, models_dir=store.folder, threads=2)
    async with serving(application(settings)) as channel:
        yield Service(channel)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def minutes(service: Service) -> speech_pb2.RecognizeResponse:
    """The answer to the meeting, with words."""
    return await service.recognize((SAMPLE / "meeting.flac").read_bytes(), enable_word_offsets=True)


async def test_the_meeting_is_written_down(minutes: speech_pb2.RecognizeResponse) -> None:
    [(_, language, script)] = recordings(SAMPLE)
    response = minutes
    assert response.language_code == language == "ja"
    assert response.language_confidence > 0.9
    assert character_error_rate(script, response.transcript) < 0.05
    for said in ("11月15日", "中央公園", "300人", "市民体育館", "国際担当", "10月25日", "会議室"):
        assert said in response.transcript
    assert response.audio_duration.ToMilliseconds() == pytest.approx(86_975, abs=5)
    assert 70_000 < response.speech_duration.ToMilliseconds() < 87_000
    assert response.provenance.models[0].model_id == "whisper-base"
    assert response.provenance.models[0].digest.startswith("sha256:d01c3014881c")
    assert not response.warnings
    assert {reason.code for reason in response.review.reasons} <= {"LOW_CONFIDENCE"}


async def test_words_keep_order_and_lie_in_their_segments(minutes: speech_pb2.RecognizeResponse) -> None:
    response = minutes
    clock = 0
    for segment in response.segments:
        start, end = segment.start_offset.ToMilliseconds(), segment.end_offset.ToMilliseconds()
        assert clock <= start < end <= response.audio_duration.ToMilliseconds()
        assert "".join(word.word for word in segment.words) == segment.text.replace(" ", "")
        clock = start
        for word in segment.words:
            begin, finish = word.start_offset.ToMilliseconds(), word.end_offset.ToMilliseconds()
            assert clock <= begin <= finish <= end
            assert 0 <= word.confidence <= 1
            clock = finish
        mean = np.mean([word.confidence for word in segment.words])
        assert segment.confidence == pytest.approx(mean, abs=1e-5)


async def test_the_meeting_is_told_by_speaker_and_shown_as_subtitles(service: Service) -> None:
    script = yaml.safe_load((SAMPLE / "script.yaml").read_text(encoding="utf-8"))
    turns = [(turn["speaker"], turn["text"]) for turn in script["turns"]]
    response = await service.recognize(
        (SAMPLE / "meeting.flac").read_bytes(),
        language_code="ja",
        enable_word_offsets=True,
        diarization={"enabled": True},
        subtitles={"formats": [speech_pb2.SUBTITLE_FORMAT_SRT, speech_pb2.SUBTITLE_FORMAT_WEBVTT]},
    )
    assert {segment.speaker_label for segment in response.segments} == {"speaker-1", "speaker-2", "speaker-3"}
    assert right_share(response, turns) > 0.95
    assert response.transcript.startswith("speaker-1: ")
    assert [model.model_id for model in response.provenance.models] == ["whisper-base", "resemblyzer"]
    srt, webvtt = (each.content for each in response.subtitles)
    texts = [block.splitlines()[2:] for block in srt.split("\n\n")]
    assert 15 < len(texts) < 40
    assert all(columns(line) <= 42 for lines in texts for line in lines)
    assert webvtt.count("<v speaker-1>") == srt.count("speaker-1: ") > 5


async def test_times_are_those_of_the_audio(service: Service) -> None:
    """Five seconds of silence before the meeting move every time by five seconds, voice detector or not."""
    first = meeting()[: 12 * RATE]
    late = np.concatenate([np.zeros(5 * RATE, np.float32), first])
    for detect in (True, False):
        config = {"language_code": "ja", "enable_voice_activity_detection": detect}
        plain = await service.recognize(wav(first), **config)
        moved = await service.recognize(wav(late), **config)
        ends = [response.segments[-1].end_offset.ToMilliseconds() for response in (plain, moved)]
        assert ends[1] - ends[0] == pytest.approx(5_000, abs=300)
        assert moved.segments[0].start_offset.ToMilliseconds() >= 4_900


@pytest.mark.parametrize("detect", [True, False])
@pytest.mark.parametrize("language", ["", "ja", "en"])
async def test_silence_and_noise_give_an_empty_transcript(service: Service, language: str, detect: bool) -> None:
    for name, samples in noises(12.0).items():
        response = await service.recognize(wav(samples), language_code=language, enable_voice_activity_detection=detect)
        assert response.transcript == "", name
        assert len(response.segments) == 0
        assert response.audio_duration.seconds == 12
        assert response.language_code == language
        assert [warning.code for warning in response.warnings] == ["NO_SPEECH"], name


@pytest.mark.parametrize("detect", [True, False])
async def test_noise_between_sentences_adds_no_text(service: Service, detect: bool) -> None:
    speech, noise = meeting(), noises(20.0)["white"] * 0.2
    audio = np.concatenate([speech[: 4 * RATE], noise, speech[4 * RATE : 12 * RATE]])
    response = await service.recognize(
        wav(audio), language_code="ja", enable_voice_activity_detection=detect, enable_word_offsets=True
    )
    assert character_error_rate(FIRST_TURN, response.transcript) < 0.15
    middles = [
        (word.start_offset.ToMilliseconds() + word.end_offset.ToMilliseconds()) / 2_000
        for segment in response.segments
        for word in segment.words
    ]
    assert not [second for second in middles if 5 < second < 23]


@pytest.mark.parametrize(
    ("hotwords", "warning_codes"),
    [
        pytest.param(["打ち合わせ", "中央公園"], [], id="two"),
        pytest.param(["防災訓練の打ち合わせ"] * 100, ["HOTWORDS_CUT"], id="more than there is room for"),
        pytest.param(["<|startoftranscript|><|en|><|translate|>"], [], id="control tokens"),
    ],
)
async def test_hotwords_are_hints_and_nothing_else(
    service: Service, hotwords: list[str], warning_codes: list[str]
) -> None:
    response = await service.recognize(wav(meeting()[: 12 * RATE]), language_code="ja", hotwords=hotwords)
    assert character_error_rate(FIRST_TURN, response.transcript) < 0.1
    assert "中央公園" in response.transcript
    assert [warning.code for warning in response.warnings] == warning_codes


async def test_hotwords_are_heard_in_noise_where_they_were_not(service: Service) -> None:
    """How much noise that takes is not the same on all processors: their kernels round in their own ways."""
    hotwords = ["打ち合わせ", "中央公園"]
    heard = []
    for level in (0.35, 0.45):
        noisy = wav(meeting()[: 12 * RATE] + level * noises(12.0)["white"])
        without = await service.recognize(noisy, language_code="ja")
        helped = await service.recognize(noisy, language_code="ja", hotwords=hotwords)
        heard.append([[word in each.transcript for word in hotwords] for each in (without, helped)])
    assert [[False, False], [True, True]] in heard


async def test_the_same_audio_gives_the_same_answer_in_every_format(service: Service) -> None:
    first = meeting()[: 12 * RATE]
    file, raw = wav(first), wav(first)[44:]
    answers = [
        await service.recognize(file),
        await service.recognize(file),
        await service.recognize(raw, encoding=speech_pb2.AUDIO_ENCODING_LINEAR16, sample_rate_hertz=RATE),
    ]
    for answer in answers:
        answer.ClearField("provenance")
    assert answers[0].transcript
    assert answers[0] == answers[1] == answers[2]


async def test_speech_is_written_down_in_english_when_asked(service: Service) -> None:
    response = await service.recognize(wav(meeting()[: 12 * RATE]), task=speech_pb2.TASK_TRANSLATE)
    assert response.language_code == "ja"
    assert {segment.language_code for segment in response.segments} == {"en"}
    assert "this year" in response.transcript.lower()
    assert response.transcript.isascii()
    assert "LOW_CONFIDENCE" in {reason.code for reason in response.review.reasons}


async def test_recordings_of_people_in_several_languages(service: Service, shared_data: Path | None) -> None:
    """Human voices where the shared recordings are, otherwise the meeting."""
    for file, language, transcript in recordings(shared_data / "speech" if shared_data else SAMPLE):
        response = await service.recognize(file.read_bytes())
        assert response.language_code == language, file
        assert response.language_confidence > 0.7
        assert character_error_rate(transcript, response.transcript) < 0.1, response.transcript
