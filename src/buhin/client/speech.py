"""Client of the speech service."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from buhin.client.base import (
    AsyncClient,
    Client,
    calls,
    calls_async,
    converses,
    converses_async,
    enum_value,
    read,
)
from buhin.speech.v1 import speech_pb2

_PORTION_BYTES = 64 * 1024
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
    glossary_id: str = "",
    identify_languages: bool = False,
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
    ``glossary_id`` names a glossary of the service whose terms are hotwords too; with ``identify_languages`` the
    language may change within the recording.
    ``speakers`` tells who speaks, ``speaker_count`` says how many there are (1 to 20), 0 to find out.
    ``subtitle_formats`` are ``srt`` and ``webvtt``; their lines have at most ``max_line_columns`` (a full-width
    character takes two), 0 for the default of each limit.
    """
    config = speech_pb2.RecognitionConfig(
        language_code=language,
        task=_task(task),
        enable_word_offsets=word_offsets,
        enable_voice_activity_detection=voice_activity_detection,
        hotwords=hotwords,
        glossary_id=glossary_id,
        enable_language_identification=identify_languages,
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
    _set_encoding(config, raw_sample_rate_hertz, raw_channels)
    return speech_pb2.RecognizeRequest(config=config, audio=read(audio))


def streaming_recognize_request(
    *,
    language: str = "",
    task: str = "transcribe",
    interim_results: bool = False,
    voice_activity_events: bool = False,
    word_offsets: bool = False,
    voice_activity_detection: bool = True,
    hotwords: Sequence[str] = (),
    raw_sample_rate_hertz: int = 0,
    raw_channels: int = 1,
) -> speech_pb2.StreamingRecognizeRequest:
    """Transcribe audio while it is spoken: portions of a WAV, FLAC, MP3, M4A or OGG file, or of raw 16-bit samples when
    their rate is given.

    ``language`` is BCP-47, detected when empty; ``task`` is ``transcribe`` or ``translate`` (into English). Yields
    final results in order, interim ones and voice activity events when asked for, and the length and language at the
    end.
    """
    config = speech_pb2.RecognitionConfig(
        language_code=language,
        task=_task(task),
        enable_word_offsets=word_offsets,
        enable_voice_activity_detection=voice_activity_detection,
        hotwords=hotwords,
    )
    _set_encoding(config, raw_sample_rate_hertz, raw_channels)
    return speech_pb2.StreamingRecognizeRequest(
        streaming_config=speech_pb2.StreamingRecognitionConfig(
            config=config,
            mode=speech_pb2.STREAMING_MODE_LIVE,
            interim_results=interim_results,
            voice_activity_events=voice_activity_events,
        )
    )


def recognize_file_request(
    *,
    language: str = "",
    task: str = "transcribe",
    word_offsets: bool = False,
    voice_activity_detection: bool = True,
    hotwords: Sequence[str] = (),
    glossary_id: str = "",
    identify_languages: bool = False,
    speakers: bool = False,
    speaker_count: int = 0,
    raw_sample_rate_hertz: int = 0,
    raw_channels: int = 1,
    subtitle_formats: Sequence[str] = (),
    max_line_columns: int = 0,
    max_lines: int = 0,
    max_columns_per_second: float = 0,
) -> speech_pb2.StreamingRecognizeRequest:
    """Transcribe a recording of any size, sent in portions: see ``portions``. Takes what ``recognize`` takes; yields
    final results as they are recognized, how far it has come, and the length and language at the end.
    """
    request = recognize_request(
        b"",
        language=language,
        task=task,
        word_offsets=word_offsets,
        voice_activity_detection=voice_activity_detection,
        hotwords=hotwords,
        glossary_id=glossary_id,
        identify_languages=identify_languages,
        speakers=speakers,
        speaker_count=speaker_count,
        raw_sample_rate_hertz=raw_sample_rate_hertz,
        raw_channels=raw_channels,
        subtitle_formats=subtitle_formats,
        max_line_columns=max_line_columns,
        max_lines=max_lines,
        max_columns_per_second=max_columns_per_second,
    )
    return speech_pb2.StreamingRecognizeRequest(
        streaming_config=speech_pb2.StreamingRecognitionConfig(
            config=request.config, mode=speech_pb2.STREAMING_MODE_FILE
        )
    )


def portions(file: Path) -> Iterator[bytes]:
    """The bytes of a file in portions of 64 KiB."""
    with file.open("rb") as opened:
        yield from iter(lambda: opened.read(_PORTION_BYTES), b"")


def collect(
    events: Iterable[speech_pb2.StreamingRecognizeResponse],
    on_progress: Callable[[float, float], None] = lambda done_s, total_s: None,
) -> speech_pb2.RecognizeResponse:
    """What ``recognize`` would have answered, of the events of ``recognize_file``; tells seconds done and in all."""
    answer = speech_pb2.RecognizeResponse()
    for event in events:
        match event.WhichOneof("event"):
            case "result":
                answer.segments.append(event.result.segment)
            case "progress":
                progress = event.progress
                on_progress(progress.done.ToMilliseconds() / 1000, progress.total.ToMilliseconds() / 1000)
            case "end":
                end = event.end
                answer.audio_duration.CopyFrom(end.audio_duration)
                answer.speech_duration.CopyFrom(end.speech_duration)
                answer.language_code, answer.language_confidence = end.language_code, end.language_confidence
                answer.subtitles.extend(end.subtitles)
                answer.warnings.extend(end.warnings)
                answer.review.CopyFrom(event.review)
                answer.provenance.CopyFrom(event.provenance)
    answer.transcript = "\n".join(
        f"{segment.speaker_label}: {segment.text}" if segment.speaker_label else segment.text
        for segment in answer.segments
    )
    return answer


def _portion(audio: bytes) -> speech_pb2.StreamingRecognizeRequest:
    return speech_pb2.StreamingRecognizeRequest(audio=audio)


def _task(name: str) -> Any:
    return enum_value(speech_pb2.DESCRIPTOR.enum_types_by_name["Task"], name, "config.task")


def _set_encoding(config: speech_pb2.RecognitionConfig, raw_sample_rate_hertz: int, raw_channels: int) -> None:
    """Raw samples where their rate is given, otherwise a file."""
    if raw_sample_rate_hertz:
        config.encoding = speech_pb2.AUDIO_ENCODING_LINEAR16
        config.sample_rate_hertz = raw_sample_rate_hertz
        config.audio_channel_count = raw_channels


class SpeechClient(Client):
    """Turns recordings and live speech into text."""

    function = "speech"
    recognize = calls(recognize_request, _METHODS["Recognize"], speech_pb2.RecognizeResponse)
    streaming_recognize = converses(
        streaming_recognize_request,
        _portion,
        _METHODS["StreamingRecognize"],
        speech_pb2.StreamingRecognizeResponse,
    )
    recognize_file = converses(
        recognize_file_request,
        _portion,
        _METHODS["StreamingRecognize"],
        speech_pb2.StreamingRecognizeResponse,
    )


class AsyncSpeechClient(AsyncClient):
    """The async twin of SpeechClient."""

    function = "speech"
    recognize = calls_async(recognize_request, _METHODS["Recognize"], speech_pb2.RecognizeResponse)
    streaming_recognize = converses_async(
        streaming_recognize_request,
        _portion,
        _METHODS["StreamingRecognize"],
        speech_pb2.StreamingRecognizeResponse,
    )
    recognize_file = converses_async(
        recognize_file_request,
        _portion,
        _METHODS["StreamingRecognize"],
        speech_pb2.StreamingRecognizeResponse,
    )
