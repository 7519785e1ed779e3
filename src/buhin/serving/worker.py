"""The engine of a service behind a bounded queue and a bounded pool of threads."""

from __future__ import annotations

import asyncio
import enum
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Generic, TypeVar

import structlog

from buhin.config import ServerSettings
from buhin.engine import Engine, Stop
from buhin.errors import (
    BuhinError,
    DrainingError,
    EngineFailedError,
    NotReadyError,
    QueueFullError,
    TooManyStreamsError,
)
from buhin.serving.call import Call, current_call

E = TypeVar("E", bound=Engine)
R = TypeVar("R")

_log = structlog.get_logger("buhin.worker")


class State(enum.Enum):
    """Whether the engine answers. The names are those of ``buhin.common.v1.ServiceState``."""

    STARTING = enum.auto()
    SERVING = enum.auto()
    UNAVAILABLE = enum.auto()
    DRAINING = enum.auto()


class Worker(Generic[E]):
    """Runs work on an engine, never on the event loop.

    At most ``concurrency`` pieces of work run and ``queue_size`` wait; one more raises QueueFullError at once. A
    caller that leaves while waiting is dropped without work; one that leaves while running sets the work's Stop, and
    its place is free as soon as the work has ended. Streams are bounded by their number instead: the work of one that
    was let in waits its turn and is never refused, also while the service drains.
    """

    def __init__(self, load: Callable[[], E], settings: ServerSettings) -> None:
        self._load = load
        self._concurrency = settings.concurrency
        self._queue_size = settings.queue_size
        self._pool = ThreadPoolExecutor(settings.concurrency, thread_name_prefix="engine")
        self._places = asyncio.Semaphore(settings.concurrency)
        self._admitted = 0
        self._max_streams = settings.max_streams
        self._streams = 0
        self._running: set[Stop] = set()
        self._mean_work_s = 1.0
        self.engine: E | None = None
        self.failure: BuhinError | None = None
        self.state = State.STARTING

    async def start(self) -> None:
        """Load the engine and let it answer its warm-up. What fails is kept in ``failure`` and told to every caller."""
        began = time.monotonic()
        loop = asyncio.get_running_loop()
        try:
            engine = await loop.run_in_executor(self._pool, self._load)
            await loop.run_in_executor(self._pool, engine.warm_up)
        except BuhinError as error:
            self._fail(error)
            return
        except Exception:  # noqa: BLE001 - whatever an engine's library raises, the process stays up and says so
            error_id = uuid.uuid4().hex
            _log.exception("engine_failed", error_id=error_id)
            self._fail(EngineFailedError(error_id=error_id))
            return
        self.engine = engine
        if self.state is State.STARTING:
            self.state = State.SERVING
        _log.info("engine_ready", engine=engine.name, seconds=round(time.monotonic() - began, 3))

    async def run(self, work: Callable[[E, Stop], R]) -> R:
        """Do ``work(engine, stop)`` in a thread.

        Raises NotReadyError, DrainingError, a ModelError or QueueFullError at once, and whatever the work raises.
        """
        engine = self.ready_engine()
        waiting = self._admitted - self._concurrency
        if waiting >= self._queue_size:
            raise QueueFullError(waiting=max(waiting, 0), retry_after_s=self._retry_after_s())
        return await self._do(engine, work)

    @contextmanager
    def stream(self) -> Iterator[Stream[E]]:
        """Hold the place of a stream.

        Raises NotReadyError, DrainingError, a ModelError or TooManyStreamsError at once.
        """
        engine = self.ready_engine()
        if self._streams >= self._max_streams:
            raise TooManyStreamsError(limit=self._max_streams, retry_after_s=self._retry_after_s())
        self._streams += 1
        try:
            yield Stream(self, engine)
        finally:
            self._streams -= 1

    async def _do(self, engine: E, work: Callable[[E, Stop], R]) -> R:
        call = current_call.get(None) or Call(method="", request_id="")
        call.models = tuple(engine.models)
        self._admitted += 1
        queued = time.monotonic()
        try:
            await self._places.acquire()
        except BaseException:
            self._admitted -= 1
            raise
        started = time.monotonic()
        call.queue_s += started - queued
        stop = Stop()
        self._running.add(stop)
        future = asyncio.get_running_loop().run_in_executor(self._pool, work, engine, stop)
        future.add_done_callback(lambda done: self._finish(done, stop, started))
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            stop.set()
            raise
        finally:
            call.work_s += time.monotonic() - started

    def drain(self) -> None:
        """Take no more work."""
        self.state = State.DRAINING

    async def close(self) -> None:
        """Stop what still runs, wait for its threads and free the engine."""
        self.drain()
        for stop in self._running:
            stop.set()
        await asyncio.to_thread(self._pool.shutdown, cancel_futures=True)
        if self.engine is not None:
            self.engine.close()

    def ready_engine(self) -> E:
        """The engine. Raises NotReadyError, DrainingError or the ModelError that keeps it from serving."""
        if self.state is State.DRAINING:
            raise DrainingError
        if self.failure is not None:
            raise self.failure
        if self.engine is None:
            raise NotReadyError(retry_after_s=1.0)
        return self.engine

    def _retry_after_s(self) -> float:
        return round(max(0.1, self._mean_work_s * (self._admitted + 1) / self._concurrency), 3)

    def _finish(self, done: asyncio.Future[R], stop: Stop, started: float) -> None:
        self._running.discard(stop)
        self._admitted -= 1
        self._places.release()
        self._mean_work_s += 0.2 * (time.monotonic() - started - self._mean_work_s)
        if not done.cancelled():
            done.exception()  # retrieved here too, since a caller that left never asks for it

    def _fail(self, error: BuhinError) -> None:
        self.failure = error
        self.state = State.UNAVAILABLE
        _log.error("engine_unavailable", reason=error.reason, detail=error.message)


class Stream(Generic[E]):
    """A stream that was let in. Its pieces of work are done one at a time, in turn with those of all callers."""

    def __init__(self, worker: Worker[E], engine: E) -> None:
        self._worker = worker
        self.engine = engine

    async def run(self, work: Callable[[E, Stop], R]) -> R:
        """Do ``work(engine, stop)`` in a thread. Raises whatever the work raises."""
        return await self._worker._do(self.engine, work)
