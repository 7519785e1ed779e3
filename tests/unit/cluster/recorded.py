"""A namespace as an API server tells it, and what goes wrong in it: tests/data/cluster."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.cluster_api import ApiServer
from tests.cluster_api.patching import patched
from tests.cluster_api.store import Thing
from tests.conftest import ROOT

FOLDER = ROOT / "tests" / "data" / "cluster"
NAMESPACE = "ai"
POD = "buhin-translate-6c9d8f7b54-x2k8p"
CASES = sorted((FOLDER / "problems").glob("*.json"))


def healthy() -> list[Thing]:
    """The objects of one service that is well."""
    items: list[Thing] = json.loads((FOLDER / "healthy.json").read_text(encoding="utf-8"))["items"]
    return items


def case(path: Path) -> dict[str, Any]:
    """What is different where something is wrong, and what is to be said of it."""
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def put_case(api: ApiServer, wrong: dict[str, Any]) -> None:
    """The namespace with what is wrong."""
    removed = {tuple(each) for each in wrong["remove"]}
    for thing in healthy():
        key = (thing["apiVersion"], thing["kind"], thing["metadata"]["name"])
        if key in removed:
            continue
        for patch in wrong["patches"]:
            if (patch["kind"], patch["name"]) == key[1:]:
                thing = patched(thing, patch["merge"], "application/merge-patch+json")
        api.put(thing)
    api.put(*wrong["add"])
    for container, lines in wrong["logs"].items():
        for logs in (api.logs, api.previous_logs):
            logs[NAMESPACE, POD, container] = lines
