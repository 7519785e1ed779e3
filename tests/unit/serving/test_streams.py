"""Streams over real gRPC: how they open, who is let in, and that silence and slowness cost no more than a bound."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import pytest
from structlog.testing import capture_logs

from buhin import errors
from buhin.engine import Stop
from buhin.serving import Application, Server, Worker
from buhin.serving.streams import answers, opened
from buhin.status import decode_call
from buhin.translate.v1 import translate_pb2, translate_pb2_grpc
from tests.support import serving
from tests.unit.serving.fakes import FakeEngine, Gate, Servicer, application

Request = translate_pb2.StreamTranslateTextRequest
CONFIG = Request(config=translate_pb2.StreamTranslateTextConfig(target_language_code="en"))
PADDING = "x" * 100_000


class Speller(Servicer):
    """Answers a stream with the letters of its texts, each in a message of 100 kB."""

    def __init__(self, worker: Worker[FakeEngine], idle_s: float) -> None:
        super().__init__(worker)
        self._idle_s = idle_s

    async def StreamTranslateText(
        self, request_iterator: Any, context: Any
    ) -> AsyncIterator[translate_pb2.StreamTranslateTextResponse]:
        """Spell."""
        with self.worker.stream() as stream:
            config, texts = await opened(request_iterator, self._idle_s)
            async for text in texts:

                def spell(engine: FakeEngine, stop: Stop, text: str = text) -> Iterator[str]:
                    return engine.spell(text, stop)

                async for letter in answers(stream, spell, self._idle_s):
                    yield translate_pb2.StreamTranslateTextResponse(
                        translated_text=letter, source_text=config.target_language_code + PADDING
                    )


def speller(engine: FakeEngine, *, idle_s: float = 20, **settings: Any) -> Application[FakeEngine]:
    """The fake service with streams."""
    return dataclasses.replace(
        application(lambda: engine, **settings),
        servicer=lambda worker: Speller(worker, idle_s),  # type: ignore[abstract]  # the other methods are not called
        register=translate_pb2_grpc.add_TranslateServiceServicer_to_server,
    )


def call(channel: grpc.aio.Channel, requests: Any) -> Any:
    """A stream."""
    stub: Any = translate_pb2_grpc.TranslateServiceStub(channel)
    return stub.StreamTranslateText(requests)


async def read(stream: Any) -> str:
    """Everything that it answers."""
    return "".join([answer.translated_text async for answer in stream])


async def error_of(stream: Any) -> errors.BuhinError:
    """The error that it ends with."""
    with pytest.raises(grpc.RpcError) as caught:
        await read(stream)
    return decode_call(caught.value)


async def held(*first: Request) -> AsyncIterator[Request]:
    """Requests, and then silence until the call ends."""
    for request in first:
        yield request
    await asyncio.Event().wait()


async def test_the_config_comes_first_and_every_answer_in_order() -> None:
    async with serving(speller(FakeEngine())) as channel:
        found = [answer async for answer in call(channel, iter([CONFIG, Request(text="ab"), Request(text="c")]))]
    assert [answer.translated_text for answer in found] == ["A", "B", "C"]
    assert {answer.source_text for answer in found} == {"en" + PADDING}
    assert all(answer.provenance.models[0].model_id == "tiny" for answer in found)


@pytest.mark.parametrize(
    ("requests", "error", "field"),
    [
        ([], errors.MissingFieldError, "config"),
        ([Request(text="a")], errors.MissingFieldError, "config"),
        ([Request()], errors.MissingFieldError, "config"),
        ([CONFIG, Request(text="a"), CONFIG], errors.InvalidValueError, "config"),
        ([CONFIG, Request()], errors.MissingFieldError, "text"),
    ],
)
async def test_streams_that_do_not_keep_the_order(
    requests: list[Request], error: type[errors.BuhinError], field: str
) -> None:
    async with serving(speller(FakeEngine())) as channel:
        found = await error_of(call(channel, iter(requests)))
    assert (type(found), found.field) == (error, field)


@pytest.mark.parametrize("first", [(), (CONFIG,), (CONFIG, Request(text="a"))])
async def test_a_caller_that_says_nothing_more_is_sent_away(first: tuple[Request, ...]) -> None:
    async with serving(speller(FakeEngine(), idle_s=0.2)) as channel:
        assert type(await error_of(call(channel, held(*first)))) is errors.StreamIdleError


async def test_a_reader_that_takes_nothing_holds_little_and_not_for_long() -> None:
    engine = FakeEngine()
    async with serving(speller(engine, idle_s=0.3)) as channel:
        stream = call(channel, iter([CONFIG, Request(text="a" * 10_000)]))
        status = asyncio.ensure_future(stream.code())
        assert (await anext(aiter(stream))).translated_text == "A"
        after = call(channel, iter([CONFIG, Request(text="z")]))
        assert await asyncio.wait_for(read(after), 20) == "Z", "the only place for work is free again"
        assert len(engine.done) < 200
        assert type(await error_of(stream)) is errors.StreamIdleError
        assert await status is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_reader_that_never_takes_a_thing_is_left() -> None:
    with capture_logs() as logs:
        async with Server(speller(FakeEngine(), stream_idle_s=0.3)) as server:
            await server.started()
            async with grpc.aio.insecure_channel(server.address) as channel:
                stuck = call(channel, iter([CONFIG, Request(text="a" * 200_000)]))
                assert (await anext(aiter(stuck))).translated_text == "A"
                async with asyncio.timeout(20):
                    while server.worker._streams.total():  # noqa: ASYNC110 - nothing tells of it
                        await asyncio.sleep(0.05)
                stuck.cancel()
    assert "STREAM_IDLE" in [entry.get("reason") for entry in logs]


async def test_one_caller_cannot_hold_all_streams() -> None:
    async with Server(speller(FakeEngine(), max_streams=4, max_streams_per_caller=2)) as server:
        await server.started()
        apart = (("grpc.use_local_subchannel_pool", 1),)
        async with (
            grpc.aio.insecure_channel(server.address, apart) as one,
            grpc.aio.insecure_channel(server.address, apart) as two,
        ):
            held_open = [call(one, held(CONFIG, Request(text="a"))) for _ in range(2)]
            for each in held_open:
                await anext(aiter(each))
            assert isinstance(await error_of(call(one, iter([CONFIG]))), errors.TooManyStreamsError)
            assert await read(call(two, iter([CONFIG, Request(text="b")]))) == "B"
            for each in held_open:
                each.cancel()


async def test_streams_are_bounded_by_their_number() -> None:
    async with serving(speller(FakeEngine(), max_streams=1)) as channel:
        first = call(channel, held(CONFIG, Request(text="a")))
        await anext(aiter(first))
        refused = await error_of(call(channel, iter([CONFIG])))
        assert isinstance(refused, errors.TooManyStreamsError)
        assert refused.retry_after_s is not None
        first.cancel()
        async with asyncio.timeout(20):
            while True:
                try:
                    assert await read(call(channel, iter([CONFIG, Request(text="b")]))) == "B"
                except grpc.RpcError as error:
                    assert isinstance(decode_call(error), errors.TooManyStreamsError)
                else:
                    break


async def test_the_work_of_a_stream_waits_where_that_of_others_would_be_refused() -> None:
    gate = Gate()
    engine = FakeEngine(gate)
    async with serving(speller(engine, queue_size=0)) as channel:
        both = [asyncio.ensure_future(read(call(channel, iter([CONFIG, Request(text=t)])))) for t in "ab"]
        assert await asyncio.to_thread(gate.arrived.acquire, timeout=5)
        gate.opened.set()
        assert sorted(await asyncio.gather(*both)) == ["A", "B"]


async def test_work_ends_when_its_caller_leaves() -> None:
    gate = Gate()
    async with serving(speller(FakeEngine(gate))) as channel:
        stream = call(channel, iter([CONFIG, Request(text="ab")]))
        reading = asyncio.ensure_future(read(stream))
        assert await asyncio.to_thread(gate.arrived.acquire, timeout=5)
        stream.cancel()
        assert await asyncio.to_thread(gate.stopped.wait, 5)
        with pytest.raises(asyncio.CancelledError):
            await reading


async def test_a_stream_in_flight_is_finished_while_the_service_drains() -> None:
    gate = Gate()
    engine = FakeEngine(gate)
    server = Server(speller(engine))
    async with server:
        await server.started()
        channel = grpc.aio.insecure_channel(server.address)
        reading = asyncio.ensure_future(read(call(channel, iter([CONFIG, Request(text="ab"), Request(text="c")]))))
        assert await asyncio.to_thread(gate.arrived.acquire, timeout=5)
        server.worker.drain()
        gate.opened.set()
        assert await reading == "ABC"
        refused = await error_of(call(channel, iter([CONFIG])))
        await channel.close()
    assert isinstance(refused, errors.DrainingError)


async def test_what_the_work_raises_reaches_the_caller_after_what_it_gave() -> None:
    engine = FakeEngine()

    def fail_at_the_second(stop: Any) -> None:
        if engine.done:
            raise errors.EmptyInputError(field="text")

    engine.before = fail_at_the_second
    async with serving(speller(engine)) as channel:
        stream = call(channel, iter([CONFIG, Request(text="ab")]))
        assert (await anext(aiter(stream))).translated_text == "A"
        assert type(await error_of(stream)) is errors.EmptyInputError
