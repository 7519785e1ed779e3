"""What is made of a submitted pipeline, and how its state is told, against the API server of the tests."""

from __future__ import annotations

import json
from typing import Any

import kubernetes_validate
import pytest

from buhin.cluster import worker_pods
from buhin.cluster.worker_pods import WorkerDefaults
from buhin.config import PORTS
from buhin.errors import ClusterError, InputTooLargeError
from buhin.pipelines.checker import load
from buhin.pipelines.submission import Submission
from tests.cluster_api import Access, ApiServer, Rule
from tests.cluster_api.server import ADMIN
from tests.unit.cluster.recorded import NAMESPACE
from tests.unit.cluster.submitting import (
    DEFAULTS,
    PROGRESS,
    SUBMISSION,
    SUBMIT,
    SURVEY,
    WORKER,
    buhin,
    event,
    made,
    put_defaults,
    put_pods,
)
from tests.unit.helm import rendering
from tests.unit.helm.test_pod_security import house_rules, violations


def example(case: str, kind: str, name: str) -> dict[str, Any]:
    """An object of the chart, rendered."""
    return next(each for each in rendering.example(case) if (each["kind"], each["metadata"]["name"]) == (kind, name))


@pytest.mark.parametrize("version", ["1.34", "1.35", "1.37"])
def test_what_is_made_is_what_the_api_of_several_versions_knows(version: str) -> None:
    for thing in made():
        kubernetes_validate.validate(thing, version, strict=True)


def test_pods_of_workers_are_restricted_and_have_no_token() -> None:
    for thing in (made()[0], made()[2]):
        spec = thing["spec"]["template"]["spec"]
        assert [*violations(spec), *house_rules(spec)] == []
        assert spec["restartPolicy"] == "Never"
        assert {"name": "data", "persistentVolumeClaim": {"claimName": "surveys"}} in spec["volumes"]


def test_workers_are_told_where_everything_is_and_secrets_by_name_only() -> None:
    spec = made()[0]["spec"]["template"]["spec"]
    environment = {each["name"]: each.get("value", each.get("valueFrom")) for each in spec["containers"][0]["env"]}
    assert environment == {
        "HOME": "/tmp",  # noqa: S108
        "BUHIN_STATE_DIR": "/data/.buhin",
        "BUHIN_OFFLINE": "true",
        "BUHIN_SPEECH_ADDRESS": "buhin-speech.ai.svc:50051",
        "BUHIN_SUMMARIZE_ADDRESS": "buhin-summarize.ai.svc:50051",
        "BUHIN_TRANSLATE_ADDRESS": "buhin-translate.ai.svc:50051",
        "BUHIN_IMAGE_INSPECT_ADDRESS": "buhin-image-inspect.ai.svc:50051",
        "BUHIN_TLS_CA": "/etc/buhin/tls/ca.crt",
        "BUHIN_CLIENT_CERTIFICATE": "/etc/buhin/tls/tls.crt",
        "BUHIN_CLIENT_KEY": "/etc/buhin/tls/tls.key",
        "BUHIN_TOKEN_FILE": "/etc/buhin/token/token",
        "BUHIN_DATABASE_URL": {"secretKeyRef": {"name": "buhin-database", "key": "dsn"}},
    }
    mounted = {each["mountPath"] for each in spec["containers"][0]["volumeMounts"]}
    assert mounted == {"/tmp", "/data", "/etc/buhin/tls", "/etc/buhin/token", "/etc/buhin/run"}  # noqa: S108


def test_labels_are_those_of_the_release_and_of_the_run() -> None:
    for thing in made()[:2]:
        assert thing["metadata"]["labels"] == {
            **DEFAULTS.labels,
            "app.kubernetes.io/component": "pipeline-worker",
            "buhin/run": "survey-1",
        }


def test_a_list_of_files_that_is_too_long_is_refused_before_anything_is_made() -> None:
    files = [f"photos/{number:06}.jpg" for number in range(60_000)]
    with pytest.raises(InputTooLargeError, match="more than the limit of 1000000"):
        worker_pods.config_map(SUBMISSION.model_copy(update={"inputs": files}), load(SURVEY), DEFAULTS, "")


def test_submit_makes_a_job_and_what_it_mounts_which_goes_with_it(api: ApiServer) -> None:
    put_defaults(api)
    result = buhin(*SUBMIT, "--workers", "3", "-p", "gsd_mm=0.5", "--claim", "others")
    assert result.exit_code == 0, result.output
    assert "buhin pipeline status survey-1 --cluster -n ai" in result.stdout
    job = api.get("batch/v1", "Job", "survey-1", NAMESPACE)
    given = api.get("v1", "ConfigMap", "survey-1", NAMESPACE)
    assert (job["spec"]["completions"], job["spec"]["completionMode"]) == (3, "Indexed")
    assert "others" in json.dumps(job["spec"]["template"])
    assert [owner["uid"] for owner in given["metadata"]["ownerReferences"]] == [job["metadata"]["uid"]]
    assert given["data"]["pipeline.yaml"] == SURVEY.read_text(encoding="utf-8")
    assert Submission.model_validate_json(given["data"]["submission.json"]) == SUBMISSION


@pytest.mark.parametrize(
    ("worker", "arguments", "status", "message"),
    [
        (WORKER, ["--run", "Survey_1"], 2, "run: String should match"),
        (WORKER, ["--run", "survey-1-forget"], 2, "names that end in -forget"),
        (WORKER, ["--out", "../elsewhere"], 2, "relative, without"),
        (WORKER, ["-p", "gsd_mm=wide"], 1, "INVALID_VALUE"),
        (WORKER.replace("claim: surveys", "claim: ''"), [], 1, "no claim holds its input"),
        (WORKER.replace("database: {secretName: buhin-database, key: dsn}", ""), ["--workers", "2"], 1, "PostgreSQL"),
        (WORKER.replace("image:", "picture:"), [], 1, "worker.yaml of ConfigMap buhin-workers"),
        ("", [], 1, "install the chart with workers.enabled"),
    ],
    ids=["name", "name of a forgetting Job", "path", "parameter", "claim", "database", "defaults", "chart"],
)
def test_what_cannot_work_is_refused_and_nothing_is_made(
    worker: str, arguments: list[str], status: int, message: str, api: ApiServer
) -> None:
    if worker:
        put_defaults(api, worker)
    result = buhin(*SUBMIT, *arguments)
    assert result.exit_code == status, result.output
    assert message in " ".join(result.stderr.replace("│", " ").split())
    assert not api.all("batch/v1", "Job")


@pytest.mark.parametrize("command", [SUBMIT[:3], ["status"], ["logs", "x"], ["delete", "x"]], ids=lambda each: each[0])
def test_without_cluster_it_is_said_what_does_the_same_here(command: list[str]) -> None:
    result = buhin(*command)
    assert result.exit_code == 2
    assert "add --cluster" in result.stderr
    assert "buhin pipeline run" in result.stderr


def test_a_job_without_what_it_mounts_is_taken_back(api: ApiServer) -> None:
    put_defaults(api)
    rules = list(example("production", "Role", "buhin-submitter")["rules"])
    rules[1] = rules[1] | {"verbs": ["get"]}
    api.tokens[ADMIN] = Access("somebody", Rule.of(rules, NAMESPACE))
    result = buhin(*SUBMIT)
    assert result.exit_code == 1
    assert "CLUSTER_FORBIDDEN: the cluster does not allow to create configmaps in ai" in result.stderr
    assert not api.all("batch/v1", "Job")


FINISHED = {"out": "out", "steps": {"inspect": {"done": 8, "failed": 1}}, "failures": []}
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], list[str], dict[str, Any]]] = {
    "no pod yet": ({}, {}, [], {"state": "waiting", "problem": "", "steps": {}}),
    "no image": (
        {},
        {
            "phase": "Pending",
            "containerStatuses": [
                {
                    "name": "worker", "image": "x", "imageID": "", "ready": False, "restartCount": 0,
                    "state": {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}},
                }
            ],
        },
        [],
        {"state": "waiting", "problem": "ImagePullBackOff: not found"},
    ),
    "no room": (
        {},
        {
            "phase": "Pending",
            "conditions": [
                {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no memory"}
            ],
        },
        [],
        {"state": "waiting", "problem": "Unschedulable: no memory"},
    ),
    "running": (
        {"active": 1, "failedIndexes": "1,3-5"},
        {"phase": "Running"},
        ["not JSON", event("progress", 1, **PROGRESS | {"done": 1}), event("progress", 2, **PROGRESS)],
        {
            "state": "running", "working": 1, "lost": 4, "problem": "",
            "steps": {"inspect": {"done": 3, "failed": 1, "total": 9}},
        },
    ),
    "waiting for a service": (
        {"active": 1},
        {"phase": "Running"},
        [event("progress", 1, **PROGRESS), event("waiting", 2, step="inspect", problem="no answer")],
        {"state": "running", "problem": "no answer"},
    ),
    "finished": (
        {"conditions": [{"type": "SuccessCriteriaMet", "status": "True"}]},
        {"phase": "Succeeded"},
        [event("waiting", 1, problem="x"), event("finished", 2, **FINISHED)],
        {"state": "finished", "problem": "", "out": "out", "steps": {"inspect": {"done": 8, "failed": 1, "total": 9}}},
    ),
    "failed and says why": (
        {"conditions": [{"type": "Failed", "status": "True", "reason": "PodFailurePolicy"}]},
        {"phase": "Failed"},
        [event("stopped", 1, message="INPUT is none")],
        {"state": "failed", "problem": "INPUT is none"},
    ),
    "failed and gone": (
        {"conditions": [{"type": "Failed", "status": "True", "reason": "FailedIndexes", "message": "all of them"}]},
        {},
        [],
        {"state": "failed", "problem": "FailedIndexes: all of them"},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("job", "pod", "log", "expected"), CASES.values(), ids=CASES)
def test_the_state_of_a_run_is_told_from_its_job_its_pods_and_their_logs(
    job: dict[str, Any], pod: dict[str, Any], log: list[str], expected: dict[str, Any], api: ApiServer
) -> None:
    put_defaults(api)
    assert buhin(*SUBMIT, "--workers", "6").exit_code == 0
    kept = api.get("batch/v1", "Job", "survey-1", NAMESPACE)
    api.put(kept | {"status": job})
    if pod:
        template = kept["spec"]["template"]
        spec = {key: value for key, value in template["spec"].items() if key != "volumes"}
        meta = {"name": "survey-1-0-abcde", "namespace": NAMESPACE, "labels": template["metadata"]["labels"]}
        api.put({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": pod})
        api.log("survey-1-0-abcde", "worker", *log, namespace=NAMESPACE)
    result = buhin("status", "survey-1", "--cluster", "--json")
    told = json.loads(result.stdout)
    assert told.items() >= expected.items(), told
    assert result.exit_code == (1 if expected["state"] == "failed" else 0)
    for arguments in (["status", "survey-1"], ["status"]):
        assert expected["state"] in buhin(*arguments, "--cluster").stdout
    if expected["problem"]:
        assert expected["problem"] in buhin("status", "survey-1", "--cluster").stdout


def test_logs_of_several_workers_are_in_the_order_of_their_times(api: ApiServer) -> None:
    put_defaults(api)
    assert buhin(*SUBMIT, "--workers", "2").exit_code == 0
    put_pods(api, "Running", [event("a", 1), "belongs to a", event("c", 3)], [event("b", 2), event("d", 4)])
    shown = buhin("logs", "survey-1", "--cluster").stdout.splitlines()
    assert [line.partition(" | ")[0] for line in shown] == ["worker-0"] * 2 + ["worker-1", "worker-0", "worker-1"]
    assert shown[1] == "worker-0 | belongs to a"


@pytest.mark.parametrize("command", ["status", "logs"])
def test_a_run_that_is_not_there_is_named(command: str, api: ApiServer) -> None:
    result = buhin(command, "nothing", "--cluster")
    assert result.exit_code == 1
    assert "nothing: there is no Job of it in ai" in result.stderr


def test_defaults_that_are_no_yaml_are_told() -> None:
    with pytest.raises(ClusterError, match=r"worker.yaml of ConfigMap x"):
        WorkerDefaults.read("{", "x")


def test_the_chart_says_of_workers_what_is_read_here() -> None:
    found = WorkerDefaults.read(example("production", "ConfigMap", "buhin-workers")["data"]["worker.yaml"], "chart")
    assert found.database is not None
    assert (found.tls.mode, found.claim) == ("mutual", "pipeline-files")
    assert set(found.addresses) == set(PORTS)
    assert found.labels["app.kubernetes.io/name"] == "buhin"
