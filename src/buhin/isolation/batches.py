"""How many pieces of work the engines take at once, counted where they do."""

from __future__ import annotations

import threading


class Batches:
    """Sizes of batches that nobody has taken yet. Safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sizes: list[int] = []

    def add(self, size: int) -> None:
        """Note a batch; only the newest thousand are kept."""
        with self._lock:
            self._sizes = [*self._sizes[-999:], size]

    def taken(self) -> list[int]:
        """The sizes since the last time."""
        with self._lock:
            sizes, self._sizes = self._sizes, []
        return sizes


batches = Batches()


class Busy:
    """Requests that a library works on at the same time, which is the size of its batches. Safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0

    def __enter__(self) -> None:
        with self._lock:
            self._count += 1
            batches.add(self._count)

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            self._count -= 1
