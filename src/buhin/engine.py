"""What the runtime asks of every engine, whatever its function."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from buhin.errors import CancelledError


@dataclass(frozen=True)
class LoadedModel:
    """A verified model in memory. ``digest`` is ``sha256:`` and 64 hexadecimal digits, of the main file."""

    model_id: str
    digest: str
    role: str
    licence: str
    size_bytes: int


class Stop:
    """Tells work in a thread that nobody waits for it any more. Engines look at every segment, token or tile."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        """Ask the work to end."""
        self._event.set()

    def is_set(self) -> bool:
        """Whether the work was asked to end."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise CancelledError when the work was asked to end."""
        if self._event.is_set():
            raise CancelledError


class Resident:
    """What an engine hands out and keeps: it stays in the engine's process and is used from there, as the memory of a
    stream is.
    """


class Engine(Protocol):
    """The lifecycle that every engine shares. Its methods are called from worker threads, never from the event loop.

    An engine may run in a process of its own. What its public attributes are is then told once, when it is loaded; its
    public methods take and give values that can be pickled, iterators of them, or a Resident.
    """

    @property
    def name(self) -> str:
        """Name of the engine, for example ``faster-whisper``."""

    @property
    def version(self) -> str:
        """Version of its library."""

    @property
    def models(self) -> Sequence[LoadedModel]:
        """The models in memory."""

    def warm_up(self) -> None:
        """Answer one small request for real; raises when it cannot."""

    def close(self) -> None:
        """Free what it holds."""
