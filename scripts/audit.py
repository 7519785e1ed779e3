"""Known vulnerabilities of what is locked: ``python -m scripts.audit``. Needs an advisory source on the network."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from scripts.lock import FOLDER, IMAGES

WAIT_S = 120


def main() -> None:
    """Exit with 1 where something is known, and say so where nobody could be asked."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--format", "json"]
    for image in IMAGES:
        command += ["--requirement", str(FOLDER / f"{image}.txt")]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S)
        asked: list[dict[str, Any]] = json.loads(ran.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError):
        asked = []
    answered = [package for package in asked if "vulns" in package]
    known = [f"{p['name']} {p['version']}: {v['id']}" for p in answered for v in p["vulns"]]
    print(f"{len(answered)} of {len(asked)} packages could be checked", file=sys.stderr)
    if not answered:
        print("not checked: no advisory source is reachable", file=sys.stderr)
    sys.exit("\n".join(known) or 0)


if __name__ == "__main__":
    main()
