"""Runs over real gRPC: finished steps are never repeated, whatever happens in between."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from buhin.client.connection import Connection
from buhin.errors import (
    BuhinError,
    ClusterUnreachableError,
    DeadlineExceededError,
    EmptyInputError,
    InvalidInputError,
    InvalidValueError,
    NoReadyPodError,
    OutOfRangeError,
    QueueFullError,
    RunError,
    RunStoppedError,
)
from buhin.pipelines import execution, runner
from buhin.pipelines.checker import load
from buhin.pipelines.runner import Progress, Report
from buhin.pipelines.runs import Run, RunRecord, runs
from tests.conftest import ROOT
from tests.fleet import METHODS, Fleet

MINUTES = ROOT / "pipelines" / "meeting_minutes.yaml"
SURVEY = ROOT / "pipelines" / "crack_survey.yaml"


def start(fleet: Fleet, spec: Path, source: Path, **given: Any) -> Report:
    """Run a pipeline without a second try."""
    options: dict[str, Any] = {"out": fleet.state_dir.parent / "out", "retry_delays_s": ()} | given
    return runner.run(load(spec), [source], settings=fleet.settings, **options)


def command(fleet: Fleet, spec: Path, source: Path, out: Path) -> subprocess.Popen[str]:
    """The same as a person would, in a process of its own."""
    arguments = ["run", str(spec), str(source), "--out", str(out), "--json"]
    return subprocess.Popen(
        [sys.executable, "-c", "from buhin.cli.pipeline import app; app()", *arguments],
        env=os.environ | fleet.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


class Hold:
    """Holds the calls of a function from a given one on, until it is opened; says when one has arrived."""

    def __init__(self, function: str, number: int) -> None:
        self._at = (function, number)
        self.arrived = threading.Event()
        self.opened = threading.Event()

    def __call__(self, function: str, number: int) -> None:
        """Wait in the worker thread of the service."""
        if function == self._at[0] and number >= self._at[1]:
            self.arrived.set()
            self.opened.wait(30)


def failing(function: str, error: Exception) -> Any:
    """A hook that raises an error whenever the function is called."""

    def hook(called: str, number: int) -> None:
        if called == function:
            raise error

    return hook


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_run_that_was_killed_goes_on_where_it_was(
    number: signal.Signals, fleet: Fleet, photographs: Path, tmp_path: Path
) -> None:
    hold = fleet.hook = Hold("image_inspect", 3)
    first = command(fleet, SURVEY, photographs, tmp_path / "out")
    assert hold.arrived.wait(30)
    first.send_signal(number)
    _, errors = first.communicate(timeout=30)
    assert first.returncode == (130 if number == signal.SIGINT else -number), errors
    assert not (tmp_path / "out").exists()
    [run] = runs(fleet.state_dir)
    assert not run.record.finished
    assert fleet.calls.count("image_inspect") == 3

    hold.opened.set()
    again = command(fleet, SURVEY, photographs, tmp_path / "out")
    _, errors = again.communicate(timeout=60)
    assert again.returncode == 0, errors
    assert fleet.calls.count("image_inspect") == 5, (
        "two were done, the third was cut off and is done again, with the fourth"
    )
    [run] = runs(fleet.state_dir)
    assert run.record.finished
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "report.html", "findings.csv", "findings.geojson", "overlays",
    }  # fmt: skip
    if number == signal.SIGINT:
        assert "Traceback" not in errors


def test_a_run_stops_when_a_service_is_down_and_goes_on_when_it_is_up(fleet: Fleet, recording: Path) -> None:
    port = fleet.stop("summarize")
    with pytest.raises(RunStoppedError, match=r"stopped at minutes: no answer from .* run the same command again"):
        start(fleet, MINUTES, recording)
    assert fleet.calls == ["speech"]
    fleet.start("summarize", port)
    report = start(fleet, MINUTES, recording)
    assert fleet.calls == ["speech", "summarize", "translate", "translate"]
    assert report.reused == 1
    assert report.run.id.endswith("-1")


def test_a_service_that_comes_back_while_the_run_waits_is_called_again(fleet: Fleet, recording: Path) -> None:
    def hook(function: str, number: int) -> None:
        if function == "speech" and number < 3:
            raise QueueFullError(waiting=1, retry_after_s=0.01)

    fleet.hook = hook
    seen: list[Progress] = []
    start(fleet, MINUTES, recording, retry_delays_s=(0.0, 0.0), on_progress=seen.append)
    assert fleet.calls == ["speech"] * 3 + ["summarize", "translate", "translate"]
    waited = [progress.waiting.reason for progress in seen if progress.waiting]
    assert waited == ["QUEUE_FULL", "QUEUE_FULL"]


@pytest.mark.parametrize(
    "error",
    [NoReadyPodError(service="buhin-image-inspect", namespace="ai"), ClusterUnreachableError(address="a", problem="b")],
    ids=lambda error: error.reason,
)
def test_a_photograph_whose_service_is_not_found_yet_has_not_failed(
    error: BuhinError, fleet: Fleet, photographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, unary = iter([True, True]), Connection.unary

    def found_at_the_third_time(*arguments: Any, **options: Any) -> Any:
        if next(first, False):
            raise error
        return unary(*arguments, **options)

    monkeypatch.setattr(Connection, "unary", found_at_the_third_time)
    with pytest.raises(RunStoppedError):
        start(fleet, SURVEY, photographs)
    seen: list[Progress] = []
    report = start(fleet, SURVEY, photographs, retry_delays_s=(0.0,), on_progress=seen.append)
    assert [progress.waiting for progress in seen if progress.waiting] == [error]
    assert [label for label, _ in report.results["inspect"].failures()] == ["broken.jpg"]


@pytest.mark.parametrize(
    ("error", "calls"),
    [
        (QueueFullError(waiting=1, retry_after_s=0.01), 3),
        (InvalidInputError(), 1),
        (DeadlineExceededError(), 1),
        (ValueError("of the service"), 1),
    ],
    ids=["busy", "refused", "too late", "broken"],
)
def test_a_step_that_fails_stops_the_run_and_is_done_again(
    error: Exception, calls: int, fleet: Fleet, recording: Path
) -> None:
    fleet.hook = failing("speech", error)
    with pytest.raises(RunStoppedError, match="stopped at transcribe"):
        start(fleet, MINUTES, recording, retry_delays_s=(0.0, 0.0))
    assert fleet.calls == ["speech"] * calls
    fleet.hook = lambda function, number: None
    assert start(fleet, MINUTES, recording).run.id.endswith("-1")


def test_a_fault_of_the_runner_itself_is_not_kept(
    fleet: Fleet, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(execution, "fill", lambda *arguments: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            start(fleet, MINUTES, recording)
    assert start(fleet, MINUTES, recording).run.id.endswith("-1")


def test_a_photograph_that_cannot_be_read_is_reported_and_the_others_are_done(fleet: Fleet, photographs: Path) -> None:
    seen: list[Progress] = []
    report = start(fleet, SURVEY, photographs, on_progress=seen.append)
    result = report.results["inspect"]
    assert [item.label for item in result.items] == ["=2.jpg", "beam 3.jpg", "broken.jpg", "橋脚_1.jpg"]
    [(label, failure)] = result.failures()
    assert (label, failure.reason) == ("broken.jpg", "UNREADABLE_MEDIA")
    assert "not a whole image" in failure.message
    assert "読み取れません" in failure.message_ja
    assert [(p.done, p.total, p.failed) for p in seen] == [(0, 4, 0), (1, 4, 0), (2, 4, 0), (3, 4, 1), (4, 4, 1)]
    assert runs(fleet.state_dir)[0].record.failed == 1


def test_a_slow_photograph_is_given_up_at_the_deadline_of_its_step(
    fleet: Fleet, photographs: Path, tmp_path: Path
) -> None:
    spec = tmp_path / "survey.yaml"
    spec.write_text(SURVEY.read_text(encoding="utf-8").replace("timeout: 300s", "timeout: 2s"), encoding="utf-8")
    hold = fleet.hook = Hold("image_inspect", 4)
    report = start(fleet, spec, photographs)
    hold.opened.set()
    reasons = [failure.reason for _, failure in report.results["inspect"].failures()]
    assert reasons == ["UNREADABLE_MEDIA", DeadlineExceededError.reason]


def test_the_same_again_is_a_new_run_only_when_the_first_is_finished_or_fresh_is_asked_for(
    fleet: Fleet, recording: Path
) -> None:
    first = start(fleet, MINUTES, recording)
    second = start(fleet, MINUTES, recording)
    assert (first.run.id[-2:], second.run.id[-2:], second.reused) == ("-1", "-2", 0)
    fleet.hook = failing("translate", InvalidInputError())
    with pytest.raises(RunStoppedError):
        start(fleet, MINUTES, recording)
    fleet.hook = lambda function, number: None
    assert start(fleet, MINUTES, recording, fresh=True).run.id.endswith("-4")


def test_another_input_spec_or_parameter_is_another_run(fleet: Fleet, photographs: Path, tmp_path: Path) -> None:
    other_spec = tmp_path / "survey.yaml"
    other_spec.write_text(SURVEY.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
    (photographs / "broken.jpg").unlink()
    ids = {start(fleet, SURVEY, photographs).run.id, start(fleet, other_spec, photographs).run.id}
    ids.add(start(fleet, SURVEY, photographs, parameters={"gsd_mm": "0.3"}).run.id)
    (photographs / "=2.jpg").unlink()
    ids.add(start(fleet, SURVEY, photographs).run.id)
    assert len(ids) == 4
    assert all(name.endswith("-1") for name in ids)


def test_a_damaged_result_is_noticed(fleet: Fleet, recording: Path) -> None:
    fleet.hook = failing("summarize", InvalidInputError())
    with pytest.raises(RunStoppedError):
        start(fleet, MINUTES, recording)
    [run] = runs(fleet.state_dir)
    [kept] = (run.folder / "results").rglob("*.binpb")
    kept.write_bytes(kept.read_bytes()[:-1])
    fleet.hook = lambda function, number: None
    with pytest.raises(RunError, match="missing or damaged; start anew with --fresh"):
        start(fleet, MINUTES, recording)
    assert "summarize" not in fleet.calls[2:]
    start(fleet, MINUTES, recording, fresh=True)


def test_what_two_workers_keep_in_one_place_is_there_for_both(tmp_path: Path) -> None:
    run = Run(tmp_path, RunRecord("a-1", "a", "a.yaml", [], {}, ""))
    kept = {data: run.store("inspect", 0, data) for data in (b"of one", b"of the other")}
    assert {data: run.load(stored) for data, stored in kept.items()} == {data: data for data in kept}


def test_an_input_that_changes_during_the_run_is_noticed(fleet: Fleet, photographs: Path) -> None:
    def hook(function: str, number: int) -> None:
        (photographs / "橋脚_1.jpg").write_bytes(b"another")

    fleet.hook = hook
    with pytest.raises(RunError, match="changed while the run was going on"):
        start(fleet, SURVEY, photographs)


def test_only_one_process_works_on_a_run(fleet: Fleet, recording: Path, tmp_path: Path) -> None:
    hold = fleet.hook = Hold("speech", 1)
    first = command(fleet, MINUTES, recording, tmp_path / "out")
    assert hold.arrived.wait(30)
    with pytest.raises(RunError, match="another process is working on it"):
        start(fleet, MINUTES, recording)
    hold.opened.set()
    _, errors = first.communicate(timeout=60)
    assert first.returncode == 0, errors
    assert fleet.calls == ["speech", "summarize", "translate", "translate"]


def test_an_unfinished_run_is_left_alone_by_another(fleet: Fleet, recording: Path, photographs: Path) -> None:
    fleet.hook = failing("translate", InvalidInputError())
    with pytest.raises(RunStoppedError):
        start(fleet, MINUTES, recording)
    fleet.hook = lambda function, number: None
    fleet.calls.clear()
    start(fleet, SURVEY, photographs)
    assert set(fleet.calls) == {"image_inspect"}


def test_outputs_that_cannot_be_written_do_not_lose_the_run(fleet: Fleet, recording: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("in the way", encoding="utf-8")
    with pytest.raises(RunError, match="cannot write"):
        start(fleet, MINUTES, recording)
    report = start(fleet, MINUTES, recording, out=tmp_path / "elsewhere")
    assert fleet.calls == ["speech", "summarize", "translate", "translate"]
    assert report.reused == 4
    assert all(path.is_file() for path in report.outputs)


def test_the_services_are_asked_what_the_spec_says(fleet: Fleet, recording: Path) -> None:
    report = start(fleet, MINUTES, recording)
    english = report.results["english"].answer
    minutes = report.results["minutes"].answer
    assert [t.translated_text for t in english.translations] == [f"<en> {s.text}" for s in minutes.sentences]
    [titles] = [item.answer for item in report.results["titles"].items]
    assert [t.translated_text for t in titles.translations] == [f"<en> {t.title}" for t in minutes.minutes.topics]
    assert english.provenance.request_id == f"{report.run.id.removeprefix('meeting_minutes-')}.3.1"


@pytest.mark.parametrize("spec", [MINUTES, SURVEY], ids=lambda path: path.stem)
def test_nothing_is_called_for_a_wrong_input(spec: Path, fleet: Fleet, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    wrong = tmp_path / "wrong.docx"
    wrong.write_bytes(b"x")
    for source, error in (
        (tmp_path / "empty", EmptyInputError),
        (wrong, InvalidValueError),
        (tmp_path / "no", InvalidValueError),
    ):
        with pytest.raises(error):
            start(fleet, spec, source)
    assert not fleet.calls
    assert not runs(fleet.state_dir)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"gsd_mm": "wide"}, InvalidValueError),
        ({"gsd_mm": "nan"}, OutOfRangeError),
        ({"gsd": "0.3"}, InvalidValueError),
    ],
    ids=str,
)
def test_nothing_is_called_for_a_wrong_parameter(
    given: dict[str, str], error: type[BuhinError], fleet: Fleet, photographs: Path
) -> None:
    with pytest.raises(error):
        start(fleet, SURVEY, photographs, parameters=given)
    assert not fleet.calls


def test_one_run_of_a_pipeline_on_a_file_takes_one_file(fleet: Fleet, recording: Path) -> None:
    other = recording.with_name("other.wav")
    other.write_bytes(b"other")
    with pytest.raises(RunError, match="takes one file, not 2"):
        runner.run(load(MINUTES), [recording, other], out=recording.parent, settings=fleet.settings)


def test_every_function_of_the_house_has_known_answers() -> None:
    from buhin.config import PORTS

    assert set(METHODS) == set(PORTS)
