"""Ten thousand mixed calls to each service: does anything grow? ``python -m bench.soak`` writes bench/soak.json.

What is counted is that of the service and of its engine's process together: resident memory, open files, threads.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import grpc
import psutil
from rich.progress import track

from bench import page
from bench.measure import machine, service_processes
from bench.work import Call, calls
from buhin.config import PORTS

CALLS, SETTLED = 10_000, 2_000
MAX_GROWTH = 0.03
"""Of resident memory, between the settled state and the end."""
SPARE = 2
"""Threads that a pool may start when it first needs them, and connections to the engine, of two files each."""
LOOKS = 9
RESULTS = Path(__file__).with_name("soak.json")


@dataclass(frozen=True)
class Look:
    """What the processes use."""

    rss_mib: float
    files: int
    threads: int


@dataclass(frozen=True)
class Soak:
    """The two looks at a service, and how its calls ended."""

    calls: int
    failed: int
    seconds: float
    settled: Look
    end: Look

    @property
    def growth(self) -> float:
        """Of resident memory, as a share."""
        return self.end.rss_mib / self.settled.rss_mib - 1

    @property
    def problems(self) -> list[str]:
        """What grew."""
        found = []
        if self.growth > MAX_GROWTH:
            found.append(f"resident memory grew by {self.growth:.1%}")
        if self.end.files > self.settled.files + 2 * SPARE:
            found.append(f"{self.end.files - self.settled.files} files more are open")
        if self.end.threads > self.settled.threads + SPARE:
            found.append(f"{self.end.threads - self.settled.threads} threads more run")
        return found


def look(processes: Sequence[psutil.Process]) -> Look:
    """Medians of several looks, since memory comes and goes."""
    looks = []
    for _ in range(LOOKS):
        looks.append(
            Look(
                sum(process.memory_info().rss for process in processes) / 2**20,
                sum(process.num_fds() for process in processes),
                sum(process.num_threads() for process in processes),
            )
        )
        time.sleep(0.1)
    return Look(*(median(values) for values in zip(*(asdict(each).values() for each in looks), strict=True)))


def soak(processes: Sequence[psutil.Process], work: Iterator[Call], count: int, settled: int) -> Soak:
    """Make ``count`` calls, one after the other, and compare what is used after ``settled`` of them and at the end."""
    began = time.monotonic()
    failed = 0
    middle = None
    for number in track(range(count), description=processes[0].name(), disable=not sys.stderr.isatty()):
        if number == settled:
            middle = look(processes)
        try:
            next(work)()
        except grpc.RpcError:
            failed += 1
    gc.collect()
    assert middle is not None  # noqa: S101 - settled < count
    return Soak(count, failed, time.monotonic() - began, middle, look(processes))


def main() -> None:
    """Soak the services that are asked for, and exit with 1 where something grew."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("functions", nargs="*", choices=[*PORTS, []])
    parser.add_argument("--calls", type=int, default=CALLS)
    parser.add_argument("--settled", type=int, default=SETTLED)
    given = parser.parse_args()
    kept = {}
    with suppress(FileNotFoundError):
        kept = json.loads(RESULTS.read_text(encoding="utf-8"))["services"]
    grew = False
    for function in given.functions or PORTS:
        with service_processes(function) as (address, processes), grpc.insecure_channel(address) as channel:
            found = soak(processes, calls(function, channel), given.calls, given.settled)
        kept[function] = asdict(found) | {"growth": round(found.growth, 4), "problems": found.problems}
        print(f"{function}: {found.growth:+.2%}, {'; '.join(found.problems) or 'nothing grew'}", file=sys.stderr)  # noqa: T201
        grew |= bool(found.problems)
        content = {"machine": machine(), "max_growth": MAX_GROWTH, "settled": given.settled, "services": kept}
        RESULTS.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    page.write()
    sys.exit(grew)


if __name__ == "__main__":
    main()
