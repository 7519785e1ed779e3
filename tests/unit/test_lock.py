"""What the images install is locked by digest, and listed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from buhin.config import Settings
from buhin.models.manifest import Manifest
from scripts import audit, lock, sbom

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
    (tmp_path / "pyproject.toml").write_text(text.replace('"rich>=14,<16"', '"rich>=15,<16"'), encoding="utf-8")
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
    assert listed == {"buhin"} | {model.id for model in Manifest.load(Settings().manifest).models}


def test_the_bills_are_written_where_asked_and_twice_alike(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for folder in ("first", "second"):
        monkeypatch.setattr(sys, "argv", ["sbom", "--out", str(tmp_path / folder)])
        sbom.main()
    for image in lock.IMAGES:
        first, second = (tmp_path / folder / f"{image}.cdx.json" for folder in ("first", "second"))
        assert first.read_bytes() == second.read_bytes()


def test_no_lock_is_written_for_another_python(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(lock, "FOLDER", tmp_path)
    monkeypatch.setattr(sys, "argv", ["lock"])
    monkeypatch.setattr(sys, "version_info", (3, 12, 0))
    with pytest.raises(SystemExit, match=r"Python 3\.11"):
        lock.main()
    assert list(tmp_path.iterdir()) == []


def _package(name: str, **said: Any) -> dict[str, Any]:
    return {"name": name, "version": "1.0", **said}


KNOWN = _package("bad", vulns=[{"id": "PYSEC-1", "fix_versions": ["1.1"]}])
CLEAN = _package("good", vulns=[])
SKIPPED = {"name": "strange", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("packages", "error", "status", "told"),
    [
        ([CLEAN], "", None, "1 of 1 packages could be checked"),
        ([CLEAN, KNOWN], "", 1, "PYSEC-1"),
        ([CLEAN, SKIPPED], "", None, "not checked: strange"),
        ([SKIPPED], "", None, "not checked: no advisory source is reachable"),
        (None, "requests.exceptions.ConnectionError: …", None, "not checked: no advisory source is reachable"),
        (None, "No module named pip_audit", "the audit failed: No module named pip_audit", ""),
    ],
)
def test_an_audit_tells_what_it_found_and_what_it_could_not_ask(
    packages: list[dict[str, Any]] | None,
    error: str,
    status: int | str | None,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stdout = "" if packages is None else json.dumps({"dependencies": packages})
    ran = subprocess.CompletedProcess([], 1, stdout, error)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: ran)
    if status is None:
        audit.main()
    else:
        with pytest.raises(SystemExit) as left:
            audit.main()
        assert left.value.code == status
    assert told in "".join(capsys.readouterr())
