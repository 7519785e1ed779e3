"""Batches of several callers, with a writer that only the test controls."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from buhin.engine import Stop
from buhin.errors import CancelledError
from buhin.text.generator import Generation
from buhin.text.hf.batching import Batcher, Job

WAIT_S = 10


class Writer:
    """Remembers the batches; writes each job's first token, when the test lets it."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.began, self.go_on = threading.Semaphore(0), threading.Event()
        self.go_on.set()

    def __call__(self, jobs: list[Job]) -> None:
        """Write a batch."""
        self.batches.append([job.prompt[0] for job in jobs])
        self.began.release()
        assert self.go_on.wait(WAIT_S)
        for job in jobs:
            if job.prompt[0] < 0:
                raise ValueError("a negative token")
            job.tell("<")
            job.tell(">")
            job.end(Generation(str(job.prompt[0]), True))


@pytest.fixture
def writer() -> Writer:
    """The writer."""
    return Writer()


@pytest.fixture
def start(writer: Writer) -> Iterator[Callable[..., Batcher]]:
    """Makes batchers that end with the test."""
    made: list[Batcher] = []

    def make(size: int, window_s: float = 0.0) -> Batcher:
        made.append(Batcher(writer, size=size, window_s=window_s))
        return made[-1]

    yield make
    writer.go_on.set()
    for batcher in made:
        batcher.close()


def job(token: int, stop: Stop | None = None) -> Job:
    """A job that is told apart by its token."""
    return Job([token], [], 5, stop or Stop(), streams=True)


def test_what_waits_is_written_together_up_to_the_size(writer: Writer, start: Callable[..., Batcher]) -> None:
    batcher = start(3)
    writer.go_on.clear()
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(batcher.run, job(0))
        assert writer.began.acquire(timeout=WAIT_S)
        jobs = [job(token) for token in range(1, 6)]
        for each in jobs:
            batcher._jobs.put(each)
        writer.go_on.set()
        assert first.result(WAIT_S).text == "0"
        for _ in range(2):
            assert writer.began.acquire(timeout=WAIT_S)
    assert writer.batches == [[0], [1, 2, 3], [4, 5]]


def test_the_first_waits_for_others_as_long_as_the_window(writer: Writer, start: Callable[..., Batcher]) -> None:
    batcher = start(4, window_s=WAIT_S)
    with ThreadPoolExecutor(4) as pool:
        written = list(pool.map(lambda token: batcher.run(job(token)).text, range(4)))
    assert written == ["0", "1", "2", "3"]
    assert [sorted(batch) for batch in writer.batches] == [[0, 1, 2, 3]]


def test_each_caller_hears_its_own_text_in_its_own_thread(start: Callable[..., Batcher]) -> None:
    heard: list[tuple[str, int]] = []
    result = start(1).run(job(7), lambda text: heard.append((text, threading.get_ident())))
    assert result == Generation("7", True)
    assert heard == [("<", threading.get_ident()), (">", threading.get_ident())]


def test_a_job_that_nobody_waits_for_is_not_written(writer: Writer, start: Callable[..., Batcher]) -> None:
    batcher = start(4)
    writer.go_on.clear()
    stop = Stop()
    with ThreadPoolExecutor(3) as pool:
        running = pool.submit(batcher.run, job(0))
        assert writer.began.acquire(timeout=WAIT_S)
        left = pool.submit(batcher.run, job(1, stop))
        stop.set()
        with pytest.raises(CancelledError):
            left.result(WAIT_S)
        writer.go_on.set()
        assert running.result(WAIT_S).text == "0"
        assert batcher.run(job(2)).text == "2"
    assert writer.batches == [[0], [2]]


def test_what_fails_is_told_to_the_callers_of_its_batch_only(start: Callable[..., Batcher]) -> None:
    batcher = start(1)
    with pytest.raises(ValueError, match="negative"):
        batcher.run(job(-1))
    assert batcher.run(job(3)).text == "3"


def test_after_closing_nothing_is_written(writer: Writer, start: Callable[..., Batcher]) -> None:
    batcher = start(2)
    batcher.close()
    with pytest.raises(CancelledError):
        batcher.run(job(1))
    assert writer.batches == []


def test_a_writer_that_forgets_a_job_does_not_leave_its_caller_waiting() -> None:
    batcher = Batcher(lambda jobs: None, size=1, window_s=0)
    with pytest.raises(CancelledError):
        batcher.run(job(1))
    batcher.close()
