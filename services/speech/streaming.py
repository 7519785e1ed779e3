"""What a stream may ask for, and when a person should look at one of its results."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from buhin.errors import InvalidValueError, MissingFieldError
from buhin.review import Reason
from buhin.speech.v1 import speech_pb2
from services.speech.engine import Options
from services.speech.live import Final
from services.speech.reasons import reasons


def check_streaming(streaming: speech_pb2.StreamingRecognitionConfig) -> None:
    """Raise MissingFieldError or InvalidValueError where a stream asks for what its mode does not have."""
    if not streaming.HasField("config"):
        raise MissingFieldError(field="streaming_config.config")
    if streaming.mode not in speech_pb2.StreamingMode.values():
        raise InvalidValueError(
            field="streaming_config.mode", value=streaming.mode, accepted=", ".join(speech_pb2.StreamingMode.keys())
        )
    config = streaming.config
    if streaming.mode == speech_pb2.STREAMING_MODE_FILE:
        mode, asked = (
            "FILE",
            {
                "streaming_config.interim_results": streaming.interim_results,
                "streaming_config.voice_activity_events": streaming.voice_activity_events,
            },
        )
    else:
        mode, asked = (
            "LIVE",
            {
                "config.enable_language_identification": config.enable_language_identification,
                "config.diarization.enabled": config.diarization.enabled,
            },
        )
        if config.subtitles.formats:
            names = ", ".join(str(each) for each in config.subtitles.formats)
            raise InvalidValueError(field="config.subtitles.formats", value=names, accepted="none with LIVE")
    for field, wanted in asked.items():
        if wanted:
            raise InvalidValueError(field=field, value="true", accepted=f"false with {mode}")


def final_reasons(final: Final, options: Options) -> Iterator[Reason]:
    """The reasons to look at a final result; what its window lost between its segments is told with the last."""
    own = f"segments[{final.number}]"
    is_last = final.number == len(final.window.segments) - 1
    for reason in reasons(final.window, options):
        if reason.subject.startswith(own):
            yield replace(reason, subject="segment" + reason.subject.removeprefix(own))
        elif reason.subject == "language_code":
            yield replace(reason, subject="segment.language_code")
        elif is_last and not reason.subject:
            yield reason
