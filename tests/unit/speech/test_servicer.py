"""Requests and answers over gRPC, with an engine that answers what a test tells it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import grpc
import pytest
from google.protobuf.json_format import MessageToDict
from grpc_status import rpc_status

from buhin import errors
from buhin.catalogue.v1 import catalogue_pb2, catalogue_pb2_grpc
from buhin.speech.v1 import speech_pb2, speech_pb2_grpc
from buhin.status import decode
from services.speech.engine import Options, Task
from tests.audio_files import sine, wav
from tests.support import serving
from tests.unit.speech.fakes import NOTHING, SENTENCES, FakeEngine, FakeVoices, fake_application, segment

AUDIO = wav(sine(2.0))


async def recognize(engine: FakeEngine, audio: bytes = AUDIO, **config: Any) -> speech_pb2.RecognizeResponse:
    """Ask the running service."""
    async with serving(fake_application(engine)) as channel:
        service = speech_pb2_grpc.SpeechServiceStub(channel)
        request = speech_pb2.RecognizeRequest(audio=audio, config=speech_pb2.RecognitionConfig(**config))
        return await service.Recognize(request, timeout=20)


async def test_an_answer_holds_everything_that_the_engine_found() -> None:
    response = await recognize(FakeEngine())
    answer = MessageToDict(response, preserving_proto_field_name=True)
    assert answer.pop("provenance")["models"] == [{"model_id": "tiny", "digest": "sha256:" + "ab" * 32}]
    first, second = answer.pop("segments")
    assert first == {
        "start_offset": "0.250s",
        "end_offset": "1.500s",
        "text": "始めます。",
        "confidence": 0.875,
        "language_code": "ja",
        "no_speech_probability": 0.125,
        "compression_ratio": 1.5,
    }
    assert (second["text"], second["confidence"]) == ("はい。", 0.75)
    assert (second["no_speech_probability"], second["compression_ratio"]) == (0.25, 1.25)
    assert answer == {
        "transcript": "始めます。\nはい。",
        "language_code": "ja",
        "language_confidence": 0.9375,
        "audio_duration": "2s",
        "speech_duration": "1.750s",
        "review": {},
    }


async def test_words_come_when_asked_for() -> None:
    response = await recognize(FakeEngine(), enable_word_offsets=True)
    assert [MessageToDict(word) for word in response.segments[0].words] == [
        {"startOffset": "0.250s", "endOffset": "1s", "word": "始め", "confidence": 0.75},
        {"startOffset": "1s", "endOffset": "1.500s", "word": "ます。", "confidence": 1.0},
    ]


async def test_subtitles_come_in_the_formats_and_the_layout_that_were_asked_for() -> None:
    formats = [speech_pb2.SUBTITLE_FORMAT_WEBVTT, speech_pb2.SUBTITLE_FORMAT_SRT]
    response = await recognize(FakeEngine(), subtitles={"formats": formats, "max_columns_per_second": 5})
    assert not response.segments[0].words
    webvtt, srt = response.subtitles
    assert (webvtt.format, srt.format) == tuple(formats)
    assert webvtt.content == (
        "WEBVTT\n\n00:00:00.250 --> 00:00:01.500\n始めます。\n\n00:00:01.500 --> 00:00:02.000\nはい。\n"
    )
    assert srt.content.startswith("1\n00:00:00,250 --> 00:00:01,500\n始めます。\n\n2\n")
    [reason] = response.review.reasons
    assert (reason.code, reason.value, reason.threshold) == ("READING_SPEED", 12, 5)


async def test_subtitles_of_nothing_are_empty_files() -> None:
    response = await recognize(FakeEngine(NOTHING), subtitles={"formats": [2, 1]})
    assert [each.content for each in response.subtitles] == ["WEBVTT\n", ""]


async def test_speakers_are_told_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    voices = FakeVoices()
    monkeypatch.setattr("services.speech.engines.voice_encoder.VoiceEncoder", lambda model: voices)
    monkeypatch.setattr("services.speech.__main__.ModelStore", MagicMock())
    formats = [speech_pb2.SUBTITLE_FORMAT_SRT]
    response = await recognize(
        FakeEngine(),
        diarization={"enabled": True, "expected_speaker_count": 2},
        enable_word_offsets=True,
        subtitles={"formats": formats},
    )
    assert response.transcript == "speaker-1: 始めます。\nspeaker-2: はい。"
    assert [segment.speaker_label for segment in response.segments] == ["speaker-1", "speaker-2"]
    assert [word.speaker_label for word in response.segments[0].words] == ["speaker-1", "speaker-1"]
    assert "\nspeaker-2: はい。\n" in response.subtitles[0].content
    assert [model.model_id for model in response.provenance.models] == ["tiny", "voices"]
    assert voices.counts == [2]


async def test_speakers_without_their_model_are_unavailable_with_what_to_do(tmp_path: Path) -> None:
    engine = FakeEngine()
    async with serving(fake_application(engine, models_dir=tmp_path)) as channel:
        config = speech_pb2.RecognitionConfig(diarization=speech_pb2.SpeakerDiarizationConfig(enabled=True))
        request = speech_pb2.RecognizeRequest(audio=AUDIO, config=config)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await speech_pb2_grpc.SpeechServiceStub(channel).Recognize(request, timeout=20)
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "buhin models pull resemblyzer" in str(raised.value.details())
    assert engine.asked == []


async def test_speakers_are_not_told_by_default(tmp_path: Path) -> None:
    response = await recognize(FakeEngine(), diarization={"expected_speaker_count": 2})
    assert {segment.speaker_label for segment in response.segments} == {""}
    assert [model.model_id for model in response.provenance.models] == ["tiny"]


async def test_nothing_said_is_an_empty_answer_with_a_warning() -> None:
    response = await recognize(FakeEngine(NOTHING))
    assert (response.transcript, len(response.segments), response.language_code) == ("", 0, "")
    assert [warning.code for warning in response.warnings] == ["NO_SPEECH"]
    assert not response.review.recommended


async def test_a_translation_is_english_text_of_another_language() -> None:
    response = await recognize(FakeEngine(), task=speech_pb2.TASK_TRANSLATE)
    assert (response.language_code, response.segments[0].language_code) == ("ja", "en")


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, Options(language="ja")),
        ({"task": speech_pb2.TASK_TRANSCRIBE}, Options(language="ja", task=Task.TRANSCRIBE)),
        ({"task": speech_pb2.TASK_TRANSLATE}, Options(language="ja", task=Task.TRANSLATE)),
        ({"language_code": "ja"}, Options(language="ja")),
        ({"language_code": "en-US"}, Options(language="en")),
        ({"language_code": "ZH_hant-TW"}, Options(language="zh")),
        ({"language_code": "nb-NO"}, Options(language="no")),
        ({"language_code": "jw"}, Options(language="jv")),
        ({"enable_voice_activity_detection": True}, Options(language="ja", voice_activity_detection=True)),
        ({"enable_voice_activity_detection": False}, Options(language="ja", voice_activity_detection=False)),
        ({"hotwords": [" 防災訓練 ", "x" * 64]}, Options(language="ja", hotwords=("防災訓練", "x" * 64))),
        ({"hotwords": ["語"] * 100}, Options(language="ja", hotwords=("語",) * 100)),
        ({"sample_rate_hertz": -5, "audio_channel_count": 99}, Options(language="ja")),
    ],
)
async def test_the_engine_is_asked_what_the_request_says(config: dict[str, Any], expected: Options) -> None:
    engine = FakeEngine()
    await recognize(engine, **config)
    [(samples, options)] = engine.asked
    assert options == expected, "the language was detected where it was not given"
    assert samples.shape == (32_000,)


async def test_raw_samples_are_read_as_the_config_says() -> None:
    engine = FakeEngine()
    raw = {"encoding": speech_pb2.AUDIO_ENCODING_LINEAR16, "sample_rate_hertz": 8_000, "audio_channel_count": 2}
    response = await recognize(engine, AUDIO[44:], **raw)
    assert response.audio_duration.ToMilliseconds() == 2_000
    assert engine.asked[0][0].shape == (32_000,)


@pytest.mark.parametrize(
    ("audio", "config", "error", "field", "metadata"),
    [
        (b"", {}, errors.EmptyInputError, "audio", {}),
        (b"hello", {}, errors.UnreadableMediaError, "audio", {"problem": "it is in no accepted format"}),
        (AUDIO[:-2], {}, errors.UnreadableMediaError, "audio", {}),
        (AUDIO, {"language_code": "tlh"}, errors.UnsupportedLanguageError, "config.language_code",
         {"value": "tlh", "accepted": "en, ja, jv, no, zh"}),
        (AUDIO, {"language_code": "Japanese"}, errors.UnsupportedLanguageError, "config.language_code", {}),
        (AUDIO, {"language_code": " "}, errors.UnsupportedLanguageError, "config.language_code", {}),
        (AUDIO, {"language_code": "<|ja|>"}, errors.UnsupportedLanguageError, "config.language_code", {}),
        (AUDIO, {"task": 7}, errors.InvalidValueError, "config.task",
         {"value": "7", "accepted": "TASK_UNSPECIFIED, TASK_TRANSCRIBE, TASK_TRANSLATE"}),
        (AUDIO, {"encoding": 9}, errors.InvalidValueError, "config.encoding",
         {"value": "9", "accepted": "AUDIO_ENCODING_UNSPECIFIED, AUDIO_ENCODING_LINEAR16"}),
        (AUDIO, {"encoding": 1}, errors.OutOfRangeError, "config.sample_rate_hertz", {"value": "0"}),
        (AUDIO, {"encoding": 1, "sample_rate_hertz": 1}, errors.OutOfRangeError, "config.sample_rate_hertz",
         {"value": "1", "minimum": "8000", "maximum": "192000"}),
        (AUDIO, {"hotwords": ["語"] * 101}, errors.InputTooLargeError, "config.hotwords",
         {"size": "101", "unit": "words", "limit": "100"}),
        (AUDIO, {"hotwords": ["語", "x" * 65]}, errors.InputTooLargeError, "config.hotwords[1]",
         {"size": "65", "unit": "characters", "limit": "64"}),
        (AUDIO, {"hotwords": ["語", "　"]}, errors.EmptyInputError, "config.hotwords[1]", {}),
        *[(AUDIO, {"subtitles": {name: value}}, errors.OutOfRangeError, f"config.subtitles.{name}",
           {"minimum": str(low), "maximum": str(high)})
          for name, low, high, wrong in (("max_line_columns", 10, 100, (9, 101, -1)), ("max_lines", 1, 4, (5, -1)),
                                         ("max_columns_per_second", 5, 60, (4.9, 60.1, -1, float("nan"))))
          for value in wrong],
        *[(AUDIO, {"diarization": {"enabled": True, "expected_speaker_count": value}}, errors.OutOfRangeError,
           "config.diarization.expected_speaker_count", {"minimum": "1", "maximum": "20"}) for value in (-1, 21)],
        (AUDIO, {"subtitles": {"formats": [1, 5]}}, errors.InvalidValueError, "config.subtitles.formats[1]",
         {"value": "5", "accepted": "SUBTITLE_FORMAT_SRT, SUBTITLE_FORMAT_WEBVTT"}),
        (AUDIO, {"subtitles": {"formats": [0]}}, errors.InvalidValueError, "config.subtitles.formats[0]", {}),
        (AUDIO, {"subtitles": {"formats": [1, 2, 1]}}, errors.InputTooLargeError, "config.subtitles.formats", {}),
        (wav(sine(61.0)), {}, errors.InputTooLargeError, "audio", {"size": "61.0", "unit": "seconds", "limit": "60.0"}),
    ],
)  # fmt: skip
async def test_a_bad_request_never_reaches_the_engine(
    audio: bytes, config: dict[str, Any], error: type[errors.BuhinError], field: str, metadata: dict[str, str]
) -> None:
    engine = FakeEngine()
    async with serving(fake_application(engine, max_audio_seconds=60)) as channel:
        service = speech_pb2_grpc.SpeechServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await service.Recognize(
                speech_pb2.RecognizeRequest(audio=audio, config=speech_pb2.RecognitionConfig(**config)), timeout=20
            )
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    status = rpc_status.from_call(raised.value)
    assert status is not None
    found = decode(status)
    assert type(found) is error
    assert found.field == field
    assert metadata.items() <= found.metadata.items()
    assert engine.asked == []


async def test_the_card_tells_the_methods_and_the_limits() -> None:
    async with serving(fake_application(FakeEngine())) as channel:
        info = await catalogue_pb2_grpc.ServiceInfoServiceStub(channel).GetServiceInfo(
            catalogue_pb2.GetServiceInfoRequest(), timeout=20
        )
    methods = {method.method: method.implemented for method in info.info.methods}
    assert methods == {"Recognize": True, "StreamingRecognize": True}
    assert info.info.limits["max_audio_seconds"] == 14_400


async def test_a_doubtful_answer_asks_for_a_person() -> None:
    doubtful = FakeEngine(
        answer=type(SENTENCES)(
            segments=(segment(0.0, 1.0, "うん", confidence=0.25),),
            language="ja",
            language_probability=0.5,
            speech_s=1.0,
        )
    )
    response = await recognize(doubtful)
    assert response.review.recommended
    found = [(reason.code, reason.subject, reason.value, reason.threshold) for reason in response.review.reasons]
    assert found == [("LANGUAGE_UNCERTAIN", "language_code", 0.5, 0.7), ("LOW_CONFIDENCE", "segments[0]", 0.25, 0.6)]
    assert response.review.reasons[1].message_ja == "0.0–1.0 秒の文字は確信度が低めです"
