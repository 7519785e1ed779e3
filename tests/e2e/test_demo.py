"""`make demo`, offline, as a person runs it: everything it promises is in its folder."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from buhin.models.store import ModelStore
from tests.conftest import ROOT


@pytest.mark.model
@pytest.mark.timeout(600)
def test_the_demo(tmp_path: Path, store: ModelStore) -> None:
    environment = os.environ | {"BUHIN_OFFLINE": "1", "BUHIN_STATE_DIR": str(tmp_path / "state")}
    ran = subprocess.run(
        [sys.executable, "scripts/demo.py", "--out", str(tmp_path / "out")],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=580,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    out = tmp_path / "out"
    assert "訓練" in (out / "meeting" / "transcript.txt").read_text(encoding="utf-8")
    assert "訓練" in (out / "meeting" / "minutes.ja.md").read_text(encoding="utf-8")
    assert (
        "drill" in (out / "meeting" / "minutes.en.md").read_text(encoding="utf-8").lower()
        or "training" in (out / "meeting" / "minutes.en.md").read_text(encoding="utf-8").lower()
    )
    with (out / "cracks" / "findings.csv").open(encoding="utf-8-sig", newline="") as file:
        assert any(float(row["max_width_mm"]) > 0 for row in csv.DictReader(file))
    assert json.loads((out / "cracks" / "findings.geojson").read_text(encoding="utf-8"))["type"] == "FeatureCollection"
    assert (out / "cracks" / "report.html").stat().st_size > 100_000
    left_running = subprocess.run(["pgrep", "-f", str(tmp_path)], capture_output=True, text=True)
    assert left_running.stdout == ""
