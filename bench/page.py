"""docs/performance.md out of what was measured: bench/*.json. ``python -m bench.page`` writes it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
TARGET = FOLDER.parent / "docs" / "performance.md"
_INTRO = """# Performance

Written by commands, each of which keeps its figures in `bench/`; another machine has others.
"""
_BENCH = """
## Beside what it is built on

`make bench`. Every figure is a ratio of two things that were measured in turn in the same run: ours divided by theirs,
the median of at least five runs, with the least and the greatest. *Ours* is a service as it is deployed: a process that
answers gRPC, its engine in a process of its own.

"""
_LOAD = """
## Under more load than it can answer

`make load`: the inspection service, one photograph a request, each with a deadline of {deadline_s} s; its capacity is
{capacity_per_s} a second. Goodput at three times the capacity is {goodput_3x_by_1x} of that at the capacity.

"""
_SOAK = """
## After ten thousand calls

`make soak`: mixed calls, good and bad, streams and cancelled ones. Resident memory of a service and its engine after
{settled} calls and at the end; more than {most:.0%} is a failure, as are files and threads beyond those that a pool
starts late.

"""
_FUZZ = """
## Odd requests and bytes

`make fuzz`: bytes into the entry points, guided by coverage, and requests of every message to the services.

"""


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def page() -> str:
    """The whole page."""
    return "".join(_sections())


def _sections() -> Iterator[str]:
    yield _INTRO
    for name, section in (("results", _bench), ("load", _load), ("soak", _soak), ("fuzz", _fuzz)):
        path = FOLDER / f"{name}.json"
        if path.exists():
            yield from section(json.loads(path.read_text(encoding="utf-8")))


def _bench(found: dict[str, Any]) -> Iterator[str]:
    yield _BENCH + _measured(found)
    yield table(("what", "ours", "theirs", "ratio", "runs", "target", ""), [_cells(row) for row in found["rows"]])


def _load(found: dict[str, Any]) -> Iterator[str]:
    yield _LOAD.format(**found) + _measured(found)
    head = ("load", "loop", "sent", "answered in time", "refused", "late", "other errors", "goodput", "slowest answer",
            "refused after (median, 99 %)")  # fmt: skip
    yield table(head, [_phase(level, loop) for level in found["levels"] for loop in ("open", "closed")])


def _soak(found: dict[str, Any]) -> Iterator[str]:
    yield _SOAK.format(settled=found["settled"], most=found["max_growth"]) + _measured(found)
    services = [_soaked(function, each) for function, each in found["services"].items()]
    yield table(("service", "calls", "memory", "files", "threads", "grown"), services)


def _fuzz(found: dict[str, Any]) -> Iterator[str]:
    yield _FUZZ + _measured(found)
    yield table(("what", "seconds", "executions", "edges", "found"), [_fuzzed(run) for run in found["runs"]])


def _cells(row: dict[str, Any]) -> list[object]:
    ours, theirs = (
        f"{value:.3g} {row['unit']} ({row[who]})" for value, who in zip(row["values"], ("ours", "theirs"), strict=True)
    )
    spread = f"{row['ratio']:.2f} ({min(row['ratios']):.2f} to {max(row['ratios']):.2f})"
    verdict = {True: "reached", False: "**missed**", None: ""}[row["reached"]]
    told = "; ".join(part for part in (verdict, row["note"]) if part)
    return [row["name"], ours, theirs, spread, len(row["ratios"]), row["target"], told]


def _phase(level: dict[str, Any], loop: str) -> list[object]:
    found = level[loop]
    callers = f" ({found['callers']} callers)" if loop == "closed" else ""
    refused = f"{found['refusal_median_ms']} ms, {found['refusal_p99_ms']} ms" if found["refused"] else ""
    return [
        f"{level['level']:g} ×", loop + callers, found["sent"], found["answered"], found["refused"], found["late"],
        found["other_errors"], f"{found['goodput_per_s']} / s", f"{found['answer_max_s']} s", refused,
    ]  # fmt: skip


def _soaked(function: str, found: dict[str, Any]) -> list[object]:
    before, after = found["settled"], found["end"]
    memory = f"{before['rss_mib']:.0f} to {after['rss_mib']:.0f} MiB"
    files, threads = (f"{before[name]} to {after[name]}" for name in ("files", "threads"))
    return [function, found["calls"], memory, files, threads, f"{found['growth']:+.1%}"]


def _fuzzed(run: dict[str, Any]) -> list[object]:
    found = len(run.get("crashes", ())) or ("nothing" if run["exit_code"] == 0 else run["said"])
    return [run["target"], run["seconds"], run.get("executions", ""), run.get("edges", ""), found]


def _measured(found: dict[str, Any]) -> str:
    text = "Measured on {day}: {cores} cores ({processor}), {memory:.0f} GiB, {system}, Python {python}.\n\n"
    return text.format(**found["machine"])


def write() -> None:
    """Write the page."""
    TARGET.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    write()
