"""What the clients of all functions share. A method is written once, as the function that builds its request."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
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
