"""Bad input of every kind gets a precise INVALID_ARGUMENT from the running services, and they go on serving."""

from __future__ import annotations

import io
import struct
import wave
import zlib
from collections.abc import Mapping
from typing import Any, cast

import pytest
from google.protobuf.descriptor import MethodDescriptor

from buhin import errors
from buhin.client.connection import Connection
from buhin.image_inspect.v1 import image_inspect_pb2 as image
from buhin.speech.v1 import speech_pb2 as speech
from buhin.summarize.v1 import summarize_pb2 as summarize
from buhin.translate.v1 import translate_pb2 as translate

pytestmark = pytest.mark.model

RECOGNIZE = speech.DESCRIPTOR.services_by_name["SpeechService"].methods_by_name["Recognize"]
TRANSLATE = translate.DESCRIPTOR.services_by_name["TranslateService"].methods_by_name["TranslateText"]
DETECT = translate.DESCRIPTOR.services_by_name["TranslateService"].methods_by_name["DetectLanguage"]
SUMMARIZE = summarize.DESCRIPTOR.services_by_name["SummarizeService"].methods_by_name["Summarize"]
INSPECT = image.DESCRIPTOR.services_by_name["ImageInspectService"].methods_by_name["Inspect"]

NAN, INFINITY = float("nan"), float("inf")


def wav(seconds: float = 0.5) -> bytes:
    """A quiet WAV file."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(b"\0\0" * int(16_000 * seconds))
    return buffer.getvalue()


def png(width: int, height: int) -> bytes:
    """The header of a PNG of any size, and a body that is far too small for it."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")
    )


def audio(data: bytes, **config: Any) -> speech.RecognizeRequest:
    """A request to transcribe."""
    return speech.RecognizeRequest(audio=data, config=speech.RecognitionConfig(**config))


def photo(data: bytes, **config: Any) -> image.InspectRequest:
    """A request to inspect."""
    return image.InspectRequest(image=data, config=image.InspectConfig(**config))


Case = tuple[str, MethodDescriptor, Any, type[errors.BuhinError], str]

CASES: list[Case] = [
    ("no audio", RECOGNIZE, audio(b""), errors.EmptyInputError, "audio"),
    ("audio that is text", RECOGNIZE, audio(b"this is not audio at all" * 9), errors.UnreadableMediaError, "audio"),
    ("audio that is a picture", RECOGNIZE, audio(png(64, 64)), errors.UnreadableMediaError, "audio"),
    ("header of audio", RECOGNIZE, audio(wav()[:44]), errors.UnreadableMediaError, "audio"),
    ("truncated audio", RECOGNIZE, audio(wav(2)[:9_000]), errors.UnreadableMediaError, "audio"),
    ("unknown language", RECOGNIZE, audio(wav(), language_code="xx"), errors.UnsupportedLanguageError, "config.language_code"),
    ("raw audio without a rate", RECOGNIZE, audio(b"\0" * 320, encoding=1), errors.OutOfRangeError, "config.sample_rate_hertz"),
    ("unknown encoding", RECOGNIZE, audio(wav(), encoding=77), errors.InvalidValueError, "config.encoding"),
    ("no text", TRANSLATE, translate.TranslateTextRequest(target_language_code="en"), errors.EmptyInputError, "contents"),
    ("no target", TRANSLATE, translate.TranslateTextRequest(contents=["あ"]), errors.MissingFieldError, "target_language_code"),
    ("unknown target", TRANSLATE, translate.TranslateTextRequest(contents=["あ"], target_language_code="qq"), errors.UnsupportedLanguageError, "target_language_code"),
    ("text over the limit", TRANSLATE, translate.TranslateTextRequest(contents=["あ" * 50_001], target_language_code="en"), errors.InputTooLargeError, "contents"),
    ("nothing to detect", DETECT, translate.DetectLanguageRequest(), errors.EmptyInputError, "contents"),
    ("blank text", SUMMARIZE, summarize.SummarizeRequest(text=" \n"), errors.EmptyInputError, "text"),
    ("long text", SUMMARIZE, summarize.SummarizeRequest(text="あ。" * 30_000), errors.InputTooLargeError, "text"),
    ("no length", SUMMARIZE, summarize.SummarizeRequest(text="あ。い。", max_characters=0), errors.OutOfRangeError, "max_characters"),
    ("unknown method", SUMMARIZE, summarize.SummarizeRequest(text="あ。い。", method=cast("Any", 9)), errors.InvalidValueError, "method"),
    ("unknown language of the summary", SUMMARIZE, summarize.SummarizeRequest(text="あ。い。", method=summarize.Method.METHOD_ABSTRACTIVE, target_language_code="qq"), errors.UnsupportedLanguageError, "target_language_code"),
    ("no image", INSPECT, photo(b""), errors.EmptyInputError, "image"),
    ("image that is text", INSPECT, photo(b"not an image" * 9), errors.UnreadableMediaError, "image"),
    ("image that is audio", INSPECT, photo(wav()), errors.UnreadableMediaError, "image"),
    ("truncated image", INSPECT, photo(png(640, 480)), errors.UnreadableMediaError, "image"),
    ("30000x30000", INSPECT, photo(png(30_000, 30_000)), errors.InputTooLargeError, "image"),
    ("scale that is no number", INSPECT, photo(png(64, 64), ground_sampling_distance_mm=NAN), errors.OutOfRangeError, "config.ground_sampling_distance_mm"),
    ("scale that is infinite", INSPECT, photo(png(64, 64), ground_sampling_distance_mm=INFINITY), errors.OutOfRangeError, "config.ground_sampling_distance_mm"),
    ("negative length", INSPECT, photo(png(64, 64), min_length_px=-1), errors.OutOfRangeError, "config.min_length_px"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "request_", "expected", "field"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_it_is_refused_precisely(
    services: Mapping[str, str], method: MethodDescriptor, request_: Any, expected: type[errors.BuhinError], field: str
) -> None:
    function = method.full_name.split(".")[1]
    with (
        Connection(function, address=services[function]) as connection,
        pytest.raises(errors.InvalidInputError) as caught,
    ):
        connection.unary(method, request_)
    assert type(caught.value) is expected
    assert caught.value.field == field
    assert "?" not in caught.value.message + caught.value.message_ja
    if expected in (errors.UnsupportedLanguageError, errors.UnreadableMediaError, errors.InvalidValueError):
        assert caught.value.metadata["accepted"]
