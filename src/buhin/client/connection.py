"""Connections to services, sync and async: deadlines, retries, request ids, typed errors."""

from __future__ import annotations

import asyncio
import concurrent.futures
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager, suppress
from types import TracebackType
from typing import Any

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from buhin.client.dialling import Dialler
from buhin.client.resolving import Place
from buhin.errors import CancelledError, DeadlineExceededError

MAX_TIMEOUT_S = 86_400.0
"""Deadline of a stream of requests when the caller gives none: people may speak for long."""


class Connection(Dialler):
    """A connection to the service of a function. Connects on the first call; safe to share between threads.

    ``address`` overrides the setting ``BUHIN_<FUNCTION>_ADDRESS``; ``buhin://speech`` is looked up (resolving.py), and
    calls follow the service where it moves. ``target`` is where it is, in place of an address.
    """

    @contextmanager
    def _channel(self, timeout_s: float | None) -> Iterator[tuple[grpc.Channel, float]]:
        """The channel for one call, and the seconds that the call may still take."""
        limit_s = self._timeout_s if timeout_s is None else timeout_s
        begun = time.monotonic()
        try:
            place = self._place().result(limit_s)
        except concurrent.futures.CancelledError:
            raise CancelledError from None
        except TimeoutError as error:
            raise DeadlineExceededError from error
        mine, unused = self._take(place, grpc)
        try:
            if unused is not None:
                unused.close()
            yield mine.channel, max(0.0, limit_s - (time.monotonic() - begun))
        finally:
            if (unused := self._give_back(mine)) is not None:
                unused.close()

    def unary(
        self,
        method: MethodDescriptor,
        request: Message,
        *,
        timeout_s: float | None = None,
        request_id: str | None = None,
    ) -> Any:
        """Call a method that takes one message and gives one. Raises the BuhinError that the service raised,
        UnavailableError where there is no service, DeadlineExceededError after ``timeout_s``.
        """
        path, serialize, parse = _codec(method)
        with (
            self._channel(timeout_s) as (channel, left_s),
            self._traced(path, left_s, request_id) as options,
            self._typed_errors(),
        ):
            return channel.unary_unary(path, serialize, parse)(request, **options)

    def stream(
        self,
        method: MethodDescriptor,
        requests: Message | Iterable[Message],
        *,
        timeout_s: float | None = None,
        request_id: str | None = None,
    ) -> Iterator[Any]:
        """Call a method that gives many messages, and takes one or many.

        Raises as ``unary`` does, and what ``requests`` raises. Where it takes many, the deadline is a day unless one is
        given. Closing the iterator cancels the call.
        """
        path, serialize, parse = _codec(method)
        failed: list[Exception] = []
        sent: Any = requests
        if not isinstance(requests, Message):
            sent, failed = _kept(requests)
            timeout_s = timeout_s or MAX_TIMEOUT_S
        with self._channel(timeout_s) as (channel, left_s), self._traced(path, left_s, request_id) as options:
            kind = channel.unary_stream if isinstance(requests, Message) else channel.stream_stream
            answers = kind(path, serialize, parse)(sent, **options)
            try:
                with self._typed_errors(failed):
                    yield from answers
            finally:
                answers.cancel()

    def close(self) -> None:
        """Close the connection; calls in flight are cancelled."""
        for channel in self._shut():
            channel.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class AsyncConnection(Dialler):
    """The async twin of Connection."""

    @asynccontextmanager
    async def _channel(self, timeout_s: float | None) -> AsyncIterator[tuple[grpc.aio.Channel, float]]:
        """The channel for one call, and the seconds that the call may still take."""
        limit_s = self._timeout_s if timeout_s is None else timeout_s
        begun = time.monotonic()
        mine, unused = self._take(await _result(self._place(), limit_s), grpc.aio)
        try:
            if unused is not None:
                await unused.close()
            yield mine.channel, max(0.0, limit_s - (time.monotonic() - begun))
        finally:
            if (unused := self._give_back(mine)) is not None:
                await unused.close()

    async def unary(
        self,
        method: MethodDescriptor,
        request: Message,
        *,
        timeout_s: float | None = None,
        request_id: str | None = None,
    ) -> Any:
        """As Connection.unary. Cancelling the task cancels the call, and the service stops its work."""
        path, serialize, parse = _codec(method)
        async with self._channel(timeout_s) as (channel, left_s):
            call: Any = channel.unary_unary(path, serialize, parse)
            with self._traced(path, left_s, request_id) as options, self._typed_errors():
                return await call(request, **options)

    async def stream(
        self,
        method: MethodDescriptor,
        requests: Message | AsyncIterable[Message],
        *,
        timeout_s: float | None = None,
        request_id: str | None = None,
    ) -> AsyncIterator[Any]:
        """As Connection.stream."""
        path, serialize, parse = _codec(method)
        failed: list[Exception] = []
        sent: Any = requests
        if not isinstance(requests, Message):
            sent, failed = _kept_async(requests)
            timeout_s = timeout_s or MAX_TIMEOUT_S
        async with self._channel(timeout_s) as (channel, left_s):
            kind: Any = channel.unary_stream if isinstance(requests, Message) else channel.stream_stream
            with self._traced(path, left_s, request_id) as options:
                answers: Any = kind(path, serialize, parse)(sent, **options)
                answers._cython_call = _KeepsStatus(answers._cython_call)
                try:
                    with self._typed_errors(failed):
                        async for answer in answers:
                            yield answer
                finally:
                    answers.cancel()

    async def close(self) -> None:
        """Close the connection; calls in flight are cancelled."""
        for channel in self._shut():
            await channel.close()

    async def __aenter__(self) -> AsyncConnection:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


async def _result(found: Future[Place], limit_s: float) -> Place:
    """Wait for what a thread finds. (``asyncio.wrap_future`` would take the thread's work from the others who wait.)"""
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def tell(_: Future[Place]) -> None:
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(done.set)

    if not found.done():
        found.add_done_callback(tell)
        try:
            async with asyncio.timeout(limit_s):
                await done.wait()
        except TimeoutError as error:
            raise DeadlineExceededError from error
    if found.cancelled():
        raise CancelledError
    return found.result()


class _KeepsStatus:
    """A call of grpc.aio whose outcome is what the service said.

    Where the service ends a stream while a message is on its way, the library takes the failed sending for the outcome
    (``set_internal_error``) and forgets the reason that comes after it.
    """

    def __init__(self, call: Any) -> None:
        self._call = call

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)

    def set_internal_error(self, text: str) -> None:
        """Wait for the status instead."""


def _kept(requests: Iterable[Message]) -> tuple[Iterator[Message], list[Exception]]:
    """The requests, and where an exception of theirs is kept, which gRPC would only log."""
    failed: list[Exception] = []

    def sent() -> Iterator[Message]:
        try:
            yield from requests
        except Exception as error:
            failed.append(error)
            raise

    return sent(), failed


def _kept_async(requests: AsyncIterable[Message]) -> tuple[AsyncIterator[Message], list[Exception]]:
    """The async twin of ``_kept``."""
    failed: list[Exception] = []

    async def sent() -> AsyncIterator[Message]:
        try:
            async for request in requests:
                yield request
        except Exception as error:
            failed.append(error)
            raise

    return sent(), failed


def _codec(method: MethodDescriptor) -> tuple[str, Any, Any]:
    """The path of a method, how to write its request and how to read its response."""
    request = message_factory.GetMessageClass(method.input_type)
    response = message_factory.GetMessageClass(method.output_type)
    return f"/{method.containing_service.full_name}/{method.name}", request.SerializeToString, response.FromString
