"""Small calls of every kind that a service answers, good and bad, for the soak and the load test."""

from __future__ import annotations

import io
import itertools
import struct
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from PIL import Image

from buhin.image_inspect.v1 import image_inspect_pb2, image_inspect_pb2_grpc
from buhin.speech.v1 import speech_pb2, speech_pb2_grpc
from buhin.summarize.v1 import summarize_pb2, summarize_pb2_grpc
from buhin.translate.v1 import translate_pb2, translate_pb2_grpc

WALL = Path(__file__).parents[1] / "samples" / "concrete" / "wall_05_crack.jpg"
RARELY = 100
"""One call in so many uses the large model, which takes a second."""
JAPANESE = "会議は午後三時に始まります。資料は前日までに配ります。欠席の方は連絡してください。場所は二階です。"

Call = Callable[[], object]


def calls(function: str, channel: grpc.Channel) -> Iterator[Call]:
    """Calls without end, mixed. Each returns or raises grpc.RpcError."""
    mixed: list[Call] = _MIXES[function](channel)
    rare: Call = mixed.pop(0)
    for number, call in enumerate(itertools.cycle(mixed), start=1):
        yield rare if number % RARELY == 0 else call


def silence(seconds: float) -> bytes:
    """A recording in which nobody speaks."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(int(32_000 * seconds)))
    return buffer.getvalue()


def picture(side: int) -> bytes:
    """A photograph of rough concrete."""
    pixels = np.random.default_rng(side).normal(140, 12, (side, side, 1)).clip(0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(np.repeat(pixels, 3, axis=2)).save(buffer, "JPEG")
    return buffer.getvalue()


def _cancelled(method: Any, request: Any) -> None:
    call = method.future(request)
    call.cancel()


def _speech(channel: grpc.Channel) -> list[Call]:
    stub: Any = speech_pb2_grpc.SpeechServiceStub(channel)
    quiet, cut = silence(1), silence(1)[:9_000]
    good = speech_pb2.RecognizeRequest(audio=quiet)
    sentence = (Path(__file__).parents[1] / "services" / "speech" / "acceptance.flac").read_bytes()

    def live() -> None:
        config = speech_pb2.RecognitionConfig(encoding=speech_pb2.AUDIO_ENCODING_LINEAR16, sample_rate_hertz=16_000)
        opening = speech_pb2.StreamingRecognitionConfig(config=config)
        messages = [speech_pb2.StreamingRecognizeRequest(streaming_config=opening)]
        messages += [speech_pb2.StreamingRecognizeRequest(audio=bytes(3_200)) for _ in range(5)]
        list(stub.StreamingRecognize(iter(messages)))

    return [
        lambda: stub.Recognize(speech_pb2.RecognizeRequest(audio=sentence)),
        lambda: stub.Recognize(good),
        lambda: stub.Recognize(speech_pb2.RecognizeRequest(audio=cut)),
        lambda: stub.Recognize(speech_pb2.RecognizeRequest()),
        lambda: _cancelled(stub.Recognize, good),
        live,
    ]


def _translate(channel: grpc.Channel) -> list[Call]:
    stub: Any = translate_pb2_grpc.TranslateServiceStub(channel)
    request = translate_pb2.TranslateTextRequest
    return [
        lambda: stub.TranslateText(request(contents=["窓口は二階です。"], target_language_code="en")),
        lambda: stub.TranslateText(request(contents=[JAPANESE], target_language_code="ja")),
        lambda: stub.TranslateText(request(contents=["あ\0"], target_language_code="en")),
        lambda: stub.TranslateText(request(contents=["あ" * 50_001], target_language_code="en")),
        lambda: stub.DetectLanguage(translate_pb2.DetectLanguageRequest(contents=[JAPANESE])),
        lambda: stub.ListLanguages(translate_pb2.ListLanguagesRequest()),
        lambda: _cancelled(stub.TranslateText, request(contents=[JAPANESE], target_language_code="ja")),
    ]


def _summarize(channel: grpc.Channel) -> list[Call]:
    stub: Any = summarize_pb2_grpc.SummarizeServiceStub(channel)
    request = summarize_pb2.SummarizeRequest
    written = request(text=JAPANESE, method=summarize_pb2.METHOD_ABSTRACTIVE, max_sentences=1)
    good = request(text=JAPANESE, max_sentences=2)
    return [
        lambda: stub.Summarize(written),
        lambda: stub.Summarize(good),
        lambda: stub.Summarize(request()),
        lambda: list(stub.StreamSummarize(good)),
        lambda: stub.Summarize(request(text="あ" * 50_001)),
        lambda: _cancelled(stub.Summarize, good),
    ]


def _image_inspect(channel: grpc.Channel) -> list[Call]:
    stub: Any = image_inspect_pb2_grpc.ImageInspectServiceStub(channel)
    request = image_inspect_pb2.InspectRequest
    small, wall = picture(96), WALL.read_bytes()
    bomb = (
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)
    )

    def flight() -> None:
        messages = [image_inspect_pb2.StreamInspectRequest(config=image_inspect_pb2.InspectConfig())]
        messages += [
            image_inspect_pb2.StreamInspectRequest(photo=image_inspect_pb2.Photo(photo_id=str(n), image=small))
            for n in range(2)
        ]
        list(stub.StreamInspect(iter(messages)))

    return [
        lambda: stub.Inspect(request(image=wall, config=image_inspect_pb2.InspectConfig(include_overlay=True))),
        lambda: stub.Inspect(request(image=small)),
        lambda: stub.Inspect(request(image=wall[:9_000])),
        lambda: stub.Inspect(request(image=bomb)),
        lambda: _cancelled(stub.Inspect, request(image=small)),
        flight,
    ]


_MIXES: dict[str, Callable[[grpc.Channel], list[Call]]] = {
    "speech": _speech,
    "summarize": _summarize,
    "translate": _translate,
    "image_inspect": _image_inspect,
}
