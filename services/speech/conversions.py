"""Proto to domain and back for what comes with a transcript: speakers and subtitles."""

from __future__ import annotations

import math
from collections.abc import Sequence

from buhin.errors import InputTooLargeError, InvalidValueError, OutOfRangeError
from buhin.speech.v1 import speech_pb2
from services.speech.engine import Segment
from services.speech.speakers import MAX_SPEAKERS
from services.speech.subtitles import Cue, Format, Layout, write

_FORMATS = {speech_pb2.SUBTITLE_FORMAT_SRT: Format.SRT, speech_pb2.SUBTITLE_FORMAT_WEBVTT: Format.WEBVTT}
_BOUNDS = {"max_line_columns": (10, 100), "max_lines": (1, 4), "max_columns_per_second": (5, 60)}


def speaker_count(config: speech_pb2.SpeakerDiarizationConfig) -> int | None:
    """How many speakers are expected; None: not said. Raises OutOfRangeError."""
    value = config.expected_speaker_count
    if value and not 1 <= value <= MAX_SPEAKERS:
        raise OutOfRangeError(
            field="config.diarization.expected_speaker_count", value=value, minimum=1, maximum=MAX_SPEAKERS
        )
    return value or None


def transcript(segments: Sequence[Segment]) -> str:
    """All segments, one a line, after their speakers where these are known."""
    return "\n".join(f"{each.speaker}: {each.text}" if each.speaker else each.text for each in segments)


def layout(config: speech_pb2.SubtitleConfig) -> Layout:
    """How subtitles are wanted; 0 is the default. Raises InvalidValueError, InputTooLargeError or OutOfRangeError."""
    if len(config.formats) > len(_FORMATS):
        raise InputTooLargeError(
            field="config.subtitles.formats", size=len(config.formats), unit="formats", limit=len(_FORMATS)
        )
    for number, each in enumerate(config.formats):
        if each not in _FORMATS:
            raise InvalidValueError(
                field=f"config.subtitles.formats[{number}]",
                value=each,
                accepted=", ".join(speech_pb2.SubtitleFormat.keys()[1:]),
            )
    for name, (minimum, maximum) in _BOUNDS.items():
        value = getattr(config, name)
        if value and not (math.isfinite(value) and minimum <= value <= maximum):
            raise OutOfRangeError(field=f"config.subtitles.{name}", value=value, minimum=minimum, maximum=maximum)
    default = Layout()
    return Layout(
        formats=tuple(dict.fromkeys(_FORMATS[each] for each in config.formats)),
        max_columns=config.max_line_columns or default.max_columns,
        max_lines=config.max_lines or default.max_lines,
        max_columns_per_second=config.max_columns_per_second or default.max_columns_per_second,
    )


def subtitles(cues: Sequence[Cue], formats: Sequence[Format]) -> list[speech_pb2.Subtitles]:
    """The cues in each format."""
    protos = {form: proto for proto, form in _FORMATS.items()}
    return [speech_pb2.Subtitles(format=protos[form], content=write(cues, form)) for form in formats]
