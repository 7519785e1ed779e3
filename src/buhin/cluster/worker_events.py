"""What workers write, one JSON object a line, as a picture of their run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Line:
    """A line that a worker wrote."""

    worker: str
    text: str


def lines(worker: str, log: str) -> list[Line]:
    """The lines of a worker's log."""
    return [Line(worker, line) for line in log.splitlines()]


def events_of(log: str) -> list[dict[str, Any]]:
    """The events in a log; other lines are passed over."""
    found = []
    for line in log.splitlines():
        with suppress(ValueError):
            event = json.loads(line)
            if isinstance(event, dict) and "event" in event:
                found.append(event)
    return found


def told(events: list[dict[str, Any]]) -> dict[str, Any]:
    """What the workers' events, in their order, say of the run as it is now."""
    steps: dict[str, dict[str, int]] = {}
    found: dict[str, Any] = {"steps": steps}
    for event in events:
        if event["event"] == "progress":
            steps[event["step"]] = {name: event[name] for name in ("done", "failed", "total")}
            found["problem"] = ""
        elif event["event"] in ("stopped", "waiting"):
            found["problem"] = event.get("message") or event.get("problem") or ""
        elif event["event"] == "finished":
            for step, counts in event["steps"].items():
                steps[step] = counts | {"total": counts["done"] + counts["failed"]}
            found |= {"failures": event["failures"], "out": event["out"], "problem": ""}
    return found


def by_time(logs: list[tuple[str, str]]) -> Iterator[Line]:
    """The lines of several logs by the time that they say; one that says none follows the one before it."""
    timed: list[tuple[str, int, Line]] = []
    for worker, log in logs:
        last = ""
        for line in lines(worker, log):
            event = events_of(line.text)
            last = str(event[0].get("time", last)) if event else last
            timed.append((last, len(timed), line))
    yield from (line for _, _, line in sorted(timed, key=lambda each: each[:2]))
