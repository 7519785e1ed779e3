"""Health, asked once and watched."""

from __future__ import annotations

from typing import Any
from unittest import mock

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from buhin.serving import Server, health
from tests.unit.serving.fakes import FakeEngine, application

ASK = health_pb2.HealthCheckRequest()
STATUS = health_pb2.HealthCheckResponse.ServingStatus


async def test_one_who_takes_nothing_keeps_no_other_from_knowing() -> None:
    told = health.HealthServicer(("",))
    slow, other = (told.Watch(ASK, mock.Mock()) for _ in range(2))
    for watching in (slow, other):
        assert (await anext(watching)).status == STATUS.NOT_SERVING
    for serving in (True, False, True):
        told.set(serving=serving)
        assert (await anext(other)).status == (STATUS.SERVING if serving else STATUS.NOT_SERVING)
    assert (await anext(slow)).status == STATUS.SERVING
    unknown = told.Watch(health_pb2.HealthCheckRequest(service="other"), mock.Mock())
    assert (await anext(unknown)).status == STATUS.SERVICE_UNKNOWN


async def test_watchers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "MAX_WATCHERS", 1)
    told = health.HealthServicer(("",))
    context = mock.AsyncMock()
    context.abort.side_effect = grpc.aio.AbortError
    first = told.Watch(ASK, context)
    await anext(first)
    with pytest.raises(grpc.aio.AbortError):
        await anext(told.Watch(ASK, context))
    context.abort.assert_awaited_once_with(grpc.StatusCode.RESOURCE_EXHAUSTED)
    await first.aclose()  # type: ignore[attr-defined]  # a generator
    assert (await anext(told.Watch(ASK, context))).status == STATUS.NOT_SERVING


async def test_it_is_alive_while_it_serves_nothing() -> None:
    def never() -> FakeEngine:
        raise RuntimeError("no engine")

    async with Server(application(never)) as server, grpc.aio.insecure_channel(server.health_address) as channel:
        await server.started()
        stub: Any = health_pb2_grpc.HealthStub(channel)
        assert (await stub.Check(health_pb2.HealthCheckRequest(service=health.LIVE))).status == STATUS.SERVING
        assert (await stub.Check(ASK)).status == STATUS.NOT_SERVING


async def test_its_port_takes_small_messages_only() -> None:
    async with Server(application(FakeEngine)) as server, grpc.aio.insecure_channel(server.health_address) as channel:
        check: Any = channel.unary_unary("/grpc.health.v1.Health/Check")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await check(health_pb2.HealthCheckRequest(service="a" * 5_000).SerializeToString())
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
