"""The engine of a service behind a bounded, fair queue and a bounded pool of threads."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import functools
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Generic, TypeVar

import structlog

from buhin import telemetry
from buhin.config import ServerSettings
from buhin.engine import Engine, Stop
from buhin.errors import (
    BuhinError,
    DrainingError,
    EngineFailedError,
    EngineLostError,
    ModelError,
    NotReadyError,
    TooManyStreamsError,
)
from buhin.isolation.batches import batches
from buhin.isolation.host import Host, Isolated, Local
from buhin.serving.admission import Admission
from buhin.serving.call import Call, current_call
from buhin.serving.faults import described
from buhin.serving.metrics import Metrics

E = TypeVar("E", bound=Engine)
R = TypeVar("R")

_RESTARTS = 5
_LONGEST_WAIT_S = 30.0
"""An engine that is lost again before it served for so long is waited for, twice as long each time; it is given up
after so many times in a row.
"""

_log = structlog.get_logger("buhin.worker")


class State(enum.Enum):
    """Whether the engine answers. The names are those of ``buhin.common.v1.ServiceState``."""

    STARTING = enum.auto()
    SERVING = enum.auto()
    UNAVAILABLE = enum.auto()
    DRAINING = enum.auto()


class Loaded(Generic[E]):
    """An engine that answered its warm-up, and how much work and how many streams use it."""

    def __init__(self, host: Host[E]) -> None:
        self.host = host
        self.since = time.monotonic()
        self._users = 0
        self._retired = False

    @contextmanager
    def used(self) -> Iterator[E]:
        """Keep the engine while it is used."""
        self._users += 1
        try:
            yield self.host.engine
        finally:
            self._users -= 1
            self._close_if_unused()

    def retire(self) -> None:
        """Close it when nobody uses it any more."""
        self._retired = True
        self._close_if_unused()

    def _close_if_unused(self) -> None:
        if self._retired and not self._users:
            asyncio.get_running_loop().run_in_executor(None, self.host.close)


class Worker(Generic[E]):
    """Runs work on an engine, never on the event loop.

    At most ``concurrency`` pieces of work run, and ``queue_size`` requests of at most ``max_queued_work`` units wait
    (see Admission). A caller that leaves while waiting is dropped without work; one that leaves while running sets the
    work's Stop, and its place is free as soon as the work has ended. Streams are bounded by their number instead: the
    work of one that was let in waits its turn and is never refused, also while the service drains.

    An engine whose process ends is replaced; ``reload`` replaces it with a new one that has answered ``accept``.
    """

    def __init__(
        self,
        load: Callable[[], E],
        settings: ServerSettings,
        *,
        metrics: Metrics | None = None,
        accept: Callable[[E], None] = lambda engine: None,
    ) -> None:
        isolated = functools.partial(Isolated, load, stuck_s=settings.stuck_s)
        self._new_host: Callable[[], Host[E]] = isolated if settings.isolate_engine else functools.partial(Local, load)
        self._accept = accept
        self._stuck_s = settings.stuck_s
        self._pool = ThreadPoolExecutor(settings.concurrency, thread_name_prefix="engine")
        self._admission = Admission(settings.concurrency, settings.queue_size, settings.max_queued_work)
        self._metrics = metrics or Metrics("", (), "")
        self._metrics.watch_queue(self._admission.waiting)
        self._max_streams = settings.max_streams
        self._max_own_streams = settings.max_streams_per_caller or max(
            1, settings.max_streams // (1 if settings.policy is None else 2)
        )
        self._streams: Counter[str] = Counter()
        self._running: set[Stop] = set()
        self._loaded: Loaded[E] | None = None
        self._reloading = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._restarts = 0
        self.failure: BuhinError | None = None
        self.state = State.STARTING
        self.when_changed: Callable[[], None] = lambda: None
        """Called on the event loop when ``state`` has changed."""

    @property
    def engine(self) -> E | None:
        """The engine that serves."""
        return self._loaded.host.engine if self._loaded else None

    async def start(self) -> None:
        """Load the engine and let it answer its warm-up. What fails is kept in ``failure`` and told to every caller."""
        try:
            loaded = await self._load(_warm)
        except Exception as error:  # noqa: BLE001 - whatever an engine's library raises, the process stays up and says so
            self._failed(error)
            return
        self._serve(loaded)

    async def reload(self) -> bool:
        """Load the engine anew, with what the model store and the manifest have now, and let it answer its acceptance
        calls; then it takes the place of the old one, which ends with the work that it has. Where it fails, the old one
        stays. False when it failed.
        """
        async with self._reloading:
            try:
                loaded = await self._load(self._prove)
            except Exception as error:  # noqa: BLE001 - the old engine goes on
                _log.error("reload_failed", **described(error))
                self._metrics.reloaded("failed")
                if self._loaded is None:
                    self._failed(error)
                return False
            old = self._loaded
            self._serve(loaded)
            if old is not None:
                old.retire()
            self._metrics.reloaded("ok")
            return True

    async def run(self, work: Callable[[E, Stop], R]) -> R:
        """Do ``work(engine, stop)`` in a thread.

        Raises NotReadyError, DrainingError, a ModelError, QueueFullError or DeadlineTooShortError at once;
        QueueFullError later, where a caller with less in the queue needs the place; and whatever the work raises.
        """
        self.ready_engine()
        call = current_call.get(None) or Call(method="", request_id="")
        return await self._do(work, call, call.units)

    @contextmanager
    def stream(self) -> Iterator[Stream[E]]:
        """Hold the place of a stream.

        Raises NotReadyError, DrainingError, a ModelError or TooManyStreamsError at once.
        """
        self.ready_engine()
        assert self._loaded is not None  # noqa: S101 - else it would have raised
        key = call.queue_key if (call := current_call.get(None)) else ""
        for is_open, limit in ((self._streams.total(), self._max_streams), (self._streams[key], self._max_own_streams)):
            if is_open >= limit:
                self._metrics.refused(TooManyStreamsError.reason)
                raise TooManyStreamsError(limit=limit, retry_after_s=self.retry_after_s())
        self._streams[key] += 1
        self._metrics.streams(self._streams.total())
        try:
            with self._loaded.used():
                yield Stream(self, self._loaded)
        finally:
            self._streams[key] -= 1
            self._streams += Counter()  # forgets who has none
            self._metrics.streams(self._streams.total())

    async def _do(
        self, work: Callable[[E, Stop], R], call: Call, units: float | None, loaded: Loaded[E] | None = None
    ) -> R:
        queued = time.monotonic()
        try:
            ticket = self._admission.enter(call.queue_key, call.priority, units, left_s=call.left_s)
            try:
                await ticket.turn
                loaded = loaded or self._now_loaded()
            except BaseException:
                self._admission.leave(ticket, worked=False)
                raise
        except BuhinError as error:
            self._metrics.refused(error.reason)
            raise
        started = time.monotonic()
        call.queue_s += started - queued
        self._metrics.waited(call.priority, started - queued)
        stop = Stop()
        self._running.add(stop)
        use = contextlib.ExitStack()
        engine = call.engine = use.enter_context(loaded.used())

        async def working() -> R:
            worked = False
            try:
                with use, telemetry.span("engine", engine=engine.name):
                    result = await asyncio.get_running_loop().run_in_executor(self._pool, work, engine, stop)
                worked = True
                return result
            finally:
                self._running.discard(stop)
                self._admission.leave(ticket, worked=worked)
                self._metrics.worked(time.monotonic() - started, batches.taken())

        running = asyncio.ensure_future(working())
        running.add_done_callback(retrieve)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            stop.set()
            raise
        finally:
            call.work_s += time.monotonic() - started

    def retry_after_s(self) -> float:
        """Seconds after which what runs and waits now is done, by the measured pace."""
        return self._admission.retry_after_s()

    def drain(self) -> None:
        """Take no more work."""
        self._change(State.DRAINING)

    async def close(self) -> None:
        """Stop what still runs, wait for its threads and free the engine."""
        self.drain()
        for stop in self._running:
            stop.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.to_thread(self._pool.shutdown, cancel_futures=True)
        if self._loaded is not None:
            await asyncio.to_thread(self._loaded.host.close)

    def ready_engine(self) -> E:
        """The engine. Raises NotReadyError, DrainingError or the ModelError that keeps it from serving."""
        if self.state is State.DRAINING:
            raise DrainingError
        return self._now_loaded().host.engine

    def _now_loaded(self) -> Loaded[E]:
        if self._loaded is not None:
            return self._loaded
        if self.failure is not None:
            raise self.failure
        raise NotReadyError(retry_after_s=1.0)

    async def _load(self, prove: Callable[[E], object]) -> Loaded[E]:
        """A new engine, in its host, that answered what it has to."""
        began = time.monotonic()
        opening = asyncio.get_running_loop().run_in_executor(None, self._new_host)
        try:
            host = await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close)
            raise
        try:
            async with asyncio.timeout(self._stuck_s):
                await asyncio.to_thread(prove, host.engine)
        except BaseException:
            await asyncio.to_thread(host.close)
            raise
        seconds = time.monotonic() - began
        self._metrics.loaded(host.engine.models, seconds)
        _log.info("engine_ready", engine=host.engine.name, seconds=round(seconds, 3))
        return Loaded(host)

    def _prove(self, engine: E) -> None:
        engine.warm_up()
        self._accept(engine)

    def _serve(self, loaded: Loaded[E]) -> None:
        self._loaded, self.failure = loaded, None
        self._metrics.runs_in(loaded.host.process_id)
        loop = asyncio.get_running_loop()

        def tell() -> None:
            with contextlib.suppress(RuntimeError):  # the loop may have ended meanwhile
                loop.call_soon_threadsafe(self._lost, loaded)

        loaded.host.when_lost(tell)
        if self.state is not State.DRAINING:
            self._change(State.SERVING)

    def _lost(self, loaded: Loaded[E]) -> None:
        """The process of an engine ended by itself."""
        loaded.retire()
        if self._loaded is not loaded or self.state is State.DRAINING:
            return
        _log.error("engine_lost", served_s=round(time.monotonic() - loaded.since, 1))
        self._metrics.restarted()
        self._loaded = None
        self._change(State.STARTING)
        if time.monotonic() - loaded.since > _LONGEST_WAIT_S:
            self._restarts = 0
        task = asyncio.ensure_future(self._restart())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _restart(self) -> None:
        while self._loaded is None and self.state is State.STARTING:
            await asyncio.sleep(min(_LONGEST_WAIT_S, 2.0**self._restarts - 1))
            self._restarts = min(self._restarts + 1, _RESTARTS)
            async with self._reloading:
                if self._loaded is not None:
                    return
                try:
                    self._serve(await self._load(_warm))
                except ModelError as error:
                    self._failed(error)
                except Exception as error:  # noqa: BLE001 - what was lost leaves memory and places free a little later
                    _log.error("restart_failed", attempt=self._restarts, **described(error))
                    if self._restarts >= _RESTARTS:
                        self._failed(error)

    def _failed(self, error: Exception) -> None:
        """Keep why the engine does not serve."""
        if isinstance(error, BuhinError) and not isinstance(error, EngineLostError):
            self.failure = error
        else:
            error_id = uuid.uuid4().hex
            _log.error("engine_failed", error_id=error_id, **described(error))
            self.failure = EngineFailedError(error_id=error_id)
        _log.error("engine_unavailable", reason=self.failure.reason, detail=self.failure.message)
        if self.state is not State.DRAINING:
            self._change(State.UNAVAILABLE)

    def _change(self, state: State) -> None:
        self.state = state
        self._metrics.ready(state is State.SERVING)
        self.when_changed()


class Stream(Generic[E]):
    """A stream that was let in. Its pieces of work are done one at a time, in turn with those of all callers, on the
    engine that it began with.
    """

    def __init__(self, worker: Worker[E], loaded: Loaded[E]) -> None:
        self._worker = worker
        self._loaded = loaded

    @property
    def engine(self) -> E:
        """The engine of this stream."""
        return self._loaded.host.engine

    async def run(self, work: Callable[[E, Stop], R]) -> R:
        """Do ``work(engine, stop)`` in a thread. Raises whatever the work raises."""
        call = current_call.get(None) or Call(method="", request_id="")
        return await self._worker._do(work, call, None, self._loaded)


def _warm(engine: Engine) -> None:
    engine.warm_up()


def _close(opened: asyncio.Future[Host[E]]) -> None:
    """Close what was opened for nobody."""
    if not opened.cancelled() and opened.exception() is None:
        opened.result().close()


def retrieve(done: asyncio.Future[R]) -> None:
    """Ask for the exception here too, since a caller that left never does."""
    if not done.cancelled():
        done.exception()
