"""Two ways of doing the same, measured in turn."""

from __future__ import annotations

import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from buhin.cli.supervisor import Supervisor

RUNS = 5
START_S = 120.0


@dataclass(frozen=True)
class Row:
    """A figure: ``ours`` and ``theirs`` in ``unit``, medians of so many runs, and their ratio with its target."""

    name: str
    ours: str
    theirs: str
    unit: str
    values: tuple[float, float]
    ratios: tuple[float, ...]
    target: str
    reached: bool | None
    note: str = ""

    @property
    def ratio(self) -> float:
        """Median of the ratios of the runs."""
        return median(self.ratios)


def compare(
    name: str,
    ours: tuple[str, Callable[[], float]],
    theirs: tuple[str, Callable[[], float]],
    unit: str,
    *,
    at_most: float | None = None,
    at_least: float | None = None,
    note: str = "",
    runs: int = RUNS,
) -> Row:
    """Run both in turn, once unmeasured and then ``runs`` times; the figure is ours divided by theirs."""
    for _, warm in (ours, theirs):
        warm()
    pairs = [(ours[1](), theirs[1]()) for _ in range(runs)]
    ratios = tuple(own / other for own, other in pairs)
    middle = median(ratios)
    target, reached = "", None
    if at_most is not None:
        target, reached = f"≤ {at_most:g}", middle <= at_most
    if at_least is not None:
        target, reached = f"≥ {at_least:g}", middle >= at_least
    values = (median(own for own, _ in pairs), median(other for _, other in pairs))
    return Row(name, ours[0], theirs[0], unit, values, ratios, target, reached, note)


def seconds(work: Callable[[], object]) -> Callable[[], float]:
    """How long it takes."""

    def measured() -> float:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began

    return measured


@contextmanager
def service(function: str) -> Iterator[str]:
    """A service as a process, alone; its address."""
    with (
        tempfile.TemporaryDirectory() as logs,
        Supervisor([function], ports="free", log_dir=Path(logs)) as running,
    ):
        running.wait_until_serving(timeout_s=START_S)
        yield running.addresses[function]


@contextmanager
def service_processes(function: str) -> Iterator[tuple[str, list[psutil.Process]]]:
    """The same, and its processes: its own and that of its engine."""
    with service(function) as address:
        port = int(address.rpartition(":")[2])
        for process in psutil.Process().children():
            if any(each.laddr.port == port for each in process.net_connections() if each.status == psutil.CONN_LISTEN):
                yield address, [process, *process.children(recursive=True)]
                return
        raise ProcessLookupError(f"no process listens on {address}")


def machine() -> dict[str, Any]:
    """Where it was measured."""
    info = Path("/proc/cpuinfo")
    names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
    return {
        "day": date.today().isoformat(),
        "cores": psutil.cpu_count(),
        "processor": names[0] if names else platform.machine(),
        "memory": psutil.virtual_memory().total / 2**30,
        "system": platform.system(),
        "python": platform.python_version(),
    }
