"""The commands of the pages about deploying are ones that helm takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from scripts import chart
from tests.conftest import ROOT
from tests.unit.helm.test_pod_security import violations

PAGES = (ROOT / "docs" / "deploying.md", chart.CHART / "README.md")
INSTALLS = [
    pytest.param(path, line, id=f"{path.name}: {line[:60]}")
    for path in PAGES
    for block in re.findall(r"^```\n(.*?)^```$", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
    if re.match(r"helm (upgrade --install|install) ", line)
]


def test_every_situation_is_shown() -> None:
    assert len(INSTALLS) >= 4


@pytest.mark.parametrize(("path", "line"), INSTALLS)
def test_it_renders(path: Path, line: str) -> None:
    release, where, *arguments = shlex.split(re.sub(r"^helm (upgrade --install|install) ", "", line))
    if where != "helm":
        version = yaml.safe_load((chart.CHART / "Chart.yaml").read_text(encoding="utf-8"))["version"]
        assert Path(where).name == f"buhin-{version}.tgz"
    arguments = [argument.replace("imported/chart/values/", "helm/ci/") for argument in arguments]
    kept = [argument for argument in arguments if argument not in ("--create-namespace", "--wait")]
    assert "kind: Deployment" in chart.helm("template", release, chart.CHART, *kept)


def test_the_objects_of_the_closed_network_are_ones_of_the_api() -> None:
    (text,) = re.findall(r"^```yaml\n(.*?)^```$", PAGES[0].read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    claim, pod = yaml.safe_load_all(text)
    for each in (claim, pod):
        kubernetes_validate.validate(each, "1.34", strict=True)
    assert list(violations(pod["spec"])) == []
    values = yaml.safe_load((chart.CHART / "ci" / "airgapped.yaml").read_text(encoding="utf-8"))
    assert claim["metadata"]["name"] == values["models"]["volume"]["existingClaim"]
