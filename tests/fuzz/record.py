"""``python -m tests.fuzz.record SECONDS``: every byte-level target and the requests for so long; bench/fuzz.json."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

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
    """Try all, one after the other; exit with 1 where something was found."""
    seconds = int(sys.argv[1])
    found = []
    for target in (*TARGETS, "requests"):
        print(f"{target}: {seconds} s", file=sys.stderr)  # noqa: T201
        found.append(requests(seconds) if target == "requests" else run(target, seconds))
        RESULTS.write_text(json.dumps({"machine": machine(), "runs": found}, indent=1) + "\n", encoding="utf-8")
    page.write()
    sys.exit(any(each["exit_code"] for each in found))


if __name__ == "__main__":
    main()
