"""What is generated of the chart is of today, and helm has nothing against it."""

from __future__ import annotations

import re
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from buhin import __version__
from buhin.config import PORTS
from buhin.models.manifest import Manifest
from scripts import chart
from tests.conftest import ROOT
from tests.unit.helm.rendering import example

API_VERSIONS = ("1.31", "1.34", "1.37")
CORE = {
    "v1",
    "apps/v1",
    "batch/v1",
    "autoscaling/v2",
    "policy/v1",
    "networking.k8s.io/v1",
    "rbac.authorization.k8s.io/v1",
}


def test_it_is_of_today() -> None:
    for path, text in chart.generated().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.relative_to(ROOT)}: run python -m scripts.chart"


@pytest.mark.parametrize("case", [*chart.CASES, ""])
def test_helm_finds_nothing(case: str) -> None:
    files: list[str | Path] = ["--values", chart.CHART / "ci" / f"{case}.yaml"] if case else []
    assert "0 chart(s) failed" in chart.helm("lint", "--strict", chart.CHART, *files)


@pytest.mark.parametrize("version", API_VERSIONS)
@pytest.mark.parametrize("case", chart.CASES)
def test_every_object_is_one_of_the_api(case: str, version: str) -> None:
    for each in example(case):
        if each["apiVersion"] in CORE:
            kubernetes_validate.validate(each, version, strict=True)


def test_an_object_with_a_wrong_field_is_none_of_the_api() -> None:
    wrong = next(each for each in example("trial") if each["kind"] == "Deployment") | {"spec": {"replica": 1}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, API_VERSIONS[0], strict=True)


def test_the_chart_installs_this_version_and_every_service_with_its_models() -> None:
    about = yaml.safe_load((chart.CHART / "Chart.yaml").read_text(encoding="utf-8"))
    values = yaml.safe_load((chart.CHART / "values.yaml").read_text(encoding="utf-8"))
    assert about["appVersion"] == __version__
    assert {key.replace("-", "_") for key in values["services"]} == set(PORTS)
    known = {model.id for model in Manifest.load(ROOT / "models" / "manifest.yaml").models}
    assert {model for service in values["services"].values() for model in service["models"]} == known


def test_what_the_comparison_says_of_this_chart_is_shown_by_a_test() -> None:
    found = yaml.safe_load((chart.CHART / "comparison.yaml").read_text(encoding="utf-8"))
    for row in found["features"]:
        path, _, name = row["buhin"]["source"].partition("::")
        assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), row["feature"]


def test_every_value_is_explained() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| .* \| (.*) \|$", chart.readme(), re.MULTILINE)
    assert len(rows) > 100
    assert [name for name, text in rows if not text] == []
