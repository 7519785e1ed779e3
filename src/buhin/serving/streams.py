"""What streams share: the config first and once, nobody silent for ever, work that answers piece by piece."""

from __future__ import annotations

import asyncio
import concurrent.futures
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from typing import Any, TypeVar

from google.protobuf.message import Message

from buhin.engine import Engine, Stop
from buhin.errors import InvalidValueError, MissingFieldError, StreamIdleError
from buhin.serving.worker import Stream, retrieve

E = TypeVar("E", bound=Engine)
R = TypeVar("R")

_LOOK_S = 0.1
"""How often work that waits for a slow reader looks whether it was stopped."""


async def messages(requests: AsyncIterator[Message], idle_s: float) -> AsyncIterator[Any]:
    """The messages of a caller as they come. Raises StreamIdleError when none comes for ``idle_s``.

    Nothing is read ahead: while the reader of this does not ask for more, flow control holds the caller back.
    """
    waiting = aiter(requests)
    while True:
        try:
            async with asyncio.timeout(idle_s):
                message = await anext(waiting)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise StreamIdleError(limit_s=idle_s) from error
        yield message


async def opened(requests: AsyncIterator[Message], idle_s: float) -> tuple[Any, AsyncIterator[Any]]:
    """The config of a stream, and the data after it as it comes.

    The messages have one oneof of two fields, the config and the data. Raises MissingFieldError, InvalidValueError (a
    second config) or StreamIdleError.
    """
    waiting = messages(requests, idle_s)
    first = await anext(waiting, None)
    if first is None:
        raise MissingFieldError(field="config")
    [choice] = first.DESCRIPTOR.oneofs
    config, data = (field.name for field in choice.fields)
    if first.WhichOneof(choice.name) != config:
        raise MissingFieldError(field=config)

    async def after() -> AsyncIterator[Any]:
        async for message in waiting:
            kind = message.WhichOneof(choice.name)
            if kind is None:
                raise MissingFieldError(field=data)
            if kind == config:
                raise InvalidValueError(field=config, value="sent again", accepted=f"{config} first and once")
            yield getattr(message, data)

    return getattr(first, config), after()


async def answers(stream: Stream[E], work: Callable[[E, Stop], Iterator[R]], idle_s: float) -> AsyncGenerator[R, None]:
    """What ``work(engine, stop)`` yields in its thread, as it comes.

    The work waits while nobody takes what it gave last; after ``idle_s`` of that it ends with StreamIdleError. It is
    stopped when the caller leaves.
    """
    loop = asyncio.get_running_loop()
    given: asyncio.Queue[tuple[R] | None] = asyncio.Queue()
    room = asyncio.Semaphore(1)

    async def place(answer: R) -> None:
        await room.acquire()
        given.put_nowait((answer,))

    def give(engine: E, stop: Stop) -> None:
        for answer in work(engine, stop):
            placing = asyncio.run_coroutine_threadsafe(place(answer), loop)
            waited_from = time.monotonic()
            while not concurrent.futures.wait([placing], _LOOK_S).done:
                idle = time.monotonic() - waited_from > idle_s
                if idle or stop.is_set():
                    placing.cancel()
                    stop.check()
                    raise StreamIdleError(limit_s=idle_s)

    async def work_to_the_end() -> None:
        try:
            await stream.run(give)
        finally:
            given.put_nowait(None)

    working = asyncio.create_task(work_to_the_end())
    working.add_done_callback(retrieve)
    try:
        while (answer := await given.get()) is not None:
            room.release()
            yield answer[0]
        await working
    finally:
        working.cancel()
