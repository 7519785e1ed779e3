"""How the Job of a run is, as the cluster's API tells it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from kubernetes import client

ENDED = ("finished", "failed")
_INDEX = "batch.kubernetes.io/job-completion-index"


@dataclass(frozen=True)
class Status:
    """How a run is. ``state``: waiting, running, finished, failed or ending."""

    run: str
    namespace: str
    pipeline: str
    state: str
    began: str
    workers: int
    """Workers that were asked for; ``working`` of them run, ``lost`` are given up."""
    working: int
    lost: int
    problem: str = ""
    """Why it waits or failed, as far as the pods tell."""
    steps: dict[str, dict[str, int]] = field(default_factory=dict)
    """For each step that has begun: done, failed, total."""
    failures: list[dict[str, str]] = field(default_factory=list)
    out: str = ""
    """Where the outputs are, when it is finished: a folder of the claim."""

    def as_dict(self) -> dict[str, Any]:
        """As plain types."""
        return asdict(self)


def worker_of(pod: client.V1Pod) -> str:
    """The worker of a pod; its successor has the same name."""
    return f"worker-{(pod.metadata.annotations or {}).get(_INDEX, '0')}"


def condition_of(found: client.V1Job, wanted: str) -> str:
    """Why a Job is in a condition; empty where it is not."""
    for each in (found.status.conditions if found.status else None) or []:
        if each.type == wanted and each.status == "True":
            return f"{each.reason or wanted}: {each.message or ''}".rstrip(": ")
    return ""


def state_of(found: client.V1Job, pods: list[client.V1Pod]) -> str:
    """The state of a Job, as ``Status`` has it."""
    if condition_of(found, "Complete") or condition_of(found, "SuccessCriteriaMet"):
        return "finished"
    if condition_of(found, "Failed") or condition_of(found, "FailureTarget"):
        return "failed"
    if found.metadata.deletion_timestamp is not None:
        return "ending"
    return "running" if any(pod.status.phase == "Running" for pod in pods) else "waiting"


def waits(pods: list[client.V1Pod]) -> str:
    """Why no worker runs."""
    for pod in pods:
        for each in pod.status.container_statuses or []:
            if each.state and each.state.waiting:
                return f"{each.state.waiting.reason}: {each.state.waiting.message or ''}".rstrip(": ")
        for condition in pod.status.conditions or []:
            if condition.type == "PodScheduled" and condition.status == "False":
                return f"{condition.reason}: {condition.message or ''}".rstrip(": ")
    return ""


def count(indexes: str | None) -> int:
    """How many a Job's list of indexes names: ``1,3-5`` are four."""
    total = 0
    for part in (indexes or "").split(","):
        first, _, last = part.partition("-")
        total += int(last or first) - int(first) + 1 if part else 0
    return total
