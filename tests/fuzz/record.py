"""``python -m tests.fuzz.record SECONDS``: every byte-level target and the requests for so long; bench/fuzz.json."""

from __future__ import annotations

import json
import os
import subprocess
import sys
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
    return {"target": "requests", "seconds": seconds, "exit_code": ran.returncode, "said": ran.stdout.splitlines()[-1]}


def main() -> None:
    """Try all at the same time, each in a process of its own; exit with 1 where something was found."""
    seconds = int(sys.argv[1])
    with ThreadPoolExecutor() as pool:
        running = [pool.submit(run, target, seconds) for target in TARGETS] + [pool.submit(requests, seconds)]
        found = [each.result() for each in track(running, description=f"{seconds} s each, all at once")]
    RESULTS.write_text(json.dumps({"machine": machine(), "runs": found}, indent=1) + "\n", encoding="utf-8")
    page.write()
    sys.exit(any(each["exit_code"] for each in found))


if __name__ == "__main__":
    main()
