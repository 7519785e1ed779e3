"""The clients' live streams: what is sent, and what comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from buhin import client, errors
from buhin.serving import Server
from buhin.speech.v1 import speech_pb2
from tests.unit.speech.fakes import fake_application
from tests.unit.speech.speakers import RATE, Listener, finals, raw, say

AUDIO = raw(say(0, 1, 2, 0, 0, 3, 0, 0))
CHUNKS = [AUDIO[start : start + 3_200] for start in range(0, len(AUDIO), 3_200)]
FINALS = [(0.48, 1.44, "w1 w2"), (2.4, 2.88, "w3")]


async def slowly() -> AsyncIterator[bytes]:
    """The chunks as they are spoken."""
    for chunk in CHUNKS:
        await asyncio.sleep(0)
        yield chunk


@pytest.mark.parametrize("kind", ["sync", "async", "async from a list"])
async def test_a_stream_gives_the_results_in_order(kind: str) -> None:
    asked: dict[str, Any] = {"language": "ja-JP", "voice_activity_events": True, "word_offsets": True}
    engine = Listener()
    async with Server(fake_application(engine)) as server:
        await server.started()
        if kind == "sync":

            def use() -> list[speech_pb2.StreamingRecognizeResponse]:
                with client.SpeechClient(server.address) as opened:
                    return list(opened.streaming_recognize(CHUNKS, raw_sample_rate_hertz=RATE, **asked))

            responses = await asyncio.to_thread(use)
        else:
            async with client.AsyncSpeechClient(server.address) as opened:
                data = slowly() if kind == "async" else CHUNKS
                stream = opened.streaming_recognize(data, raw_sample_rate_hertz=RATE, **asked)
                responses = [response async for response in stream]
    assert finals(responses) == FINALS
    assert [len(response.result.segment.words) for response in responses if response.result.is_final] == [2, 1]
    assert sum(response.HasField("voice_activity") for response in responses) == 4
    assert responses[-1].HasField("end")
    assert {options.language for _, options in engine.asked} == {"ja"}


async def test_a_refused_stream_raises_the_error_of_the_service() -> None:
    async with Server(fake_application(Listener())) as server:
        await server.started()

        def use() -> None:
            with client.SpeechClient(server.address) as opened:
                list(opened.streaming_recognize(CHUNKS, language="tlh", raw_sample_rate_hertz=RATE))

        with pytest.raises(errors.UnsupportedLanguageError):
            await asyncio.to_thread(use)


def test_a_request_says_what_was_asked_for() -> None:
    from buhin.client.speech import streaming_recognize_request

    assert streaming_recognize_request(
        task="translate", interim_results=True, hotwords=["防災"], raw_sample_rate_hertz=8_000, raw_channels=2
    ) == speech_pb2.StreamingRecognizeRequest(
        streaming_config=speech_pb2.StreamingRecognitionConfig(
            config=speech_pb2.RecognitionConfig(
                task=speech_pb2.TASK_TRANSLATE,
                encoding=speech_pb2.AUDIO_ENCODING_LINEAR16,
                sample_rate_hertz=8_000,
                audio_channel_count=2,
                enable_voice_activity_detection=True,
                hotwords=["防災"],
            ),
            interim_results=True,
            mode=speech_pb2.STREAMING_MODE_LIVE,
        )
    )
    file = streaming_recognize_request(language="ja").streaming_config
    assert (file.config.encoding, file.config.sample_rate_hertz, file.interim_results) == (0, 0, False)
