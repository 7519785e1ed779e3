"""`buhin pipeline work` where what it is given is wrong: it ends for good, with one line of JSON."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from buhin.cli import pipeline_work
from buhin.cli.pipeline import app
from buhin.pipelines.workers import Worker
from tests.conftest import ROOT
from tests.workers import submitted

SURVEY = ROOT / "pipelines" / "crack_survey.yaml"


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("pipeline.yaml", "name: 1", "pipeline.yaml:1:"),
        ("submission.json", "{", "Invalid JSON"),
        ("submission.json", '{"run": "x", "inputs": ["/etc"], "out": "out"}', "must lie in the claim"),
        ("submission.json", '{"run": "x", "inputs": ["a"], "out": "a/../../b"}', "must lie in the claim"),
        ("submission.json", '{"run": "X y", "inputs": ["a"], "out": "out"}', "String should match"),
        ("submission.json", None, "No such file"),
    ],
    ids=["pipeline", "no JSON", "absolute", "above", "name", "absent"],
)
def test_a_wrong_gift_is_told_in_a_line(file: str, text: str | None, message: str, tmp_path: Path) -> None:
    folder = submitted(tmp_path / "given", SURVEY, "photos")
    (folder / file).unlink()
    if text is not None:
        (folder / file).write_text(text, encoding="utf-8")
    result = CliRunner().invoke(app, ["work", str(folder), "--root", str(tmp_path)])
    assert result.exit_code == 3
    told = json.loads(result.stdout)
    assert told["event"] == "stopped"
    assert message in told["message"]


@pytest.mark.parametrize("error", [KeyError("of a library"), SystemExit(0)], ids=lambda error: type(error).__name__)
def test_whatever_happens_to_a_worker_it_says_so_and_ends(
    error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ended(BaseException):
        """Instead of the end of this process."""

    def end(code: int) -> None:
        raise Ended(code)

    def run(worker: Worker) -> int:
        raise error

    monkeypatch.setattr(pipeline_work, "_end", end)
    monkeypatch.setattr(Worker, "run", run)
    monkeypatch.setattr(signal, "signal", lambda *arguments: None)
    told: list[dict[str, object]] = []
    monkeypatch.setattr(pipeline_work, "_tell", lambda run, number, event, **fields: told.append(fields))
    with pytest.raises(Ended, match=r"^1$"):
        pipeline_work.work(submitted(tmp_path / "given", SURVEY, "photos"), tmp_path)
    [fields] = told
    assert type(error).__name__ in str(fields["message"])
    assert "in run" in str(fields["trace"])


def test_a_run_of_no_name_is_not_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUHIN_STATE_DIR", str(tmp_path))
    (tmp_path / "submitted" / "kept").mkdir(parents=True)
    result = CliRunner().invoke(app, ["forget", "../submitted/kept"])
    assert result.exit_code == 1
    assert json.loads(result.stdout)["event"] == "stopped"
    assert (tmp_path / "submitted" / "kept").exists()
