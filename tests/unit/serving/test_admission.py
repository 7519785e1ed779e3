"""The queue: bounded, fair, with deadlines, at a clock that the test turns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from buhin.errors import DeadlineTooShortError, QueueFullError
from buhin.serving.admission import Admission, Priority, Ticket

INTERACTIVE, BATCH = Priority.INTERACTIVE, Priority.BATCH


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def admission(clock: Callable[[], float] | None = None, *, waiting: int = 100, units: float = 1e9) -> Admission:
    """One place, and a queue."""
    return Admission(1, waiting, units, clock=clock or Clock())


def served(
    queue: Admission, running: Ticket, tickets: dict[str, Ticket], clock: Clock, seconds: float = 1.0
) -> list[str]:
    """The names in the order in which they get their turn, each working for so long."""
    order: list[str] = []
    while True:
        clock.now += seconds
        queue.leave(running, worked=True)
        begun = [name for name, t in tickets.items() if t.began is not None and name not in order]
        if not begun:
            return order
        (name,) = begun
        order.append(name)
        running = tickets[name]


def measured(queue: Admission, clock: Clock, seconds: float, units: float, times: int = 5) -> None:
    """Let it measure a pace."""
    for _ in range(times):
        ticket = queue.enter("measure", INTERACTIVE, units)
        clock.now += seconds
        queue.leave(ticket, worked=True)


async def test_one_request_of_a_bureau_does_not_wait_for_a_thousand_of_another() -> None:
    clock = Clock()
    queue = admission(clock, waiting=2_000)
    running = queue.enter("a", INTERACTIVE, 1)
    tickets = {f"a{n}": queue.enter("a", INTERACTIVE, 1) for n in range(1000)} | {"b": queue.enter("b", INTERACTIVE, 1)}
    assert served(queue, running, tickets, clock).index("b") <= 1


async def test_callers_share_the_time_not_the_number() -> None:
    clock = Clock()
    queue = admission(clock)
    measured(queue, clock, seconds=1.0, units=1)
    running = queue.enter("x", INTERACTIVE, 1)
    tickets = {f"large{n}": queue.enter("large", INTERACTIVE, 10) for n in range(4)}
    tickets |= {f"small{n}": queue.enter("small", INTERACTIVE, 1) for n in range(20)}
    order = served(queue, running, tickets, clock)
    assert sum(name.startswith("small") for name in order[: order.index("large1")]) >= 9


async def test_interactive_work_gets_eight_times_the_share_of_batch() -> None:
    clock = Clock()
    queue = admission(clock)
    running = queue.enter("a", INTERACTIVE, 1)
    tickets = {f"batch{n}": queue.enter("a", BATCH, 1) for n in range(5)}
    tickets |= {f"now{n}": queue.enter("a", INTERACTIVE, 1) for n in range(20)}
    order = served(queue, running, tickets, clock)
    first_two = [order.index("batch0"), order.index("batch1")]
    assert first_two[1] - first_two[0] >= 8
    assert "batch1" in order[:12]


@pytest.mark.parametrize(("waiting", "units"), [(4, 1e9), (100, 4.0)], ids=["requests", "work"])
async def test_who_has_most_in_a_full_queue_gives_way(waiting: int, units: float) -> None:
    queue = admission(waiting=waiting, units=units)
    queue.enter("a", INTERACTIVE, 1)
    greedy = [queue.enter("a", INTERACTIVE, 1) for _ in range(4)]
    with pytest.raises(QueueFullError) as refused:
        queue.enter("a", INTERACTIVE, 1)
    assert (refused.value.retry_after_s or 0) > 0
    modest = [queue.enter("b", INTERACTIVE, 1) for _ in range(2)]
    dropped = [ticket for ticket in greedy if ticket.turn.done()]
    assert dropped == greedy[2:]
    assert all(isinstance(ticket.turn.exception(), QueueFullError) for ticket in dropped)
    assert not any(ticket.turn.done() for ticket in modest)
    with pytest.raises(QueueFullError):
        queue.enter("b", INTERACTIVE, 1)


async def test_work_larger_than_the_bound_may_wait_alone() -> None:
    queue = admission(units=10)
    queue.enter("a", INTERACTIVE, 1)
    queue.enter("a", INTERACTIVE, 50)
    with pytest.raises(QueueFullError):
        queue.enter("a", INTERACTIVE, 1)


async def test_a_queue_without_places_refuses_whoever_would_wait() -> None:
    queue = admission(waiting=0)
    queue.enter("a", INTERACTIVE, 1)
    with pytest.raises(QueueFullError):
        queue.enter("b", INTERACTIVE, 1)


async def test_a_piece_of_a_stream_is_never_refused_and_takes_its_turn() -> None:
    clock = Clock()
    queue = admission(clock, waiting=1)
    running = queue.enter("a", INTERACTIVE, 1)
    tickets = {"waits": queue.enter("a", INTERACTIVE, 1)}
    tickets |= {f"piece{n}": queue.enter("stream", INTERACTIVE, None) for n in range(30)}
    assert served(queue, running, tickets, clock).index("waits") <= 1


async def test_the_time_to_retry_follows_the_measured_pace() -> None:
    clock = Clock()
    queue = admission(clock, waiting=2)
    measured(queue, clock, seconds=4.0, units=2)
    queue.enter("a", INTERACTIVE, 1)
    for _ in range(2):
        queue.enter("a", INTERACTIVE, 3)
    with pytest.raises(QueueFullError) as refused:
        queue.enter("a", INTERACTIVE, 3)
    assert refused.value.retry_after_s == pytest.approx(2 + 6 + 6)
    clock.now += 1
    assert queue.retry_after_s() == pytest.approx(13)


async def test_a_deadline_that_would_pass_in_the_queue_is_refused_at_once() -> None:
    clock = Clock()
    queue = admission(clock)
    measured(queue, clock, seconds=2.0, units=1)
    assert queue.enter("a", INTERACTIVE, 1, left_s=0.5).began is not None
    queue.enter("a", INTERACTIVE, 1, left_s=4.7)
    with pytest.raises(DeadlineTooShortError) as refused:
        queue.enter("a", INTERACTIVE, 1, left_s=6.5)
    assert (refused.value.metadata["needed_s"], refused.value.metadata["left_s"]) == ("6.0", "6.5")
    queue.enter("b", INTERACTIVE, 1, left_s=7.0)


async def test_a_caller_that_leaves_the_queue_leaves_nothing_behind() -> None:
    clock = Clock()
    queue = admission(clock, waiting=3)
    running = queue.enter("a", INTERACTIVE, 1)
    for n in range(10_000):
        queue.leave(queue.enter(f"caller {n}", INTERACTIVE, 1), worked=False)
    assert queue.waiting(INTERACTIVE) == (0, 0)
    assert len(queue._heap) < 1_000
    assert len(queue._finish) < 1_000
    assert served(queue, running, {"later": queue.enter("b", INTERACTIVE, 1)}, clock) == ["later"]


async def test_a_turn_that_nobody_waits_for_goes_to_the_next() -> None:
    queue = admission()
    running = queue.enter("a", INTERACTIVE, 1)
    gone, later = queue.enter("a", INTERACTIVE, 1), queue.enter("a", INTERACTIVE, 1)
    gone.turn.cancel()
    queue.leave(running, worked=True)
    queue.leave(gone, worked=False)
    assert (gone.began, later.began is not None) == (None, True)


async def test_what_did_not_work_is_not_measured() -> None:
    clock = Clock()
    queue = admission(clock)
    measured(queue, clock, seconds=2.0, units=1)
    for _ in range(20):
        queue.leave(queue.enter("a", INTERACTIVE, 1), worked=False)
    queue.enter("a", INTERACTIVE, 1)
    assert queue.retry_after_s() == pytest.approx(2.0)


async def test_waiting_is_told_by_priority() -> None:
    queue = admission()
    queue.enter("a", INTERACTIVE, 1)
    queue.enter("a", INTERACTIVE, 2)
    queue.enter("a", BATCH, 3)
    assert [queue.waiting(each) for each in (INTERACTIVE, BATCH)] == [(1, 2), (1, 3)]
    await asyncio.sleep(0)
