"""Pieces of work of several callers, done together."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

from buhin.engine import Stop
from buhin.isolation.batches import batches

T = TypeVar("T")
R = TypeVar("R")

_LOOK_S = 0.02
"""How often a caller that waits looks whether it may lead the next batch."""


class Together(Generic[T, R]):
    """Does ``work`` on at most ``size`` pieces at once, whoever's they are.

    One of the callers leads: it waits ``window_s`` for pieces of others, does the work on all, and gives each its
    answer. More latency for more throughput; alone, a caller that has ``size`` pieces waits for nobody. Pieces with
    another ``kind`` are not mixed.
    """

    def __init__(
        self,
        work: Callable[[Sequence[T]], Sequence[R]],
        *,
        size: int,
        window_s: float,
        kind: Callable[[T], object] = lambda piece: None,
    ) -> None:
        self._work = work
        self._size = size
        self._window_s = window_s
        self._kind = kind
        self._waiting: queue.SimpleQueue[tuple[T, Future[R]]] = queue.SimpleQueue()
        self._leading = threading.Lock()

    def do(self, pieces: Sequence[T], stop: Stop) -> list[R]:
        """The answers in order. Raises CancelledError where ``stop`` is set before the work begins, and what the work
        raises.
        """
        stop.check()
        asked = [(piece, Future[R]()) for piece in pieces]
        for each in asked:
            self._waiting.put(each)
        for _, answer in asked:
            while not answer.done():
                if self._leading.acquire(timeout=_LOOK_S):
                    try:
                        if not answer.done():
                            self._lead()
                    finally:
                        self._leading.release()
        return [answer.result() for _, answer in asked]

    def _lead(self) -> None:
        """Collect a batch and do it. Pieces of another kind go back to the end of the queue."""
        batch: list[tuple[T, Future[R]]] = []
        others: list[tuple[T, Future[R]]] = []
        until = time.monotonic() + self._window_s
        while len(batch) < self._size:
            try:
                found = self._waiting.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                break
            alike = not batch or self._kind(found[0]) == self._kind(batch[0][0])
            (batch if alike else others).append(found)
            if others and not alike and time.monotonic() >= until:
                break
        for each in others:
            self._waiting.put(each)
        if not batch:
            return
        batches.add(len(batch))
        try:
            answers = self._work([piece for piece, _ in batch])
        except Exception as error:  # noqa: BLE001 - it belongs to all whose pieces were in the batch
            for _, answer in batch:
                answer.set_exception(error)
            return
        for (_, answer), result in zip(batch, answers, strict=True):
            answer.set_result(result)
