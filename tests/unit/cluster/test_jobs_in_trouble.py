"""Submitted pipelines where a node is lost, the API pauses, or a Job is somebody else's."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from kubernetes import client

from buhin.cluster import jobs
from buhin.cluster.api import Cluster
from buhin.cluster.jobs import Jobs
from buhin.errors import ClusterError
from tests.cluster_api import ApiServer
from tests.unit.client.moving import until
from tests.unit.cluster.recorded import NAMESPACE
from tests.unit.cluster.submitting import (
    PROGRESS,
    SUBMIT,
    buhin,
    event,
    made,
    put_defaults,
    put_pods,
)


def refusing(
    monkeypatch: pytest.MonkeyPatch, api: type[Any], method: str, times: float, wanted: str = "", status: int = 500
) -> list[str]:
    """Let a call of the API fail some times where it is for a name. Returns the names that it was made for."""
    original, asked = getattr(api, method), []

    def call(self: Any, name: str, *arguments: Any, **options: Any) -> Any:
        asked.append(name)
        if wanted in name and asked.count(name) <= times:
            raise client.ApiException(status, "node does not answer")
        return original(self, name, *arguments, **options)

    monkeypatch.setattr(api, method, call)
    return asked


def test_a_pod_whose_node_does_not_answer_has_no_log_and_its_run_a_state(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_defaults(api)
    assert buhin(*SUBMIT, "--workers", "2").exit_code == 0
    put_pods(api, "Running", [event("progress", 1, **PROGRESS | {"done": 1})], [event("progress", 2, **PROGRESS)])
    refusing(monkeypatch, client.CoreV1Api, "read_namespaced_pod_log", float("inf"), "survey-1-1")
    told = json.loads(buhin("status", "survey-1", "--cluster", "--json").stdout)
    assert (told["state"], told["steps"]["inspect"]["done"]) == ("running", 1)
    assert buhin("status", "--cluster").exit_code == 0
    assert [line[:8] for line in buhin("logs", "survey-1", "--cluster").stdout.splitlines()] == ["worker-0"]


@pytest.mark.parametrize(("status", "times", "code"), [(503, 2, 0), (429, 2, 0), (503, 99, 1), (401, 1, 1)])
def test_who_waits_does_so_through_a_pause_of_the_api_but_not_for_ever(
    status: int, times: int, code: int, api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "LOOK_S", 0.01)
    monkeypatch.setattr(jobs, "PATIENCE_S", 0.2)
    put_defaults(api)
    assert buhin(*SUBMIT).exit_code == 0
    kept = api.get("batch/v1", "Job", "survey-1", NAMESPACE)
    api.put(kept | {"status": {"conditions": [{"type": "SuccessCriteriaMet", "status": "True"}]}})
    asked = refusing(monkeypatch, client.BatchV1Api, "read_namespaced_job", times, status=status)
    if code:
        with pytest.raises(ClusterError):
            Jobs(Cluster()).wait("survey-1")
    else:
        assert Jobs(Cluster()).wait("survey-1").state == "finished"
        assert len(asked) == times + 1


def test_a_followed_log_that_breaks_off_is_opened_again_and_no_line_told_twice(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "LOOK_S", 0.05)
    monkeypatch.setattr(jobs, "FOLLOW_TIMEOUT_S", (5.0, 0.3))
    put_defaults(api)
    assert buhin(*SUBMIT).exit_code == 0
    put_pods(api, "Running", ["first", "second"])
    asked = refusing(monkeypatch, client.CoreV1Api, "read_namespaced_pod_log", 1, "survey-1-0")
    found = Jobs(Cluster()).logs("survey-1", follow=True)
    assert [next(found).text for _ in range(2)] == ["first", "second"]
    before = len(asked)
    until(lambda: len(asked) > before)
    api.log("survey-1-0-abcde", "worker", "third", namespace=NAMESPACE)
    assert next(found).text == "third"
    pod = api.get("v1", "Pod", "survey-1-0-abcde", NAMESPACE)
    api.put(pod | {"status": {"phase": "Succeeded"}})
    kept = api.get("batch/v1", "Job", "survey-1", NAMESPACE)
    api.put(kept | {"status": {"conditions": [{"type": "SuccessCriteriaMet", "status": "True"}]}})
    assert list(found) == []


def test_a_log_that_does_not_end_is_left_when_the_run_has(api: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "LOOK_S", 0.05)
    monkeypatch.setattr(jobs, "ENDING_S", 0.3)
    put_defaults(api)
    assert buhin(*SUBMIT).exit_code == 0
    put_pods(api, "Running", ["a line"])
    kept = api.get("batch/v1", "Job", "survey-1", NAMESPACE)
    api.put(kept | {"status": {"conditions": [{"type": "SuccessCriteriaMet", "status": "True"}]}})
    assert [line.text for line in Jobs(Cluster()).logs("survey-1", follow=True)] == ["a line"]
    api.drop_watches()
    until(lambda: not [thread for thread in threading.enumerate() if thread.name == "log"])


def test_workers_that_do_not_end_are_named(api: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "LOOK_S", 0.01)
    monkeypatch.setattr(jobs, "ENDING_S", 0.1)
    monkeypatch.setattr(Jobs, "_delete", lambda *arguments: None)
    put_defaults(api)
    assert buhin(*SUBMIT).exit_code == 0
    put_pods(api, "Running", [])
    result = buhin("delete", "survey-1", "--cluster")
    assert result.exit_code == 1
    assert "it does not end; see why with kubectl describe: survey-1-0-abcde (Running)" in result.stderr
    monkeypatch.setenv("BUHIN_LANG", "ja")
    assert "終了しません" in buhin("delete", "survey-1", "--cluster").stderr


def test_a_run_has_ended_only_when_what_its_workers_mount_is_gone_too(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "LOOK_S", 0.01)
    monkeypatch.setattr(jobs, "ENDING_S", 0.1)
    put_defaults(api)
    assert buhin(*SUBMIT).exit_code == 0
    given = api.get("v1", "ConfigMap", "survey-1", NAMESPACE)
    api.remove("batch/v1", "Job", "survey-1", NAMESPACE)
    api.put(given)
    found = Jobs(Cluster())
    assert found._is_there("survey-1")
    api.remove("v1", "ConfigMap", "survey-1", NAMESPACE)
    assert not found._is_there("survey-1")


def test_records_that_are_not_removed_in_time_are_told_with_what_the_pod_waits_for(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"LOOK_S": 0.01, "ENDING_S": 0.1, "FORGETTING_S": 0}.items():
        monkeypatch.setattr(jobs, name, value)
    monkeypatch.setattr(jobs, "waits", lambda pods: "Unschedulable: no memory")
    put_defaults(api)
    result = buhin("delete", "survey-1", "--cluster")
    assert result.exit_code == 1
    assert "its records were not removed: Unschedulable: no memory (Job survey-1-forget)" in result.stderr
    assert api.get("batch/v1", "Job", "survey-1-forget", NAMESPACE)["spec"]["activeDeadlineSeconds"] == 600


@pytest.mark.parametrize(
    ("name", "labelled", "command"),
    [
        *(
            ("survey-1", True, [*command, "survey-1"])
            for command in (["status"], ["logs"], ["delete"], ["delete", "--keep"])
        ),
        ("survey-1", False, ["delete", "survey-1"]),
        ("survey-1", False, SUBMIT[:-3]),
        ("survey-1-forget", False, ["delete", "survey-1"]),
    ],
)
def test_a_job_of_somebody_else_is_left_alone(name: str, labelled: bool, command: list[str], api: ApiServer) -> None:
    put_defaults(api)
    labels = {"app.kubernetes.io/component": "pipeline-worker"} if labelled else {}
    api.put(made()[0] | {"metadata": {"name": name, "namespace": NAMESPACE, "labels": labels}})
    options = ["--run", "survey-1"] if command[0] == "submit" else []
    result = buhin(*command, "--cluster", *options)
    assert result.exit_code == 1
    assert f"{name}: the Job of this name in ai is not a run of buhin" in result.stderr
    assert [each["metadata"]["name"] for each in api.all("batch/v1", "Job")] == [name]
