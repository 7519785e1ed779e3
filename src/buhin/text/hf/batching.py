"""Texts of several callers, written together: one thread collects them into batches and has each batch written."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence

from buhin.engine import Stop
from buhin.errors import CancelledError
from buhin.isolation.batches import batches
from buhin.text.generator import Generation

_POLL_S = 0.05
"""How often a caller that waits looks whether it is still wanted."""


class Job:
    """A text to be written after the tokens ``prompt`` (of an encoder-decoder: by the encoder) and ``start`` (of the
    decoder). Whoever writes it tells its pieces and its end; the caller hears them in its own thread.
    """

    def __init__(
        self, prompt: Sequence[int], start: Sequence[int], max_tokens: int, stop: Stop, *, streams: bool
    ) -> None:
        self.prompt = prompt
        self.start = start
        self.max_tokens = max_tokens
        self.stop = stop
        self.streams = streams
        self.ended = False
        self._heard: queue.SimpleQueue[str | Generation | BaseException] = queue.SimpleQueue()

    def tell(self, text: str) -> None:
        """The next characters."""
        self._heard.put(text)

    def end(self, result: Generation | BaseException) -> None:
        """The whole text, or why there is none. The first end counts."""
        if not self.ended:
            self.ended = True
            self._heard.put(result)

    def hear(self) -> str | Generation | None:
        """The next thing told; None when there was none for a while. Raises what kept the text from being written."""
        try:
            heard = self._heard.get(timeout=_POLL_S)
        except queue.Empty:
            return None
        if isinstance(heard, BaseException):
            raise heard
        return heard


class Batcher:
    """Has jobs written in batches of at most ``size``; the first one of a batch waits ``window_s`` for others."""

    def __init__(self, write: Callable[[list[Job]], None], *, size: int, window_s: float) -> None:
        self._write = write
        self._size = size
        self._window_s = window_s
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="batches", daemon=True)
        self._thread.start()

    def run(self, job: Job, on_text: Callable[[str], None] | None = None) -> Generation:
        """Wait for the job. Raises CancelledError soon after its stop is set or the batcher is closed."""
        self._jobs.put(job)
        while True:
            job.stop.check()
            heard = job.hear()
            if isinstance(heard, Generation):
                return heard
            if heard is None and not self._thread.is_alive():
                raise CancelledError
            if heard and on_text is not None:
                on_text(heard)

    def close(self) -> None:
        """Write no more batches; the one in work is finished."""
        self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (first := self._jobs.get()) is not None:
            batch = [job for job in self._collect(first) if not job.stop.is_set()]
            try:
                if batch:
                    batches.add(len(batch))
                    self._write(batch)
                result: BaseException = CancelledError()
            except Exception as error:  # noqa: BLE001 - whatever the library raises belongs to the callers, not to this thread
                result = error
            for job in batch:
                job.end(result)

    def _collect(self, first: Job) -> list[Job]:
        batch, until = [first], time.monotonic() + self._window_s
        while len(batch) < self._size:
            try:
                job = self._jobs.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                break
            if job is None:
                self._jobs.put(None)
                break
            batch.append(job)
        return batch
