"""Client of the speech service."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from buhin.client.base import AsyncClient, Client, calls, calls_async, enum_value, read
from buhin.speech.v1 import speech_pb2

_METHODS = speech_pb2.DESCRIPTOR.services_by_name["SpeechService"].methods_by_name


def recognize_request(
    audio: bytes | Path,
    *,
    language: str = "",
    task: str = "transcribe",
    word_offsets: bool = False,
    voice_activity_detection: bool = True,
    hotwords: Sequence[str] = (),
    raw_sample_rate_hertz: int = 0,
    raw_channels: int = 1,
) -> speech_pb2.RecognizeRequest:
    """Transcribe a WAV, FLAC, MP3, M4A or OGG file, or raw 16-bit samples when their rate is given.

    ``language`` is BCP-47, detected when empty; ``task`` is ``transcribe`` or ``translate`` (into English).
    """
    raw = raw_sample_rate_hertz != 0
    config = speech_pb2.RecognitionConfig(
        language_code=language,
        task=enum_value(speech_pb2.DESCRIPTOR.enum_types_by_name["Task"], task, "config.task"),
        encoding=speech_pb2.AUDIO_ENCODING_LINEAR16 if raw else speech_pb2.AUDIO_ENCODING_UNSPECIFIED,
        sample_rate_hertz=raw_sample_rate_hertz,
        audio_channel_count=raw_channels if raw else 0,
        enable_word_offsets=word_offsets,
        enable_voice_activity_detection=voice_activity_detection,
        hotwords=hotwords,
    )
    return speech_pb2.RecognizeRequest(config=config, audio=read(audio))


class SpeechClient(Client):
    """Turns recordings into text."""

    function = "speech"
    recognize = calls(recognize_request, _METHODS["Recognize"], speech_pb2.RecognizeResponse)


class AsyncSpeechClient(AsyncClient):
    """The async twin of SpeechClient."""

    function = "speech"
    recognize = calls_async(recognize_request, _METHODS["Recognize"], speech_pb2.RecognizeResponse)
