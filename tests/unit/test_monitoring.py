"""The dashboard and the alert rules ask for what the services tell, and for all of it."""

from __future__ import annotations

import itertools
import json
import os
import re
from typing import Any

import yaml
from prometheus_client import generate_latest

from buhin.engine import LoadedModel
from buhin.serving.admission import Priority
from buhin.serving.metrics import Metrics
from scripts.dashboard import TARGET, dashboard
from tests.conftest import ROOT

NAME = re.compile(r"\b(?:buhin|process)_[a-z_]+\b")
BOARD: dict[str, Any] = json.loads(TARGET.read_text(encoding="utf-8"))
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((ROOT / "helm" / "monitoring" / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]


def told() -> set[str]:
    """The metrics of a service to which everything happened once."""
    metrics = Metrics("translate", ["/a.B/C"], "characters")
    metrics.call_began("/a.B/C")
    metrics.call_ended("/a.B/C", "bureau", "OK", "", 0.1)
    metrics.watch_queue(lambda priority: (0, 0.0))
    metrics.waited(Priority.BATCH, 0.1)
    metrics.refused("QUEUE_FULL")
    metrics.units("bureau", 3)
    metrics.worked(0.1, [2])
    metrics.loaded([LoadedModel("tiny", "sha256:ab", "testing", "MIT", 1)], 1.0)
    metrics.runs_in(os.getpid())
    lines = generate_latest(metrics.registry).decode().splitlines()
    return {re.split(r"[{ ]", line)[0] for line in lines if not line.startswith("#")}


def asked(text: str) -> set[str]:
    """The metrics that PromQL asks for."""
    return set(NAME.findall(text))


def queries() -> list[str]:
    """All that the dashboard asks."""
    return [target["expr"] for panel in BOARD["panels"] for target in panel.get("targets", [])]


def test_they_ask_for_nothing_that_is_not_told() -> None:
    assert asked(" ".join([*queries(), *(rule["expr"] for rule in RULES)])) - told() == set()


def test_the_dashboard_shows_all_that_is_told() -> None:
    base = {
        re.sub(r"_(bucket|sum|count|total|created)$", "", name)
        for name in told()
        if name.startswith("buhin_") and "_process_" not in name
    }
    shown = {re.sub(r"_(bucket|sum|count|total)$", "", name) for name in asked(" ".join(queries()))}
    assert base - shown == set()


def test_the_dashboard_is_what_the_script_writes_and_its_panels_do_not_overlap() -> None:
    assert dashboard() == BOARD
    places = [panel["gridPos"] for panel in BOARD["panels"]]
    for one, other in itertools.combinations(places, 2):
        apart_x = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart_y = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert apart_x or apart_y
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])


def test_every_alert_says_what_happened_and_what_to_do_in_both_languages() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES) >= 7
    for rule in RULES:
        notes = rule["annotations"]
        assert set(notes) == {"summary", "summary_ja", "description", "description_ja"}
        assert not notes["summary_ja"].isascii()
        assert rule["labels"]["severity"] in ("critical", "warning")
