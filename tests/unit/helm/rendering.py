"""The chart, rendered for tests."""

from __future__ import annotations

import functools
import json
import subprocess
from collections.abc import Iterator
from typing import Any

from scripts import chart

Object = dict[str, Any]


@functools.cache
def example(case: str) -> list[Object]:
    """The objects of a case of helm/ci, as committed; a test sees that they are what helm renders."""
    return chart.objects((chart.CHART / "examples" / f"{case}.yaml").read_text(encoding="utf-8"))


def rendered(changes: Object | None = None, case: str | None = None, **options: Any) -> list[Object]:
    """The objects of a release with further values, given as JSON."""
    sets = [f"--set-json={key}={json.dumps(value)}" for key, value in (changes or {}).items()]
    if case:
        options["values"] = chart.CHART / "ci" / f"{case}.yaml"
    return chart.objects(chart.render(*sets, **options))


def refusal(values: Object) -> str:
    """What helm says of values that it must not take."""
    try:
        rendered(values)
    except subprocess.CalledProcessError as error:
        return str(error.stderr)
    raise AssertionError(f"taken: {values}")


def of(objects: list[Object], kind: str, name: str | None = None) -> list[Object]:
    """The objects of a kind, and of a name."""
    return [each for each in objects if each["kind"] == kind and name in (None, each["metadata"]["name"])]


def the(objects: list[Object], kind: str, name: str) -> Object:
    """The one object of a kind and name."""
    (found,) = of(objects, kind, name)
    return found


def pod_of(each: Object) -> Object | None:
    """The pod's specification in an object that makes pods."""
    if each["kind"] == "Pod":
        return dict(each["spec"])
    return each["spec"]["template"]["spec"] if each["kind"] in {"Deployment", "Job", "StatefulSet"} else None


def pods(objects: list[Object]) -> Iterator[tuple[str, Object]]:
    """The name and the pod of each object that makes pods."""
    for each in objects:
        if (pod := pod_of(each)) is not None:
            yield each["metadata"]["name"], pod


def env(pod: Object, container: str = "service") -> dict[str, Any]:
    """The environment of a container: values, or where they come from."""
    found = next(each for each in [*pod["containers"], *pod.get("initContainers", [])] if each["name"] == container)
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in found["env"]}
