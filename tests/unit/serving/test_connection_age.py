"""Connections are to be made anew from time to time, so that callers find new replicas; calls do not notice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc

from buhin.serving import Server
from buhin.translate.v1 import translate_pb2, translate_pb2_grpc
from tests.unit.serving.fakes import FakeEngine, application
from tests.unit.serving.test_server import answered, text_request, translate

READY = grpc.ChannelConnectivity.READY


async def test_a_stream_that_is_older_than_its_connection_may_be_goes_on_to_its_end() -> None:
    async with (
        Server(application(FakeEngine, connection_age_s=0.1)) as server,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        await server.started()
        more = asyncio.Event()

        async def requests() -> AsyncIterator[translate_pb2.StreamTranslateTextRequest]:
            yield text_request("a")
            await more.wait()
            yield text_request("b")

        stub = translate_pb2_grpc.TranslateServiceStub(channel)
        stream: Any = stub.StreamTranslateText(requests())
        assert (await stream.read()).translated_text == "A"
        async with asyncio.timeout(10):
            await channel.wait_for_state_change(READY)  # the service has asked for a new connection
        assert answered(await translate(channel, "c")) == "C"
        async with asyncio.timeout(10):
            while channel.get_state() is READY:
                await channel.wait_for_state_change(READY)
        more.set()
        assert (await stream.read()).translated_text == "B"
        assert await stream.read() is grpc.aio.EOF
