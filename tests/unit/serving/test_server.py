"""The runtime over real gRPC: kinds of RPC, errors, admission, cancellation, health, draining."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable
from typing import Any

import grpc
import pytest
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from buhin import errors
from buhin.catalogue.v1 import catalogue_pb2, catalogue_pb2_grpc
from buhin.common.v1 import common_pb2
from buhin.engine import Stop
from buhin.serving import Server
from buhin.serving.worker import State
from buhin.status import decode_call
from buhin.translate.v1 import translate_pb2, translate_pb2_grpc
from tests.support import serving
from tests.unit.serving.fakes import MODEL, SERVICE, FakeEngine, Gate, application

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """The service's log."""
    written = io.StringIO()
    structlog.configure(
        processors=[structlog.processors.format_exc_info, structlog.processors.JSONRenderer()],
        logger_factory=structlog.WriteLoggerFactory(file=written),
        cache_logger_on_first_use=False,
    )
    return written


def lines(log: io.StringIO, event: str) -> list[dict[str, Any]]:
    """The events of a name."""
    return [entry for line in log.getvalue().splitlines() if (entry := json.loads(line))["event"] == event]


def text_request(text: str) -> translate_pb2.StreamTranslateTextRequest:
    """A request with a text."""
    return translate_pb2.StreamTranslateTextRequest(text=text)


def translate(channel: grpc.aio.Channel, text: str, **options: Any) -> Any:
    """A unary call."""
    stub: Any = translate_pb2_grpc.TranslateServiceStub(channel)
    return stub.TranslateText(translate_pb2.TranslateTextRequest(contents=[text]), **options)


async def error_of(call: Any) -> tuple[grpc.StatusCode, errors.BuhinError]:
    """The code and the error of a call that fails."""
    with pytest.raises(grpc.RpcError) as caught:
        await call
    return caught.value.code(), decode_call(caught.value)


async def health_of(address: str, service: str = SERVICE) -> int:
    """What the health service answers."""
    async with grpc.aio.insecure_channel(address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))
        return int(answer.status)


async def health_change(address: str, wanted: int) -> bool:
    """Wait until the health service says what is wanted."""
    async with grpc.aio.insecure_channel(address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        async for answer in stub.Watch(health_pb2.HealthCheckRequest(service=SERVICE)):
            if answer.status == wanted:
                return True
    return False


async def call_of_kind(channel: grpc.aio.Channel, kind: str) -> list[Any]:
    """The responses of one call with the text «ab» of the given kind."""
    codec: dict[str, Any] = {
        "request_serializer": translate_pb2.StreamTranslateTextRequest.SerializeToString,
        "response_deserializer": translate_pb2.StreamTranslateTextResponse.FromString,
    }
    metadata = (("x-request-id", "req-7"),)
    if kind == "unary_unary":
        return [await translate(channel, "ab", metadata=metadata)]
    if kind == "stream_stream":
        stub: Any = translate_pb2_grpc.TranslateServiceStub(channel)
        return [r async for r in stub.StreamTranslateText(iter([text_request("ab")]), metadata=metadata)]
    if kind == "stream_unary":
        collect: Any = channel.stream_unary("/buhin.test.v1.Test/Collect", **codec)
        return [await collect(iter([text_request("a"), text_request("b")]), metadata=metadata)]
    spread: Any = channel.unary_stream("/buhin.test.v1.Test/Spread", **codec)
    return [r async for r in spread(text_request("ab"), metadata=metadata)]


async def admitted(channel: grpc.aio.Channel, text: str) -> Any:
    """The first call that is not refused at once: a place in the queue is free as soon as the server learns of it."""
    while True:
        call = translate(channel, text)
        ended = asyncio.Event()
        call.add_done_callback(lambda _, ended=ended: ended.set())
        try:
            await asyncio.wait_for(ended.wait(), 1)
        except TimeoutError:
            return call


def answered(response: Any) -> str:
    """The text of a response of either message."""
    return str(getattr(response, "translated_text", "") or response.translations[0].translated_text)


KINDS = ["unary_unary", "unary_stream", "stream_unary", "stream_stream"]


@pytest.mark.parametrize("kind", KINDS)
async def test_provenance_and_access_log_in_every_kind(kind: str, log: io.StringIO) -> None:
    async with serving(application(FakeEngine)) as channel:
        responses = await call_of_kind(channel, kind)
    assert "".join(answered(r) for r in responses) == "AB"
    for response in responses:
        provenance = response.provenance
        assert (provenance.service, provenance.service_version) == (SERVICE, "3.2.1")
        assert (provenance.engine, provenance.engine_version) == ("fake", "1.2")
        assert [(m.model_id, m.digest) for m in provenance.models] == [(MODEL.model_id, MODEL.digest)]
        assert provenance.request_id == "req-7"
        assert provenance.accept_time.seconds > 1_700_000_000
    (entry,) = lines(log, "call")
    assert (entry["request_id"], entry["code"], entry["reason"]) == ("req-7", "OK", "")


@pytest.mark.parametrize("kind", KINDS)
async def test_errors_in_every_kind(kind: str, log: io.StringIO) -> None:
    def fail(stop: Stop) -> None:
        raise errors.OutOfRangeError(field="contents", value=9, minimum=1, maximum=3)

    async with serving(application(lambda: FakeEngine(fail))) as channel:
        code, error = await error_of(call_of_kind(channel, kind))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert isinstance(error, errors.OutOfRangeError)
    assert error.field == "contents"
    assert error.metadata == {"value": "9", "minimum": "1", "maximum": "3"}
    assert [entry["reason"] for entry in lines(log, "call")] == ["OUT_OF_RANGE"]


async def test_the_unexpected_becomes_internal_and_its_place_stands_in_the_log(log: io.StringIO) -> None:
    def fail(stop: Stop) -> None:
        raise ZeroDivisionError("the secret sauce")

    async with serving(application(lambda: FakeEngine(fail))) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            await translate(channel, "a", metadata=(("x-request-id", "req-8"),))
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    error = decode_call(caught.value)
    assert isinstance(error, errors.InternalError)
    assert error.metadata == {"error_id": "req-8"}
    sent = str(caught.value.details()) + str(caught.value.trailing_metadata())
    assert "secret sauce" not in sent
    (entry,) = lines(log, "internal_error")
    assert (entry["error"], entry["request_id"]) == ("ZeroDivisionError", "req-8")
    assert any("test_server.py" in frame and frame.endswith("fail") for frame in entry["frames"])
    told = [json.loads(line)["event"] for line in log.getvalue().splitlines() if "secret sauce" in line]
    assert told == ["fault"]


async def test_content_is_not_logged(log: io.StringIO) -> None:
    async with serving(application(FakeEngine)) as channel:
        await translate(channel, "himitsu")
    assert log.getvalue()
    assert "himitsu" not in log.getvalue().lower()


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, '"};evil'])
async def test_a_request_id_that_is_not_harmless_is_replaced(given: str) -> None:
    async with serving(application(FakeEngine)) as channel:
        response = await translate(channel, "a", metadata=(("x-request-id", given),) if given else ())
    assert response.provenance.request_id != given
    assert len(response.provenance.request_id) == 32


async def test_a_method_that_the_card_marks_is_unimplemented() -> None:
    async with serving(application(FakeEngine)) as channel:
        stub: Any = translate_pb2_grpc.TranslateServiceStub(channel)
        code, error = await error_of(stub.DetectLanguage(translate_pb2.DetectLanguageRequest(contents=["a"])))
    assert code is grpc.StatusCode.UNIMPLEMENTED
    assert isinstance(error, errors.NotImplementedMethodError)
    assert error.metadata["method"] == f"{SERVICE}/DetectLanguage"


async def test_a_full_queue_refuses_at_once_and_says_when_to_retry() -> None:
    gate = Gate()
    engine = FakeEngine(gate)
    async with serving(application(lambda: engine, concurrency=1, queue_size=1)) as channel:
        running = translate(channel, "running")
        await asyncio.to_thread(gate.arrived.acquire)
        waiting = translate(channel, "waiting")
        refused = [translate(channel, f"refused {n}") for n in range(3)]
        found = [await error_of(call) for call in refused]
        gate.opened.set()
        assert answered(await running) == "RUNNING"
        assert answered(await waiting) == "WAITING"
    assert {code for code, _ in found} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert all(isinstance(error, errors.QueueFullError) and (error.retry_after_s or 0) > 0 for _, error in found)
    assert engine.done == ["running", "waiting"]


@pytest.mark.parametrize("how", ["cancel", "deadline"])
async def test_a_caller_that_leaves_the_queue_costs_no_work(how: str) -> None:
    gate = Gate()
    engine = FakeEngine(gate)
    async with serving(application(lambda: engine, queue_size=1)) as channel:
        running = translate(channel, "running")
        await asyncio.to_thread(gate.arrived.acquire)
        waiting = translate(channel, "waiting", timeout=0.2 if how == "deadline" else None)
        _, refused = await error_of(translate(channel, "one more, so the one before is in the queue"))
        assert isinstance(refused, errors.QueueFullError)
        if how == "cancel":
            waiting.cancel()
        with pytest.raises((grpc.RpcError, asyncio.CancelledError)):
            await waiting
        later = await admitted(channel, "later")
        gate.opened.set()
        assert [answered(await call) for call in (running, later)] == ["RUNNING", "LATER"]
    assert engine.done == ["running", "later"]


@pytest.mark.parametrize("how", ["cancel", "deadline"])
async def test_a_caller_that_leaves_stops_its_work_and_frees_the_place(how: str) -> None:
    gate = Gate()
    engine = FakeEngine(gate)
    async with serving(application(lambda: engine)) as channel:
        running = translate(channel, "running", timeout=0.2 if how == "deadline" else None)
        await asyncio.to_thread(gate.arrived.acquire)
        if how == "cancel":
            running.cancel()
        with pytest.raises((grpc.RpcError, asyncio.CancelledError)):
            await running
        assert await asyncio.to_thread(gate.stopped.wait, 5)
        gate.opened.set()
        assert answered(await translate(channel, "later")) == "LATER"
    assert engine.done == ["later"]


async def test_health_is_honest_from_start_to_end() -> None:
    gate = Gate()

    def load() -> FakeEngine:
        gate(Stop())
        return FakeEngine()

    async with Server(application(load)) as server:
        assert await health_of(server.health_address) == NOT_SERVING
        async with grpc.aio.insecure_channel(server.address) as channel:
            code, error = await error_of(translate(channel, "early"))
            assert code is grpc.StatusCode.UNAVAILABLE
            assert isinstance(error, errors.NotReadyError)
        gate.opened.set()
        assert await server.started() is State.SERVING
        assert await health_of(server.health_address) == SERVING
        assert await health_of(server.address, "") == SERVING
        server.worker.drain()
        async with grpc.aio.insecure_channel(server.address) as channel:
            assert isinstance((await error_of(translate(channel, "late")))[1], errors.DrainingError)


def missing() -> FakeEngine:
    raise errors.ModelMissingError(model="tiny")


def broken() -> FakeEngine:
    raise ValueError("segfault of the mind")


@pytest.mark.parametrize(
    ("load", "expected"), [(missing, errors.ModelMissingError), (broken, errors.EngineFailedError)]
)
async def test_without_its_model_a_service_stays_up_and_says_why(
    load: Callable[[], FakeEngine], expected: type[errors.BuhinError]
) -> None:
    async with Server(application(load)) as server:
        assert await server.started() is State.UNAVAILABLE
        assert await health_of(server.health_address) == NOT_SERVING
        async with grpc.aio.insecure_channel(server.address) as channel:
            code, error = await error_of(translate(channel, "a"))
            assert code is grpc.StatusCode.UNAVAILABLE
            assert type(error) is expected
            stub: Any = catalogue_pb2_grpc.ServiceInfoServiceStub(channel)
            info = (await stub.GetServiceInfo(catalogue_pb2.GetServiceInfoRequest())).info
    assert info.state == common_pb2.SERVICE_STATE_UNAVAILABLE
    assert info.state_detail.en == error.message
    assert info.state_detail.ja == error.message_ja
    assert [(m.model.model_id, m.loaded) for m in info.models] == [("tiny", False)]


async def test_the_card_is_served_with_what_is_loaded() -> None:
    async with serving(application(FakeEngine, queue_size=7)) as channel:
        stub: Any = catalogue_pb2_grpc.ServiceInfoServiceStub(channel)
        info = (await stub.GetServiceInfo(catalogue_pb2.GetServiceInfoRequest())).info
    assert info.state == common_pb2.SERVICE_STATE_SERVING
    assert (info.service, info.engine, info.title.ja) == (SERVICE, "fake", "偽物")
    (model,) = info.models
    assert (model.model.digest, model.loaded, model.licence) == (MODEL.digest, True, "MIT")
    assert info.limits["queue_size"] == 7
    assert {m.method: m.implemented for m in info.methods} == {"TranslateText": True, "DetectLanguage": False}


async def test_draining_finishes_what_is_in_flight() -> None:
    gate = Gate()
    engine = FakeEngine(gate)
    server = Server(application(lambda: engine))
    await server.__aenter__()
    await server.started()
    async with grpc.aio.insecure_channel(server.address) as channel:
        running = translate(channel, "running")
        await asyncio.to_thread(gate.arrived.acquire)
        stopping = asyncio.create_task(server.__aexit__(None, None, None))
        assert await health_change(server.health_address, NOT_SERVING)
        gate.opened.set()
        assert answered(await running) == "RUNNING"
        await stopping
    assert engine.closed


async def test_reflection_lists_the_services() -> None:
    async with serving(application(FakeEngine)) as channel:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        answers = [answer async for answer in stub.ServerReflectionInfo(iter([request]))]
    names = {service.name for service in answers[0].list_services_response.service}
    assert {SERVICE, "buhin.catalogue.v1.ServiceInfoService", "grpc.health.v1.Health"} <= names


async def test_a_port_in_use_is_said_plainly() -> None:
    async with Server(application(FakeEngine)) as server:
        port = int(server.address.rpartition(":")[2])
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port}"):
            async with Server(application(FakeEngine, port=port)):
                raise AssertionError("must not be reached")
