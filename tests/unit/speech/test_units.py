"""How long a recording is told to be, from its header and size."""

from __future__ import annotations

from typing import Any

import pytest

from buhin.speech.v1 import speech_pb2
from services.speech.units import seconds
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
        (b"fLaC" + bytes(79_996), {}, 10.0),
        (bytes(64_000), {"encoding": LINEAR16, "sample_rate_hertz": 16_000, "audio_channel_count": 2}, 1.0),
        (bytes(320), {"encoding": LINEAR16}, 160.0),
    ],
)
def test_a_recording(audio: bytes, config: dict[str, Any], expected: float) -> None:
    request = speech_pb2.RecognizeRequest(audio=audio, config=config)  # type: ignore[arg-type]
    assert seconds(request, request) == pytest.approx(expected, abs=0.01)


def test_a_stream_is_measured_by_its_config() -> None:
    config = speech_pb2.RecognitionConfig(encoding=LINEAR16, sample_rate_hertz=8_000)
    opening = speech_pb2.StreamingRecognizeRequest(
        streaming_config=speech_pb2.StreamingRecognitionConfig(config=config)
    )
    piece = speech_pb2.StreamingRecognizeRequest(audio=bytes(16_000))
    assert [seconds(message, opening) for message in (opening, piece)] == [0.0, 1.0]
    assert seconds(piece, piece) == 2.0


def test_another_message_has_none() -> None:
    other = speech_pb2.Segment()
    assert seconds(other, other) == 0.0
