"""Live streams over gRPC, with an engine that understands levels of sound."""

from __future__ import annotations

import dataclasses
import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf.json_format import MessageToDict

from buhin.speech.v1 import speech_pb2
from services.speech.engine import Span, Task
from services.speech.live import WINDOW_S
from tests.audio_files import wav
from tests.unit.speech.fakes import NOTHING, FakeEngine, segment
from tests.unit.speech.speakers import RATE, Listener, config, finals, left, portions, raw, say, streaming, transcribe

TWO = say(0, 1, 2, 0, 0, 3, 0, 0)
"""Two voices, at 0.48 and at 2.4 seconds."""


async def test_finals_come_once_and_in_order_with_times_from_the_start_of_the_stream() -> None:
    responses = await transcribe(Listener(), raw(TWO))
    assert finals(responses) == [(0.48, 1.44, "w1 w2"), (2.4, 2.88, "w3")]
    first = responses[0]
    assert (first.result.stability, first.result.segment.language_code, len(first.result.segment.words)) == (1, "ja", 0)
    assert first.provenance.models[0].model_id == "tiny"
    assert not first.review.recommended
    end = MessageToDict(responses[-1].end, preserving_proto_field_name=True)
    assert end.pop("language_confidence") == pytest.approx(0.9)
    assert end == {"audio_duration": "3.840s", "speech_duration": "1.440s", "language_code": "ja"}
    assert [response.WhichOneof("event") for response in responses] == ["result", "result", "end"]


@pytest.mark.parametrize("size", [77, 3_200, 10_000_000])
async def test_portions_and_containers_make_no_difference(size: int) -> None:
    said = say(0, 1, 2, 0, 0, 3, 0, 0)
    assert finals(await transcribe(Listener(), raw(said), size=size)) == finals(await transcribe(Listener(), raw(TWO)))
    responses = await transcribe(Listener(), wav(said), size=size, encoding=0)
    assert [(start, end) for start, end, _ in finals(responses)] == [(0.48, 1.44), (2.4, 2.88)]


async def test_words_come_when_asked_for_with_times_from_the_start_of_the_stream() -> None:
    responses = await transcribe(Listener(), raw(TWO), enable_word_offsets=True)
    assert [
        (word.word, word.start_offset.ToMilliseconds(), word.end_offset.ToMilliseconds())
        for response in responses
        for word in response.result.segment.words
    ] == [("w1", 480, 960), ("w2", 960, 1440), ("w3", 2400, 2880)]


async def test_voices_are_told_when_asked_for() -> None:
    responses = await transcribe(Listener(), raw(TWO), voice_activity_events=True)
    told = [
        (r.voice_activity.type == speech_pb2.VOICE_ACTIVITY_TYPE_BEGIN, r.voice_activity.offset.ToMilliseconds())
        for r in responses
        if r.HasField("voice_activity")
    ]
    assert told == [(True, 480), (False, 1440), (True, 2400), (False, 2880)]
    assert finals(responses) == finals(await transcribe(Listener(), raw(TWO)))


@pytest.mark.parametrize("frames", [187.5, 188, 285, 1000.5])
@pytest.mark.parametrize("interims", [False, True])
async def test_a_voice_may_last_to_the_end_of_the_audio(frames: float, interims: bool) -> None:
    samples = say(*range(1, 100))[: round(frames * 512)]
    engine = Listener()
    responses = await transcribe(engine, raw(samples), interim_results=interims, voice_activity_events=True)
    text = " ".join(text for _, _, text in finals(responses)).split()
    assert text == [f"w{word}" for word in range(1, len(text) + 1)]
    assert finals(responses)[-1][1] == pytest.approx(len(samples) / RATE, abs=0.001)
    assert responses[-1].end.speech_duration == responses[-1].end.audio_duration
    assert len(engine.asked) == (1 if frames < 700 else 2)


async def test_interim_results_grow_and_what_they_agree_on_stays() -> None:
    whole = " ".join(f"w{word}" for word in range(1, 13))
    async with streaming(Listener()) as method:
        call = method(timeout=60)
        await call.write(config(interim_results=True, enable_word_offsets=True))
        interims = []
        for word in range(1, 13, 2):
            for message in portions(raw(say(word, word + 1))):
                await call.write(message)
            interims.append((await call.read()).result)
        await call.write(portions(raw(say(0, 0)), 1_000_000)[0])
        await call.done_writing()
        rest = await left(call)
    stable = ""
    for result in interims:
        assert not result.is_final
        assert result.segment.text.startswith(stable)
        agreed = result.segment.text[: round(result.stability * len(result.segment.text))]
        assert agreed.startswith(stable)
        assert whole.startswith(agreed)
        assert "misheard" in result.segment.text
        assert "".join(word.word for word in result.segment.words) == result.segment.text.replace(" ", "")
        stable = agreed
    assert interims[0].stability == 0
    assert len(stable.split()) >= 6
    assert finals(rest) == [(0.0, 5.76, whole)]


async def test_no_interim_results_unless_asked_for() -> None:
    responses = await transcribe(Listener(), raw(say(*range(1, 30), 0, 0)))
    assert [response.result.is_final for response in responses[:-1]] == [True]


@pytest.mark.parametrize("interims", [False, True])
async def test_a_voice_that_does_not_pause_is_cut_between_words(interims: bool) -> None:
    words = range(1, 121)
    engine = Listener()
    responses = await transcribe(engine, raw(say(*words, each_s=0.64)), interim_results=interims)
    found = finals(responses)
    assert len(found) > 3
    assert " ".join(text for _, _, text in found).split() == [f"w{word}" for word in words]
    for (_, end_s, _), (start_s, _, _) in pairwise(found):
        assert end_s == start_s
    assert max(len(samples) for samples, _ in engine.asked) <= (WINDOW_S + 1) * RATE


async def test_voices_that_wait_together_are_recognized_together() -> None:
    engine = Listener()
    hold = [False]

    def slow(stop: Any) -> None:
        if not hold[0]:
            hold[0] = True
            heard.wait(20)

    heard = threading.Event()
    engine.before = slow
    many = np.concatenate([say(word, 0, 0) for word in range(1, 11)])
    async with streaming(engine) as method:
        call = method(timeout=60)
        for message in [config(voice_activity_events=True), *portions(raw(many))]:
            await call.write(message)
        await call.done_writing()
        responses = []
        async for response in call:
            responses.append(response)
            if sum(r.HasField("voice_activity") for r in responses) == 20:
                heard.set()
    assert [text for _, _, text in finals(responses)] == [f"w{word}" for word in range(1, 11)]
    assert len(engine.asked) == 2


async def test_the_language_is_detected_once_there_is_enough_speech_and_then_kept() -> None:
    engine = Listener()
    async with streaming(engine) as method:
        call = method(timeout=60)
        await call.write(config())
        for words in ([1], range(2, 9), [9]):
            for message in portions(raw(say(*words, 0, 0))):
                await call.write(message)
            final = await call.read()
            assert final.result.segment.language_code == "ja"
        await call.done_writing()
        [end] = await left(call)
    assert [options.language for _, options in engine.asked] == [None, None, "ja"]
    assert end.end.language_confidence == pytest.approx(0.9)


async def test_an_uncertain_language_is_looked_for_again() -> None:
    engine = Listener(language_probability=0.6)
    async with streaming(engine) as method:
        call = method(timeout=60)
        await call.write(config())
        for word in (1, 10):
            for message in portions(raw(say(*range(word, word + 8), 0, 0))):
                await call.write(message)
            await call.read()
        await call.done_writing()
        [end] = await left(call)
    assert [options.language for _, options in engine.asked] == [None, None]
    assert [reason.code for reason in end.review.reasons] == ["LANGUAGE_UNCERTAIN"]


@pytest.mark.parametrize(
    ("values", "field", "expected"),
    [
        ({"language_code": "en-GB"}, "language", "en"),
        ({"task": speech_pb2.TASK_TRANSLATE}, "task", Task.TRANSLATE),
        ({"hotwords": ["防災"]}, "hotwords", ("防災",)),
        ({"enable_voice_activity_detection": False}, "voice_activity_detection", False),
    ],
)
async def test_the_engine_is_asked_what_the_config_says(values: dict[str, Any], field: str, expected: Any) -> None:
    engine = Listener()
    responses = await transcribe(engine, raw(TWO), **values)
    assert {getattr(options, field) for _, options in engine.asked} == {expected}
    if field == "task":
        assert responses[0].result.segment.language_code == "en"
    if field == "language":
        assert (responses[-1].end.language_code, responses[-1].end.language_confidence) == ("en", 1)
    if field == "voice_activity_detection":
        assert responses[-1].end.speech_duration == responses[-1].end.audio_duration


async def test_terms_that_wait_for_the_language_are_not_called_cut(tmp_path: Path) -> None:
    (tmp_path / "city.tsv").write_text("ja\n区役所\n", encoding="utf-8")
    engine = Listener()
    responses = await transcribe(engine, raw(TWO[: RATE * 2]), settings={"glossary_dir": tmp_path}, glossary_id="city")
    assert engine.asked[0][1].hotwords == ()
    assert list(responses[-1].end.warnings) == []


async def test_silence_ends_with_a_warning() -> None:
    engine = Listener()
    [end] = await transcribe(engine, raw(say(0, 0, 0)), interim_results=True, voice_activity_events=True)
    assert [warning.code for warning in end.end.warnings] == ["NO_SPEECH"]
    assert (end.end.language_code, end.end.speech_duration.ToMilliseconds()) == ("", 0)
    assert engine.asked == []


async def test_a_person_is_asked_to_look_at_a_final_and_at_the_whole() -> None:
    doubtful = dataclasses.replace(
        NOTHING,
        segments=(segment(0.1, 0.2, "はい"), segment(0.2, 0.4, "うん", confidence=0.25)),
        removed=(segment(0.4, 0.5, "ほにゃらら", no_speech_probability=0.9),),
        unheard=(Span(0.1, 1.7),),
        language="ja",
        language_probability=0.5,
    )
    responses = await transcribe(FakeEngine(doubtful), raw(TWO[: 2 * RATE]))
    first, second, end = responses
    assert [(reason.code, reason.subject) for reason in first.review.reasons] == [
        ("LANGUAGE_UNCERTAIN", "segment.language_code")
    ]
    assert [(reason.code, reason.subject) for reason in second.review.reasons] == [
        ("VOICE_WITHOUT_TEXT", ""),
        ("TEXT_REMOVED", ""),
        ("LANGUAGE_UNCERTAIN", "segment.language_code"),
        ("LOW_CONFIDENCE", "segment"),
    ]
    assert second.review.reasons[0].message == "there is a voice at 0.3–1.9 s and no text"
    assert [(reason.code, reason.subject) for reason in end.review.reasons] == [
        ("VOICE_WITHOUT_TEXT", ""),
        ("TEXT_REMOVED", ""),
        ("LANGUAGE_UNCERTAIN", "language_code"),
        ("LOW_CONFIDENCE", "segments[1]"),
    ]
