"""More requests than a service can answer. ``python -m bench.load`` writes bench/load.json.

The capacity is measured first, with as many callers as keep the service busy. Then requests come at 0.5, 1 and 3 times
that rate: from an open loop, which sends on time whatever the service does, and from a closed loop of so many callers,
each of which waits for its answer. Goodput is what was answered within its deadline, a second. Bounded in count and
time, on loopback.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import grpc

from bench import page
from bench.measure import machine, service_processes
from bench.work import WALL
from buhin.image_inspect.v1 import image_inspect_pb2, image_inspect_pb2_grpc
from buhin.status import decode_call

LEVELS = (0.5, 1.0, 3.0)
PHASE_S, MAX_REQUESTS = 20.0, 5_000
DEADLINES = 6
"""A request has so many times the time that one takes alone."""
RESULTS = Path(__file__).with_name("load.json")
REFUSED = ("QUEUE_FULL", "DEADLINE_TOO_SHORT")

Request = Callable[[float], Awaitable[object]]
"""Makes a call with a deadline in seconds. Raises grpc.RpcError."""


@dataclass
class Phase:
    """What became of the requests of a phase; times in seconds."""

    answered: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    late: int = 0
    others: int = 0
    seconds: float = 0.0

    @property
    def goodput(self) -> float:
        """Answers in time, a second."""
        return len(self.answered) / self.seconds

    def summary(self) -> dict[str, float]:
        """The figures."""
        refused = sorted(self.refused) or [0.0]
        return {
            "sent": len(self.answered) + len(self.refused) + self.late + self.others,
            "answered": len(self.answered),
            "refused": len(self.refused),
            "late": self.late,
            "other_errors": self.others,
            "goodput_per_s": round(self.goodput, 2),
            "answer_median_s": round(median(self.answered or [0.0]), 3),
            "answer_max_s": round(max(self.answered or [0.0]), 3),
            "refusal_median_ms": round(1000 * median(refused), 2),
            "refusal_p99_ms": round(1000 * refused[int(0.99 * (len(refused) - 1))], 2),
        }


async def once(request: Request, phase: Phase, deadline_s: float) -> None:
    """Make one call and note what became of it."""
    began = time.monotonic()
    try:
        await request(deadline_s)
    except grpc.aio.AioRpcError as error:
        reason = decode_call(error).reason
        took = time.monotonic() - began
        if reason in REFUSED:
            phase.refused.append(took)
        elif error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
            phase.late += 1
        else:
            phase.others += 1
    else:
        phase.answered.append(time.monotonic() - began)


async def closed_loop(request: Request, callers: int, seconds: float, deadline_s: float) -> Phase:
    """So many callers, each with one request at a time; one that is refused tries again after a moment."""
    phase = Phase()
    began = time.monotonic()

    async def caller() -> None:
        for _ in range(MAX_REQUESTS // callers):
            if time.monotonic() - began > seconds:
                return
            before = len(phase.refused)
            await once(request, phase, deadline_s)
            if len(phase.refused) > before:
                await asyncio.sleep(deadline_s / 4)

    await asyncio.gather(*(caller() for _ in range(callers)))
    phase.seconds = time.monotonic() - began
    return phase


async def open_loop(request: Request, rate: float, seconds: float, deadline_s: float) -> Phase:
    """Requests at a rate, sent on time."""
    phase = Phase()
    began = time.monotonic()
    running = []
    for number in range(min(MAX_REQUESTS, int(rate * seconds))):
        await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
        running.append(asyncio.ensure_future(once(request, phase, deadline_s)))
    sent_s = time.monotonic() - began
    await asyncio.gather(*running)
    phase.seconds = max(sent_s, time.monotonic() - began - deadline_s)
    return phase


async def measure(request: Request, *, phase_s: float = PHASE_S) -> dict[str, Any]:
    """Capacity, then both loops at each level."""
    alone = await closed_loop(request, 1, phase_s / 4, 600)
    busy = await closed_loop(request, 4, phase_s / 2, 600)
    capacity = busy.goodput
    deadline_s = DEADLINES * median(alone.answered)
    found: dict[str, Any] = {"capacity_per_s": round(capacity, 2), "deadline_s": round(deadline_s, 3), "levels": []}
    for level in LEVELS:
        opened = await open_loop(request, level * capacity, phase_s, deadline_s)
        callers = max(1, round(level * capacity * median(alone.answered) * 2))
        closed = await closed_loop(request, callers, phase_s, deadline_s)
        found["levels"].append(
            {"level": level, "open": opened.summary(), "closed": closed.summary() | {"callers": callers}}
        )
    at = {each["level"]: each["open"]["goodput_per_s"] for each in found["levels"]}
    found["goodput_3x_by_1x"] = round(at[3.0] / at[1.0], 3)
    return found


async def _inspect(address: str, phase_s: float) -> dict[str, Any]:
    photo = WALL.read_bytes()
    async with grpc.aio.insecure_channel(address) as channel:
        stub: Any = image_inspect_pb2_grpc.ImageInspectServiceStub(channel)

        async def request(deadline_s: float) -> object:
            return await stub.Inspect(image_inspect_pb2.InspectRequest(image=photo), timeout=deadline_s)

        return await measure(request, phase_s=phase_s)


def main() -> None:
    """Load the inspection service."""
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__)
    parser.add_argument("--seconds", type=float, default=PHASE_S, help="of a phase")
    given = parser.parse_args()
    with service_processes("image_inspect") as (address, _):
        found = asyncio.run(_inspect(address, given.seconds))
    content = {"machine": machine(), "service": "image_inspect", "photograph": WALL.name} | found
    RESULTS.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    page.write()
    print(json.dumps(found, indent=1), file=sys.stderr)  # noqa: T201
    sys.exit(found["goodput_3x_by_1x"] < 0.9)


if __name__ == "__main__":
    main()
