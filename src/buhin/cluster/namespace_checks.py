"""What can be wrong around pods. Each check looks for one thing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from buhin.cluster import names, problems
from buhin.cluster.problems import Finding
from buhin.cluster.snapshot import Snapshot, component_of


def access(found: Snapshot) -> Iterator[Finding]:
    """What may not be read."""
    for resource in sorted(found.refused):
        values = {"resource": resource, "namespace": found.namespace}
        yield Finding(problems.FORBIDDEN, resource, values=values)


def deployed(found: Snapshot) -> Iterator[Finding]:
    """Whether there is anything at all."""
    if not (found.pods or found.services or found.deployments or found.refused):
        yield Finding(problems.NOTHING_DEPLOYED, f"namespace/{found.namespace}", values={"namespace": found.namespace})


def claims(found: Snapshot) -> Iterator[Finding]:
    """Volume claims of our pods that are missing or have no volume."""
    if "persistentvolumeclaims" in found.refused:
        return
    known = {claim.metadata.name: claim for claim in found.claims}
    used: dict[str, Any] = {}
    for pod in found.pods:
        for volume in pod.spec.volumes or []:
            if volume.persistent_volume_claim is not None:
                used.setdefault(volume.persistent_volume_claim.claim_name, pod)
    for name, pod in used.items():
        component = component_of(pod)
        if name not in known:
            yield Finding(problems.CLAIM_MISSING, f"persistentvolumeclaim/{name}", component, {"claim": name})
        elif known[name].status and known[name].status.phase in ("Pending", "Lost"):
            events = found.events_of(
                "PersistentVolumeClaim", name, "ProvisioningFailed", "FailedBinding", "VolumeMismatch"
            )
            detail = events[0].message if events else f"it is {known[name].status.phase}"
            if events or known[name].status.phase == "Lost" or not _waits(found, name):
                values = {"claim": name, "detail": detail}
                yield Finding(problems.CLAIM_PENDING, f"persistentvolumeclaim/{name}", component, values)


def replicas(found: Snapshot) -> Iterator[Finding]:
    """Deployments whose pods cannot be made, and those of which not all are ready for no other reason."""
    for deployment in found.deployments:
        name, component = deployment.metadata.name, component_of(deployment)
        conditions = (deployment.status.conditions if deployment.status else None) or []
        failed = next((each for each in conditions if each.type == "ReplicaFailure" and each.status == "True"), None)
        if failed is not None:
            values = {"deployment": name, "detail": failed.message or failed.reason or ""}
            yield Finding(problems.NOT_CREATED, f"deployment/{name}", component, values)


def starting(found: Snapshot) -> Iterator[Finding]:
    """Deployments of which not all pods are ready. Told where no other check says why."""
    for deployment in found.deployments:
        wanted = deployment.spec.replicas if deployment.spec.replicas is not None else 1
        ready = (deployment.status.ready_replicas if deployment.status else None) or 0
        if ready < wanted:
            values = {"ready": str(ready), "total": str(wanted)}
            subject = f"deployment/{deployment.metadata.name}"
            yield Finding(problems.NOT_READY, subject, component_of(deployment), values)


def autoscalers(found: Snapshot) -> Iterator[Finding]:
    """Autoscalers that get no metrics, or cannot act on them."""
    for autoscaler in found.autoscalers:
        for condition in (autoscaler.status.conditions if autoscaler.status else None) or []:
            disabled = condition.reason == "ScalingDisabled"  # at zero replicas: somebody wants it so
            if condition.type in ("ScalingActive", "AbleToScale") and condition.status == "False" and not disabled:
                name = autoscaler.metadata.name
                values = {"autoscaler": name, "detail": condition.message or condition.reason or ""}
                yield Finding(problems.NO_METRICS, f"horizontalpodautoscaler/{name}", component_of(autoscaler), values)


def networks(found: Snapshot) -> Iterator[Finding]:
    """Services that network policies keep every caller, or those of the client's namespace, away from."""
    told: set[str] = set()
    for pod in found.pods:
        component = component_of(pod)
        labels = pod.metadata.labels or {}
        if component in told or names.FUNCTION not in labels:
            continue
        selecting = [
            each
            for each in found.policies
            if _selects(each.spec.pod_selector, labels) and "Ingress" in (each.spec.policy_types or ["Ingress"])
        ]
        rules = [rule for each in selecting for rule in each.spec.ingress or []]
        if not selecting or any(_lets_in(rule, found) for rule in rules):
            continue
        told.add(component)
        client = (found.callers or {}).get("kubernetes.io/metadata.name")
        which = ", ".join(sorted(each.metadata.name for each in selecting))
        values = {
            "component": component,
            "port": str(names.GRPC_PORT),
            "client": f"namespace {client}" if client else "anywhere",
            "detail": f"of {which}, no rule for ingress does",
        }
        yield Finding(problems.NETWORK_POLICY, f"networkpolicy/{selecting[0].metadata.name}", component, values)


def _waits(found: Snapshot, claim: str) -> bool:
    """Whether a claim is to be bound only when a pod is placed, as WaitForFirstConsumer says."""
    return bool(found.events_of("PersistentVolumeClaim", claim, "WaitForFirstConsumer", "WaitForPodScheduled"))


def _lets_in(rule: Any, found: Snapshot) -> bool:
    if rule.ports and not any(_is_grpc(port) for port in rule.ports):
        return False
    return not rule.var_from or any(_is_from(peer, found) for peer in rule.var_from)


def _is_grpc(port: Any) -> bool:
    if port.protocol not in (None, "TCP"):
        return False
    if port.port is None or port.port == "grpc":
        return True
    first = int(port.port) if str(port.port).isdecimal() else -1
    return first <= names.GRPC_PORT <= (port.end_port or first)


def _is_from(peer: Any, found: Snapshot) -> bool:
    """Whether a peer of a rule may be a caller; of pods and addresses nothing is known, so they may."""
    if found.callers is None or peer.ip_block is not None:
        return True
    if peer.namespace_selector is None:
        return found.callers.get("kubernetes.io/metadata.name") == found.namespace
    return _selects(peer.namespace_selector, found.callers)


def _selects(selector: Any, labels: Mapping[str, str]) -> bool:
    if selector is None:
        return True
    exact = all(labels.get(key) == value for key, value in (selector.match_labels or {}).items())
    return exact and all(_expressed(each, labels) for each in selector.match_expressions or [])


def _expressed(expression: Any, labels: Mapping[str, str]) -> bool:
    value, values = labels.get(expression.key), expression.values or []
    match expression.operator:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case _:
            return value is None
