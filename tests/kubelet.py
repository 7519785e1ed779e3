"""What a cluster does with Jobs, for tests: their pods are processes of this machine, their volumes folders."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.cluster_api import ApiServer
from tests.cluster_api.refusals import RefusedError
from tests.conftest import ROOT

_JOB, _POD = ("batch/v1", "Job"), ("v1", "Pod")


@dataclass
class _Running:
    name: str
    job: dict[str, Any]
    process: subprocess.Popen[str]
    reading: threading.Thread
    ended: bool = False


class Kubelet:
    """Runs the Jobs of an API server as a context manager: starts pods, keeps their logs, says how they ended.

    A pod mounts the claim as ``claim``; values of Secrets are those of ``secrets``, by name and key.
    """

    def __init__(self, api: ApiServer, folder: Path, claim: Path, secrets: Mapping[tuple[str, str], str]) -> None:
        self._api = api
        self._folder = folder
        self._claim = claim
        self._secrets = secrets
        self._pods: list[_Running] = []
        self._seen: set[str] = set()
        self._closing = threading.Event()
        self._problem: list[BaseException] = []
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Kubelet:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing.set()
        self._thread.join()
        for pod in self._pods:
            pod.process.kill()
            pod.process.wait()
            pod.reading.join()
            assert pod.process.stdout is not None
            pod.process.stdout.close()
        assert not self._problem, self._problem

    def kill(self, pod: str, number: signal.Signals = signal.SIGKILL) -> None:
        """A pod's process ends."""
        next(each for each in self._pods if each.name == pod).process.send_signal(number)

    def _run(self) -> None:
        changed = self._api.store.changed
        while not self._closing.is_set():
            with changed:
                changed.wait(0.05)
            try:
                self._look()
            except BaseException as error:  # noqa: BLE001 - raised in the test
                self._problem.append(error)
                return

    def _look(self) -> None:
        jobs = {each["metadata"]["uid"]: each for each in self._api.all(*_JOB)}
        for uid, job in jobs.items():
            if uid not in self._seen and self._is_given(job):
                self._seen.add(uid)
                for index in range(job["spec"]["completions"]):
                    self._start(job, index)
        for pod in list(self._pods):
            if pod.job["metadata"]["uid"] not in jobs:
                pod.process.terminate()
            if not pod.ended and (code := pod.process.poll()) is not None:
                pod.reading.join()
                pod.ended = True
                if pod.job["metadata"]["uid"] in jobs:
                    self._ended(pod, code)

    def _is_given(self, job: dict[str, Any]) -> bool:
        """Whether the ConfigMap that it mounts is there."""
        volumes = job["spec"]["template"]["spec"]["volumes"]
        try:
            for each in volumes:
                if "configMap" in each:
                    self._api.get("v1", "ConfigMap", each["configMap"]["name"], job["metadata"]["namespace"])
        except RefusedError:
            return False
        return True

    def _start(self, job: dict[str, Any], index: int) -> None:
        meta, spec = job["metadata"], job["spec"]["template"]["spec"]
        name = f"{meta['name']}-{index}-{len(self._pods):05}"
        [container] = spec["containers"]
        paths = self._mounted(job, container, spec["volumes"])

        def here(text: str) -> str:
            found = [(there, path) for there, path in paths.items() if text == there or text.startswith(there + "/")]
            return text.replace(found[0][0], str(found[0][1]), 1) if found else text

        environment = {each["name"]: here(self._value(meta["namespace"], each)) for each in container["env"]}
        command = [here(each) for each in container["command"]]
        assert command[0] == "buhin"
        process = subprocess.Popen(
            [sys.executable, "-m", "buhin.cli.main", *command[1:]],
            env=os.environ | environment | {"JOB_COMPLETION_INDEX": str(index)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
        )
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": meta["name"], "uid": meta["uid"], "controller": True}
        self._api.put(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "name": name,
                    "namespace": meta["namespace"],
                    "labels": job["spec"]["template"]["metadata"]["labels"],
                    "annotations": {"batch.kubernetes.io/job-completion-index": str(index)},
                    "ownerReferences": [owner],
                },
                "spec": {key: value for key, value in spec.items() if key != "volumes"},
                "status": {"phase": "Running"},
            }
        )
        reading = threading.Thread(target=self._read, args=(process, name, meta["namespace"]))
        self._pods.append(_Running(name, job, process, reading))
        reading.start()

    def _mounted(self, job: dict[str, Any], container: dict[str, Any], volumes: list[Any]) -> dict[str, Path]:
        paths = {}
        for mount in container["volumeMounts"]:
            volume = next(each for each in volumes if each["name"] == mount["name"])
            if "persistentVolumeClaim" in volume:
                paths[mount["mountPath"]] = self._claim
            elif "configMap" in volume:
                name = volume["configMap"]["name"]
                folder = self._folder / name
                folder.mkdir(parents=True, exist_ok=True)
                found = self._api.get("v1", "ConfigMap", name, job["metadata"]["namespace"])
                for file, text in found["data"].items():
                    (folder / file).write_text(text, encoding="utf-8")
                paths[mount["mountPath"]] = folder
        return paths

    def _value(self, namespace: str, variable: dict[str, Any]) -> str:
        if "value" in variable:
            return str(variable["value"])
        key = variable["valueFrom"]["secretKeyRef"]
        return self._secrets[key["name"], key["key"]]

    def _read(self, process: subprocess.Popen[str], name: str, namespace: str) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self._api.log(name, "worker", line.rstrip("\n"), namespace=namespace)

    def _ended(self, pod: _Running, code: int) -> None:
        namespace, name = pod.job["metadata"]["namespace"], pod.job["metadata"]["name"]
        with contextlib.suppress(RefusedError):
            thing = self._api.get(*_POD, pod.name, namespace)
            self._api.put(thing | {"status": {"phase": "Succeeded" if code == 0 else "Failed"}})
        policy = pod.job["spec"].get("podFailurePolicy", {"rules": []})["rules"]
        final = [each["onExitCodes"]["values"] for each in policy if each["action"] == "FailJob"]
        if code == 0:
            self._condition(namespace, name, "Complete", "CompletionsReached" if not policy else "SuccessPolicy", "")
        elif any(code in values for values in final):
            self._condition(namespace, name, "Failed", "PodFailurePolicy", f"exit code {code}")
        else:
            index = int(pod.name.removeprefix(f"{name}-").partition("-")[0])
            self._start(pod.job, index)

    def _condition(self, namespace: str, name: str, kind: str, reason: str, message: str) -> None:
        job = self._api.get(*_JOB, name, namespace)
        if job.get("status", {}).get("conditions"):
            return
        condition = {"type": kind, "status": "True", "reason": reason, "message": message}
        self._api.put(job | {"status": {"conditions": [json.loads(json.dumps(condition))]}})
