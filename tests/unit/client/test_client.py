"""The clients against a real gRPC server that answers, fails and waits as a test tells it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from google.protobuf.message import Message
from grpc_status import rpc_status

from buhin import client, errors
from buhin.client.catalogue import service_info
from buhin.config import ClientSettings
from buhin.image_inspect.v1 import image_inspect_pb2 as image
from buhin.speech.v1 import speech_pb2 as speech
from buhin.status import encode
from buhin.summarize.v1 import summarize_pb2 as summarize
from buhin.translate.v1 import translate_pb2 as translate

FLAC = b"fLaC and so on"


class FakeServer(grpc.GenericRpcHandler):
    """Answers every method with an empty message, unless ``behave`` does something else first."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, bytes]] = []
        self.request_ids: list[str] = []
        self.behave: Callable[[grpc.ServicerContext], None] = lambda context: None
        self._server = grpc.server(ThreadPoolExecutor(4), handlers=[self])
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """The handler of any method."""

        def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
            self.calls.append((handler_call_details.method, request))
            self.request_ids += [
                cast("str", value) for key, value in context.invocation_metadata() if key == "x-request-id"
            ]
            self.behave(context)
            return b""

        return grpc.unary_unary_rpc_method_handler(answer)

    def close(self) -> None:
        """Stop it."""
        self._server.stop(None).wait()


@pytest.fixture
def server() -> Iterator[FakeServer]:
    """A server that runs."""
    running = FakeServer()
    yield running
    running.close()


def fail_with(*codes: grpc.StatusCode) -> Callable[[grpc.ServicerContext], None]:
    """Fail with each of the codes once, then with nothing."""
    left = list(codes)

    def behave(context: grpc.ServicerContext) -> None:
        if left:
            context.abort(left.pop(0), "as told")

    return behave


REQUESTS: list[tuple[str, str, tuple[Any, ...], dict[str, Any], str, Message]] = [
    (
        "SpeechClient", "recognize", (FLAC,), {"language": "ja", "word_offsets": True, "hotwords": ["防災"]},
        "/buhin.speech.v1.SpeechService/Recognize",
        speech.RecognizeRequest(
            audio=FLAC,
            config=speech.RecognitionConfig(
                language_code="ja", task=speech.TASK_TRANSCRIBE, enable_word_offsets=True, hotwords=["防災"],
                enable_voice_activity_detection=True,
            ),
        ),
    ),
    (
        "SpeechClient", "recognize", (b"\0\0",),
        {"task": "translate", "raw_sample_rate_hertz": 8000, "raw_channels": 2},
        "/buhin.speech.v1.SpeechService/Recognize",
        speech.RecognizeRequest(
            audio=b"\0\0",
            config=speech.RecognitionConfig(
                task=speech.TASK_TRANSLATE, encoding=speech.AUDIO_ENCODING_LINEAR16, sample_rate_hertz=8000,
                audio_channel_count=2, enable_voice_activity_detection=True,
            ),
        ),
    ),
    (
        "SpeechClient", "recognize", (FLAC,),
        {"subtitle_formats": ("webvtt", "srt"), "max_lines": 1, "speakers": True, "speaker_count": 3},
        "/buhin.speech.v1.SpeechService/Recognize",
        speech.RecognizeRequest(
            audio=FLAC,
            config=speech.RecognitionConfig(
                task=speech.TASK_TRANSCRIBE, enable_voice_activity_detection=True,
                subtitles=speech.SubtitleConfig(
                    formats=[speech.SUBTITLE_FORMAT_WEBVTT, speech.SUBTITLE_FORMAT_SRT], max_lines=1
                ),
                diarization=speech.SpeakerDiarizationConfig(enabled=True, expected_speaker_count=3),
            ),
        ),
    ),
    (
        "TranslateClient", "translate_text", (["課", "市"],),
        {"target": "en", "glossary": {"課": "section"}, "glossary_id": "city", "do_not_translate": ["Kumo"]},
        "/buhin.translate.v1.TranslateService/TranslateText",
        translate.TranslateTextRequest(
            contents=["課", "市"], target_language_code="en",
            glossary=translate.Glossary(
                terms=[translate.GlossaryTerm(source="課", target="section")],
                glossary_id="city", do_not_translate=["Kumo"],
            ),
        ),
    ),
    (
        "TranslateClient", "detect_language", (["市"],), {}, "/buhin.translate.v1.TranslateService/DetectLanguage",
        translate.DetectLanguageRequest(contents=["市"]),
    ),
    (
        "TranslateClient", "list_languages", (), {}, "/buhin.translate.v1.TranslateService/ListLanguages",
        translate.ListLanguagesRequest(),
    ),
    (
        "SummarizeClient", "summarize", ("長い。",),
        {"method": "abstractive", "style": "bullets", "max_characters": 0, "query": "誰"},
        "/buhin.summarize.v1.SummarizeService/Summarize",
        summarize.SummarizeRequest(
            text="長い。", method=summarize.Method.METHOD_ABSTRACTIVE, style=summarize.Style.STYLE_BULLETS,
            max_characters=0, query="誰",
        ),
    ),
    (
        "ImageInspectClient", "inspect", (b"png",), {"ground_sampling_distance_mm": 0.0, "include_mask": True},
        "/buhin.image_inspect.v1.ImageInspectService/Inspect",
        image.InspectRequest(
            image=b"png", config=image.InspectConfig(ground_sampling_distance_mm=0.0, include_mask=True)
        ),
    ),
]  # fmt: skip


@pytest.mark.parametrize("kind", ["", "Async"])
@pytest.mark.parametrize(
    ("name", "method", "args", "options", "path", "request_"),
    REQUESTS,
    ids=[f"{request[1]}-{n}" for n, request in enumerate(REQUESTS)],
)
async def test_a_method_sends_its_request(
    server: FakeServer,
    kind: str,
    name: str,
    method: str,
    args: tuple[Any, ...],
    options: dict[str, Any],
    path: str,
    request_: Message,
) -> None:
    opened = getattr(client, kind + name)(server.address)
    if kind:
        async with opened:
            await getattr(opened, method)(*args, **options)
    else:
        with opened:
            await asyncio.to_thread(getattr(opened, method), *args, **options)
    ((called, sent),) = server.calls
    assert called == path
    assert type(request_).FromString(sent) == request_


def test_a_file_is_sent_as_its_bytes(server: FakeServer, tmp_path: Path) -> None:
    (tmp_path / "a.flac").write_bytes(FLAC)
    with client.SpeechClient(server.address) as opened:
        opened.recognize(tmp_path / "a.flac")
        opened.recognize(FLAC)
    assert server.calls[0] == server.calls[1]


def test_an_unknown_name_is_refused_before_the_call(server: FakeServer) -> None:
    with client.SummarizeClient(server.address) as opened, pytest.raises(errors.InvalidValueError) as caught:
        opened.summarize("a", method="magic")
    assert (caught.value.field, caught.value.metadata["accepted"]) == ("method", "extractive, abstractive")
    assert server.calls == []


@pytest.mark.parametrize(
    ("codes", "attempts"),
    [
        ((grpc.StatusCode.UNAVAILABLE,), 2),
        ((grpc.StatusCode.RESOURCE_EXHAUSTED,), 1),
        ((grpc.StatusCode.INTERNAL,), 1),
        ((grpc.StatusCode.ABORTED,), 1),
        ((grpc.StatusCode.INVALID_ARGUMENT,), 1),
        ((grpc.StatusCode.UNAVAILABLE,) * 9, 4),
    ],
)
async def test_only_unavailable_is_tried_again(
    server: FakeServer, codes: tuple[grpc.StatusCode, ...], attempts: int
) -> None:
    answered = attempts > len(codes)
    for kind in ("sync", "async"):
        server.calls.clear()
        server.behave = fail_with(*codes)
        try:
            if kind == "sync":
                with client.TranslateClient(server.address) as opened:
                    await asyncio.to_thread(opened.list_languages)
            else:
                async with client.AsyncTranslateClient(server.address) as opened_async:
                    await opened_async.list_languages()
        except errors.BuhinError as error:
            assert not answered, error
            assert isinstance(error, errors.UnavailableError) is (codes[0] is grpc.StatusCode.UNAVAILABLE)
        else:
            assert answered
        assert len(server.calls) == attempts, kind


def test_an_error_comes_back_as_the_class_that_was_raised(server: FakeServer) -> None:
    raised = errors.QueueFullError(waiting=3, retry_after_s=1.5)
    server.behave = lambda context: context.abort_with_status(rpc_status.to_status(encode(raised)))
    with client.SpeechClient(server.address) as opened, pytest.raises(errors.QueueFullError) as caught:
        opened.recognize(FLAC)
    assert (caught.value.retry_after_s, caught.value.metadata) == (1.5, {"waiting": "3"})
    assert caught.value.message_ja == raised.message_ja


@pytest.mark.parametrize("given", ["client", "settings"])
async def test_a_deadline_ends_the_call_here_and_there(server: FakeServer, given: str) -> None:
    ended = threading.Event()

    def behave(context: grpc.ServicerContext) -> None:
        context.add_callback(ended.set)
        ended.wait(10)

    server.behave = behave
    settings = ClientSettings(timeout_s=0.3 if given == "settings" else 60)
    timeout_s = 0.3 if given == "client" else None
    with (
        client.SpeechClient(server.address, timeout_s=timeout_s, settings=settings) as opened,
        pytest.raises(errors.DeadlineExceededError),
    ):
        await asyncio.to_thread(opened.recognize, FLAC)
    assert await asyncio.to_thread(ended.wait, 5)


async def test_a_cancelled_task_cancels_its_call(server: FakeServer) -> None:
    arrived, ended = threading.Event(), threading.Event()

    def behave(context: grpc.ServicerContext) -> None:
        context.add_callback(ended.set)
        arrived.set()
        ended.wait(10)

    server.behave = behave
    async with client.AsyncSpeechClient(server.address) as opened:
        task = asyncio.create_task(opened.recognize(FLAC))
        assert await asyncio.to_thread(arrived.wait, 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(ended.wait, 5)


def test_every_call_has_a_request_id_of_its_own(server: FakeServer) -> None:
    method = translate.DESCRIPTOR.services_by_name["TranslateService"].methods_by_name["ListLanguages"]
    with client.TranslateClient(server.address) as opened:
        opened.list_languages()
        opened.list_languages()
        opened.connection.unary(method, translate.ListLanguagesRequest(), request_id="mine")
    assert len(set(server.request_ids)) == 3
    assert server.request_ids[2] == "mine"


def test_where_nobody_listens_the_error_names_the_address() -> None:
    with pytest.raises(errors.UnavailableError, match=r"127\.0\.0\.1:1"):
        service_info("speech", address="127.0.0.1:1", timeout_s=5)


def test_the_address_comes_from_the_environment(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUHIN_TRANSLATE_ADDRESS", server.address)
    with client.TranslateClient() as opened:
        opened.list_languages()
    assert len(server.calls) == 1
