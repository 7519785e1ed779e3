"""What the clients of all functions share. A method is written once, as the function that builds its request."""

from __future__ import annotations

import functools
import itertools
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Concatenate, ParamSpec, TypeVar

from google.protobuf.descriptor import EnumDescriptor, MethodDescriptor
from google.protobuf.message import Message

from buhin.client.connection import AsyncConnection, Connection
from buhin.config import ClientSettings
from buhin.errors import InvalidValueError

C = TypeVar("C", bound="Client")
A = TypeVar("A", bound="AsyncClient")
P = ParamSpec("P")
R = TypeVar("R", bound=Message)
D = TypeVar("D")


class Client:
    """A client of one function; use as a context manager.

    ``address`` overrides ``BUHIN_<FUNCTION>_ADDRESS``; ``timeout_s`` is the deadline of each call.
    """

    function: ClassVar[str]

    def __init__(
        self, address: str | None = None, *, timeout_s: float | None = None, settings: ClientSettings | None = None
    ) -> None:
        self.connection = Connection(self.function, address=address, settings=settings)
        self.timeout_s = timeout_s

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def __enter__(self: C) -> C:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class AsyncClient:
    """The async twin of Client; use as an async context manager. Cancelling a task stops the service's work."""

    function: ClassVar[str]

    def __init__(
        self, address: str | None = None, *, timeout_s: float | None = None, settings: ClientSettings | None = None
    ) -> None:
        self.connection = AsyncConnection(self.function, address=address, settings=settings)
        self.timeout_s = timeout_s

    async def close(self) -> None:
        """Close the connection."""
        await self.connection.close()

    async def __aenter__(self: A) -> A:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


def calls(
    build: Callable[P, Message], method: MethodDescriptor, response: type[R]
) -> Callable[Concatenate[Client, P], R]:
    """A client method that takes what ``build`` takes and calls ``method`` with the request it builds."""

    @functools.wraps(build)
    def call(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> R:
        answer: R = self.connection.unary(method, build(*args, **kwargs), timeout_s=self.timeout_s)
        return answer

    return call


def calls_async(
    build: Callable[P, Message], method: MethodDescriptor, response: type[R]
) -> Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, R]]:
    """The async twin of ``calls``."""

    @functools.wraps(build)
    async def call(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> R:
        answer: R = await self.connection.unary(method, build(*args, **kwargs), timeout_s=self.timeout_s)
        return answer

    return call


def streams(
    build: Callable[P, Message], method: MethodDescriptor, response: type[R]
) -> Callable[Concatenate[Client, P], Iterator[R]]:
    """As ``calls``, for a method that gives many messages."""

    @functools.wraps(build)
    def call(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[R]:
        return self.connection.stream(method, build(*args, **kwargs), timeout_s=self.timeout_s)

    return call


def streams_async(
    build: Callable[P, Message], method: MethodDescriptor, response: type[R]
) -> Callable[Concatenate[AsyncClient, P], AsyncIterator[R]]:
    """The async twin of ``streams``."""

    @functools.wraps(build)
    def call(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[R]:
        return self.connection.stream(method, build(*args, **kwargs), timeout_s=self.timeout_s)

    return call


def converses(
    build: Callable[P, Message], wrap: Callable[[D], Message], method: MethodDescriptor, response: type[R]
) -> Callable[Concatenate[Client, Iterable[D], P], Iterator[R]]:
    """A client method that takes the data of a stream, and what ``build`` takes, which builds the stream's first
    message; ``wrap`` makes a message of each piece of data.
    """

    @functools.wraps(build)
    def call(self: Client, data: Iterable[D], /, *args: P.args, **kwargs: P.kwargs) -> Iterator[R]:
        requests = itertools.chain([build(*args, **kwargs)], map(wrap, data))
        return self.connection.stream(method, requests, timeout_s=self.timeout_s)

    return call


def converses_async(
    build: Callable[P, Message], wrap: Callable[[D], Message], method: MethodDescriptor, response: type[R]
) -> Callable[Concatenate[AsyncClient, AsyncIterable[D] | Iterable[D], P], AsyncIterator[R]]:
    """The async twin of ``converses``. Data that has to be waited for must come from an async iterable."""

    @functools.wraps(build)
    def call(
        self: AsyncClient, data: AsyncIterable[D] | Iterable[D], /, *args: P.args, **kwargs: P.kwargs
    ) -> AsyncIterator[R]:
        first = build(*args, **kwargs)

        async def requests() -> AsyncIterator[Message]:
            yield first
            if isinstance(data, Iterable):
                for each in data:
                    yield wrap(each)
            else:
                async for each in data:
                    yield wrap(each)

        return self.connection.stream(method, requests(), timeout_s=self.timeout_s)

    return call


def read(media: bytes | Path) -> bytes:
    """The bytes, or those of the file."""
    return media.read_bytes() if isinstance(media, Path) else media


def enum_value(enum: EnumDescriptor, name: str, field: str) -> Any:
    """The value of an enum that a caller names without its prefix, for example ``extractive`` of ``Method``.

    Raises InvalidValueError with the accepted names.
    """
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    names = {value.name.removeprefix(prefix).lower(): value.number for value in enum.values if value.number}
    if name.lower() not in names:
        raise InvalidValueError(field=field, value=name, accepted=", ".join(names))
    return names[name.lower()]
