"""``python -m bench``: measure all, write bench/results.json and docs/performance.md."""

from __future__ import annotations

import argparse
import importlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.measure import Row, machine

ROOT = Path(__file__).parents[1]
RESULTS, PAGE = ROOT / "bench" / "results.json", ROOT / "docs" / "performance.md"
GROUPS = ("calls", "starts", "image", "text", "speech")
_INTRO = """# Performance

Written by `make bench`. Every figure is a ratio of two things that were measured in turn in the same run: ours divided
by theirs, the median of at least five runs, with the least and the greatest. The times are there to see what was
measured; another machine has others. *Ours* is a service as it is deployed: a process that answers gRPC, its engine in
a process of its own.

Measured on {day}: {cores} cores ({processor}), {memory:.0f} GiB, {system}, Python {python}.

| what | ours | theirs | ratio | runs | target | |
|---|---|---|---|---|---|---|
"""


def page(found: dict[str, Any]) -> str:
    """The table."""
    lines = [_INTRO.format(**found["machine"])]
    for row in found["rows"]:
        ours, theirs = (
            f"{value:.3g} {row['unit']} ({row[who]})"
            for value, who in zip(row["values"], ("ours", "theirs"), strict=True)
        )
        spread = f"{row['ratio']:.2f} ({min(row['ratios']):.2f} to {max(row['ratios']):.2f})"
        verdict = {True: "reached", False: "**missed**", None: ""}[row["reached"]]
        told = "; ".join(part for part in (verdict, row["note"]) if part)
        cells = (row["name"], ours, theirs, spread, str(len(row["ratios"])), row["target"], told)
        lines.append(f"| {' | '.join(cells)} |\n")
    return "".join(lines)


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
        PAGE.write_text(page(found), encoding="utf-8")


def _as_json(group: str, row: Row) -> dict[str, Any]:
    return {
        "group": group, "name": row.name, "ours": row.ours, "theirs": row.theirs, "unit": row.unit,
        "values": row.values, "ratio": row.ratio, "ratios": row.ratios, "target": row.target,
        "reached": row.reached, "note": row.note,
    }  # fmt: skip


if __name__ == "__main__":
    main()
