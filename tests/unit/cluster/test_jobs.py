"""What is made of a submitted pipeline, and how its state is told, against the API server of the tests."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import kubernetes_validate
import pytest
from kubernetes import client
from typer.testing import CliRunner, Result

from buhin.cli.main import app
from buhin.cluster import jobs, worker_pods
from buhin.cluster.api import Cluster
from buhin.cluster.jobs import Jobs
from buhin.cluster.worker_pods import WorkerDefaults
from buhin.config import PORTS
from buhin.errors import ClusterError, InputTooLargeError
from buhin.pipelines.checker import load
from buhin.pipelines.submission import Submission
from tests.cluster_api import Access, ApiServer, Rule
from tests.cluster_api.server import ADMIN
from tests.conftest import ROOT
from tests.unit.cluster.recorded import FOLDER, NAMESPACE
from tests.unit.helm import rendering
from tests.unit.helm.test_pod_security import house_rules, violations

WORKER = (FOLDER / "worker.yaml").read_text(encoding="utf-8")
SURVEY = ROOT / "pipelines" / "crack_survey.yaml"
DEFAULTS = WorkerDefaults.read(WORKER, "buhin-workers")
SUBMISSION = Submission(run="survey-1", inputs=["photos"], out="out/survey-1", parameters={"gsd_mm": "0.5"})
SUBMIT = ["submit", "crack_survey", "photos", "--cluster", "--run", "survey-1"]


@pytest.fixture(autouse=True)
def in_english(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wide terminal of somebody who reads English."""
    monkeypatch.setenv("BUHIN_LANG", "en")
    monkeypatch.setenv("COLUMNS", "200")


def example(case: str, kind: str, name: str) -> dict[str, Any]:
    """An object of the chart, rendered."""
    return next(each for each in rendering.example(case) if (each["kind"], each["metadata"]["name"]) == (kind, name))


def put_defaults(api: ApiServer, text: str = WORKER) -> None:
    """What the chart installs."""
    meta = {"name": "buhin-workers", "namespace": NAMESPACE}
    api.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"worker.yaml": text}})


def buhin(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["pipeline", *arguments])


def made() -> list[dict[str, Any]]:
    """All that is made for runs."""
    spec = load(SURVEY)
    return [
        worker_pods.job(SUBMISSION, spec, DEFAULTS, 3),
        worker_pods.config_map(SUBMISSION, spec, DEFAULTS, "a-uid"),
        worker_pods.forgetting_job("survey-1", DEFAULTS),
    ]


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


def event(name: str, second: int, **fields: object) -> str:
    return json.dumps({"event": name, "run": "survey-1", "worker": 0, "time": f"2026-01-01T00:00:{second:02}"} | fields)


PROGRESS = {"step": "inspect", "done": 3, "failed": 1, "total": 9}
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


def put_pods(api: ApiServer, phase: str, *logs: list[str]) -> None:
    """The pods of the run, one for each log."""
    template = api.get("batch/v1", "Job", "survey-1", NAMESPACE)["spec"]["template"]
    spec = {key: value for key, value in template["spec"].items() if key != "volumes"}
    for number, log in enumerate(logs):
        name = f"survey-1-{number}-abcde"
        meta = {
            "name": name, "namespace": NAMESPACE, "labels": template["metadata"]["labels"],
            "annotations": {"batch.kubernetes.io/job-completion-index": str(number)},
        }  # fmt: skip
        api.put({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": {"phase": phase}})
        api.log(name, "worker", *log, namespace=NAMESPACE)


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


def until(holds: Callable[[], bool]) -> None:
    """Wait for something that another thread does."""
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_log_that_does_not_end_is_left_when_the_run_has(api: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "LOOK_S", 0.05)
    monkeypatch.setattr(jobs, "ENDING_S", 0.3)
    put_defaults(api)
    assert buhin(*SUBMIT).exit_code == 0
    put_pods(api, "Running", ["a line"])
    kept = api.get("batch/v1", "Job", "survey-1", NAMESPACE)
    api.put(kept | {"status": {"conditions": [{"type": "SuccessCriteriaMet", "status": "True"}]}})
    assert [line.text for line in Jobs(Cluster()).logs("survey-1", follow=True)] == ["a line"]


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
