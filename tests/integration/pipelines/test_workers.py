"""Workers that share a run through PostgreSQL, as processes of their own, against services on real gRPC."""

from __future__ import annotations

import re
import shutil
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from buhin.errors import InvalidInputError, ModelMissingError
from buhin.pipelines import runner
from buhin.pipelines.checker import load
from tests.conftest import ROOT
from tests.fleet import Fleet
from tests.workers import Hold, Process, submitted, written

MINUTES = ROOT / "pipelines" / "meeting_minutes.yaml"
SURVEY = ROOT / "pipelines" / "crack_survey.yaml"
Start = Callable[..., Process]

ONE_CALL = """\
name: one_call
title: {en: One call, ja: 一回の呼び出し}
input: {kind: files, suffixes: [.jpg]}
steps:
  - id: words
    call: buhin.translate.v1.TranslateService/TranslateText
    with: {contents: [橋], target_language_code: en}
outputs:
  - {file: words.json, writer: json, with: {answer: "${words}"}}
"""


@pytest.fixture
def start(fleet: Fleet, claim: Path, database: str) -> Iterator[Start]:
    """Starts a worker on what was submitted. None of them outlives the test."""
    started: list[Process] = []

    def begin(folder: Path, number: int = 0, database_url: str = database) -> Process:
        started.append(Process(folder, fleet, claim, database_url, number))
        return started[-1]

    yield begin
    for process in started:
        process.kill()


def schemas(database: str, run: str) -> set[str]:
    """The schemas of the runs of a name."""
    with sa.create_engine(database, poolclass=sa.NullPool).connect() as connection:
        found = connection.execute(sa.text("SELECT nspname::text FROM pg_namespace")).scalars()
        return {name for name in found if re.fullmatch(f"buhin_{run}_[0-9a-f]{{6}}", name)}


def local(fleet: Fleet, spec: Path, sources: list[Path], out: Path, **parameters: str) -> dict[str, bytes]:
    """What a run on one machine writes."""
    runner.run(load(spec), sources, out=out, settings=fleet.settings, parameters=parameters)
    return written(out)


def test_workers_share_a_run_and_its_outputs_are_those_of_a_run_on_one_machine(
    fleet: Fleet, claim: Path, tmp_path: Path, start: Start
) -> None:
    expected = local(fleet, SURVEY, [claim / "photos"], tmp_path / "local", gsd_mm="0.5")
    fleet.calls.clear()
    together = threading.Barrier(6)

    def hook(function: str, number: int) -> None:
        if number <= 6:
            together.wait(60)

    fleet.hook = hook
    folder = submitted(tmp_path / "given", SURVEY, "photos", run="shared", parameters={"gsd_mm": "0.5"})
    workers = [start(folder, number) for number in range(3)]
    assert [worker.wait() for worker in workers] == [0, 0, 0]
    assert fleet.calls == ["image_inspect"] * 8, "six of them at the same time: two of each worker"
    assert written(claim / "out") == expected
    for worker in workers:
        finished = worker.told("finished")
        assert finished["steps"] == {"inspect": {"done": 7, "failed": 1}}
        [failure] = finished["failures"]
        assert (failure["item"], failure["reason"]) == ("broken.jpg", "UNREADABLE_MEDIA")
    told = [each for worker in workers for each in worker.events if each["event"] == "progress"]
    assert told[-1].items() >= {"step": "inspect", "done": 7, "failed": 1, "total": 8}.items()


def test_a_worker_takes_no_more_items_at_once_than_it_may(
    fleet: Fleet, claim: Path, tmp_path: Path, database: str, start: Start
) -> None:
    taken: list[int] = []
    together = threading.Barrier(2)
    count = "SELECT count(*) FROM {}.workflow_status WHERE queue_name = 'parts' AND status = 'PENDING'"

    def hook(function: str, number: int) -> None:
        together.wait(60)
        with sa.create_engine(database, poolclass=sa.NullPool).connect() as connection:
            [schema] = schemas(database, "bounded")
            taken.append(connection.execute(sa.text(count.format(schema))).scalar_one())

    fleet.hook = hook
    assert start(submitted(tmp_path / "given", SURVEY, "photos", run="bounded", concurrency=2)).wait() == 0
    assert len(taken) == 8
    assert max(taken) == 2


@pytest.mark.parametrize("replaced", [True, False], ids=["replaced", "gone for good"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=lambda number: number.name)
def test_what_a_dead_worker_had_is_done_by_others_and_nothing_else_again(
    number: signal.Signals, replaced: bool, fleet: Fleet, claim: Path, tmp_path: Path, start: Start
) -> None:
    expected = local(fleet, SURVEY, [claim / "photos"], tmp_path / "local")
    fleet.requests.clear()
    hold = fleet.hook = Hold(4)
    run = f"dead-{number.name.lower()}-{replaced}".lower()
    folder = submitted(tmp_path / "given", SURVEY, "photos", run=run)
    leader = start(folder, 0)
    assert hold.arrived.wait(60)
    other = start(folder, 1)
    other.told("began")
    assert leader.end(number) == (-9 if number == signal.SIGKILL else 1)
    in_flight = {request.image for request in fleet.requests[3:]}
    successor = start(folder, 0) if replaced else None
    hold.opened.set()
    assert other.wait() == 0
    if successor is not None:
        assert successor.wait() == 0
    else:
        assert other.told("recovered")["of"] == "worker-0"
    made = Counter(request.image for request in fleet.requests)
    assert len(made) == 8
    assert {image for image, count in made.items() if count > 1} <= in_flight
    assert written(claim / "out") == expected


def test_a_successor_waits_until_the_former_worker_is_gone(
    fleet: Fleet, claim: Path, tmp_path: Path, start: Start
) -> None:
    hold = fleet.hook = Hold(1)
    folder = submitted(tmp_path / "given", SURVEY, "photos", run="frozen")
    former = start(folder)
    assert hold.arrived.wait(60)
    former.send(signal.SIGSTOP)
    successor = start(folder)
    assert "still there" in successor.told("waiting")["problem"]
    hold.opened.set()
    assert former.end(signal.SIGKILL) == -9
    assert successor.wait() == 0


def test_a_worker_that_is_cut_off_from_the_database_ends(
    fleet: Fleet, claim: Path, tmp_path: Path, database: str, start: Start
) -> None:
    hold = fleet.hook = Hold(1)
    folder = submitted(tmp_path / "given", SURVEY, "photos", run="cut")
    worker = start(folder)
    assert hold.arrived.wait(60)
    with sa.create_engine(database, poolclass=sa.NullPool).connect() as connection:
        named = "SELECT DISTINCT application_name FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        assert {"buhin-worker", "buhin-parts"} <= set(connection.execute(sa.text(named)).scalars())
        cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'buhin-worker'"
        assert connection.execute(sa.text(cut)).all()
    assert worker.wait() == 1
    assert "terminating connection" in worker.told("stopped")["message"]
    hold.opened.set()
    assert start(folder).wait() == 0


def test_each_recording_is_a_run_of_its_own_and_one_that_fails_stops_no_other(
    fleet: Fleet, claim: Path, tmp_path: Path, start: Start
) -> None:
    expected = {
        name: local(fleet, MINUTES, [claim / "talks" / f"{name}.wav"], tmp_path / "local" / name) for name in "ac"
    }
    fleet.requests.clear()

    def hook(function: str, number: int) -> None:
        if function == "speech" and fleet.requests[-1].audio.endswith(b"of b"):
            raise InvalidInputError

    fleet.hook = hook
    fleet.calls.clear()
    folder = submitted(tmp_path / "given", MINUTES, "talks/a.wav", "talks", run="talks", concurrency=1)
    workers = [start(folder, number) for number in range(2)]
    assert [worker.wait() for worker in workers] == [0, 0]
    assert Counter(fleet.calls) == {"speech": 3, "summarize": 2, "translate": 4}
    finished = workers[0].told("finished")
    assert finished["steps"] == {"files": {"done": 2, "failed": 1}}
    [failure] = finished["failures"]
    assert (failure["item"], failure["step"], failure["reason"]) == ("b.wav", "transcribe", "INVALID_INPUT")
    assert {path.name for path in (claim / "out").iterdir()} == {"a", "c"}
    for name in "ac":
        assert written(claim / "out" / name) == expected[name]


def test_a_file_that_goes_away_in_the_run_stops_no_other(
    fleet: Fleet, claim: Path, tmp_path: Path, start: Start
) -> None:
    def hook(function: str, number: int) -> None:
        (claim / "talks" / "c.wav").unlink(missing_ok=True)

    fleet.hook = hook
    worker = start(submitted(tmp_path / "given", MINUTES, "talks", run="talk-gone", concurrency=1))
    assert worker.wait() == 0
    finished = worker.told("finished")
    assert finished["steps"] == {"files": {"done": 2, "failed": 1}}
    [failure] = finished["failures"]
    assert (failure["item"], failure["step"], failure["reason"]) == ("c.wav", "input", "INPUT_FILE")


def test_a_photograph_that_is_changed_in_the_run_stops_no_other(
    fleet: Fleet, claim: Path, tmp_path: Path, start: Start
) -> None:
    def hook(function: str, number: int) -> None:
        if number == 1:
            (claim / "photos" / "06.jpg").write_bytes(b"another")

    fleet.hook = hook
    worker = start(submitted(tmp_path / "given", SURVEY, "photos", run="photo-changed", concurrency=1))
    assert worker.wait() == 0
    found = {each["item"]: each["reason"] for each in worker.told("finished")["failures"]}
    assert found == {"06.jpg": "INPUT_FILE", "broken.jpg": "UNREADABLE_MEDIA"}


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [(ModelMissingError(model="tiny"), 1, "RUN_STOPPED"), (InvalidInputError(), 3, "RUN_STOPPED")],
    ids=["a service is down", "a step is refused"],
)
def test_a_run_that_cannot_go_on_says_whether_another_try_may_help(
    error: Exception, code: int, reason: str, fleet: Fleet, claim: Path, tmp_path: Path, start: Start
) -> None:
    def hook(function: str, number: int) -> None:
        raise error

    fleet.hook = hook
    spec = tmp_path / "one.yaml"
    spec.write_text(ONE_CALL, encoding="utf-8")
    folder = submitted(tmp_path / "given", spec, "photos", run=f"stopped-{code}")
    worker = start(folder)
    assert worker.wait() == code
    assert worker.told("stopped")["reason"] == reason
    fleet.hook = lambda function, number: None
    if code == 1:
        assert start(folder).wait() == 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"inputs": ["none"]}, "a file or a folder that exists"),
        ({"parameters": {"gsd_mm": "wide"}}, "a number"),
        ({"run": "taken"}, "its name is that of a run of another pipeline"),
    ],
    ids=["input", "parameter", "name"],
)
def test_what_no_other_try_would_change_is_told_and_nothing_called(
    given: dict[str, Any], message: str, fleet: Fleet, claim: Path, tmp_path: Path, start: Start
) -> None:
    if given.get("run"):
        start(submitted(tmp_path / "other", SURVEY, "photos", run="taken", parameters={"gsd_mm": "1"})).wait()
    fleet.calls.clear()
    options = {"run": "wrong", "inputs": ["photos"]} | given
    worker = start(submitted(tmp_path / "given", SURVEY, *options.pop("inputs"), **options))
    assert worker.wait() == 3
    assert message in worker.told("stopped")["message"]
    assert not fleet.calls


def test_a_run_in_which_everything_failed_has_failed(fleet: Fleet, claim: Path, tmp_path: Path, start: Start) -> None:
    worker = start(submitted(tmp_path / "given", SURVEY, "photos/broken.jpg", run="broken"))
    assert worker.wait() == 3
    assert worker.told("finished")["steps"] == {"inspect": {"done": 0, "failed": 1}}


def test_a_run_is_forgotten_with_its_schema_and_its_results_but_not_its_outputs(
    fleet: Fleet, claim: Path, tmp_path: Path, database: str, start: Start
) -> None:
    folder = submitted(tmp_path / "given", SURVEY, "photos", run="forgotten")
    assert start(folder).wait() == 0
    assert len(schemas(database, "forgotten")) == 1
    for _ in range(2):
        assert Process(Path("forgotten"), fleet, claim, database, command="forget").wait() == 0
    assert not schemas(database, "forgotten")
    assert not (claim / ".buhin" / "submitted" / "forgotten").exists()
    assert (claim / "out" / "report.html").exists()


def test_runs_of_one_name_on_two_claims_share_a_database_and_nothing_else(
    fleet: Fleet, claim: Path, tmp_path: Path, database: str, start: Start
) -> None:
    folder = submitted(tmp_path / "given", SURVEY, "photos", run="twin")
    other = tmp_path / "other"
    shutil.copytree(claim, other)
    assert start(folder).wait() == 0
    calls = len(fleet.calls)
    for _ in range(2):
        assert Process(folder, fleet, other, database).wait() == 0
    assert len(fleet.calls) == 2 * calls
    assert written(other / "out") == written(claim / "out")
    assert len(schemas(database, "twin")) == 2
    assert Process(Path("twin"), fleet, other, database, command="forget").wait() == 0
    assert start(folder).wait() == 0
    assert len(fleet.calls) == 2 * calls, "what is known of the run on the first claim is still there"


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_a_damaged_record_is_told(text: str, fleet: Fleet, claim: Path, tmp_path: Path, start: Start) -> None:
    record = claim / ".buhin" / "submitted" / "damaged" / "submission.json"
    record.parent.mkdir(parents=True)
    record.write_text(text, encoding="utf-8")
    worker = start(submitted(tmp_path / "given", SURVEY, "photos", run="damaged"))
    assert worker.wait() == 3
    assert "delete that one" in worker.told("stopped")["message"]


@pytest.mark.parametrize("run", ["inspect-0", "file-0"])
def test_a_run_may_have_any_name(run: str, fleet: Fleet, claim: Path, tmp_path: Path, start: Start) -> None:
    source, spec = ("photos", SURVEY) if run == "inspect-0" else ("talks", MINUTES)
    assert start(submitted(tmp_path / "given", spec, source, run=run)).wait() == 0


def test_a_run_that_was_ended_in_the_database_is_not_waited_for(
    fleet: Fleet, claim: Path, tmp_path: Path, database: str, start: Start
) -> None:
    hold = fleet.hook = Hold(1)
    worker = start(submitted(tmp_path / "given", SURVEY, "photos", run="ended"))
    assert hold.arrived.wait(60)
    [schema] = schemas(database, "ended")
    table = sa.table("workflow_status", sa.column("workflow_uuid"), sa.column("status"), schema=schema)
    end = table.update().where(table.c.workflow_uuid == "run:ended").values(status="CANCELLED")
    with sa.create_engine(database, poolclass=sa.NullPool).begin() as connection:
        assert connection.execute(end).rowcount == 1
    try:
        assert "CANCELLED" in worker.told("stopped")["message"]
        assert worker.wait() == 3
    finally:
        hold.opened.set()


def test_without_postgresql_one_worker_does_it_with_sqlite(
    fleet: Fleet, claim: Path, tmp_path: Path, start: Start
) -> None:
    folder = submitted(tmp_path / "given", SURVEY, "photos", run="alone")
    hold = fleet.hook = Hold(3)
    worker = start(folder, database_url="")
    assert hold.arrived.wait(60)
    assert worker.end(signal.SIGKILL) == -9
    hold.opened.set()
    assert start(folder, database_url="").wait() == 0
    assert (claim / "out" / "report.html").exists()
