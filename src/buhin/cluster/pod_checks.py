"""What can be wrong with pods. Each check looks for one thing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from buhin.cluster import problems
from buhin.cluster.logs import last_event, model_reason
from buhin.cluster.problems import Finding, Problem
from buhin.cluster.snapshot import Container, Snapshot, component_of

_PULL = {"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"}
_MODELS = {
    "MODEL_MISSING": problems.MODEL_MISSING,
    "OFFLINE": problems.MODEL_MISSING,
    "DIGEST_MISMATCH": problems.MODEL_WRONG,
}
_NO_POLICY = "without BUHIN_POLICY"
_PROBE = re.compile(
    r"^(Startup|Readiness|Liveness) probe (?:failed|errored)(?: and resulted in .*?)?:\s*(.*)", re.DOTALL
)
_WHY = (
    ("NOT_SERVING", "the service answers that it does not serve yet"),
    ("connection refused", "nothing listens on its port"),
    ("failed to connect", "nothing listens on its port, or it does not answer in time"),
    ("deadline exceeded", "it does not answer in time"),
    ("timeout", "it does not answer in time"),
)
_GPU = re.compile(r"Insufficient (\S*(?:gpu|GPU)\S*?)[,.]?(?:\s|$)")


def images(found: Snapshot) -> Iterator[Finding]:
    """Images that cannot be pulled."""
    for container in _containers(found):
        if container.waiting and container.waiting.reason in _PULL:
            detail = _pulling(found, container) or container.waiting.message or container.waiting.reason
            yield _of(problems.IMAGE_PULL, container.pod, image=container.status.image, detail=detail)


def scheduling(found: Snapshot) -> Iterator[Finding]:
    """Pods that no node takes. Those that wait for a volume are told of with their claim."""
    for pod in found.pods:
        condition = _condition(pod, "PodScheduled")
        if condition is None or condition.status != "False" or condition.reason != "Unschedulable":
            continue
        detail = condition.message or ""
        gpu = _GPU.search(detail)
        if gpu:
            yield _of(problems.GPU_MISSING, pod, resource=gpu[1], detail=detail)
        elif "PersistentVolumeClaim" not in detail and "persistentvolumeclaim" not in detail:
            yield _of(problems.UNSCHEDULABLE, pod, detail=detail)


def memory(found: Snapshot) -> Iterator[Finding]:
    """Containers that were ended for their memory."""
    for container in _containers(found):
        if container.ended and container.ended.reason == "OOMKilled":
            spec = next((each for each in _specs(container.pod) if each.name == container.name), None)
            limits = (spec.resources.limits if spec and spec.resources else None) or {}
            limit = limits.get("memory", "its node's memory")
            yield _of(problems.OUT_OF_MEMORY, container.pod, container=container.name, limit=limit)


def models(found: Snapshot) -> Iterator[Finding]:
    """Models that are missing or wrong: as the init container ended, or as the service says of its engine."""
    for container in _containers(found):
        reason = _model_reason(container)
        if reason:
            told = (container.ended.message if container.ended else "") or container.log
            line = next((each for each in reversed(told.splitlines()) if model_reason(each)), reason)
            yield _of(
                _MODELS.get(reason, problems.MODEL_UNUSABLE),
                container.pod, container=container.name, detail=last_event(line),
            )  # fmt: skip


def crashes(found: Snapshot) -> Iterator[Finding]:
    """Containers that end again and again, for no reason that another check tells."""
    for container in _containers(found):
        ended = container.ended
        if ended is None or ended.exit_code == 0 or container.status.ready:
            continue
        told = "\n".join([container.log, ended.message or ""])
        if ended.reason == "OOMKilled" or _model_reason(container):
            continue
        if _NO_POLICY in told:
            detail = "BUHIN_POLICY is not set for the container"
            yield _of(problems.POLICY_MISSING, container.pod, detail=detail)
            continue
        detail = last_event(told) or ended.reason or ""
        yield _of(
            problems.CRASHING, container.pod,
            container=container.name, exit=_status(ended.exit_code, ended.signal), detail=detail,
        )  # fmt: skip


def references(found: Snapshot) -> Iterator[Finding]:
    """Secrets and ConfigMaps that are named and not there."""
    for pod in found.pods:
        for container in found.containers(pod):
            if container.waiting and container.waiting.reason in ("CreateContainerConfigError", "CreateContainerError"):
                yield _reference(pod, container.waiting.message or container.waiting.reason)
        if pod.status is None or pod.status.phase != "Pending":
            continue
        for event in found.events_of("Pod", pod.metadata.name, "FailedMount")[:1]:
            if "not found" in (event.message or ""):
                yield _reference(pod, event.message)


def probes(found: Snapshot) -> Iterator[Finding]:
    """Pods that run and are not ready, by the probe that says so."""
    for container in _containers(found):
        state = container.status.state
        if container.initial or container.status.ready or not (state and state.running) or _model_reason(container):
            continue
        for event in found.events_of("Pod", container.pod.metadata.name, "Unhealthy", "ProbeWarning")[:1]:
            probe = _PROBE.match(event.message or "")
            if probe:
                why = next((text for words, text in _WHY if words in probe[2]), probe[2].strip())
                last = last_event(container.log)
                detail = f"{why}; last in its log: {last}" if last else why
                yield _of(problems.PROBE_FAILING, container.pod, probe=probe[1].lower(), detail=detail)


def evictions(found: Snapshot) -> Iterator[Finding]:
    """Pods that their node gave up."""
    for pod in found.pods:
        if pod.status and pod.status.phase == "Failed" and pod.status.reason == "Evicted":
            yield _of(problems.EVICTED, pod, detail=pod.status.message or "Evicted")


def _containers(found: Snapshot) -> Iterator[Container]:
    for pod in found.pods:
        yield from found.containers(pod)


def _specs(pod: Any) -> list[Any]:
    return [*(pod.spec.init_containers or []), *pod.spec.containers]


def _pulling(found: Snapshot, container: Container) -> str:
    """What the registry said, which a later state ("back-off") hides."""
    for event in found.events_of("Pod", container.pod.metadata.name, "Failed"):
        if container.status.image in (event.message or "") and "Failed to pull" in event.message:
            return str(event.message)
    return ""


def _model_reason(container: Container) -> str:
    """Why its models cannot be used; empty where they can, or where it is ready again."""
    if container.status.ready or (container.initial and container.ended and container.ended.exit_code == 0):
        return ""
    message = (container.ended.message if container.ended else "") or ""
    return model_reason(message) or model_reason(container.log)


def _reference(pod: Any, detail: str) -> Finding:
    policy = re.search(r'volume "policy"|configmap "\S*policy\S*" not found', detail)
    return _of(problems.POLICY_MISSING if policy else problems.REFERENCE_MISSING, pod, detail=detail)


def _status(exit_code: int, signal: int | None) -> str:
    names = {137: "137 (killed)", 139: "139 (segmentation fault)", 143: "143 (terminated)", 126: "126 (not executable)"}
    return names.get(exit_code, f"{exit_code} (signal {signal})" if signal else str(exit_code))


def _condition(pod: Any, kind: str) -> Any:
    conditions = (pod.status.conditions if pod.status else None) or []
    return next((each for each in conditions if each.type == kind), None)


def _of(problem: Problem, pod: Any, **values: Any) -> Finding:
    told = {"namespace": pod.metadata.namespace, "pod": pod.metadata.name, "container": "service"}
    told |= {name: str(value) for name, value in values.items()}
    return Finding(problem, f"pod/{pod.metadata.name}", component_of(pod), told)
