"""Runs both ready-made pipelines on the sample input, from starting the services to stopping them.

``make demo`` calls it. It starts the four services on free ports, runs `buhin pipeline run` as a person would, prints
what came of it, and says how long everything took and how much memory it used at its peak (proportional set size of
all processes together, so that shared pages count once).
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from rich.console import Console
from rich.markdown import Markdown
from rich.panel import Panel
from rich.table import Table

from buhin.cli.supervisor import Supervisor
from buhin.config import PORTS

ROOT = Path(__file__).parent.parent

SAMPLE_GSD_MM = 0.3
"""Ground sampling distance that the sample photographs are made for, millimetres a pixel."""

console = Console()


class PeakMemory:
    """The greatest proportional set size of this process and all below it, sampled twice a second, in bytes."""

    def __init__(self) -> None:
        self.bytes = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def _sample(self) -> None:
        own = psutil.Process()
        while not self._done.wait(0.5):
            total = 0
            for process in [own, *own.children(recursive=True)]:
                with contextlib.suppress(psutil.Error):
                    total += process.memory_full_info().pss
            self.bytes = max(self.bytes, total)

    def stop(self) -> int:
        """End sampling and return the peak."""
        self._done.set()
        self._thread.join()
        return self.bytes


@contextlib.contextmanager
def services(logs: Path) -> Iterator[dict[str, str]]:
    """The four services, running; yields the environment in which clients find them."""
    with Supervisor(list(PORTS), ports="free", log_dir=logs) as running:
        with console.status("starting the services") as status:
            running.wait_until_serving(
                timeout_s=120,
                on_change=lambda states: status.update(
                    "starting the services: " + ", ".join(f"{name} {state}" for name, state in states.items())
                ),
            )
        for function, address in running.addresses.items():
            console.print(f"[green]serving[/] {function:14} {address}")
        yield {f"BUHIN_{function.upper()}_ADDRESS": address for function, address in running.addresses.items()}


def pipeline(name: str, source: str, out: Path, environment: dict[str, str], *options: str) -> None:
    """Run a ready-made pipeline as a person would."""
    console.rule(f"[bold]{name}")
    command = ["pipeline", "run", f"pipelines/{name}.yaml", source, "--out", os.path.relpath(out), *options, "--fresh"]
    console.print(f"$ buhin {' '.join(command)}", style="dim")
    subprocess.run(
        [Path(sys.executable).with_name("buhin"), *command], env=os.environ | environment, cwd=ROOT, check=True
    )


def show_meeting(folder: Path) -> None:
    """Print the transcript, the minutes and their translation."""
    console.print(Panel((folder / "transcript.txt").read_text(encoding="utf-8").strip(), title="transcript"))
    for language in ("ja", "en"):
        text = (folder / f"minutes.{language}.md").read_text(encoding="utf-8")
        console.print(Panel(Markdown(text), title=f"minutes ({language})"))


def show_cracks(folder: Path) -> None:
    """Print the widest cracks."""
    with (folder / "findings.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: -float(row["max_width_mm"] or 0))
    columns = ["photo", "crack_id", "length_mm", "max_width_mm", "severity"]
    table = Table(*columns, title=f"{len(rows)} cracks, the widest first")
    for row in rows[:12]:
        table.add_row(*(row[column] for column in columns))
    console.print(table)


def main() -> None:
    """Run the demo."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--out", type=Path, default=ROOT / "out", help="folder of the results (default: out)")
    out: Path = options.parse_args().out
    began = time.monotonic()
    memory = PeakMemory()
    with services(out / "logs") as environment:
        pipeline("meeting_minutes", "samples/meeting/meeting.flac", out / "meeting", environment)
        show_meeting(out / "meeting")
        pipeline("crack_survey", "samples/concrete", out / "cracks", environment, "--set", f"gsd_mm={SAMPLE_GSD_MM}")
        show_cracks(out / "cracks")
    console.rule("[bold]done")
    for path in sorted(path for folder in ("meeting", "cracks") for path in (out / folder).iterdir()):
        console.print(f"  {os.path.relpath(path)}  [dim]{path.stat().st_size:,} bytes")
    elapsed, peak = time.monotonic() - began, memory.stop() / 2**30
    console.print(f"{elapsed:.0f} s from start to stop; {peak:.2f} GiB of memory at the peak, all processes together")
    shown = os.path.relpath(out)
    console.print(f"open [bold]{shown}/cracks/report.html[/] and [bold]{shown}/meeting/meeting.html[/] in a browser")


if __name__ == "__main__":
    main()
