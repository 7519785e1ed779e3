"""What the images install is locked by digest, and listed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from buhin.config import Settings
from buhin.models.manifest import Manifest
from scripts import lock, sbom

PIN = re.compile(r"[\w.-]+==\S+ \\\n    --hash=sha256:[0-9a-f]{64}\n")


@pytest.mark.parametrize("image", lock.IMAGES)
def test_every_line_is_pinned_by_a_digest_and_nothing_else_stands_there(image: str) -> None:
    head, _, pins = (lock.FOLDER / f"{image}.txt").read_text(encoding="utf-8").partition("\n")
    assert head.startswith("# ")
    assert PIN.sub("", pins) == ""
    assert len(PIN.findall(pins)) > 20
    assert "://" not in pins
    assert not re.search(r"^torch==", pins, re.MULTILINE)
    names = {re.split(r"[\[<>=!; ]", requirement)[0].lower() for requirement in lock.wanted(lock.IMAGES[image])}
    locked = {re.sub(r"[-_.]+", "-", line.partition("==")[0].lower()) for line in pins.splitlines() if "==" in line}
    assert {re.sub(r"[-_.]+", "-", name) for name in names} - locked == set()


def test_the_locks_are_of_today() -> None:
    assert lock.problems() == []


def test_a_changed_requirement_is_noticed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = (lock.ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(text.replace('"structlog>=25"', '"structlog>=26"'), encoding="utf-8")
    monkeypatch.setattr(lock, "ROOT", tmp_path)
    assert len(lock.problems()) == len(lock.IMAGES)


@pytest.mark.parametrize("image", lock.IMAGES)
def test_the_bill_is_valid_whole_and_the_same_twice(image: str) -> None:
    bill: dict[str, Any] = sbom.bill(image)
    assert sbom.bill(image) == bill
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill)) is None
    locked = re.findall(r"^([\w.-]+)==", (lock.FOLDER / f"{image}.txt").read_text(encoding="utf-8"), re.MULTILINE)
    listed = [component["name"] for component in bill["components"] if component["type"] == "library"]
    assert sorted(listed) == sorted(locked)


def test_every_model_is_in_the_bill_of_an_image() -> None:
    listed = {c["name"] for image in lock.IMAGES for c in sbom.bill(image)["components"] if c["type"] != "library"}
    assert listed == {model.id for model in Manifest.load(Settings().manifest).models}
