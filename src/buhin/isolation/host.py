"""An engine in a process of its own: where it crashes, the service lives on."""

from __future__ import annotations

import contextlib
import functools
import queue
import select
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any, Generic, Protocol, TypeVar, cast

from buhin.engine import Engine, Stop
from buhin.errors import BuhinError, EngineLostError
from buhin.isolation import wire
from buhin.isolation.batches import batches

E = TypeVar("E", bound=Engine)
E_co = TypeVar("E_co", bound=Engine, covariant=True)

_LOOK_MS = 50
"""How often a call that waits for its answer looks whether it was stopped."""
_CLOSING_S = 10.0
"""Seconds that an engine gets to free what it holds."""


class EngineError(RuntimeError):
    """What an engine raised in its process: the type of the exception, its text and the frames it came through."""

    def __init__(self, kind: str, text: str, frames: list[str]) -> None:
        super().__init__(f"{kind}: {text}")
        self.kind = kind
        self.frames = frames


class Host(Protocol[E_co]):
    """Where an engine runs."""

    @property
    def engine(self) -> E_co:
        """The engine, to be called from worker threads."""

    @property
    def process_id(self) -> int | None:
        """Of the process that it has to itself."""

    def when_lost(self, tell: Callable[[], None]) -> None:
        """Call ``tell``, in a thread of its own, when the engine ends without being closed."""

    def close(self) -> None:
        """Free the engine and what runs it."""


class Local(Generic[E]):
    """An engine in the process of the service."""

    process_id = None

    def __init__(self, load: Callable[[], E]) -> None:
        self.engine = load()

    def when_lost(self, tell: Callable[[], None]) -> None:
        """It cannot be lost without the service."""

    def close(self) -> None:
        """Free the engine."""
        self.engine.close()


class Isolated(Generic[E]):
    """An engine in a process of its own. ``load`` is a function of a module, with arguments (functools.partial)
    or without; it is called there.

    Raises what ``load`` raises there, EngineError for what is none of the house's errors, EngineLostError where the
    process ends instead. Calls on ``engine`` raise the same. A call that does not end within ``stuck_s`` after it was
    stopped ends the process.
    """

    def __init__(self, load: Callable[[], E], *, stuck_s: float) -> None:
        self._stuck_s = stuck_s
        self._idle: queue.LifoQueue[socket.socket] = queue.LifoQueue()
        self._freed: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closing = False
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-m", "buhin.isolation.child", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        try:
            wire.send(self._control, sys.path)
            wire.send(self._control, _by_name(load))
            kind, *rest = wire.receive(self._control)
            if kind != "loaded":
                _raise(kind, rest[0])
        except (EOFError, OSError) as error:
            self._end()
            raise EngineLostError(retry_after_s=1.0) from error
        except BaseException:
            self._end()
            raise
        values, methods = rest
        self.engine = cast("E", Remote(self, 0, values, methods))

    @property
    def process_id(self) -> int:
        """Of the engine's process."""
        return self._process.pid

    def when_lost(self, tell: Callable[[], None]) -> None:
        """See Host."""

        def wait() -> None:
            self._process.wait()
            if not self._closing:
                tell()

        threading.Thread(target=wait, name="engine-watch", daemon=True).start()

    def close(self) -> None:
        """Let the engine free what it holds, and end its process."""
        self._closing = True
        with contextlib.suppress(OSError):
            self._control.settimeout(_CLOSING_S)
            self._control.sendall(b"q")
            self._control.recv(1)
        self._end()

    def call(self, number: int, name: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Call a method of the engine (0) or of one of its residents."""
        given = [each for each in (*arguments, *named.values()) if isinstance(each, Stop)]
        stop = given[0] if given else Stop()
        link = self._open_link()
        marked = {key: _marked(each) for key, each in named.items()}
        call = ("call", self._unused(), number, name, [*map(_marked, arguments)], marked)
        try:
            kind, value, *more = self._ask(link, call, stop)
        except BaseException:
            self._put_back(link)
            raise
        if kind == "items":
            return self._items(link, stop)
        self._put_back(link)
        if kind == "resident":
            remote = Remote(self, value, {}, more[0])
            weakref.finalize(remote, self._freed.put, value)
            return remote
        return value

    def _items(self, link: socket.socket, stop: Stop) -> Iterator[Any]:
        ended = False
        try:
            while True:
                try:
                    kind, value, *_ = self._ask(link, ("next",), stop)
                except (BuhinError, EngineError):
                    ended = True
                    raise
                if kind == "end":
                    ended = True
                    return
                yield value
        finally:
            if not ended:
                self._ask(link, ("end",), stop)
            self._put_back(link)

    def _ask(self, link: socket.socket, message: object, stop: Stop) -> tuple[Any, ...]:
        """Send a message and wait for its answer."""
        told_at: float | None = None
        waiting = select.poll()
        waiting.register(link, select.POLLIN)
        try:
            wire.send(link, message)
            while not waiting.poll(_LOOK_MS):
                if stop.is_set() and told_at is None:
                    told_at = time.monotonic()
                    wire.send(link, ("stop",))
                if told_at is not None and time.monotonic() - told_at > self._stuck_s:
                    self._process.kill()
            kind, *rest, sizes = wire.receive(link)
        except (EOFError, OSError) as error:
            link.close()
            raise EngineLostError(retry_after_s=1.0) from error
        for size in sizes:
            batches.add(size)
        if kind in ("raised", "failed"):
            _raise(kind, rest[0])
        return (kind, *rest) if rest else (kind, None)

    def _unused(self) -> list[int]:
        """The residents that nobody here has any more."""
        numbers = []
        with contextlib.suppress(queue.Empty):
            while True:
                numbers.append(self._freed.get_nowait())
        return numbers

    def _put_back(self, link: socket.socket) -> None:
        if link.fileno() >= 0:
            if self._closing:
                link.close()
            else:
                self._idle.put(link)

    def _open_link(self) -> socket.socket:
        with contextlib.suppress(queue.Empty):
            return self._idle.get_nowait()
        ours, theirs = socket.socketpair()
        with theirs, self._lock:
            try:
                socket.send_fds(self._control, [b"c"], [theirs.fileno()])
            except OSError as error:
                ours.close()
                raise EngineLostError(retry_after_s=1.0) from error
        return ours

    def _end(self) -> None:
        self._closing = True
        self._control.close()
        while not self._idle.empty():
            self._idle.get_nowait().close()
        try:
            self._process.wait(_CLOSING_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Remote:
    """An object in the process of an engine: its values as they were when it was loaded, its methods as calls."""

    def __init__(self, host: Isolated[Any], number: int, values: dict[str, Any], methods: list[str]) -> None:
        self._host = host
        self._number = number
        self._values = values
        self._methods = frozenset(methods)

    def __getattr__(self, name: str) -> Any:
        if name in self._values:
            return self._values[name]
        if name in self._methods:
            return functools.partial(self._call, name)
        raise AttributeError(name)

    def _call(self, name: str, /, *arguments: Any, **named: Any) -> Any:
        return self._host.call(self._number, name, arguments, named)


def _by_name(load: Callable[[], Any]) -> tuple[str, str, tuple[Any, ...], dict[str, Any]]:
    """How the other process finds a function: its module, its name there, and its arguments."""
    function = load.func if isinstance(load, functools.partial) else load
    bound = (load.args, load.keywords) if isinstance(load, functools.partial) else ((), {})
    name: str = function.__qualname__
    if "<" in name:
        raise TypeError(f"{name} is no function of a module, so another process cannot find it")
    main = sys.modules["__main__"].__spec__
    module = main.name if function.__module__ == "__main__" and main else function.__module__
    return module, name, *bound


def _marked(argument: Any) -> Any:
    return wire.STOP if isinstance(argument, Stop) else argument


def _raise(kind: str, what: Any) -> None:
    raise what if kind == "raised" else EngineError(*what)
