"""The process of an engine: ``python -m buhin.isolation.child DESCRIPTOR``, started by ``host``.

It loads an engine and answers calls on it until its service closes the control socket or ends.
"""

from __future__ import annotations

import importlib
import itertools
import operator
import os
import resource
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from buhin.engine import Resident, Stop
from buhin.errors import BuhinError
from buhin.isolation import wire
from buhin.isolation.batches import batches

MAX_CALLS = 1_024
"""Calls on the engine at the same time; the service bounds them much lower."""


def describe(target: object) -> tuple[dict[str, Any], list[str]]:
    """The public attributes of an object, and the names of its methods."""
    public = {name: getattr(target, name) for name in dir(target) if not name.startswith("_")}
    values = {name: value for name, value in public.items() if not callable(value)}
    return values, [name for name, value in public.items() if callable(value)]


def told(error: BaseException) -> tuple[str, str, list[str]]:
    """The type of an exception, its text and the places in the code that it came through."""
    frames = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    return type(error).__name__, str(error), frames


class Residents:
    """The engine, under 0, and what it handed out."""

    def __init__(self, engine: object) -> None:
        self._known: dict[int, object] = {0: engine}
        self._ids = itertools.count(1)

    def __getitem__(self, number: int) -> Any:
        return self._known[number]

    def add(self, resident: Resident) -> int:
        """Keep an object under a new number."""
        number = next(self._ids)
        self._known[number] = resident
        return number

    def free(self, numbers: list[int]) -> None:
        """Forget objects."""
        for number in numbers:
            self._known.pop(number, None)


class Link:
    """One connection, on which calls come one after the other. While one is worked on, only its stop may come."""

    def __init__(self, link: socket.socket, residents: Residents, pool: ThreadPoolExecutor) -> None:
        self._link = link
        self._residents = residents
        self._pool = pool
        self._stop = Stop()
        self._items: Iterator[Any] = iter(())

    def serve(self) -> None:
        """Answer until the other end is closed."""
        with self._link:
            while True:
                try:
                    kind, *rest = wire.receive(self._link)
                except (EOFError, OSError):
                    self._stop.set()
                    return
                if kind == "stop":
                    self._stop.set()
                elif kind == "call":
                    self._stop = Stop()
                    self._pool.submit(self._answer, self._call, *rest, self._stop)
                else:
                    self._pool.submit(self._answer, self._next if kind == "next" else self._end)

    def _answer(self, work: Callable[..., tuple[Any, ...]], *arguments: Any) -> None:
        try:
            answer = work(*arguments)
        except BuhinError as error:
            answer = ("raised", error)
        except Exception as error:  # noqa: BLE001 - told to the service, which decides what becomes of it
            answer = ("failed", told(error))
        try:
            wire.send(self._link, (*answer, batches.taken()))
        except OSError:
            self._stop.set()
        except Exception as error:  # noqa: BLE001 - an answer that cannot be pickled is a fault of the engine
            wire.send(self._link, ("failed", told(error), []))

    def _call(
        self, freed: list[int], number: int, name: str, arguments: list[Any], named: dict[str, Any], stop: Stop
    ) -> tuple[Any, ...]:
        self._residents.free(freed)
        arguments = [stop if each is wire.STOP else each for each in arguments]
        named = {key: stop if each is wire.STOP else each for key, each in named.items()}
        result = getattr(self._residents[number], name)(*arguments, **named)
        if isinstance(result, Iterator):
            self._items = result
            return ("items",)
        if isinstance(result, Resident):
            return ("resident", self._residents.add(result), describe(result)[1])
        return ("value", result)

    def _next(self) -> tuple[Any, ...]:
        try:
            return ("item", next(self._items))
        except StopIteration:
            return ("end",)

    def _end(self) -> tuple[Any, ...]:
        if (close := getattr(self._items, "close", None)) is not None:
            close()
        return ("end",)


def main() -> None:
    """Load, tell, answer."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    # A core file would hold what callers sent; and while it is written, nobody is told that the engine is lost.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    control = socket.socket(fileno=int(sys.argv[1]))
    sys.path[:] = wire.receive(control)
    module, name, arguments, named = wire.receive(control)
    try:
        load = operator.attrgetter(name)(importlib.import_module(module))
        engine = load(*arguments, **named)
        wire.send(control, ("loaded", *describe(engine)))
    except BuhinError as error:
        wire.send(control, ("raised", error))
        return
    except Exception as error:  # noqa: BLE001 - as above
        wire.send(control, ("failed", told(error)))
        return
    residents = Residents(engine)
    with ThreadPoolExecutor(MAX_CALLS, thread_name_prefix="call") as pool:
        while True:
            message, descriptors, _, _ = socket.recv_fds(control, 1, 1)
            if not message:
                os._exit(0)
            if message == b"q":
                break
            link = Link(socket.socket(fileno=descriptors[0]), residents, pool)
            threading.Thread(target=link.serve, daemon=True).start()
    engine.close()
    control.sendall(b"q")


if __name__ == "__main__":
    main()
