"""Connections to services, sync and async: deadlines, retries, request ids, typed errors."""

from __future__ import annotations

import asyncio
import json
import threading
import uuid
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, ClassVar

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from buhin import telemetry
from buhin.client.resolving import SCHEME, Fixed, Place, Target, resolve
from buhin.config import ClientSettings
from buhin.status import decode_call

MAX_SEND_BYTES = 64 * 1024 * 1024
MAX_TIMEOUT_S = 86_400.0
"""Deadline of a stream of requests when the caller gives none: people may speak for long."""

RETRY = {
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.2s",
                "maxBackoff": "2s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}
"""Only UNAVAILABLE is tried again: the service did no work then (https://github.com/grpc/proposal A6)."""

_OPTIONS = [
    ("grpc.max_send_message_length", MAX_SEND_BYTES),
    ("grpc.max_receive_message_length", -1),
]
_ONE = ("grpc.service_config", json.dumps(RETRY))
_IN_TURN = ("grpc.service_config", json.dumps(RETRY | {"loadBalancingConfig": [{"round_robin": {}}]}))


@dataclass
class _Dialled:
    """A channel, the calls that are open on it, and whether it was left for another."""

    target: Target
    channel: Any
    calls: int = 0
    left: bool = False

    @property
    def done(self) -> bool:
        """Whether nobody needs it any more."""
        return self.left and not self.calls


class _Target:
    """What both kinds of connection share: the address, the deadline and the metadata of a call."""

    _new_lock: ClassVar[Any]

    def __init__(
        self,
        function: str,
        *,
        address: str | None = None,
        settings: ClientSettings | None = None,
        target: Target | None = None,
    ) -> None:
        self._settings = settings or ClientSettings()
        self.address = target.address if target else address or self._settings.address(function)
        self._timeout_s = self._settings.timeout_s
        self._place: Place | None = None
        if not self.address.startswith(SCHEME):
            self._place = Fixed(target or Target(self.address))
        self._dialled: _Dialled | None = None
        self._lock = self._new_lock()

    def _current(self, place: Place, kind: Any) -> tuple[_Dialled, _Dialled | None]:
        """The channel to where the service is now, of ``grpc`` or ``grpc.aio``, and the one before it."""
        target = place.target
        if self._dialled is not None and self._dialled.target == target:
            return self._dialled, None
        old, self._dialled = self._dialled, _Dialled(target, self._dial(target, kind))
        if old is not None:
            old.left = True
        return self._dialled, old

    def _dial(self, target: Target, kind: Any) -> Any:
        options: list[tuple[str, Any]] = [*_OPTIONS, _IN_TURN if target.pods else _ONE]
        if target.pods:
            options.append(("grpc.enable_http_proxy", 0))
        if credentials := self._credentials():
            if target.certificate_name:
                options.append(("grpc.ssl_target_name_override", target.certificate_name))
            return kind.secure_channel(target.address, credentials, options=options)
        return kind.insecure_channel(target.address, options=options)

    @contextmanager
    def _traced(self, method: str, timeout_s: float | None, request_id: str | None) -> Iterator[dict[str, Any]]:
        """The options of a call while it lasts."""
        known = request_id or uuid.uuid4().hex
        with telemetry.client_span(method, known) as trace_context:
            metadata = (("x-request-id", known), *trace_context, *self._credentials_of_call())
            yield {"timeout": self._timeout_s if timeout_s is None else timeout_s, "metadata": metadata}

    def _credentials_of_call(self) -> list[tuple[str, str]]:
        metadata: list[tuple[str, str]] = []
        if self._settings.priority != "interactive":
            metadata.append(("x-buhin-priority", self._settings.priority))
        if token := self._token():
            metadata.append(("authorization", f"Bearer {token}"))
        return metadata

    def _token(self) -> str:
        if self._settings.token_file is not None:
            return self._settings.token_file.read_text(encoding="utf-8").strip()
        return self._settings.token.get_secret_value() if self._settings.token else ""

    def _credentials(self) -> grpc.ChannelCredentials | None:
        """What TLS needs; None without it."""
        own = self._settings
        if not (own.tls or own.tls_ca or own.client_certificate):
            return None
        ca, key, certificate = (
            path.read_bytes() if path else None for path in (own.tls_ca, own.client_key, own.client_certificate)
        )
        return grpc.ssl_channel_credentials(ca, key, certificate)

    @contextmanager
    def _typed_errors(self, failed: Sequence[Exception] = ()) -> Iterator[None]:
        try:
            yield
        except (grpc.RpcError, asyncio.CancelledError) as error:
            if failed:
                raise failed[0] from None
            if isinstance(error, grpc.RpcError):
                raise decode_call(error, self.address) from error
            raise


class Connection(_Target):
    """A connection to the service of a function. Connects on the first call; safe to share between threads.

    ``address`` overrides the setting ``BUHIN_<FUNCTION>_ADDRESS``; ``buhin://speech`` is looked up (resolving.py), and
    calls follow the service where it moves. ``target`` is where it is, in place of an address.
    """

    _new_lock = threading.Lock

    @contextmanager
    def _channel(self) -> Iterator[grpc.Channel]:
        """The channel for one call."""
        with self._lock:
            if self._place is None:
                self._place = resolve(self.address, self._settings)
            mine, old = self._current(self._place, grpc)
            mine.calls += 1
            unused = old is not None and old.done
        if old is not None and unused:
            old.channel.close()
        try:
            yield mine.channel
        finally:
            with self._lock:
                mine.calls -= 1
                unused = mine.done
            if unused:
                mine.channel.close()

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
        with self._channel() as channel, self._traced(path, timeout_s, request_id) as options, self._typed_errors():
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
        with self._channel() as channel, self._traced(path, timeout_s, request_id) as options:
            kind = channel.unary_stream if isinstance(requests, Message) else channel.stream_stream
            answers = kind(path, serialize, parse)(sent, **options)
            try:
                with self._typed_errors(failed):
                    yield from answers
            finally:
                answers.cancel()

    def close(self) -> None:
        """Close the connection; calls in flight are cancelled."""
        with self._lock:
            if self._place is not None:
                self._place.close()
            if self._dialled is not None:
                self._dialled.channel.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class AsyncConnection(_Target):
    """The async twin of Connection."""

    _new_lock = asyncio.Lock

    @asynccontextmanager
    async def _channel(self) -> AsyncIterator[grpc.aio.Channel]:
        """The channel for one call."""
        place = self._place or await self._found()
        mine, old = self._current(place, grpc.aio)
        mine.calls += 1
        try:
            if old is not None and old.done:
                await old.channel.close()
            yield mine.channel
        finally:
            mine.calls -= 1
            if mine.done:
                await mine.channel.close()

    async def _found(self) -> Place:
        async with self._lock:
            if self._place is None:
                self._place = await asyncio.to_thread(resolve, self.address, self._settings)
            return self._place

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
        async with self._channel() as channel:
            call: Any = channel.unary_unary(path, serialize, parse)
            with self._traced(path, timeout_s, request_id) as options, self._typed_errors():
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
        async with self._channel() as channel:
            kind: Any = channel.unary_stream if isinstance(requests, Message) else channel.stream_stream
            with self._traced(path, timeout_s, request_id) as options:
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
        if self._place is not None:
            self._place.close()
        if self._dialled is not None:
            await self._dialled.channel.close()

    async def __aenter__(self) -> AsyncConnection:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


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
