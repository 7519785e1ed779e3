"""``python -m bench``: measure all, write bench/results.json and, with what else was measured, docs/performance.md."""

from __future__ import annotations

import argparse
import importlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import page
from bench.measure import Row, machine

RESULTS = Path(__file__).with_name("results.json")
GROUPS = ("calls", "starts", "image", "memory", "text", "speech")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the groups that are asked for and keep what was measured of the others."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("groups", nargs="*", choices=[*GROUPS, []], help="only these")
    asked = parser.parse_args(arguments).groups or GROUPS
    before = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {"rows": []}
    kept = {group: [row for row in before["rows"] if row["group"] == group] for group in GROUPS}
    console = Console(stderr=True)
    for group in asked:
        kept[group] = []
        with console.status(f"{group}: measuring"):
            for row in importlib.import_module(f"bench.{group}").rows():
                kept[group].append(_as_json(group, row))
                console.print(f"{row.name}: {row.ratio:.3f} {row.target}")
        found = {"machine": machine(), "rows": [row for each in GROUPS for row in kept[each]]}
        RESULTS.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        page.write()


def _as_json(group: str, row: Row) -> dict[str, Any]:
    return {
        "group": group, "name": row.name, "ours": row.ours, "theirs": row.theirs, "unit": row.unit,
        "values": row.values, "ratio": row.ratio, "ratios": row.ratios, "target": row.target,
        "reached": row.reached, "note": row.note,
    }  # fmt: skip


if __name__ == "__main__":
    main()
