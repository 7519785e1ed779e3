"""``python -m tests.fuzz.record SECONDS [TARGET...]``: byte-level targets and requests for so long; bench/fuzz.json."""

from __future__ import annotations

import argparse
import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from rich.progress import track

from bench import page
from bench.measure import machine
from tests.conftest import ROOT
from tests.fuzz.entry_points import TARGETS, run

RESULTS = ROOT / "bench" / "fuzz.json"


def requests(seconds: int) -> dict[str, Any]:
    """The strategies, through pytest."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout", str(seconds + 300)]
    ran = subprocess.run(
        [*command, "tests/fuzz/test_requests.py"],
        cwd=ROOT,
        env=os.environ | {"BUHIN_FUZZ_SECONDS": str(seconds)},
        capture_output=True,
        text=True,
    )
    return {
        "target": "requests",
        "seconds": seconds,
        "exit_code": ran.returncode,
        "said": ran.stdout[-3_000:] if ran.returncode else "",
    }


_ALL: dict[str, Callable[[int], dict[str, Any]]] = {target: functools.partial(run, target) for target in TARGETS}
_ALL["requests"] = requests


def main() -> None:
    """Try all at the same time, each in a process of its own; exit with 1 where something was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.record", description=__doc__)
    parser.add_argument("seconds", type=int)
    parser.add_argument("targets", nargs="*", choices=[*_ALL, []], help="only these; what was found of others is kept")
    given = parser.parse_args()
    before = json.loads(RESULTS.read_text(encoding="utf-8"))["runs"] if RESULTS.exists() else []
    found = {each["target"]: each for each in before}
    with ThreadPoolExecutor() as pool:
        running = [pool.submit(_ALL[target], given.seconds) for target in given.targets or _ALL]
        for done in track(running, description=f"{given.seconds} s each, all at once"):
            found[done.result()["target"]] = done.result()
    runs = [found[target] for target in _ALL if target in found]
    RESULTS.write_text(json.dumps({"machine": machine(), "runs": runs}, indent=1) + "\n", encoding="utf-8")
    page.write()
    sys.exit(any(each["exit_code"] for each in runs))


if __name__ == "__main__":
    main()
