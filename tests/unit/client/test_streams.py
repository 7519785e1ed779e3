"""Streams of the clients against a real gRPC server that answers each message as it comes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from grpc_status import rpc_status

from buhin import errors
from buhin.client.base import AsyncClient, Client, converses, converses_async, streams, streams_async
from buhin.status import encode
from buhin.summarize.v1 import summarize_pb2 as summarize
from buhin.translate.v1 import translate_pb2 as translate

_SPEAK = translate.DESCRIPTOR.services_by_name["TranslateService"].methods_by_name["StreamTranslateText"]
_WRITE = summarize.DESCRIPTOR.services_by_name["SummarizeService"].methods_by_name["StreamSummarize"]


def _config(*, target: str) -> translate.StreamTranslateTextRequest:
    config = translate.StreamTranslateTextConfig(target_language_code=target)
    return translate.StreamTranslateTextRequest(config=config)


def _text(text: str) -> translate.StreamTranslateTextRequest:
    return translate.StreamTranslateTextRequest(text=text)


def _summary(text: str) -> summarize.SummarizeRequest:
    return summarize.SummarizeRequest(text=text)


class Speaker(Client):
    """A client with both kinds of streams."""

    function = "translate"
    speak = converses(_config, _text, _SPEAK, translate.StreamTranslateTextResponse)
    write = streams(_summary, _WRITE, summarize.StreamSummarizeResponse)


class AsyncSpeaker(AsyncClient):
    """Its async twin."""

    function = "translate"
    speak = converses_async(_config, _text, _SPEAK, translate.StreamTranslateTextResponse)
    write = streams_async(_summary, _WRITE, summarize.StreamSummarizeResponse)


class EchoServer(grpc.GenericRpcHandler):
    """Answers each text in capitals as it comes, and a summary letter by letter. ``before`` runs before each answer."""

    def __init__(self) -> None:
        self.before: Callable[[grpc.ServicerContext], None] = lambda context: None
        self.ended = threading.Event()
        self.deadlines: list[float] = []
        self.targets: list[str] = []
        self._server = grpc.server(ThreadPoolExecutor(4), handlers=[self])
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """The handler of a method."""
        if handler_call_details.method.endswith("StreamSummarize"):
            return grpc.unary_stream_rpc_method_handler(
                self._write,
                summarize.SummarizeRequest.FromString,
                summarize.StreamSummarizeResponse.SerializeToString,
            )
        return grpc.stream_stream_rpc_method_handler(
            self._speak,
            translate.StreamTranslateTextRequest.FromString,
            translate.StreamTranslateTextResponse.SerializeToString,
        )

    def _speak(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        if not context.add_callback(self.ended.set):  # it has ended before it began
            self.ended.set()
        self.deadlines.append(context.time_remaining())
        self.targets.append(next(requests).config.target_language_code)
        for request in requests:
            self.before(context)
            yield translate.StreamTranslateTextResponse(translated_text=request.text.upper())

    def _write(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        if not context.add_callback(self.ended.set):  # it has ended before it began
            self.ended.set()
        self.deadlines.append(context.time_remaining())
        for letter in request.text:
            self.before(context)
            yield summarize.StreamSummarizeResponse(text_delta=letter)

    def close(self) -> None:
        """Stop it."""
        self._server.stop(None).wait()


@pytest.fixture
def server() -> Iterator[EchoServer]:
    """A server that runs."""
    running = EchoServer()
    yield running
    running.close()


async def heard(kind: Any, server: EchoServer, method: str, data: Any, **options: Any) -> list[Any]:
    """All answers that a client of either kind gets."""
    if kind is AsyncSpeaker:
        async with AsyncSpeaker(server.address, timeout_s=9) as client:
            return [answer async for answer in getattr(client, method)(data, **options)]
    with Speaker(server.address, timeout_s=9) as opened:
        return await asyncio.to_thread(lambda: list(getattr(opened, method)(data, **options)))


async def spoken(kind: Any, server: EchoServer, data: Any) -> list[str]:
    """What it hears of what it says."""
    return [answer.translated_text for answer in await heard(kind, server, "speak", data, target="en")]


@pytest.mark.parametrize("kind", [Speaker, AsyncSpeaker])
async def test_data_goes_out_after_the_config_and_answers_come_back(server: EchoServer, kind: Any) -> None:
    assert await spoken(kind, server, ["a", "b"]) == ["A", "B"]
    assert server.targets == ["en"]
    assert 0 < server.deadlines[0] < 10


async def test_people_may_speak_for_longer_than_a_call_may_take(server: EchoServer) -> None:
    with Speaker(server.address) as client:
        await asyncio.to_thread(lambda: list(client.speak([], target="en")))
    async with AsyncSpeaker(server.address) as other:
        assert [answer async for answer in other.speak([], target="en")] == []
    assert [3_600 < deadline < 90_000 for deadline in server.deadlines] == [True, True]


async def test_answers_come_while_data_is_still_to_come(server: EchoServer) -> None:
    answered: asyncio.Queue[str] = asyncio.Queue()

    async def data() -> AsyncIterator[str]:
        yield "a"
        assert await asyncio.wait_for(answered.get(), 5) == "A"
        yield "b"

    async with AsyncSpeaker(server.address) as client:
        async for answer in client.speak(data(), target="en"):
            answered.put_nowait(answer.translated_text)
    assert answered.get_nowait() == "B"


@pytest.mark.parametrize("kind", [Speaker, AsyncSpeaker])
async def test_one_question_may_have_many_answers(server: EchoServer, kind: Any) -> None:
    assert [answer.text_delta for answer in await heard(kind, server, "write", "abc")] == ["a", "b", "c"]
    assert 0 < server.deadlines[0] < 10


@pytest.mark.parametrize("kind", [Speaker, AsyncSpeaker])
async def test_what_the_data_raises_is_raised(server: EchoServer, kind: Any) -> None:
    def data() -> Iterator[str]:
        yield "a"
        raise FileNotFoundError("gone")

    with pytest.raises(FileNotFoundError, match="gone"):
        await spoken(kind, server, data())
    assert await asyncio.to_thread(server.ended.wait, 20)


@pytest.mark.parametrize("kind", [Speaker, AsyncSpeaker])
async def test_an_error_in_the_middle_comes_as_its_class(server: EchoServer, kind: Any) -> None:
    raised = errors.StreamIdleError(limit_s=3)
    server.before = lambda context: context.abort_with_status(rpc_status.to_status(encode(raised)))
    with pytest.raises(errors.StreamIdleError) as caught:
        await spoken(kind, server, ["a"])
    assert caught.value.message == raised.message


@pytest.mark.parametrize("method", ["speak", "write"])
async def test_a_reader_that_leaves_cancels_the_call(server: EchoServer, method: str) -> None:
    with Speaker(server.address) as client:
        answers: Any = client.speak(iter("ab"), target="en") if method == "speak" else client.write("ab")
        await asyncio.to_thread(next, answers)
        answers.close()
        assert await asyncio.to_thread(server.ended.wait, 20)
    server.ended.clear()
    async with AsyncSpeaker(server.address) as other:
        more: Any = other.speak(iter("ab"), target="en") if method == "speak" else other.write("ab")
        await anext(more)
        await more.aclose()
        assert await asyncio.to_thread(server.ended.wait, 20)
