"""docs/performance.md is what the measurements say."""

from __future__ import annotations

import json

from bench import page


def test_the_page_is_written_from_the_figures() -> None:
    assert page.TARGET.read_text(encoding="utf-8") == page.page()


def test_what_must_hold_held_when_it_was_measured() -> None:
    load, soak, fuzz = (
        json.loads((page.FOLDER / f"{name}.json").read_text(encoding="utf-8")) for name in ("load", "soak", "fuzz")
    )
    assert load["goodput_3x_by_1x"] >= 0.9
    assert [found["problems"] for found in soak["services"].values()] == [[]] * 4
    assert all(found["calls"] >= 10_000 for found in soak["services"].values())
    assert all(run["exit_code"] == 0 and run["seconds"] >= 600 for run in fuzz["runs"])
    assert {run["target"] for run in fuzz["runs"]} == {"audio", "image", "text", "requests"}
