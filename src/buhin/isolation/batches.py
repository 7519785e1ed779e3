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
