"""Pipelines submitted to a cluster, from the command to the outputs: the API server and the kubelet are those of the
tests, the pods are real workers with a real PostgreSQL.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml
from typer.testing import CliRunner, Result

from buhin.cli.main import app
from buhin.cluster import jobs
from buhin.errors import ModelMissingError
from buhin.pipelines import runner
from buhin.pipelines.checker import load
from tests.cluster_api import Access, ApiServer, Rule
from tests.cluster_api.server import ADMIN
from tests.conftest import ROOT
from tests.fleet import Fleet
from tests.kubelet import Kubelet
from tests.unit.helm import rendering
from tests.workers import Hold, written

NAMESPACE = "ai"
FOLDER = ROOT / "tests" / "data" / "cluster"
SURVEY = ROOT / "pipelines" / "crack_survey.yaml"


@pytest.fixture
def rules() -> list[dict[str, Any]]:
    """What the chart grants to those who submit."""
    roles = [each for each in rendering.example("production") if each["kind"] == "Role"]
    return next(list(each["rules"]) for each in roles if each["metadata"]["name"] == "buhin-submitter")


@pytest.fixture
def access(rules: list[dict[str, Any]]) -> Access:
    """Who submits."""
    return Access("system:serviceaccount:ai:bureau", Rule.of(rules, NAMESPACE))


@pytest.fixture
def api(tmp_path: Path, fleet: Fleet, access: Access, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    """An API server with what the chart says of workers, for somebody who may submit and nothing else."""
    told = yaml.safe_load((FOLDER / "worker.yaml").read_text(encoding="utf-8"))
    told |= {"addresses": fleet.addresses, "tls": {}, "tokenSecretName": ""}
    monkeypatch.setattr(jobs, "LOOK_S", 0.05)
    monkeypatch.setenv("BUHIN_LANG", "en")
    monkeypatch.setenv("COLUMNS", "200")
    with ApiServer() as running:
        meta = {"name": "buhin-workers", "namespace": NAMESPACE}
        data = {"worker.yaml": yaml.safe_dump(told)}
        running.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data})
        running.tokens[ADMIN] = access
        monkeypatch.setenv("KUBECONFIG", str(running.kubeconfig(tmp_path / "kubeconfig", namespace=NAMESPACE)))
        yield running


@pytest.fixture
def kubelet(api: ApiServer, tmp_path: Path, claim: Path, database: str) -> Iterator[Kubelet]:
    """Runs what is submitted."""
    with Kubelet(api, tmp_path / "given", claim, {("buhin-database", "dsn"): database}) as running:
        yield running


def buhin(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["pipeline", *arguments])


def submit(run: str, *arguments: str) -> Result:
    return buhin("submit", "crack_survey", "photos", "--cluster", "--run", run, "-p", "gsd_mm=0.5", *arguments)


def schemas(database: str, run: str) -> set[str]:
    with sa.create_engine(database, poolclass=sa.NullPool).connect() as connection:
        found = connection.execute(sa.text("SELECT nspname::text FROM pg_namespace")).scalars()
        return {name for name in found if name.startswith(f"buhin_{run}_")}


def test_a_pipeline_is_submitted_watched_and_removed_with_the_calls_that_the_chart_grants_and_no_other(
    api: ApiServer,
    access: Access,
    rules: list[dict[str, Any]],
    kubelet: Kubelet,
    fleet: Fleet,
    claim: Path,
    database: str,
    tmp_path: Path,
) -> None:
    runner.run(
        load(SURVEY),
        [claim / "photos"],
        out=tmp_path / "local",
        settings=fleet.settings,
        parameters={"gsd_mm": "0.5"},
    )
    fleet.calls.clear()
    ended = submit("survey", "--workers", "2", "--wait", "--json")
    assert ended.exit_code == 0, ended.output
    told = json.loads(ended.stdout)
    assert (told["state"], told["workers"], told["pipeline"]) == ("finished", 2, "crack_survey")
    assert told["steps"] == {"inspect": {"done": 7, "failed": 1, "total": 8}}
    assert [each["item"] for each in told["failures"]] == ["broken.jpg"]
    assert fleet.calls == ["image_inspect"] * 8
    assert written(claim / "out" / "survey") == written(tmp_path / "local")

    shown = buhin("status", "survey", "--cluster")
    assert shown.exit_code == 0
    assert "survey (crack_survey): finished" in shown.stdout
    assert "inspect 8/8, 1 failed" in shown.stdout
    assert "failed inspect broken.jpg: UNREADABLE_MEDIA" in shown.stdout
    assert "outputs in the claim: out/survey" in shown.stdout
    assert "finished" in buhin("status", "--cluster").stdout
    for options in ((), ("-f",)):
        lines = buhin("logs", "survey", "--cluster", *options).stdout.splitlines()
        assert {line.partition(" | ")[0] for line in lines} == {"worker-0", "worker-1"}
        assert sum('"event": "began"' in line for line in lines) == 2, lines

    assert schemas(database, "survey")
    for was_there in ("deleted", "absent"):
        gone = buhin("delete", "survey", "--cluster", "--json")
        assert gone.exit_code == 0, gone.output
        assert json.loads(gone.stdout) == {"run": "survey", "job": was_there, "records": "deleted"}
    assert not api.all("batch/v1", "Job")
    assert not [each for each in api.all("v1", "ConfigMap") if each["metadata"]["name"] != "buhin-workers"]
    assert not api.all("v1", "Pod")
    assert not schemas(database, "survey")
    assert not (claim / ".buhin" / "submitted" / "survey").exists()
    assert (claim / "out" / "survey" / "report.html").exists()

    made = {(call.verb, call.group, call.target) for call in access.calls}
    granted = {
        (verb, group, resource)
        for rule in rules
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    assert made == granted
    assert {call.namespace for call in access.calls} == {NAMESPACE}


def test_a_run_is_stopped_with_what_is_done_and_goes_on_when_it_is_submitted_again(
    api: ApiServer, kubelet: Kubelet, fleet: Fleet, claim: Path
) -> None:
    hold = fleet.hook = Hold(4)
    assert submit("paused", "--workers", "2").exit_code == 0
    assert hold.arrived.wait(60)
    again = submit("paused")
    assert again.exit_code == 1
    assert "buhin pipeline delete paused --cluster --keep, then submit it again" in again.stderr
    stopped = buhin("delete", "paused", "--cluster", "--keep")
    assert "paused is stopped; what is done is kept" in stopped.stdout
    hold.opened.set()
    done = {request.image for request in fleet.requests[:3]}
    fleet.requests.clear()
    ended = submit("paused", "--wait")
    assert ended.exit_code == 0, ended.output
    assert not done & {request.image for request in fleet.requests}
    assert (claim / "out" / "paused" / "report.html").exists()


def test_a_worker_whose_service_is_down_is_started_again_and_logs_are_followed_through(
    api: ApiServer, kubelet: Kubelet, fleet: Fleet, claim: Path
) -> None:
    def hook(function: str, number: int) -> None:
        if number <= 4:  # a client tries a call four times
            raise ModelMissingError(model="tiny")

    fleet.hook = hook
    assert submit("again", "--concurrency", "1").exit_code == 0
    followed = [json.loads(line) for line in buhin("logs", "again", "--cluster", "-f", "--json").stdout.splitlines()]
    assert [each["event"] for each in followed if each["event"] in ("began", "stopped", "finished")] == [
        "began", "stopped", "began", "finished",
    ]  # fmt: skip
    assert json.loads(buhin("status", "again", "--cluster", "--json").stdout)["state"] == "finished"


def test_a_run_that_cannot_succeed_fails_at_once_and_says_why(api: ApiServer, kubelet: Kubelet, fleet: Fleet) -> None:
    ended = buhin("submit", "crack_survey", "nowhere", "--cluster", "--run", "wrong", "--wait", "--json")
    assert ended.exit_code == 1
    told = json.loads(ended.stdout)
    assert told["state"] == "failed"
    assert "a file or a folder that exists" in told["problem"]
    assert not fleet.calls
