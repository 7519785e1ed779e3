"""The life of an engine behind the runtime: crashes, replacement, reload; and calls that would not end alone."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from structlog.testing import capture_logs

from buhin import errors
from buhin.client import AsyncTranslateClient
from buhin.engine import Stop
from buhin.isolation import host
from buhin.serving import Application, Server, worker
from buhin.serving.worker import State
from buhin.translate.v1 import translate_pb2
from tests.unit.serving.fakes import FakeEngine, Gate, application
from tests.unit.serving.test_server import (
    NOT_SERVING,
    SERVING,
    answered,
    error_of,
    health_change,
    health_of,
    translate,
)


class Mortal(FakeEngine):
    """Says in which process it runs; a text may end that."""

    def shout(self, text: str, stop: Stop) -> str:
        """``crash`` ends the process, ``pid`` tells its number, ``wait`` lasts until it is stopped or ends."""
        if text == "crash":
            os.abort()
        if text == "wait":
            Gate()(stop)
        return str(os.getpid()) if text == "pid" else text.upper()


class Hanging(Mortal):
    """Never gets warm."""

    def warm_up(self) -> None:
        """Wait for ever."""
        threading.Event().wait()


def weak() -> FakeEngine:
    """An engine whose process ends while it is loaded."""
    os._exit(3)


def strong_once(loads: Path) -> FakeEngine:
    """An engine that is loaded once, and whose process ends each time that it is loaded again."""
    with loads.open("a") as file:
        file.write("x")
    if loads.stat().st_size > 1:
        os._exit(3)
    return Mortal()


def strong_but_the_second(loads: Path) -> FakeEngine:
    """An engine that cannot be loaded the second time."""
    with loads.open("a") as file:
        file.write("x")
    if loads.stat().st_size == 2:
        raise MemoryError
    return Mortal()


@asynccontextmanager
async def living(load: Callable[[], FakeEngine] = Mortal, **settings: Any) -> AsyncIterator[tuple[Server[Any], Any]]:
    """The fake service with its engine in a process of its own, and a channel to it."""
    async with Server(application(load, isolate_engine=True, **settings)) as server:
        await server.started()
        async with grpc.aio.insecure_channel(server.address) as channel:
            yield server, channel


async def pid(channel: grpc.aio.Channel) -> int:
    """The process of the engine."""
    return int(answered(await translate(channel, "pid")))


async def test_a_crash_fails_its_requests_and_the_next_are_answered_by_another_process() -> None:
    async with living(concurrency=2) as (server, channel):
        first = await pid(channel)
        assert first != os.getpid()
        waiting = translate(channel, "wait")
        code, error = await error_of(translate(channel, "crash"))
        assert code is grpc.StatusCode.UNAVAILABLE
        assert isinstance(error, errors.EngineLostError)
        assert (error.retry_after_s or 0) > 0
        assert isinstance((await error_of(waiting))[1], errors.EngineLostError)
        assert await health_change(server.health_address, SERVING)
        assert await pid(channel) not in (first, os.getpid())


async def test_what_ended_an_engine_is_not_sent_again_by_itself() -> None:
    async with living() as (server, channel), AsyncTranslateClient(server.address) as client:
        with pytest.raises(errors.EngineLostError):
            await client.translate_text(["crash"], target="en")
        assert await health_change(server.health_address, SERVING)
        await pid(channel)
        assert 'buhin_engine_restarts_total{function="translate"} 1.0' in await asyncio.to_thread(_scraped, server)


async def test_an_engine_that_is_killed_while_idle_is_replaced() -> None:
    async with living() as (server, channel):
        first = await pid(channel)
        watching = asyncio.ensure_future(health_change(server.health_address, NOT_SERVING))
        await asyncio.sleep(0)
        os.kill(first, signal.SIGKILL)
        assert await watching
        assert await health_change(server.health_address, SERVING)
        assert await pid(channel) != first


async def test_an_engine_that_ends_while_it_loads_is_no_service_and_no_end() -> None:
    with capture_logs() as logs:
        async with living(weak) as (server, channel):
            assert server.worker.state is State.UNAVAILABLE
            assert isinstance((await error_of(translate(channel, "a")))[1], errors.EngineFailedError)
    assert "EngineLostError" in [entry.get("error") for entry in logs]


async def test_an_engine_that_ends_again_and_again_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(worker, "_LONGEST_WAIT_S", 0.0)
    loads = tmp_path / "loads"
    async with living(functools.partial(strong_once, loads)) as (server, channel):
        given_up = asyncio.Event()
        tell_health = server.worker.when_changed

        def changed() -> None:
            tell_health()
            if server.worker.state is State.UNAVAILABLE:
                given_up.set()

        server.worker.when_changed = changed
        await error_of(translate(channel, "crash"))
        await given_up.wait()
        assert isinstance((await error_of(translate(channel, "a")))[1], errors.EngineFailedError)
        assert await health_of(server.health_address) == NOT_SERVING
    assert len(loads.read_text()) == 1 + worker._RESTARTS


async def test_what_keeps_an_engine_from_coming_back_may_pass(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(worker, "_LONGEST_WAIT_S", 0.0)
    loads = tmp_path / "loads"
    with capture_logs() as logs:
        async with living(functools.partial(strong_but_the_second, loads)) as (server, channel):
            gone = asyncio.ensure_future(health_change(server.health_address, NOT_SERVING))
            await error_of(translate(channel, "crash"))
            await gone
            assert await health_change(server.health_address, SERVING)
            await pid(channel)
    assert len(loads.read_text()) == 3
    assert [entry["attempt"] for entry in logs if entry["event"] == "restart_failed"] == [1]


async def test_a_warm_up_that_does_not_end_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "_CLOSING_S", 0.2)
    with capture_logs() as logs:
        async with living(Hanging, stuck_s=1.0) as (server, channel):
            assert server.worker.state is State.UNAVAILABLE
            assert isinstance((await error_of(translate(channel, "a")))[1], errors.EngineFailedError)
    assert "TimeoutError" in [entry.get("error") for entry in logs]


async def test_closing_ends_the_process_of_the_engine() -> None:
    async with living() as (_, channel):
        process = psutil.Process(await pid(channel))
    assert not process.is_running()


def versions(*engines: Callable[[], FakeEngine]) -> Callable[[], FakeEngine]:
    """The next of some engines each time."""
    given = iter(engines)
    return lambda: next(given)()


class Named(FakeEngine):
    """Answers with its name."""

    def __init__(self, name: str, before: Callable[[Stop], None] = lambda stop: None) -> None:
        super().__init__(before)
        self.version = name

    def shout(self, text: str, stop: Stop) -> str:
        """Its name."""
        self.before(stop)
        return self.version


def reloadable(app: Application[FakeEngine], accept: Callable[[FakeEngine], None]) -> Server[FakeEngine]:
    """A server whose engines must satisfy ``accept``."""
    object.__setattr__(app, "accept", accept)
    return Server(app)


async def test_a_reload_drops_no_request_and_frees_the_old_engine_when_its_work_is_done() -> None:
    gate = Gate()
    old, new = Named("old", gate), Named("new")
    proved: list[str] = []
    app = application(versions(lambda: old, lambda: new), concurrency=2)
    async with reloadable(app, lambda engine: proved.append(engine.version)) as server:
        await server.started()
        async with grpc.aio.insecure_channel(server.address) as channel:
            running = translate(channel, "a")
            await asyncio.to_thread(gate.arrived.acquire)
            assert await server.worker.reload()
            assert proved == ["new"]
            later = await translate(channel, "a")
            assert (answered(later), later.provenance.engine_version) == ("new", "new")
            assert not old.closed
            gate.opened.set()
            assert answered(await running) == "old"
            await asyncio.to_thread(_until, lambda: old.closed)
            assert not new.closed
    assert new.closed


def _until(condition: Callable[[], bool]) -> None:
    looked = threading.Event()
    for _ in range(2_000):
        if condition():
            return
        looked.wait(0.005)
    raise AssertionError("it did not come to pass")


async def test_a_new_engine_that_is_not_good_enough_never_serves() -> None:
    old, new = Named("old"), Named("new")

    def accept(engine: FakeEngine) -> None:
        raise errors.UnusableModelError(engine="fake", model="tiny", problem="it understood nothing")

    async with reloadable(application(versions(lambda: old, lambda: new)), accept) as server:
        await server.started()
        with capture_logs() as logs:
            assert not await server.worker.reload()
        async with grpc.aio.insecure_channel(server.address) as channel:
            assert answered(await translate(channel, "a")) == "old"
            assert await health_of(server.health_address) == SERVING
    assert new.closed
    assert [entry["error"] for entry in logs if entry["event"] == "reload_failed"] == ["UnusableModelError"]


async def test_a_service_whose_model_was_missing_serves_after_a_reload() -> None:
    def missing() -> FakeEngine:
        raise errors.ModelMissingError(model="tiny")

    async with Server(application(versions(missing, FakeEngine))) as server:
        assert await server.started() is State.UNAVAILABLE
        assert await server.worker.reload()
        assert await health_of(server.health_address) == SERVING


async def test_a_call_without_a_deadline_ends_at_the_cap_and_its_work_stops() -> None:
    gate = Gate()
    async with Server(application(lambda: FakeEngine(gate), max_call_s=0.2)) as server:
        await server.started()
        async with grpc.aio.insecure_channel(server.address) as channel:
            code, error = await error_of(translate(channel, "a"))
            assert code is grpc.StatusCode.DEADLINE_EXCEEDED
            assert isinstance(error, errors.DeadlineExceededError)
            assert await asyncio.to_thread(gate.stopped.wait, 5)


async def test_a_caller_that_sends_no_request_is_not_waited_for() -> None:
    async with Server(application(FakeEngine, stream_idle_s=0.2)) as server:
        await server.started()
        async with grpc.aio.insecure_channel(server.address) as channel:
            slow: Any = channel.stream_unary("/buhin.translate.v1.TranslateService/TranslateText")()
            assert await slow.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            none: Any = channel.stream_unary("/buhin.translate.v1.TranslateService/TranslateText")(iter([]))
            assert isinstance((await error_of(none))[1], errors.MissingFieldError)


async def test_a_caller_cannot_hold_more_calls_than_the_service_could_ever_take() -> None:
    gate = Gate()
    settings: dict[str, Any] = {"concurrency": 1, "queue_size": 1, "max_streams": 1, "stream_idle_s": 30}
    async with Server(application(lambda: FakeEngine(gate), **settings)) as server:
        await server.started()
        async with grpc.aio.insecure_channel(server.address) as channel:
            method = "/buhin.translate.v1.TranslateService/TranslateText"
            silent: list[Any] = [channel.stream_unary(method)() for _ in range(3)]
            for call in silent:
                await call.wait_for_connection()
            _, error = await error_of(translate(channel, "one more"))
            assert isinstance(error, errors.QueueFullError)
            for call in silent:
                call.cancel()
        async with grpc.aio.insecure_channel(server.address) as channel:
            gate.opened.set()
            assert answered(await translate(channel, "a")) == "A"


async def test_the_priority_decides_who_is_next() -> None:
    gate = Gate()
    engine = FakeEngine(gate)
    async with Server(application(lambda: engine)) as server:
        await server.started()
        async with grpc.aio.insecure_channel(server.address) as channel:
            running = translate(channel, "running")
            await asyncio.to_thread(gate.arrived.acquire)
            batch = [translate(channel, f"batch {n}", metadata=(("x-buhin-priority", "batch"),)) for n in range(3)]
            _, wrong = await error_of(translate(channel, "x", metadata=(("x-buhin-priority", "now"),)))
            assert isinstance(wrong, errors.InvalidValueError)
            urgent = translate(channel, "urgent")
            await asyncio.to_thread(_until, lambda: _waiting(server) == 4)
            gate.opened.set()
            for call in (running, urgent, *batch):
                await call
    assert engine.done.index("urgent") <= 2


def _waiting(server: Server[Any]) -> int:
    lines = _scraped(server).splitlines()
    return int(sum(float(line.split()[-1]) for line in lines if line.startswith("buhin_queue_waiting{")))


def _scraped(server: Server[Any]) -> str:
    import urllib.request

    with urllib.request.urlopen(f"http://{server.metrics_address}/metrics", timeout=5) as answer:
        return bytes(answer.read()).decode()


async def test_a_deadline_that_cannot_be_met_is_refused_at_once() -> None:
    gate = Gate()
    gate.opened.set()
    async with Server(application(lambda: FakeEngine(gate))) as server:
        await server.started()
        async with grpc.aio.insecure_channel(server.address) as channel:
            for _ in range(4):
                await translate(channel, "measured")
            server.worker._admission._paces[True].seconds = 100.0
            gate.opened.clear()
            running = translate(channel, "running")
            await asyncio.to_thread(gate.arrived.acquire)
            code, error = await error_of(translate(channel, "late", timeout=1))
            assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert isinstance(error, errors.DeadlineTooShortError)
            gate.opened.set()
            await running


async def test_metrics_tell_calls_queue_work_and_models() -> None:
    async with living() as (server, channel):
        await translate(channel, "a")
        stub: Any = channel.unary_unary(
            "/buhin.translate.v1.TranslateService/DetectLanguage",
            translate_pb2.DetectLanguageRequest.SerializeToString,
            translate_pb2.DetectLanguageResponse.FromString,
        )
        await error_of(stub(translate_pb2.DetectLanguageRequest()))
        unknown: Any = channel.unary_unary("/buhin.nobody.v1.X/Y")
        with pytest.raises(grpc.RpcError):
            await unknown(b"")
        text = await asyncio.to_thread(_scraped, server)
    called = 'buhin_calls_total{code="OK",function="translate",group="anonymous",method="%s",reason=""} 1.0'
    assert called % "/buhin.translate.v1.TranslateService/TranslateText" in text
    assert 'code="UNIMPLEMENTED"' in text
    assert 'reason="NOT_IMPLEMENTED"' in text
    assert "nobody" not in text
    assert 'buhin_model_info{digest="sha256:' in text
    assert 'buhin_work_units_total{function="translate",group="anonymous",unit="requests"} 1.0' in text
    assert 'buhin_ready{function="translate"} 1.0' in text
    assert "\nprocess_resident_memory_bytes" in text
    assert "\nbuhin_engine_process_resident_memory_bytes" in text
