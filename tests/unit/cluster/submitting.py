"""A pipeline that is submitted to the API server of the tests, and the pods of its run."""

from __future__ import annotations

import json
from typing import Any

from typer.testing import CliRunner, Result

from buhin.cli.main import app
from buhin.cluster import worker_pods
from buhin.cluster.worker_pods import WorkerDefaults
from buhin.pipelines.checker import load
from buhin.pipelines.submission import Submission
from tests.cluster_api import ApiServer
from tests.conftest import ROOT
from tests.unit.cluster.recorded import FOLDER, NAMESPACE

WORKER = (FOLDER / "worker.yaml").read_text(encoding="utf-8")
SURVEY = ROOT / "pipelines" / "crack_survey.yaml"
DEFAULTS = WorkerDefaults.read(WORKER, "buhin-workers")
SUBMISSION = Submission(run="survey-1", inputs=["photos"], out="out/survey-1", parameters={"gsd_mm": "0.5"})
SUBMIT = ["submit", "crack_survey", "photos", "--cluster", "--run", "survey-1"]
PROGRESS = {"step": "inspect", "done": 3, "failed": 1, "total": 9}


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


def event(name: str, second: int, **fields: object) -> str:
    return json.dumps({"event": name, "run": "survey-1", "worker": 0, "time": f"2026-01-01T00:00:{second:02}"} | fields)


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
