"""Submitted pipelines as the cluster's API sees them: made, looked at, followed, removed."""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import urllib3
from kubernetes import client

from buhin.cluster import names
from buhin.cluster.api import TIMEOUT_S, Cluster
from buhin.cluster.job_states import ENDED, Status, condition_of, count, state_of, waits, worker_of
from buhin.cluster.worker_events import Line, by_time, events_of, lines, told
from buhin.cluster.worker_pods import (
    COMPONENT,
    CONTAINER,
    DEFAULTS,
    FORGETTING_S,
    PIPELINE,
    RUN,
    WorkerDefaults,
    config_map,
    forgetting_job,
    job,
)
from buhin.errors import ClusterError, ClusterForbiddenError, ClusterUnreachableError, RunError
from buhin.pipelines.spec import Spec
from buhin.pipelines.submission import Submission

_TAIL = 200
LOOK_S = 2.0
"""Seconds between two looks at a run that is waited for."""
PATIENCE_S = 120.0
"""Seconds for which what is waited for may not be told, while the API does not answer."""
ENDING_S = 300.0
"""Seconds in which the workers of a run that is deleted end, and with them their logs."""
FOLLOW_TIMEOUT_S = (15.0, 60.0)
"""Of connecting to a log that is followed, and of a line of it; then it is opened again."""


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
            raise RunError(
                run=run,
                problem="no claim holds its input: --claim, or workers.claim of the chart",
                problem_ja="入力のあるクレームが不明です。--claim かチャートの workers.claim を指定してください",
            )
        if workers > 1 and defaults.database is None:
            raise RunError(
                run=run,
                problem="several workers need PostgreSQL (workers.database of the chart); --workers 1",
                problem_ja="複数のワーカーには PostgreSQL（チャートの workers.database）が必要です。または --workers 1",
            )
        body = client.V1Job.from_dict(job(submission, spec, defaults, workers))
        config_map(submission, spec, defaults, "")
        try:
            with self._asked("create", "jobs"):
                made = self._batch.create_namespaced_job(self._namespace, body, **_as_json())
        except ClusterError as error:
            if _status(error) != 409:
                raise
            self._find(run)
            again = f"buhin pipeline delete {run} --cluster --keep"
            raise RunError(
                run=run,
                problem=f"there is a Job of this name. To go on after it stopped: {again}, then submit it again",
                problem_ja=f"同じ名前の Job があります。停止後に続けるには {again} の後にもう一度登録してください",
            ) from error
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
                run=run,
                problem=f"there is no Job of it in {self._namespace}; finished ones go after a week",
                problem_ja=f"{self._namespace} にその Job がありません。終了した Job は 1 週間で消えます",
            )
        return self._status(found)

    def wait(self, run: str, on_status: Callable[[Status], None] = lambda status: None) -> Status:
        """How a run is, when it has ended."""
        while True:
            status: Status = self._patiently(lambda: self.status(run))
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
            yield from by_time([(worker_of(pod), self._log(pod)) for pod in self._pods(run)])
            return
        written: queue.SimpleQueue[Line] = queue.SimpleQueue()
        left = threading.Event()
        try:
            yield from self._followed(run, written, left)
        finally:
            left.set()

    def _followed(self, run: str, written: queue.SimpleQueue[Line], left: threading.Event) -> Iterator[Line]:
        following: dict[str, threading.Thread] = {}
        until = float("inf")
        while True:
            ended = (found := self._patiently(lambda: self._find(run))) is None or state_of(found, []) in ENDED
            if ended:
                until = min(until, time.monotonic() + ENDING_S)
            for pod in self._patiently(lambda: self._pods(run)):
                name = pod.metadata.name
                if name not in following and pod.status.phase != "Pending":
                    given = (run, pod, written, left)
                    following[name] = threading.Thread(target=self._follow, args=given, name="log", daemon=True)
                    following[name].start()
            with suppress(queue.Empty):
                while True:
                    yield written.get(timeout=0.05 if ended else LOOK_S)
            alive = any(thread.is_alive() for thread in following.values())
            if ended and (not alive or time.monotonic() > until) and written.empty():
                return

    def delete(self, run: str, defaults: Callable[[], WorkerDefaults], *, keep: bool = False) -> bool:
        """Stop the workers of a run and, but for ``keep``, remove what is kept of it on the claim and in the database,
        by a Job that is waited for. Outputs stay. Whether there was a Job. Raises RunError where that Job failed, or
        the pods of the run do not end.
        """
        found = self._find(run)
        if found is not None:
            self._delete(run, "Foreground")
            until = time.monotonic() + ENDING_S
            while self._patiently(lambda: self._is_there(run)):
                if time.monotonic() > until:
                    pods = [f"{pod.metadata.name} ({pod.status.phase})" for pod in self._pods(run)]
                    raise RunError(
                        run=run,
                        problem=f"it does not end; see why with kubectl describe: {', '.join(pods) or f'Job {run}'}",
                        problem_ja=f"終了しません。kubectl describe で確認: {', '.join(pods) or f'Job {run}'}",
                    )
                time.sleep(LOOK_S)
        if not keep:
            self._forget(run, defaults() if found is None else _with_claim_of(found, defaults()))
        return found is not None

    def _forget(self, run: str, defaults: WorkerDefaults) -> None:
        if not defaults.claim:
            raise RunError(
                run=run,
                problem="no claim holds its records: --claim, or workers.claim of the chart",
                problem_ja="記録のあるクレームが不明です。--claim かチャートの workers.claim を指定してください",
            )
        body = forgetting_job(run, defaults)
        name = body["metadata"]["name"]
        if self._job(name, run=False) is not None:
            self._delete(name, "Background")
        with self._asked("create", "jobs"):
            self._batch.create_namespaced_job(self._namespace, client.V1Job.from_dict(body), **_as_json())
        waited = ""
        until = time.monotonic() + FORGETTING_S + ENDING_S
        while True:
            found = self._patiently(lambda: self._job(name, run=False))
            state = "failed" if found is None or time.monotonic() > until else state_of(found, [])
            pods = self._patiently(lambda: self._pods(name))
            if state in ENDED:
                break
            waited = waits(pods) or waited
            time.sleep(LOOK_S)
        if state == "failed":
            said = [line.text for pod in pods for line in lines(worker_of(pod), self._log(pod))]
            why = said[-1] if said else waited or "its pod did not start"
            raise RunError(
                run=run,
                problem=f"its records were not removed: {why} (Job {name})",
                problem_ja=f"記録を削除できませんでした: {why} (Job {name})",
            )
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
        return self._job(run, run=True)

    def _job(self, name: str, *, run: bool) -> client.V1Job | None:
        """The Job of a run, or one that forgets a run. Raises RunError where the Job of the name is neither."""
        try:
            with self._asked("get", "jobs"):
                found = self._batch.read_namespaced_job(name, self._namespace, _request_timeout=TIMEOUT_S)
        except ClusterError as error:
            if _status(error) == 404:
                return None
            raise
        ours = (found.metadata.labels or {}).get(names.COMPONENT) == COMPONENT
        if not ours or (PIPELINE in (found.metadata.annotations or {})) is not run:
            raise RunError(
                run=name,
                problem=f"the Job of this name in {self._namespace} is not a run of buhin; take another name",
                problem_ja=f"{self._namespace} の同名の Job は buhin の実行ではありません。別の名前にしてください",
            )
        return found

    def _is_there(self, run: str) -> bool:
        """Whether anything is there that a new run of the name would meet: the Job, or its ConfigMap."""
        if self._find(run) is not None:
            return True
        try:
            with self._asked("get", "configmaps"):
                found = self._core.read_namespaced_config_map(run, self._namespace, _request_timeout=TIMEOUT_S)
        except ClusterError as error:
            if _status(error) == 404:
                return False
            raise
        return bool(found.metadata.owner_references)

    def _patiently(self, ask: Callable[[], Any]) -> Any:
        """What is asked, again and again while the API does not answer."""
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                return ask()
            except ClusterError as error:
                if not _passes(error) or time.monotonic() > until:
                    raise
            time.sleep(LOOK_S)

    def _pods(self, run: str) -> list[client.V1Pod]:
        with self._asked("list", "pods"):
            found = self._core.list_namespaced_pod(
                self._namespace, label_selector=f"{RUN}={run}", _request_timeout=TIMEOUT_S
            )
        return sorted(found.items, key=lambda pod: (worker_of(pod), pod.metadata.creation_timestamp))

    def _log(self, pod: client.V1Pod, tail: int | None = None) -> str:
        """What a worker wrote; empty where it has not begun, or its node does not answer."""
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
        except ClusterForbiddenError:
            raise
        except ClusterError:
            return ""

    def _follow(self, run: str, pod: client.V1Pod, written: queue.SimpleQueue[Line], left: threading.Event) -> None:
        """Put the lines of a pod where they are awaited, until it has ended or nobody awaits them. Where its log ends
        before or is silent for long, it is opened again: the connection may be gone.
        """
        name, worker = pod.metadata.name, worker_of(pod)
        last, heard = "", time.monotonic()
        try:
            while True:
                options = {"since_seconds": math.ceil(time.monotonic() - heard) + 5} if last else {}
                opened_after = last
                with suppress(urllib3.exceptions.HTTPError, client.ApiException):
                    answer: Any = self._core.read_namespaced_pod_log(
                        name, self._namespace, container=CONTAINER, follow=True, timestamps=True,
                        _preload_content=False, _request_timeout=FOLLOW_TIMEOUT_S, **options,
                    )  # fmt: skip
                    rest = b""
                    for chunk in answer.stream():
                        heard = time.monotonic()
                        if left.is_set():
                            return
                        *whole, rest = (rest + chunk).split(b"\n")
                        for line in whole:
                            time_of_it, _, text = line.decode("utf-8", "replace").partition(" ")
                            if time_of_it > opened_after:
                                written.put(Line(worker, text))
                                last = time_of_it
                if left.is_set():
                    return
                pods = self._patiently(lambda: self._pods(run))
                if not any(each.metadata.name == name and each.status.phase == "Running" for each in pods):
                    return
                if left.wait(LOOK_S):
                    return
        except Exception as error:  # noqa: BLE001 - said in its place
            written.put(Line(worker, f"(log broken off: {type(error).__name__})"))

    def _status(self, found: client.V1Job) -> Status:
        pods = self._pods(found.metadata.name)
        events: list[dict[str, Any]] = []
        for pod in pods:
            events += events_of(self._log(pod, _TAIL))
        events.sort(key=lambda event: str(event.get("time", "")))
        state = state_of(found, pods)
        picture = {"steps": {}, "failures": [], "out": "", "problem": ""} | told(events)
        if state == "waiting":
            picture["problem"] = waits(pods)
        elif state == "failed":
            picture["problem"] = picture["problem"] or condition_of(found, "Failed")
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
            lost=count(found.status.failed_indexes if found.status else ""),
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


def _passes(error: ClusterError) -> bool:
    """Whether the API may answer soon."""
    status = _status(error)
    return status == 429 or status >= 500 or (status == 0 and isinstance(error, ClusterUnreachableError))


def _with_claim_of(found: client.V1Job, defaults: WorkerDefaults) -> WorkerDefaults:
    """The defaults with the claim that a Job mounts."""
    for volume in found.spec.template.spec.volumes or []:
        if volume.persistent_volume_claim is not None:
            return defaults.model_copy(update={"claim": volume.persistent_volume_claim.claim_name})
    return defaults
