"""`buhin pipeline` as a person uses it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from buhin.cli.pipeline import app
from buhin.errors import InvalidInputError
from tests.fleet import Fleet


@pytest.fixture
def at(tmp_path: Path, fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in, with the fleet in the environment."""
    for name, value in (fleet.environment | {"BUHIN_LANG": "en", "COLUMNS": "200"}).items():
        monkeypatch.setitem(os.environ, name, value)
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def buhin(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_ready_made_pipeline_runs_by_its_name(at: Path, recording: Path) -> None:
    result = buhin("run", "meeting_minutes", recording)
    assert result.exit_code == 0, result.output
    assert "run meeting_minutes-" in result.output
    names = {"meeting.html", "minutes.ja.md", "minutes.en.md", "transcript.txt", "transcript.json"}
    assert {path.name for path in (at / "out" / "meeting_minutes").iterdir()} == names
    assert "✓ transcribe" in result.stderr
    assert "1/1" in result.stderr


def test_several_files_are_several_runs_with_a_folder_each(at: Path, recording: Path) -> None:
    other = recording.with_name("other.wav")
    other.write_bytes(b"RIFF of another")
    result = buhin("run", "meeting_minutes", recording, other, "--out", at / "results", "--json")
    assert result.exit_code == 0, result.output
    assert len({entry["run"] for entry in json.loads(result.stdout)}) == 2
    assert {path.name for path in (at / "results").iterdir()} == {"meeting", "other"}


def test_failed_photographs_are_named(at: Path, photographs: Path) -> None:
    result = buhin("run", "crack_survey", photographs, "--set", "gsd_mm=0.5")
    assert result.exit_code == 0, result.output
    assert "failed inspect broken.jpg: UNREADABLE_MEDIA: image cannot be read (not a whole image)" in result.stdout
    assert "1 failed" in result.stderr


def test_a_run_in_which_everything_failed_exits_with_1(at: Path, photographs: Path) -> None:
    result = buhin("run", "crack_survey", photographs / "broken.jpg", "--json")
    assert result.exit_code == 1
    [step] = json.loads(result.stdout)["steps"]
    assert (step["done"], step["failed"][0]["item"]) == (0, "broken.jpg")


def test_a_stop_says_how_to_go_on(at: Path, fleet: Fleet, recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hook(function: str, number: int) -> None:
        if function == "summarize":
            raise InvalidInputError

    fleet.hook = hook
    result = buhin("run", "meeting_minutes", recording)
    assert result.exit_code == 1
    assert "stopped at minutes" in result.stderr
    assert "run the same command again to resume" in result.stderr
    assert "can be resumed" in buhin("list").stdout
    fleet.hook = lambda function, number: None
    monkeypatch.setenv("BUHIN_LANG", "ja")
    result = buhin("run", "meeting_minutes", recording)
    assert result.exit_code == 0
    assert "1 件は完了済み" in result.stderr
    assert "完了" in buhin("list").stdout
    assert fleet.calls == ["speech", "summarize", "summarize", "translate", "translate"]


def test_a_wrong_spec_is_told_line_by_line_and_nothing_runs(at: Path, fleet: Fleet, recording: Path) -> None:
    spec = at / "wrong.yaml"
    right = (Path(__file__).parent / "right.yaml").read_text(encoding="utf-8")
    spec.write_text(right.replace("METHOD_ABSTRACTIVE", "SHORT").replace("30.5s", "soon"), encoding="utf-8")
    for arguments in (("check", spec), ("run", spec, recording)):
        result = buhin(*arguments)
        assert result.exit_code == 1
        assert f"{spec}:20: timeout 'soon' must be seconds" in result.stderr
        assert f"{spec}:25: method is a Method, which has no SHORT" in result.stderr
        assert "2 to correct; nothing was run" in result.stderr
    problems = json.loads(buhin("check", spec, "--json").stdout)["problems"]
    assert [problem["line"] for problem in problems] == [20, 25]
    assert not fleet.calls


def test_check_and_list_know_the_ready_made_ones(at: Path) -> None:
    result = buhin("check", "crack_survey")
    assert result.exit_code == 0
    assert "crack_survey is right: inspect → report.html, findings.csv, findings.geojson, overlays/" in result.stdout
    listed = json.loads(buhin("list", "--json").stdout)
    assert [one["name"] for one in listed["pipelines"]] == ["crack_survey", "meeting_minutes"]
    assert listed["runs"] == []


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["run", "no_such_pipeline", "x.wav"], 1, "no_such_pipeline:1: cannot be read"),
        (["run", "meeting_minutes", "none.wav"], 1, "INVALID_VALUE: INPUT is none.wav"),
        (["run", "crack_survey", ".", "--set", "gsd_mm"], 2, "is not NAME=VALUE"),
    ],
    ids=["spec", "input", "parameter"],
)
def test_mistakes_are_told(arguments: list[str], status: int, message: str, at: Path) -> None:
    result = buhin(*arguments)
    assert result.exit_code == status
    assert message in result.stderr
