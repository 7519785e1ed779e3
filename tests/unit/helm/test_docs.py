"""The commands of the pages about deploying are ones that helm takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml

from scripts import chart
from tests.conftest import ROOT

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
    kept = [argument for argument in arguments if argument != "--create-namespace"]
    assert "kind: Deployment" in chart.helm("template", release, chart.CHART, *kept)
