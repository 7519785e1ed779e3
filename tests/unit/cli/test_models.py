"""`buhin models` as a person uses it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from buhin.cli.models import app
from tests.unit.models.test_store import CONTENT, manifest


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty store, a manifest of one model and a folder with its files."""
    (tmp_path / "manifest.yaml").write_text(yaml.safe_dump(manifest("index").model_dump(mode="json")), encoding="utf-8")
    (tmp_path / "usb").mkdir()
    for name, data in CONTENT.items():
        (tmp_path / "usb" / name).write_bytes(data)
    settings = {
        "BUHIN_MODELS_DIR": str(tmp_path / "models"), "BUHIN_MANIFEST": str(tmp_path / "manifest.yaml"),
        "BUHIN_OFFLINE": "1", "BUHIN_LANG": "en", "COLUMNS": "200",
    }  # fmt: skip
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)


def models(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def test_from_nothing_to_a_verified_model() -> None:
    assert json.loads(models("list", "--json").stdout)[0]["present"] is False
    assert models("verify").exit_code == 1
    pulled = models("pull", "--from", "usb", "--json")
    assert pulled.exit_code == 0, pulled.output
    assert "tiny" in pulled.stderr
    folder = json.loads(pulled.stdout)[0]["path"]
    assert models("path", "tiny").stdout.strip() == folder
    assert (Path(folder) / "model.bin").read_bytes() == CONTENT["model.bin"]
    listed = models("list").stdout
    assert "tiny" in listed
    assert "yes" in listed
    verified = models("verify")
    assert (verified.exit_code, verified.stdout) == (0, "tiny: every file is right\n")


def test_offline_it_says_what_to_do() -> None:
    result = models("pull")
    assert result.exit_code == 1
    assert "OFFLINE" in result.stderr
    assert "--from" in result.stderr


def test_a_changed_file_is_found_and_pulled_anew() -> None:
    models("pull", "--from", "usb")
    path = Path(models("path", "tiny").stdout.strip()) / "model.bin"
    path.chmod(0o644)
    path.write_bytes(CONTENT["model.bin"].replace(b"5", b"6", 1))
    result = models("verify", "--json")
    assert result.exit_code == 1
    (found,) = json.loads(result.stdout)
    assert (found["ok"], found["reason"]) == (False, "DIGEST_MISMATCH")
    assert models("path", "tiny").exit_code == 1
    assert models("pull", "--from", "usb", "--force").exit_code == 0
    assert models("verify").exit_code == 0


def test_an_unknown_model_is_refused_with_those_that_are_known() -> None:
    for command in ("pull", "verify", "path"):
        result = models(command, "huge")
        assert result.exit_code == 1
        assert "known: tiny" in result.output


def test_a_model_of_ones_own_goes_from_a_folder_through_an_entry_into_the_store(tmp_path: Path) -> None:
    said = ("--main", "model.bin", "--licence", "MIT", "--origin", "made here")
    entry = models("entry", "own", "usb", *said)
    assert entry.exit_code == 0, entry.output
    (tmp_path / "manifest.yaml").write_text("models:\n" + entry.stdout, encoding="utf-8")
    pulled = models("pull", "own", "--from", "usb", "--json")
    assert pulled.exit_code == 0, pulled.output
    folder = Path(json.loads(pulled.stdout)[0]["path"])
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == CONTENT
    wrong = models("entry", "own", "usb", "--main", "weights.bin", *said[2:])
    assert wrong.exit_code == 1
    assert "config.json, model.bin" in wrong.stderr
