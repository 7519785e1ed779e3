"""Submitted pipelines as the cluster's API sees them: made, looked at, followed, removed."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from kubernetes import client

from buhin.cluster import names
from buhin.cluster.api import TIMEOUT_S, Cluster
from buhin.cluster.worker_events import Line, by_time, events_of, lines, told
from buhin.cluster.worker_pods import (
    COMPONENT,
    CONTAINER,
    DEFAULTS,
    PIPELINE,
    RUN,
    WorkerDefaults,
    config_map,
    forgetting_job,
    job,
)
from buhin.errors import ClusterError, RunError
from buhin.pipelines.spec import Spec
from buhin.pipelines.submission import Submission

ENDED = ("finished", "failed")
_INDEX = "batch.kubernetes.io/job-completion-index"
_TAIL = 200
LOOK_S = 2.0
"""Seconds between two looks at a run that is waited for."""


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


class Jobs:
    """The submitted pipelines of a namespace. Everything raises ClusterError where the API does not answer or let."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._namespace = cluster.namespace
        self._batch = client.BatchV1Api(cluster.api)
        self._core = client.CoreV1Api(cluster.api)

    def defaults(self, release: str) -> WorkerDefaults:
        """What a release says of its workers. Raises ClusterError where its chart has none."""
        name = names.service(release, "workers")
        try:
            with self._asked("get", "configmaps"):
                found = self._core.read_namespaced_config_map(name, self._namespace, _request_timeout=TIMEOUT_S)
        except ClusterError as error:
            if _status(error) == 404:
                missing = f"there is no ConfigMap {name} in {self._namespace}: install the chart with workers.enabled"
                raise ClusterError(problem=missing) from error
            raise
        return WorkerDefaults.read((found.data or {}).get(DEFAULTS, ""), name)

    def submit(self, submission: Submission, spec: Spec, defaults: WorkerDefaults, workers: int) -> None:
        """Make the Job and its ConfigMap. Raises RunError where a Job has the name, or there is nothing to share."""
        run = submission.run
        if not defaults.claim:
            raise RunError(run=run, problem="no claim holds its input: --claim, or workers.claim of the chart")
        if workers > 1 and defaults.database is None:
            raise RunError(
                run=run, problem="several workers need PostgreSQL (workers.database of the chart); --workers 1"
            )
        body = client.V1Job.from_dict(job(submission, spec, defaults, workers))
        config_map(submission, spec, defaults, "")
        try:
            with self._asked("create", "jobs"):
                made = self._batch.create_namespaced_job(self._namespace, body, **_as_json())
        except ClusterError as error:
            if _status(error) == 409:
                problem = (
                    "there is a Job of this name. To go on after it stopped: "
                    f"buhin pipeline delete {run} --cluster --keep, then submit it again"
                )
                raise RunError(run=run, problem=problem) from error
            raise
        given = client.V1ConfigMap.from_dict(config_map(submission, spec, defaults, made.metadata.uid))
        try:
            with self._asked("create", "configmaps"):
                self._core.create_namespaced_config_map(self._namespace, given, **_as_json())
        except ClusterError:
            with suppress(ClusterError):
                self._delete(run, "Background")
            raise

    def all(self) -> list[Status]:
        """How all runs are, oldest first."""
        selector = f"{names.SELECTOR},{names.COMPONENT}={COMPONENT}"
        with self._asked("list", "jobs"):
            found = self._batch.list_namespaced_job(
                self._namespace, label_selector=selector, _request_timeout=TIMEOUT_S
            )
        runs = [each for each in found.items if PIPELINE in (each.metadata.annotations or {})]
        return [self._status(each) for each in sorted(runs, key=lambda each: each.metadata.creation_timestamp)]

    def status(self, run: str) -> Status:
        """How a run is. Raises RunError where there is no Job of it."""
        found = self._find(run)
        if found is None:
            raise RunError(
                run=run, problem=f"there is no Job of it in {self._namespace}; finished ones go after a week"
            )
        return self._status(found)

    def wait(self, run: str, on_status: Callable[[Status], None] = lambda status: None) -> Status:
        """How a run is, when it has ended."""
        while True:
            status = self.status(run)
            on_status(status)
            if status.state in ENDED:
                return status
            time.sleep(LOOK_S)

    def logs(self, run: str, *, follow: bool = False) -> Iterator[Line]:
        """What the workers wrote, in the order in which they did as far as they say; with ``follow`` until the run has
        ended, also by workers that come later.
        """
        self.status(run)
        if not follow:
            yield from by_time([(_worker(pod), self._log(pod)) for pod in self._pods(run)])
            return
        written: queue.SimpleQueue[Line] = queue.SimpleQueue()
        following: dict[str, threading.Thread] = {}
        while True:
            ended = (found := self._find(run)) is None or _state(found, []) in ENDED
            for pod in self._pods(run):
                name = pod.metadata.name
                if name not in following and pod.status.phase != "Pending":
                    following[name] = threading.Thread(target=self._follow, args=(pod, written), daemon=True)
                    following[name].start()
            with suppress(queue.Empty):
                while True:
                    yield written.get(timeout=0.05 if ended else LOOK_S)
            if ended and not any(thread.is_alive() for thread in following.values()) and written.empty():
                return

    def delete(self, run: str, defaults: Callable[[], WorkerDefaults], *, keep: bool = False) -> bool:
        """Stop the workers of a run and, but for ``keep``, remove what is kept of it on the claim and in the database,
        by a Job that is waited for. Outputs stay. Whether there was a Job. Raises ClusterError where that Job failed.
        """
        found = self._find(run)
        if found is not None:
            self._delete(run, "Foreground")
            while self._find(run) is not None:
                time.sleep(LOOK_S)
        if not keep:
            self._forget(run, defaults() if found is None else _with_claim_of(found, defaults()))
        return found is not None

    def _forget(self, run: str, defaults: WorkerDefaults) -> None:
        if not defaults.claim:
            raise RunError(run=run, problem="no claim holds its records: --claim, or workers.claim of the chart")
        body = forgetting_job(run, defaults)
        name = body["metadata"]["name"]
        self._delete(name, "Background")
        with self._asked("create", "jobs"):
            self._batch.create_namespaced_job(self._namespace, client.V1Job.from_dict(body), **_as_json())
        while True:
            found = self._find(name)
            state = "failed" if found is None else _state(found, [])
            if state in ENDED:
                break
            time.sleep(LOOK_S)
        if state == "failed":
            said = [line.text for pod in self._pods(name) for line in lines(_worker(pod), self._log(pod))]
            problem = f"its records were not removed: {said[-1] if said else 'its pod did not start'}"
            raise RunError(run=run, problem=f"{problem} (Job {name})")
        self._delete(name, "Background")

    def _delete(self, name: str, policy: str) -> None:
        """Delete a Job, where there is one."""
        try:
            with self._asked("delete", "jobs"):
                self._batch.delete_namespaced_job(
                    name, self._namespace, propagation_policy=policy, _request_timeout=TIMEOUT_S
                )
        except ClusterError as error:
            if _status(error) != 404:
                raise

    def _find(self, run: str) -> client.V1Job | None:
        try:
            with self._asked("get", "jobs"):
                return self._batch.read_namespaced_job(run, self._namespace, _request_timeout=TIMEOUT_S)
        except ClusterError as error:
            if _status(error) == 404:
                return None
            raise

    def _pods(self, run: str) -> list[client.V1Pod]:
        with self._asked("list", "pods"):
            found = self._core.list_namespaced_pod(
                self._namespace, label_selector=f"{RUN}={run}", _request_timeout=TIMEOUT_S
            )
        return sorted(found.items, key=lambda pod: (_worker(pod), pod.metadata.creation_timestamp))

    def _log(self, pod: client.V1Pod, tail: int | None = None) -> str:
        """What a worker wrote; empty where it has not begun."""
        try:
            with self._asked("get", "pods/log"):
                return str(
                    self._core.read_namespaced_pod_log(
                        pod.metadata.name,
                        self._namespace,
                        container=CONTAINER,
                        tail_lines=tail,
                        _request_timeout=TIMEOUT_S,
                    )
                )
        except ClusterError as error:
            if _status(error) in (400, 404):
                return ""
            raise

    def _follow(self, pod: client.V1Pod, written: queue.SimpleQueue[Line]) -> None:
        worker = _worker(pod)
        try:
            answer: Any = self._core.read_namespaced_pod_log(
                pod.metadata.name, self._namespace, container=CONTAINER, follow=True, _preload_content=False
            )
            rest = b""
            for chunk in answer.stream():
                *whole, rest = (rest + chunk).split(b"\n")
                for line in whole:
                    written.put(Line(worker, line.decode("utf-8", "replace")))
        except Exception as error:  # noqa: BLE001 - the pod is gone, or the connection: said in its place
            written.put(Line(worker, f"(log broken off: {type(error).__name__})"))

    def _status(self, found: client.V1Job) -> Status:
        pods = self._pods(found.metadata.name)
        events: list[dict[str, Any]] = []
        for pod in pods:
            events += events_of(self._log(pod, _TAIL))
        events.sort(key=lambda event: str(event.get("time", "")))
        state = _state(found, pods)
        picture = {"steps": {}, "failures": [], "out": "", "problem": ""} | told(events)
        if state == "waiting":
            picture["problem"] = _waits(pods)
        elif state == "failed":
            picture["problem"] = picture["problem"] or _condition(found, "Failed")
        elif state != "running":
            picture["problem"] = ""
        return Status(
            run=found.metadata.name,
            namespace=self._namespace,
            pipeline=(found.metadata.annotations or {}).get(PIPELINE, ""),
            state=state,
            began=found.metadata.creation_timestamp.isoformat(timespec="seconds"),
            workers=found.spec.completions or 0,
            working=sum(pod.status.phase == "Running" for pod in pods),
            lost=_count(found.status.failed_indexes if found.status else ""),
            **picture,
        )

    def _asked(self, verb: str, resource: str) -> Any:
        return self._cluster.asked(verb, resource, self._namespace)


def _as_json() -> dict[str, Any]:
    """Options of a call that sends an object: the library says nothing of its kind by itself."""
    return {"_headers": {"Content-Type": "application/json"}, "_request_timeout": TIMEOUT_S}


def _status(error: ClusterError) -> int:
    """The HTTP status that the API answered with; 0 where it did not answer."""
    return int(getattr(error.__cause__, "status", 0) or 0)


def _worker(pod: client.V1Pod) -> str:
    return f"worker-{(pod.metadata.annotations or {}).get(_INDEX, '0')}"


def _condition(found: client.V1Job, wanted: str) -> str:
    """Why a Job is in a condition; empty where it is not."""
    for each in (found.status.conditions if found.status else None) or []:
        if each.type == wanted and each.status == "True":
            return f"{each.reason or wanted}: {each.message or ''}".rstrip(": ")
    return ""


def _state(found: client.V1Job, pods: list[client.V1Pod]) -> str:
    if _condition(found, "Complete") or _condition(found, "SuccessCriteriaMet"):
        return "finished"
    if _condition(found, "Failed") or _condition(found, "FailureTarget"):
        return "failed"
    if found.metadata.deletion_timestamp is not None:
        return "ending"
    return "running" if any(pod.status.phase == "Running" for pod in pods) else "waiting"


def _waits(pods: list[client.V1Pod]) -> str:
    """Why no worker runs."""
    for pod in pods:
        for each in pod.status.container_statuses or []:
            if each.state and each.state.waiting:
                return f"{each.state.waiting.reason}: {each.state.waiting.message or ''}".rstrip(": ")
        for condition in pod.status.conditions or []:
            if condition.type == "PodScheduled" and condition.status == "False":
                return f"{condition.reason}: {condition.message or ''}".rstrip(": ")
    return ""


def _count(indexes: str | None) -> int:
    """How many a Job's list of indexes names: ``1,3-5`` are four."""
    total = 0
    for part in (indexes or "").split(","):
        first, _, last = part.partition("-")
        total += int(last or first) - int(first) + 1 if part else 0
    return total


def _with_claim_of(found: client.V1Job, defaults: WorkerDefaults) -> WorkerDefaults:
    """The defaults with the claim that a Job mounts."""
    for volume in found.spec.template.spec.volumes or []:
        if volume.persistent_volume_claim is not None:
            return defaults.model_copy(update={"claim": volume.persistent_volume_claim.claim_name})
    return defaults
