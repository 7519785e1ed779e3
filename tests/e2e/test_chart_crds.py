"""Custom resources of the chart are those of their makers: checked against the published types, unknown fields too."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts import chart
from tests.conftest import ROOT
from tests.unit.helm.rendering import Object, example
from tests.unit.helm.test_generated import CORE

WANTED = ROOT / "tests" / "data" / "crds"
FOLDER = ROOT / "build" / "crds"
PACKAGES = {
    "cert-manager.io/v1": "cert-manager",
    "gateway.networking.k8s.io/v1": "gateway-api",
    "keda.sh/v1alpha1": "keda",
    "monitoring.coreos.com/v1": "prometheus-operator",
}


@pytest.fixture(scope="module")
def types() -> Path:
    """The folder with the types and the compiler."""
    shutil.copytree(WANTED, FOLDER, dirs_exist_ok=True)
    subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", FOLDER], check=True)
    return FOLDER


def custom() -> Iterator[Object]:
    """The custom resources of all cases."""
    return (each for case in chart.CASES for each in example(case) if each["apiVersion"] not in CORE)


def found_wrong(types: Path, objects: list[Object], work: Path) -> str:
    """What the compiler says of objects with the types of their kinds."""
    lines = []
    for number, each in enumerate(objects):
        package = f"@kubernetes-models/{PACKAGES[each['apiVersion']]}/{each['apiVersion']}/{each['kind']}"
        lines += [
            f'import type {{ I{each["kind"]} as Kind{number} }} from "{package}";',
            f"export const object{number}: Kind{number} = {json.dumps(each)};",
        ]
    (work / "node_modules").symlink_to(types / "node_modules")
    (work / "objects.ts").write_text("\n".join(lines), encoding="utf-8")
    compiler: list[str | Path] = [
        types / "node_modules/.bin/tsc",
        "--noEmit",
        "--strict",
        "--skipLibCheck",
        "--module",
        "nodenext",
    ]
    return subprocess.run([*compiler, "objects.ts"], cwd=work, capture_output=True, text=True).stdout


def test_they_are(types: Path, tmp_path: Path) -> None:
    objects = list(custom())
    assert {each["kind"] for each in objects} == {
        "BackendTLSPolicy", "Certificate", "GRPCRoute", "PrometheusRule", "ScaledObject", "ServiceMonitor",
    }  # fmt: skip
    assert found_wrong(types, objects, tmp_path) == ""


def test_a_wrong_field_is_found(types: Path, tmp_path: Path) -> None:
    wrong = next(each for each in custom() if each["kind"] == "ScaledObject")
    assert "'\"cooldown\"' does not exist" in found_wrong(
        types, [wrong | {"spec": wrong["spec"] | {"cooldown": 1}}], tmp_path
    )
