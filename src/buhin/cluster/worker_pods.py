"""The pods of a submitted pipeline: what the chart says of them, and the Job and ConfigMap that are made of it."""

from __future__ import annotations

from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from buhin.cluster import names
from buhin.errors import ClusterError, InputTooLargeError
from buhin.pipelines.spec import Spec
from buhin.pipelines.submission import PIPELINE_FILE, SUBMISSION_FILE, Submission

COMPONENT = "pipeline-worker"
RUN = "buhin/run"
"""Label of a run's Job and pods: its name."""
PIPELINE = "buhin/pipeline"
"""Annotation of its Job: the pipeline's name."""
CONTAINER = "worker"
DEFAULTS = "worker.yaml"
MAX_CONFIG_BYTES = 1_000_000
"""A ConfigMap may hold a mebibyte."""
KEPT_S = 7 * 86_400
"""Seconds that a finished Job is kept, with its logs."""
FORGETTING_S = 600
"""Seconds in which the records of a run are removed, from the start of the Job that does it."""
TRIES = 6
"""How often a worker is started anew, with pauses of 10 s to 6 min between; after that its number has failed."""

_GIVEN, _DATA, _TLS, _TOKEN = "/etc/buhin/run", "/data", "/etc/buhin/tls", "/etc/buhin/token"
_FINAL_CODES = [2, 3]


class _Part(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class Tls(_Part):
    """How workers connect to the services. The Secret holds ca.crt and, for ``mutual``, tls.crt and tls.key."""

    mode: Literal["none", "server", "mutual"] = "none"
    secret_name: str = ""


class Database(_Part):
    """Where the DSN of PostgreSQL is, as ``BUHIN_DATABASE_URL`` takes it."""

    secret_name: str
    key: str = "dsn"


class WorkerDefaults(_Part):
    """What the chart's ConfigMap ``<fullname>-workers`` says in ``worker.yaml``."""

    image: str
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    image_pull_secrets: list[str] = Field(default_factory=list)
    service_account_name: str = "default"
    user: int | None = 10001
    """User and group of the pods; None: the cluster chooses."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Of Job, ConfigMap and pods; the component and the run are added."""
    addresses: dict[str, str]
    """Address of each function's service."""
    tls: Tls = Tls()
    token_secret_name: str = ""
    """Secret with a token at the key ``token``, where callers are known by tokens."""
    database: Database | None = None
    """None: SQLite on the claim, for one worker."""
    claim: str = ""
    resources: dict[str, Any] = Field(default_factory=dict)
    node_selector: dict[str, str] = Field(default_factory=dict)
    tolerations: list[dict[str, Any]] = Field(default_factory=list)
    affinity: dict[str, Any] = Field(default_factory=dict)
    env: dict[str, str] = Field(default_factory=dict)
    """Further settings: {BUHIN_OTLP_ENDPOINT: http://…}"""

    @classmethod
    def read(cls, text: str, where: str) -> WorkerDefaults:
        """Those of a ConfigMap. Raises ClusterError where they are not as the chart writes them."""
        try:
            return cls.model_validate(yaml.safe_load(text))
        except (yaml.YAMLError, ValidationError) as error:
            raise ClusterError(problem=f"{DEFAULTS} of ConfigMap {where}: {error}") from error


def job(submission: Submission, spec: Spec, defaults: WorkerDefaults, workers: int) -> dict[str, Any]:
    """The Job of a run: as many workers as asked for, each with a number that its successor has too. It has succeeded
    when one of them has, because each ends well only when the whole run is done.
    """
    command = ["buhin", "pipeline", "work", _GIVEN, "--root", _DATA]
    pod = _pod(submission.run, defaults, command, given=True)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": _metadata(submission.run, submission.run, defaults) | {"annotations": {PIPELINE: spec.name}},
        "spec": {
            "completionMode": "Indexed",
            "completions": workers,
            "parallelism": workers,
            "backoffLimitPerIndex": TRIES,
            "successPolicy": {"rules": [{"succeededCount": 1}]},
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": {
                "rules": [
                    {
                        "action": "FailJob",
                        "onExitCodes": {"containerName": CONTAINER, "operator": "In", "values": _FINAL_CODES},
                    },
                    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                ]
            },
            "ttlSecondsAfterFinished": KEPT_S,
            "template": pod,
        },
    }


def config_map(submission: Submission, spec: Spec, defaults: WorkerDefaults, uid: str) -> dict[str, Any]:
    """What the workers of a Job are given; it goes with the Job. Raises InputTooLargeError."""
    data = {PIPELINE_FILE: spec.text, SUBMISSION_FILE: submission.model_dump_json()}
    size = sum(len(text.encode()) for text in data.values())
    if size > MAX_CONFIG_BYTES:
        raise InputTooLargeError(
            field="INPUT", size=size, unit="bytes with the pipeline (name a folder instead)", limit=MAX_CONFIG_BYTES
        )
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": submission.run, "uid": uid, "controller": True}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(submission.run, submission.run, defaults) | {"ownerReferences": [owner]},
        "immutable": True,
        "data": data,
    }


def forgetting_job(run: str, defaults: WorkerDefaults) -> dict[str, Any]:
    """The Job that removes what is kept of a run, where the volume and the database can be reached."""
    name = f"{run}-forget"
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": _metadata(name, name, defaults),
        "spec": {
            "backoffLimit": 2,
            "activeDeadlineSeconds": FORGETTING_S,
            "ttlSecondsAfterFinished": 600,
            "template": _pod(name, defaults, ["buhin", "pipeline", "forget", run], given=False),
        },
    }


def _metadata(name: str, run: str, defaults: WorkerDefaults) -> dict[str, Any]:
    return {"name": name, "labels": defaults.labels | {names.COMPONENT: COMPONENT, RUN: run}}


def _pod(run: str, defaults: WorkerDefaults, command: list[str], *, given: bool) -> dict[str, Any]:
    environment, volumes, mounts = _surroundings(defaults)
    if given:
        volumes.append({"name": "run", "configMap": {"name": run}})
        mounts.append({"name": "run", "mountPath": _GIVEN, "readOnly": True})
    container = {
        "name": CONTAINER,
        "image": defaults.image,
        "imagePullPolicy": defaults.image_pull_policy,
        "command": command,
        "env": environment,
        "resources": defaults.resources,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": mounts,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "serviceAccountName": defaults.service_account_name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 30,
        "securityContext": {
            "runAsNonRoot": True,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
            **{name: defaults.user for name in ("runAsUser", "runAsGroup", "fsGroup") if defaults.user is not None},
        },
        "containers": [container],
        "volumes": volumes,
    }
    optional = {
        "imagePullSecrets": [{"name": name} for name in defaults.image_pull_secrets],
        "nodeSelector": defaults.node_selector,
        "tolerations": defaults.tolerations,
        "affinity": defaults.affinity,
    }
    spec |= {name: value for name, value in optional.items() if value}
    return {"metadata": {"labels": defaults.labels | {names.COMPONENT: COMPONENT, RUN: run}}, "spec": spec}


def _surroundings(defaults: WorkerDefaults) -> tuple[list[Any], list[Any], list[Any]]:
    """Environment, volumes and where they are mounted."""
    settings = {
        "HOME": "/tmp",  # noqa: S108 - in the pod
        "BUHIN_STATE_DIR": f"{_DATA}/.buhin",
        "BUHIN_OFFLINE": "true",
        **{f"BUHIN_{function.upper()}_ADDRESS": address for function, address in sorted(defaults.addresses.items())},
    }
    volumes: list[Any] = [
        {"name": "tmp", "emptyDir": {}},
        {"name": "data", "persistentVolumeClaim": {"claimName": defaults.claim}},
    ]
    mounts: list[Any] = [{"name": "tmp", "mountPath": "/tmp"}, {"name": "data", "mountPath": _DATA}]  # noqa: S108
    if defaults.tls.mode != "none":
        settings["BUHIN_TLS_CA"] = f"{_TLS}/ca.crt"
        secret: dict[str, Any] = {"secretName": defaults.tls.secret_name, "defaultMode": 0o440}
        if defaults.tls.mode == "server":
            secret["items"] = [{"key": "ca.crt", "path": "ca.crt"}]
        volumes.append({"name": "tls", "secret": secret})
        mounts.append({"name": "tls", "mountPath": _TLS, "readOnly": True})
    if defaults.tls.mode == "mutual":
        settings |= {"BUHIN_CLIENT_CERTIFICATE": f"{_TLS}/tls.crt", "BUHIN_CLIENT_KEY": f"{_TLS}/tls.key"}
    if defaults.token_secret_name:
        settings["BUHIN_TOKEN_FILE"] = f"{_TOKEN}/token"
        volumes.append({"name": "token", "secret": {"secretName": defaults.token_secret_name, "defaultMode": 0o440}})
        mounts.append({"name": "token", "mountPath": _TOKEN, "readOnly": True})
    environment: list[Any] = [{"name": name, "value": value} for name, value in (settings | defaults.env).items()]
    if defaults.database is not None:
        key = {"name": defaults.database.secret_name, "key": defaults.database.key}
        environment.append({"name": "BUHIN_DATABASE_URL", "valueFrom": {"secretKeyRef": key}})
    return environment, volumes, mounts
