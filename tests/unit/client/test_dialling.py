"""Calls while their service is looked up, and after the connection is closed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from buhin import errors
from buhin.client import dialling, resolving
from buhin.client.connection import AsyncConnection, Connection
from buhin.client.resolving import Target
from buhin.config import ClientSettings
from tests.cluster_api import ApiServer
from tests.unit.client.moving import ADDRESS, ASK, METHODS, REQUEST, move, pods, until, who


class Slow:
    """A look-up that waits until it is let go, and what became of the place that it finds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.go, self.closed = threading.Event(), threading.Event(), threading.Event()
        self.times = 0
        self.target = Target("unix:/nowhere")
        monkeypatch.setattr(dialling, "resolve", self._resolve)

    def _resolve(self, address: str, settings: ClientSettings) -> resolving.Place:
        self.times += 1
        self.begun.set()
        assert self.go.wait(10)
        return self

    def close(self) -> None:
        """Look no more."""
        self.closed.set()


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    """That of every address, while the test lasts."""
    found = Slow(monkeypatch)
    yield found
    found.go.set()


async def test_who_goes_away_during_the_look_up_leaves_it_to_the_next(slow: Slow) -> None:
    async with AsyncConnection("translate", address=ADDRESS) as connection:
        for _ in range(2):
            call = asyncio.create_task(connection.unary(*ASK))
            await asyncio.to_thread(slow.begun.wait, 10)
            await asyncio.sleep(0)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        assert slow.times == 1
        slow.go.set()
        with pytest.raises(errors.UnavailableError):
            await connection.unary(*ASK)
        assert (slow.times, slow.closed.is_set()) == (1, False)
    assert slow.closed.is_set()


async def test_close_during_the_look_up_ends_the_call_and_what_is_found(slow: Slow) -> None:
    connection = AsyncConnection("translate", address=ADDRESS)
    call = asyncio.create_task(connection.unary(*ASK))
    await asyncio.to_thread(slow.begun.wait, 10)
    await connection.close()
    with pytest.raises(errors.CancelledError):
        await call
    slow.go.set()
    assert await asyncio.to_thread(slow.closed.wait, 10)
    with pytest.raises(errors.CancelledError):
        await connection.unary(*ASK)
    assert slow.times == 1


def test_the_same_close_without_asyncio(slow: Slow) -> None:
    connection = Connection("translate", address=ADDRESS)
    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(connection.unary, *ASK) for _ in range(2)]
        assert slow.begun.wait(10)
        connection.close()
        for call in calls:
            with pytest.raises(errors.CancelledError):
                call.result(10)
    slow.go.set()
    assert slow.closed.wait(10)
    with pytest.raises(errors.CancelledError):
        connection.unary(*ASK)
    assert slow.times == 1


async def test_the_look_up_takes_no_longer_than_the_call_may(slow: Slow) -> None:
    with Connection("translate", address=ADDRESS) as connection, pytest.raises(errors.DeadlineExceededError):
        connection.unary(*ASK, timeout_s=0.01)
    async with AsyncConnection("translate", address=ADDRESS) as connection:
        with pytest.raises(errors.DeadlineExceededError):
            await connection.unary(*ASK, timeout_s=0.01)


def test_after_a_look_up_that_failed_the_next_call_looks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolving, "_known", lambda host: False)
    with Connection("translate", address=ADDRESS) as connection:
        with pytest.raises(errors.OutsideClusterError):
            connection.unary(*ASK)
        monkeypatch.setattr(dialling, "resolve", lambda *_: resolving.Fixed(Target("unix:/nowhere")))
        with pytest.raises(errors.UnavailableError):
            connection.unary(*ASK)


@pytest.mark.parametrize("kind", [Connection, AsyncConnection])
async def test_close_cancels_calls_on_channels_that_were_left(api: ApiServer, kind: type[Any]) -> None:
    async with pods("127.0.0.1", "127.0.0.2") as running:
        move(api, "127.0.0.1", port=running.port)

        def blocking() -> None:
            hold = threading.Event()

            def requests() -> Iterator[Any]:
                yield REQUEST
                hold.wait(10)

            connection = Connection("translate", address=ADDRESS)
            stream = connection.stream(METHODS["StreamTranslateText"], requests())
            assert next(stream).translated_text == "127.0.0.1"
            move(api, "127.0.0.2", port=running.port)
            until(lambda: who(connection.unary(*ASK)) == "127.0.0.2")
            connection.close()
            with pytest.raises(errors.CancelledError):
                next(stream, None)
            hold.set()

        if kind is Connection:
            await asyncio.to_thread(blocking)
            return
        hold = asyncio.Event()

        async def requests() -> AsyncIterator[Any]:
            yield REQUEST
            await hold.wait()

        connection = AsyncConnection("translate", address=ADDRESS)
        stream = connection.stream(METHODS["StreamTranslateText"], requests())
        assert (await anext(stream)).translated_text == "127.0.0.1"
        move(api, "127.0.0.2", port=running.port)
        while who(await connection.unary(*ASK)) != "127.0.0.2":
            pass
        await connection.close()
        with pytest.raises((errors.CancelledError, asyncio.CancelledError)):
            async with asyncio.timeout(10):
                await anext(stream)
