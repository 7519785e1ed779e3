"""The four services on real gRPC with small engines of known answers, counting their calls, in a thread of the test."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf.message import Message
from PIL import Image, ImageDraw

from buhin.catalogue.card import Localized, Method, ServiceCard
from buhin.config import ClientSettings, ServerSettings
from buhin.engine import LoadedModel, Stop
from buhin.errors import UnreadableMediaError
from buhin.image_inspect.v1 import image_inspect_pb2, image_inspect_pb2_grpc
from buhin.review import Reason, review
from buhin.serving import Application, Server, Worker
from buhin.serving.streams import opened
from buhin.speech.v1 import speech_pb2, speech_pb2_grpc
from buhin.status import encode
from buhin.summarize.v1 import summarize_pb2, summarize_pb2_grpc
from buhin.translate.v1 import translate_pb2, translate_pb2_grpc
from services.image_inspect import metadata
from tests.support import ANY_PORT

MODEL = LoadedModel("tiny", "sha256:" + "ab" * 32, "testing", "MIT", 12)
SEGMENTS = (
    (0.0, 4.2, "それでは橋梁点検の定例会議を始めます。"),
    (4.2, 11.5, "三号橋の桁に幅〇・四ミリのひび割れが見つかりました。"),
    (11.5, 19.0, "来週の火曜日までに近接写真を撮り直してください。"),
    (3661.0, 3664.0, "<b>以上</b>です。"),
)
CRACKS = ([(0.1, 0.2), (0.35, 0.35), (0.5, 0.4), (0.9, 0.55)], [(0.6, 0.9), (0.7, 0.6), (0.72, 0.5)])
"""Lines of the cracks that every photograph has, as shares of its width and height."""

METHODS = {
    "speech": (speech_pb2_grpc, "SpeechService", "Recognize"),
    "summarize": (summarize_pb2_grpc, "SummarizeService", "Summarize"),
    "translate": (translate_pb2_grpc, "TranslateService", "TranslateText"),
    "image_inspect": (image_inspect_pb2_grpc, "ImageInspectService", "Inspect"),
}


def recognize(request: Any) -> Message:
    """The same meeting for any audio; its third segment is to be checked."""
    answer = speech_pb2.RecognizeResponse(
        transcript="\n".join(text for _, _, text in SEGMENTS), language_code="ja", language_confidence=1
    )
    answer.audio_duration.FromSeconds(3700)
    for start, end, text in SEGMENTS:
        segment = answer.segments.add(text=text, confidence=0.9, language_code="ja")
        segment.start_offset.FromMilliseconds(round(start * 1000))
        segment.end_offset.FromMilliseconds(round(end * 1000))
    reason = Reason(
        "LOW_CONFIDENCE", "A segment is unclear.", "聞き取りにくい部分があります。", "segments[2]", 0.4, 0.5
    )
    answer.review.CopyFrom(review([reason]))
    if request.config.diarization.enabled:
        for number, segment in enumerate(answer.segments):
            segment.speaker_label = f"speaker-{1 + number % max(request.config.diarization.expected_speaker_count, 1)}"
    for form in request.config.subtitles.formats:
        answer.subtitles.add(format=form, content=f"{speech_pb2.SubtitleFormat.Name(form)}\n")
    return answer


def as_stream(answer: Any) -> Iterator[Message]:
    """The same as StreamingRecognize tells it of a file."""
    for segment in answer.segments:
        result = speech_pb2.StreamingResult(segment=segment, is_final=True, stability=1)
        yield speech_pb2.StreamingRecognizeResponse(result=result)
    end = speech_pb2.StreamingEnd(
        audio_duration=answer.audio_duration,
        language_code=answer.language_code,
        language_confidence=answer.language_confidence,
        subtitles=answer.subtitles,
    )
    yield speech_pb2.StreamingRecognizeResponse(end=end, review=answer.review)


def summarize(request: Any) -> Message:
    """One sentence for each line of the text from the second on; the last one has no support. Of minutes the first is a
    topic, the next an action and the last an open question.
    """
    lines = request.text.split("\n")
    answer = summarize_pb2.SummarizeResponse(source_language_code="ja", target_language_code="ja")
    position = len(lines[0]) + 1
    for line in lines[1:]:
        sentence = answer.sentences.add(text=f"要点: {line}", support_score=0.8, supported=True)
        citation = sentence.citations.add(similarity=0.8)
        citation.span.start_char, citation.span.end_char = position, position + len(line)
        position += len(line) + 1
    last = len(answer.sentences) - 1
    del answer.sentences[last].citations[:]
    answer.sentences[last].supported = False
    if (request.style, request.method) == (summarize_pb2.STYLE_MINUTES, summarize_pb2.METHOD_ABSTRACTIVE):
        answer.minutes.topics.add(title="訓練の<日程>").items.add(sentence_index=0, speaker="課長")
        answer.minutes.actions.add(sentence_index=1, owner="防災担当", due="10月25日")
        answer.minutes.open_questions.add(sentence_index=last)
    answer.summary = "\n".join(f"- {sentence.text}" for sentence in answer.sentences)
    reason = Reason(
        "UNSUPPORTED", "The source does not say this.", "根拠となる発言がありません。", f"sentences[{last}]"
    )
    answer.review.CopyFrom(review([reason]))
    return answer


def translate(request: Any) -> Message:
    """Every content between angle brackets of its language; the first is to be checked."""
    answer = translate_pb2.TranslateTextResponse()
    for content in request.contents:
        answer.translations.add(
            translated_text=f"<{request.target_language_code}> {content}",
            source_language_code=request.source_language_code,
        )
    reason = Reason(
        "LOW_SIMILARITY", "The translation may be off.", "訳文がずれている可能性があります。", "translations[0]"
    )
    answer.review.CopyFrom(review([reason]))
    return answer


def inspect(request: Any) -> Message:
    """The cracks of every photograph, in millimetres where the scale is given. Refuses what is no image."""
    try:
        image = Image.open(io.BytesIO(request.image))
        image.load()
    except (OSError, SyntaxError) as error:
        raise UnreadableMediaError(field="image", problem="not a whole image", accepted="JPEG, PNG") from error
    width, height = image.size
    answer = image_inspect_pb2.InspectResponse(width_px=width, height_px=height)
    scale = request.config.ground_sampling_distance_mm
    has_scale = request.config.HasField("ground_sampling_distance_mm")
    for number, line in enumerate(CRACKS, 1):
        crack = answer.cracks.add(
            crack_id=f"C{number}", length_px=400 / number, mean_width_px=3, max_width_px=6 / number, confidence=0.9
        )
        points = crack.branches.add().points
        for x, y in line:
            points.add(x_px=x * width, y_px=y * height)
        if has_scale:
            crack.length_mm, crack.mean_width_mm = crack.length_px * scale, crack.mean_width_px * scale
            crack.max_width_mm, crack.area_mm2 = crack.max_width_px * scale, 9.0
            crack.severity = image_inspect_pb2.SEVERITY_WIDE if number == 1 else image_inspect_pb2.SEVERITY_MODERATE
    if has_scale:
        answer.ground_sampling_distance_mm = scale
    place = metadata.read(request.image).position
    if place is not None and request.config.include_position:
        answer.position.latitude_degrees, answer.position.longitude_degrees = place.latitude, place.longitude
        if place.altitude_m is not None:
            answer.position.altitude_m = place.altitude_m
        if place.heading_degrees is not None:
            answer.position.heading_degrees = place.heading_degrees
    if request.config.include_overlay:
        marked = image.convert("RGB")
        for line in CRACKS:
            ImageDraw.Draw(marked).line([(x * width, y * height) for x, y in line], "red", 3)
        encoded = io.BytesIO()
        marked.save(encoded, "PNG")
        answer.overlay_png = encoded.getvalue()
    reason = Reason("LOW_CONTRAST", "The crack is faint.", "ひび割れが薄く見えます。", "cracks[1]", 0.1, 0.2)
    answer.review.CopyFrom(review([reason]))
    return answer


def summary(count: int) -> image_inspect_pb2.FlightSummary:
    """The first two photographs show the same place."""
    found = image_inspect_pb2.FlightSummary(inspected_count=count, distinct_crack_count=2, distinct_length_px=600)
    if count > 1:
        found.groups.add(photo_ids=["0", "1"], overlap=0.8)
    return found


def comparison(request: Any) -> image_inspect_pb2.CompareResponse:
    """One crack is new, one has grown."""
    answer = image_inspect_pb2.CompareResponse(overlay_png=b"\x89PNG" if request.config.include_overlay else b"")
    answer.changes.add(kind=image_inspect_pb2.CHANGE_KIND_NEW, after_crack_id="C2")
    answer.changes.add(
        kind=image_inspect_pb2.CHANGE_KIND_GROWN, before_crack_ids=["C1"], after_crack_id="C1",
        length_growth_px=12, width_growth_px=0.5,
    )  # fmt: skip
    return answer


class Engine:
    """Answers with one of the functions above, after telling the fleet."""

    name = "known-answers"
    version = "1.0"
    models = (MODEL,)

    def __init__(self, answer: Callable[[Any], Message], told: Callable[[Any], None]) -> None:
        self._answer = answer
        self._told = told

    def warm_up(self) -> None:
        """Nothing to warm."""

    def close(self) -> None:
        """Nothing to free."""

    def answer(self, request: Any, stop: Stop) -> Message:
        """The known answer."""
        self._told(request)
        return self._answer(request)


@dataclass
class Fleet:
    """The services. ``calls`` holds the function of every call made, ``requests`` what was asked; ``hook`` runs before
    each answer. ``concurrency``: calls that a service answers at the same time.
    """

    state_dir: Path
    functions: tuple[str, ...] = tuple(METHODS)
    hook: Callable[[str, int], None] = lambda function, number: None
    calls: list[str] = field(default_factory=list)
    requests: list[Any] = field(default_factory=list)
    concurrency: int = 1
    addresses: dict[str, str] = field(default_factory=dict)

    def __enter__(self) -> Fleet:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._servers: dict[str, Server[Engine]] = {}
        for function in self.functions:
            self.start(function)
        return self

    def __exit__(self, *exception: object) -> None:
        for function in list(self._servers):
            self.stop(function)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def start(self, function: str, port: int = 0) -> None:
        """Start a service, at any free port unless one is given."""
        server = Server(self._application(function, port))
        self._on_loop(server.__aenter__())
        self._on_loop(server.started())
        self._servers[function] = server
        self.addresses[function] = server.address

    def stop(self, function: str) -> int:
        """Stop a service and return its port."""
        self._on_loop(self._servers.pop(function).__aexit__())
        return int(self.addresses[function].rpartition(":")[2])

    @property
    def settings(self) -> ClientSettings:
        """Settings of a client of the fleet."""
        addresses: dict[str, Any] = {f"{name}_address": address for name, address in self.addresses.items()}
        return ClientSettings(state_dir=self.state_dir, **addresses)

    @property
    def environment(self) -> dict[str, str]:
        """The same as environment variables."""
        addresses = {f"BUHIN_{name.upper()}_ADDRESS": address for name, address in self.addresses.items()}
        return {"BUHIN_STATE_DIR": str(self.state_dir), **addresses}

    def _on_loop(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    def _application(self, function: str, port: int) -> Application[Engine]:
        pb2_grpc, service, method = METHODS[function]
        answer = {"speech": recognize, "summarize": summarize, "translate": translate, "image_inspect": inspect}
        text = Localized(en="known answers", ja="決まった答え")

        def told(request: Any) -> None:
            self.requests.append(request)
            self.calls.append(function)
            self.hook(function, self.calls.count(function))

        def servicer(worker: Worker[Engine]) -> Any:
            async def handle(self: Any, request: Any, context: Any) -> Any:
                return await worker.run(lambda engine, stop: engine.answer(request, stop))

            async def recorded(self: Any, requests: Any, context: Any) -> AsyncIterator[Message]:
                streaming, portions = await opened(requests, 30)
                request = speech_pb2.RecognizeRequest(config=streaming.config)
                request.audio = b"".join([portion async for portion in portions])
                for event in as_stream(await handle(self, request, context)):
                    yield event

            async def flown(self: Any, requests: Any, context: Any) -> AsyncIterator[Message]:
                config, photos = await opened(requests, 30)
                count = 0
                async for photo in photos:
                    count += 1
                    response = image_inspect_pb2.StreamInspectResponse(photo_id=photo.photo_id, completed_count=count)
                    request = image_inspect_pb2.InspectRequest(image=photo.image, config=config)
                    try:
                        response.result.MergeFrom(await handle(self, request, context))
                    except UnreadableMediaError as error:
                        response.error.CopyFrom(encode(error))
                    yield response
                yield image_inspect_pb2.StreamInspectResponse(flight_summary=summary(count))

            async def compared(self: Any, request: Any, context: Any) -> Message:
                return comparison(request)

            methods: dict[str, Any] = {method: handle}
            if function == "image_inspect":
                methods |= {"StreamInspect": flown, "Compare": compared}
            if function == "speech":
                methods["StreamingRecognize"] = recorded
            return type("Servicer", (getattr(pb2_grpc, f"{service}Servicer"),), methods)()

        return Application(
            card=ServiceCard(
                function=function,
                service=f"buhin.{function}.v1.{service}",
                version="1.2.3",
                title=text,
                description=text,
                methods=[Method(method=method, implemented=True)],
                known_limits=[text],
                review_codes={},
            ),
            settings=ServerSettings(**ANY_PORT | {"port": port, "drain_s": 0, "concurrency": self.concurrency}),
            models={"tiny": "testing"},
            load=lambda: Engine(answer[function], told),
            servicer=servicer,
            register=getattr(pb2_grpc, f"add_{service}Servicer_to_server"),
        )


def photograph(
    path: Path, *, position: tuple[float, float, float] | None = None, size: tuple[int, int] = (640, 480)
) -> Path:
    """Draw a photograph of concrete with the cracks of CRACKS, with a GPS position where one is given."""
    width, height = size
    image = Image.effect_noise(size, 28).convert("RGB")
    for line in CRACKS:
        ImageDraw.Draw(image).line([(x * width, y * height) for x, y in line], (40, 38, 36), 4)
    exif = Image.Exif()
    if position is not None:
        latitude, longitude, altitude = position
        exif[0x8825] = {
            1: "N" if latitude >= 0 else "S", 2: _sexagesimal(latitude),
            3: "E" if longitude >= 0 else "W", 4: _sexagesimal(longitude),
            5: b"\x00", 6: altitude,
        }  # fmt: skip
    image.save(path, quality=90, exif=exif)
    return path


def _sexagesimal(value: float) -> tuple[float, float, float]:
    degrees, rest = divmod(abs(value), 1)
    minutes, rest = divmod(rest * 60, 1)
    return degrees, minutes, round(rest * 60, 5)
