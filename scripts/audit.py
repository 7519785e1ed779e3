"""Known vulnerabilities of what is locked: ``python -m scripts.audit``. Needs an advisory source on the network.

Exits with 1 where something is known, and where the audit itself fails. Where nobody could be asked it says so and
exits with 0.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

from rich.console import Console
from rich.table import Table

from scripts.lock import FOLDER, IMAGES

CONNECT_S = 5
"""How long an address of the source may stay silent; a name has several."""
WAIT_S = 120
"""How long all the answers together may take."""
_UNREACHABLE = re.compile(r"Could not connect|ConnectionError|ProxyError|SSLError|Timeout|HTTPError")

console = Console(stderr=True)


def answers() -> list[dict[str, Any]]:
    """What pip-audit says of each locked package; none where no source answered."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--format", "json"]
    command += ["--timeout", str(CONNECT_S)]
    for image in IMAGES:
        command += ["--requirement", str(FOLDER / f"{image}.txt")]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S)
    except subprocess.TimeoutExpired:
        return []
    if ran.stdout:
        return list(json.loads(ran.stdout)["dependencies"])
    if _UNREACHABLE.search(ran.stderr):
        return []
    sys.exit(f"the audit failed: {ran.stderr.strip() or ran.returncode}")


def main() -> None:
    """Ask, and tell."""
    packages = answers()
    checked = [package for package in packages if "vulns" in package]
    if not checked:
        console.print("[bold yellow]not checked: no advisory source is reachable")
        return
    console.print(f"{len(checked)} of {len(packages)} packages could be checked")
    if left := [package["name"] for package in packages if "vulns" not in package]:
        console.print(f"[bold yellow]not checked: {', '.join(left)}")
    table = Table("package", "version", "advisory", "fixed in")
    for package in checked:
        for known in package["vulns"]:
            table.add_row(package["name"], package["version"], known["id"], ", ".join(known["fix_versions"]))
    if table.row_count:
        Console().print(table)
        sys.exit(1)


if __name__ == "__main__":
    main()
