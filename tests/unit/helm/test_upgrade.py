"""An upgrade from every released chart changes no field that cannot be changed, and takes the same values."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts import chart
from tests.unit.helm.rendering import Object, of, rendered

IMMUTABLE = {
    "Deployment": ["spec.selector"],
    "StatefulSet": ["spec.selector", "spec.serviceName", "spec.volumeClaimTemplates", "spec.podManagementPolicy"],
    "Job": ["spec.selector", "spec.template", "spec.completions", "spec.completionMode"],
    "Service": ["spec.clusterIP"],
    "PersistentVolumeClaim": ["spec.accessModes", "spec.storageClassName", "spec.volumeName", "spec.volumeMode"],
    "Secret": ["type"],
    "ServiceAccount": [],
    "ConfigMap": ["immutable"],
    "RoleBinding": ["roleRef"],
    "ClusterRoleBinding": ["roleRef"],
}
"""Fields that the API server does not let change, by kind."""
RELEASED = sorted(chart.RELEASED.glob("*.tgz"))


def field(each: Object, path: str) -> Any:
    """A field by its path; None where there is none."""
    found: Any = each
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def problems(old: list[Object], new: list[Object]) -> Iterator[str]:
    """What an upgrade could not do, or what it would take from callers."""
    for before in old:
        kind, name = before["kind"], before["metadata"]["name"]
        found = of(new, kind, name)
        if not found and kind in {"Service", "PersistentVolumeClaim", "Secret"}:
            yield f"{kind} {name} is gone"
        for after in found:
            yield from (
                f"{kind} {name}: {path}"
                for path in IMMUTABLE.get(kind, [])
                if field(before, path) != field(after, path)
            )
            if kind == "Service":
                ports = {(port["name"], port["port"]) for port in after["spec"]["ports"]}
                yield from (
                    f"Service {name}: port {p['name']}"
                    for p in before["spec"]["ports"]
                    if (p["name"], p["port"]) not in ports
                )


def test_there_is_a_released_chart() -> None:
    assert RELEASED


NEEDED: dict[str, dict[str, Any]] = {
    "buhin-0.1.0/bureau": {"gateway.clients": [{"namespaceSelector": {}}]},
}
"""Values that a case must have since: without them it did not work before either."""


@pytest.mark.parametrize(("released", "case"), [(path, case) for path in RELEASED for case in chart.cases_of(path)])
def test_an_upgrade_can_be_done(released: Path, case: Path) -> None:
    old = chart.objects(chart.render(values=case, chart=released))
    new = rendered(NEEDED.get(f"{case.parent.name}/{case.stem}"), values=case)
    assert len(old) > 10
    assert list(problems(old, new)) == []


BROKEN: list[tuple[str, str, str, Any]] = [
    ("Deployment buhin-speech: spec.selector", "Deployment", "spec.selector", {"matchLabels": {"app": "x"}}),
    ("Service buhin-speech-pods: spec.clusterIP", "Service", "spec.clusterIP", "10.0.0.1"),
    ("Service buhin-speech: port grpc", "Service", "spec.ports", [{"name": "grpc", "port": 1}]),
    ("PersistentVolumeClaim buhin-models: spec.accessModes", "PersistentVolumeClaim", "spec.accessModes", []),
]


@pytest.mark.parametrize(("expected", "kind", "path", "value"), BROKEN, ids=lambda value: str(value)[:40])
def test_the_check_finds(expected: str, kind: str, path: str, value: Any) -> None:
    old = rendered()
    new = copy.deepcopy(old)
    for each in of(new, kind):
        parent = each
        *parts, last = path.split(".")
        for part in parts:
            parent = parent[part]
        parent[last] = value
    assert expected in set(problems(old, new))


def test_the_version_is_newer_than_the_released_ones() -> None:
    def number(text: str) -> tuple[int, ...]:
        return tuple(int(part) for part in re.findall(r"\d+", text)[:3])

    today = yaml.safe_load((chart.CHART / "Chart.yaml").read_text(encoding="utf-8"))["version"]
    assert all(number(path.stem) < number(today) for path in RELEASED)
