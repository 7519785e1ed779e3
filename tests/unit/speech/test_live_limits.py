"""What a live stream may ask for and cost, and how it ends when it does not end well."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from buhin import errors
from buhin.config import ServerSettings
from buhin.engine import Stop
from buhin.serving import Server, Worker
from buhin.speech.v1 import speech_pb2, speech_pb2_grpc
from services.speech.audio import Raw
from services.speech.engine import Options, SpeechEngine
from services.speech.incoming import Incoming
from services.speech.live import AHEAD_S, End, Final, Live
from tests.unit.speech.fakes import FakeDetector, fake_application
from tests.unit.speech.speakers import (
    RATE,
    Listener,
    config,
    failure,
    finals,
    left,
    portions,
    raw,
    say,
    streaming,
)

SPEECH = raw(say(1, 2, 0, 0))
SRT = speech_pb2.SUBTITLE_FORMAT_SRT


@pytest.mark.parametrize(
    ("values", "error", "field", "metadata"),
    [
        ({"diarization": {"enabled": True}}, errors.InvalidValueError, "config.diarization.enabled",
         {"value": "true", "accepted": "false with LIVE"}),
        ({"enable_language_identification": True}, errors.InvalidValueError, "config.enable_language_identification",
         {"value": "true"}),
        ({"subtitles": {"formats": [SRT]}}, errors.InvalidValueError, "config.subtitles.formats",
         {"value": "1", "accepted": "none with LIVE"}),
        ({"mode": 7}, errors.InvalidValueError, "streaming_config.mode", {"value": "7"}),
        ({"mode": 2, "interim_results": True}, errors.InvalidValueError, "streaming_config.interim_results",
         {"accepted": "false with FILE"}),
        ({"mode": 2, "voice_activity_events": True}, errors.InvalidValueError,
         "streaming_config.voice_activity_events", {}),
        ({"language_code": "tlh"}, errors.UnsupportedLanguageError, "config.language_code", {"value": "tlh"}),
        ({"task": 7}, errors.InvalidValueError, "config.task", {}),
        ({"encoding": 9}, errors.InvalidValueError, "config.encoding", {}),
        ({"sample_rate_hertz": 7_999}, errors.OutOfRangeError, "config.sample_rate_hertz", {"value": "7999"}),
        ({"audio_channel_count": 9}, errors.OutOfRangeError, "config.audio_channel_count", {}),
        ({"hotwords": [" "]}, errors.EmptyInputError, "config.hotwords[0]", {}),
    ],
)  # fmt: skip
async def test_a_bad_config_is_refused_before_any_audio_is_sent(
    values: dict[str, Any], error: type[errors.BuhinError], field: str, metadata: dict[str, str]
) -> None:
    engine = Listener()
    async with streaming(engine) as method:
        call = method(timeout=20)
        await call.write(config(**values))
        found, before = await failure(call)
    assert type(found) is error
    assert found.field == field
    assert metadata.items() <= found.metadata.items()
    assert (before, engine.asked) == ([], [])


AUDIO = portions(SPEECH, 1_000_000)[0]
NO_CONFIG = speech_pb2.StreamingRecognizeRequest(streaming_config=speech_pb2.StreamingRecognitionConfig())


@pytest.mark.parametrize(
    ("messages", "error", "field", "before"),
    [
        ([], errors.MissingFieldError, "config", 0),
        ([AUDIO], errors.MissingFieldError, "streaming_config", 0),
        ([NO_CONFIG], errors.MissingFieldError, "streaming_config.config", 0),
        ([config()], errors.EmptyInputError, "audio", 0),
        ([config(), AUDIO, config()], errors.InvalidValueError, "streaming_config", 1),
        ([config(), AUDIO, speech_pb2.StreamingRecognizeRequest()], errors.MissingFieldError, "audio", 1),
        ([config(), AUDIO, *portions(b"x")], errors.UnreadableMediaError, "audio", 1),
        ([config(encoding=0), *portions(b"fLaC and no more")], errors.UnreadableMediaError, "audio", 0),
        ([config(), *portions(raw(say(1, 0, 0, 2, 3, 4, 5, 6, 7)))], errors.InputTooLargeError, "audio", 2),
    ],
)
async def test_what_was_heard_before_a_fault_is_recognized_before_the_stream_fails(
    messages: list[Any], error: type[errors.BuhinError], field: str, before: int
) -> None:
    async with streaming(Listener(), max_audio_seconds=4) as method:
        call = method(timeout=20)
        for message in messages:
            await call.write(message)
        await call.done_writing()
        found, responses = await failure(call)
    assert type(found) is error
    assert found.field == field
    assert len(finals(responses)) == before == len(responses)


async def test_who_says_nothing_for_too_long_is_told_so_after_what_was_said() -> None:
    async with streaming(Listener(), stream_idle_s=0.3) as method:
        call = method(timeout=20)
        for message in [config(), *portions(raw(say(1, 2)))]:
            await call.write(message)
        found, responses = await failure(call)
    assert isinstance(found, errors.StreamIdleError)
    assert finals(responses) == [(0.0, 0.96, "w1 w2")]


@pytest.mark.parametrize("how", ["cancel", "disconnect"])
async def test_who_leaves_frees_the_worker_and_the_place(how: str) -> None:
    stopped = threading.Event()

    def until_stopped(stop: Stop) -> None:
        while not stop.is_set():
            stopped.wait(0.01)
        stopped.set()

    engine = Listener(until_stopped)
    async with Server(fake_application(engine, max_streams=1)) as server:
        await server.started()
        async with grpc.aio.insecure_channel(server.address) as channel:
            call = speech_pb2_grpc.SpeechServiceStub(channel).StreamingRecognize(timeout=60)
            for message in [config(), *portions(SPEECH)]:
                await call.write(message)
            assert await asyncio.to_thread(engine.working.wait, 20)
            if how == "cancel":
                call.cancel()
                assert await asyncio.to_thread(stopped.wait, 20)
        assert await asyncio.to_thread(stopped.wait, 20)
        engine.before = lambda stop: None
        async with grpc.aio.insecure_channel(server.address) as channel:
            method = speech_pb2_grpc.SpeechServiceStub(channel).StreamingRecognize
            responses = [response async for response in method(iter([config(), *portions(SPEECH)]), timeout=20)]
    assert finals(responses) == [(0.0, 0.96, "w1 w2")]


async def test_no_more_streams_than_there_are_places() -> None:
    async with streaming(Listener(), max_streams=1) as method:
        first = method(timeout=20)
        for message in [config(voice_activity_events=True), *portions(SPEECH)]:
            await first.write(message)
        await first.read()
        found, _ = await failure(method(timeout=20))
        assert isinstance(found, errors.TooManyStreamsError)
        await first.done_writing()
        assert len(await left(first)) == 3


async def test_an_open_stream_may_finish_while_the_service_drains() -> None:
    async with Server(fake_application(Listener(), drain_s=20)) as server:
        await server.started()
        async with grpc.aio.insecure_channel(server.address) as channel:
            method = speech_pb2_grpc.SpeechServiceStub(channel).StreamingRecognize
            call = method(timeout=20)
            await call.write(config(voice_activity_events=True))
            for message in portions(raw(say(1))):
                await call.write(message)
            await call.read()
            server.worker.drain()
            for message in portions(SPEECH):
                await call.write(message)
            await call.done_writing()
            responses = await left(call)
            found, _ = await failure(method(timeout=20))
    assert finals(responses) == [(0.0, 1.44, "w1 w2")]
    assert responses[-1].HasField("end")
    assert isinstance(found, errors.DrainingError)


async def test_the_caller_is_held_back_while_recognition_is_slow() -> None:
    """A caller sends five minutes at once; the recognizer does not move. Only so much is taken, and nothing is lost."""
    gate = threading.Event()

    def until_opened(stop: Stop) -> None:
        gate.wait(20)

    engine = Listener(until_opened)
    voice = raw(say(1, 0, 0))
    sent, everything_sent, count = 0, asyncio.Event(), 200

    async def caller() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(count):
            sent += 1
            yield voice
        everything_sent.set()

    worker: Worker[SpeechEngine] = Worker(lambda: engine, ServerSettings(isolate_engine=False))
    await worker.start()
    with worker.stream() as stream:
        live = Live(stream, Options(language="ja"), interims=True, endpoints=False)
        incoming = Incoming(caller(), Raw.checked(RATE, 1), FakeDetector(), 3_600)
        events = live.events(incoming)
        first = asyncio.ensure_future(anext(events))
        assert await asyncio.to_thread(engine.working.wait, 20)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(everything_sent.wait(), 0.5)
        assert AHEAD_S - 5 < sent * 1.44 < AHEAD_S + 5
        assert live.waiting_s < AHEAD_S + 5
        gate.set()
        found = [await first, *[event async for event in events]]
    await worker.close()
    assert sum(isinstance(event, Final) for event in found) == count
    assert isinstance(found[-1], End)
    assert found[-1].audio_s == pytest.approx(count * 1.44)
    assert max(len(samples) for samples, _ in engine.asked) <= 26 * RATE
