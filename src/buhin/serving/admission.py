"""Who works next: a bounded queue that is fair between callers and knows how long its work takes."""

from __future__ import annotations

import asyncio
import enum
import heapq
import itertools
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from buhin.errors import BuhinError, DeadlineTooShortError, QueueFullError

_DECAY = 0.9
"""Weight of what was measured before, at each new piece of work."""
_FIRST_S = 1.0
"""What a piece of work is taken to last before any was measured."""
_KEPT = 64
"""Entries that are kept beyond those that are needed, before they are tidied."""
_MARGIN = 1.15
"""Time that a deadline must leave for each second that is estimated: work that ends late was for nothing."""
_SURE_AFTER = 3
"""Pieces of work after which the measured pace may refuse a deadline."""


class Priority(enum.Enum):
    """How urgent the work of a call is. The value is its share of the time where both kinds wait."""

    INTERACTIVE = 8
    BATCH = 1


@dataclass(eq=False)
class Ticket:
    """A place in the queue. ``turn`` is done when the work may begin."""

    caller: str
    priority: Priority
    units: float
    bounded: bool
    needs_s: float
    start: float
    turn: asyncio.Future[None]
    began: float | None = None


@dataclass
class _Pace:
    """Measured seconds a unit of work, the newest counting most."""

    seconds: float = 0.0
    units: float = 0.0
    count: int = 0

    def add(self, seconds: float, units: float) -> None:
        self.seconds = _DECAY * self.seconds + seconds
        self.units = _DECAY * self.units + units
        self.count += 1

    def estimate_s(self, units: float) -> float:
        return units * self.seconds / self.units if self.units else _FIRST_S


@dataclass
class _Load:
    """What waits of a caller, in order of arrival."""

    tickets: dict[Ticket, None] = field(default_factory=dict)

    @property
    def requests(self) -> list[Ticket]:
        """Those that are bounded."""
        return [ticket for ticket in self.tickets if ticket.bounded]


class Admission:
    """Places for work, and the queue before them.

    The order is that of start-time fair queueing (Goyal, Vin, Cheng: Start-Time Fair Queueing, SIGCOMM 1996) over the
    estimated seconds of work: callers that wait share the time equally, and a caller's interactive requests get eight
    times the share of its batch. Where the queue is full, it is the caller with most in it who gives way (longest queue
    drop, as in McKenney: Stochastic Fairness Queueing, INFOCOM 1990): its newest request is refused.
    """

    def __init__(
        self, places: int, max_waiting: int, max_units: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._places = places
        self._max_waiting = max_waiting
        self._max_units = max_units
        self._clock = clock
        self._order = itertools.count()
        self._heap: list[tuple[float, int, Ticket]] = []
        self._waiting: dict[str, _Load] = {}
        self._count = self._requests = 0
        self._units = 0.0
        self._running: set[Ticket] = set()
        self._now = 0.0
        self._finish: defaultdict[tuple[str, Priority], float] = defaultdict(float)
        self._paces = {True: _Pace(), False: _Pace()}

    def waiting(self, priority: Priority) -> tuple[int, float]:
        """Requests of a priority that wait, and their units of work."""
        tickets = [t for load in list(self._waiting.values()) for t in list(load.tickets) if t.priority is priority]
        return len(tickets), sum(ticket.units for ticket in tickets)

    def enter(self, caller: str, priority: Priority, units: float | None, *, left_s: float | None = None) -> Ticket:
        """A place in the queue for ``units`` of work, ``left_s`` seconds before its deadline.

        Raises QueueFullError or DeadlineTooShortError at once; a place that was given may still be taken back with
        QueueFullError for a caller who has less. A piece of a stream, for which ``units`` is None, is never refused.
        """
        bounded = units is not None
        units = 1.0 if units is None else units
        needs_s = self._paces[bounded].estimate_s(units)
        start = max(self._now, self._finish[caller, priority])
        ticket = Ticket(caller, priority, units, bounded, needs_s, start, asyncio.get_running_loop().create_future())
        if len(self._running) < self._places and not self._count:
            self._begin(ticket)
            return ticket
        if bounded:
            self._check_deadline(ticket, left_s)
            self._make_room(ticket)
        self._finish[caller, priority] = start + needs_s / priority.value
        self._waiting.setdefault(caller, _Load()).tickets[ticket] = None
        self._count += 1
        self._requests += bounded
        self._units += units if bounded else 0.0
        self._tidy()
        heapq.heappush(self._heap, (start, next(self._order), ticket))
        return ticket

    def leave(self, ticket: Ticket, *, worked: bool) -> None:
        """Give back the place, after work or without any."""
        if ticket.began is None:
            if self._waits(ticket):
                self._remove(ticket)
                self._forget(ticket)
            return
        self._running.discard(ticket)
        if worked:
            self._paces[ticket.bounded].add(self._clock() - ticket.began, ticket.units)
        while self._count and len(self._running) < self._places:
            _, _, following = heapq.heappop(self._heap)
            if self._waits(following):
                self._remove(following)
                if not following.turn.done():
                    self._begin(following)

    def retry_after_s(self) -> float:
        """Seconds after which what runs and waits now is done, by the measured pace."""
        return round(max(0.1, self._ahead_s(None)), 3)

    def _ahead_s(self, ticket: Ticket | None) -> float:
        """Seconds until the work before a ticket, or all of it, is done."""
        now = self._clock()
        running = sum(max(0.0, each.needs_s - (now - (each.began or now))) for each in self._running)
        waiting = sum(
            each.needs_s
            for load in self._waiting.values()
            for each in load.tickets
            if ticket is None or each.start <= ticket.start
        )
        return (running + waiting) / self._places

    def _check_deadline(self, ticket: Ticket, left_s: float | None) -> None:
        if left_s is None or self._paces[True].count < _SURE_AFTER:
            return
        needed_s = self._ahead_s(ticket) + ticket.needs_s
        if needed_s * _MARGIN > left_s:
            raise DeadlineTooShortError(
                needed_s=round(needed_s, 2), left_s=round(max(0.0, left_s), 2), retry_after_s=self.retry_after_s()
            )

    def _make_room(self, ticket: Ticket) -> None:
        """Refuse this ticket, or as many of a caller who has more waiting as it needs."""
        while self._is_full(ticket.units):
            shares = {caller: self._share(load.requests) for caller, load in self._waiting.items()}
            most = max(shares, key=shares.__getitem__, default=ticket.caller)
            own = self._waiting.get(ticket.caller, _Load()).requests
            if most == ticket.caller or shares[most] <= self._share([*own, ticket]):
                raise self._full()
            newest = self._waiting[most].requests[-1]
            self._remove(newest)
            self._forget(newest)
            if not newest.turn.done():
                newest.turn.set_exception(self._full())

    def _is_full(self, units: float) -> bool:
        too_many = self._requests >= self._max_waiting
        too_much = self._requests > 0 and self._units + units > self._max_units
        return too_many or too_much

    def _share(self, requests: Sequence[Ticket]) -> float:
        """The share of the queue that some requests take."""
        units = sum(ticket.units for ticket in requests)
        return max(len(requests) / max(1, self._max_waiting), units / self._max_units)

    def _full(self) -> BuhinError:
        return QueueFullError(waiting=self._requests, retry_after_s=self.retry_after_s())

    def _waits(self, ticket: Ticket) -> bool:
        load = self._waiting.get(ticket.caller)
        return load is not None and ticket in load.tickets

    def _remove(self, ticket: Ticket) -> None:
        tickets = self._waiting[ticket.caller].tickets
        del tickets[ticket]
        if not tickets:
            del self._waiting[ticket.caller]
        self._count -= 1
        self._requests -= ticket.bounded
        self._units = self._units - ticket.units * ticket.bounded if self._requests else 0.0

    def _forget(self, ticket: Ticket) -> None:
        """Owe a caller nothing for work that was not done, once nothing of it waits."""
        if ticket.caller not in self._waiting:
            self._finish.pop((ticket.caller, ticket.priority), None)

    def _tidy(self) -> None:
        """Forget callers whose turn has passed, and tickets that left the queue."""
        if len(self._finish) > 2 * self._count + _KEPT:
            self._finish = defaultdict(float, {k: v for k, v in self._finish.items() if v > self._now})
        if len(self._heap) > 2 * self._count + _KEPT:
            self._heap = [entry for entry in self._heap if self._waits(entry[2])]
            heapq.heapify(self._heap)

    def _begin(self, ticket: Ticket) -> None:
        ticket.began = self._clock()
        self._now = max(self._now, ticket.start)
        self._running.add(ticket)
        ticket.turn.set_result(None)
