"""What a bundle packs is what `helm package` packs, and renders the same."""

from __future__ import annotations

import tarfile
from pathlib import Path

import yaml

from buhin.bundle.chart import pack
from scripts import chart


def files(path: Path) -> dict[str, bytes]:
    """What is in a packed chart."""
    with tarfile.open(path) as archive:
        found = {info.name: archive.extractfile(info) for info in archive}
        return {name: file.read() for name, file in found.items() if file}


def test_a_bundle_packs_the_chart_as_helm_does(tmp_path: Path) -> None:
    packed = pack(chart.CHART)
    ours = tmp_path / packed.file
    ours.write_bytes(packed.data)
    (tmp_path / "helm").mkdir()
    chart.helm("package", chart.CHART, "--destination", tmp_path / "helm")
    (theirs,) = (tmp_path / "helm").iterdir()
    assert ours.name == theirs.name
    found, expected = files(ours), files(theirs)
    one, other = (yaml.safe_load(each.pop("buhin/Chart.yaml")) for each in (found, expected))
    assert (found, one) == (expected, other)
    case = chart.CHART / "ci" / "airgapped.yaml"
    rendered = [chart.helm("template", "buhin", path, "--values", case) for path in (ours, theirs)]
    assert rendered[0] == rendered[1]
