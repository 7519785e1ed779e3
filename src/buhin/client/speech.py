"""Client of the speech service."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from buhin.client.base import AsyncClient, Client, calls, calls_async, enum_value, read
from buhin.speech.v1 import speech_pb2

_METHODS = speech_pb2.DESCRIPTOR.services_by_name["SpeechService"].methods_by_name
_SUBTITLE_FORMATS = speech_pb2.DESCRIPTOR.enum_types_by_name["SubtitleFormat"]


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
    speakers: bool = False,
    speaker_count: int = 0,
    subtitle_formats: Sequence[str] = (),
    max_line_columns: int = 0,
    max_lines: int = 0,
    max_columns_per_second: float = 0,
) -> speech_pb2.RecognizeRequest:
    """Transcribe a WAV, FLAC, MP3, M4A or OGG file, or raw 16-bit samples when their rate is given.

    ``language`` is BCP-47, detected when empty; ``task`` is ``transcribe`` or ``translate`` (into English).
    ``speakers`` tells who speaks, ``speaker_count`` says how many there are (1 to 20), 0 to find out.
    ``subtitle_formats`` are ``srt`` and ``webvtt``; their lines have at most ``max_line_columns`` (a full-width
    character takes two), 0 for the default of each limit.
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
        diarization=speech_pb2.SpeakerDiarizationConfig(enabled=True, expected_speaker_count=speaker_count)
        if speakers
        else None,
        subtitles=speech_pb2.SubtitleConfig(
            formats=[enum_value(_SUBTITLE_FORMATS, each, "config.subtitles.formats") for each in subtitle_formats],
            max_line_columns=max_line_columns,
            max_lines=max_lines,
            max_columns_per_second=max_columns_per_second,
        )
        if subtitle_formats
        else None,
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
