"""How long a recording is told to be, from its header and size."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import duration_pb2
from google.protobuf.message import Message

from buhin.speech.v1 import speech_pb2
from services.speech.units import Seconds, audio_s
from tests.e2e.fault_inputs import wav

LINEAR16 = speech_pb2.AUDIO_ENCODING_LINEAR16


@pytest.mark.parametrize(
    ("audio", "config", "expected"),
    [
        (b"", {}, 0.0),
        (wav(bytes(32_000)), {}, 1.0),
        (wav(bytes(16_000), rate=8_000), {}, 1.0),
        (wav(b"", rate=0) + bytes(8_000), {}, 1.0),
        (b"RIFF", {}, 0.0),
        (wav(bytes(32_000))[:12] + b"JUNK" + bytes([4, 0, 0, 0]) + bytes(4) + wav(bytes(32_000))[12:], {}, 1.0),
        (wav(bytes(32_000))[:28] + b"\xff\xff\xff\xff" + wav(bytes(32_000))[32:], {}, 1.0),
        (b"fLaC" + bytes(79_996), {}, 10.0),
        (bytes(64_000), {"encoding": LINEAR16, "sample_rate_hertz": 16_000, "audio_channel_count": 2}, 1.0),
        (bytes(320), {"encoding": LINEAR16}, 160.0),
    ],
)
def test_a_recording(audio: bytes, config: dict[str, Any], expected: float) -> None:
    request = speech_pb2.RecognizeRequest(audio=audio, config=config)  # type: ignore[arg-type]
    assert Seconds()(request) == pytest.approx(expected, abs=0.01)


def test_a_stream_is_measured_by_its_config() -> None:
    config = speech_pb2.RecognitionConfig(encoding=LINEAR16, sample_rate_hertz=8_000)
    opening = speech_pb2.StreamingRecognizeRequest(
        streaming_config=speech_pb2.StreamingRecognitionConfig(config=config)
    )
    piece = speech_pb2.StreamingRecognizeRequest(audio=bytes(16_000))
    assert list(map(Seconds(), (opening, piece, piece))) == [0.0, 1.0, 1.0]


def test_the_header_counts_for_all_pieces_of_a_recording() -> None:
    data = wav(bytes(176_400), rate=44_100)
    pieces = [speech_pb2.StreamingRecognizeRequest(audio=data[n : n + 65_536]) for n in range(0, len(data), 65_536)]
    assert sum(map(Seconds(), pieces)) == pytest.approx(2.0, abs=0.01)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (speech_pb2.RecognizeResponse(audio_duration=duration_pb2.Duration(seconds=7)), 7.0),
        (
            speech_pb2.StreamingRecognizeResponse(
                end=speech_pb2.StreamingEnd(audio_duration=duration_pb2.Duration(seconds=8))
            ),
            8.0,
        ),
        (speech_pb2.StreamingRecognizeResponse(), 0.0),
        (speech_pb2.Segment(), 0.0),
    ],
)
def test_what_an_answer_tells(answer: Message, expected: float) -> None:
    assert audio_s(answer) == expected


def test_another_message_has_none() -> None:
    other = speech_pb2.Segment()
    assert Seconds()(other) == 0.0
