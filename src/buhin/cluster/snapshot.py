"""What a namespace holds of the catalogue, read once: what ``doctor`` looks at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kubernetes import client

from buhin.cluster import names
from buhin.cluster.api import TIMEOUT_S, Cluster
from buhin.errors import ClusterError, ClusterForbiddenError

_LOG_LINES = 40


@dataclass(frozen=True)
class Container:
    """A container of a pod as the kubelet tells of it."""

    pod: client.V1Pod
    name: str
    initial: bool
    status: client.V1ContainerStatus
    log: str = ""
    """The end of what it, or its last run, wrote."""

    @property
    def waiting(self) -> client.V1ContainerStateWaiting | None:
        """Why it waits."""
        return self.status.state.waiting if self.status.state else None

    @property
    def ended(self) -> client.V1ContainerStateTerminated | None:
        """How it, or its last run, ended; None where it never did."""
        now = self.status.state.terminated if self.status.state else None
        last = self.status.last_state.terminated if self.status.last_state else None
        return now or last


@dataclass(frozen=True)
class Snapshot:
    """The objects of one namespace. What may not be read is empty, and in ``refused``."""

    namespace: str
    pods: Sequence[client.V1Pod] = ()
    services: Sequence[client.V1Service] = ()
    deployments: Sequence[client.V1Deployment] = ()
    slices: Sequence[client.V1EndpointSlice] = ()
    autoscalers: Sequence[client.V2HorizontalPodAutoscaler] = ()
    policies: Sequence[client.V1NetworkPolicy] = ()
    claims: Sequence[client.V1PersistentVolumeClaim] = ()
    events: Sequence[client.CoreV1Event] = ()
    refused: Mapping[str, ClusterForbiddenError] = field(default_factory=dict)
    logs: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """The end of the logs of containers that failed or are not ready: by pod and container."""
    callers: Mapping[str, str] | None = None
    """Labels of the namespace from which callers come; None: of any."""

    def containers(self, pod: client.V1Pod) -> Iterator[Container]:
        """The containers of a pod of which something is known, in the order of their start."""
        for container in statuses(pod):
            log = self.logs.get((pod.metadata.name, container.name), "")
            yield Container(pod, container.name, container.initial, container.status, log)

    def events_of(self, kind: str, name: str, *reasons: str) -> list[client.CoreV1Event]:
        """What happened to an object for one of the reasons, the last first."""
        found = [
            event
            for event in self.events
            if (event.involved_object.kind, event.involved_object.name) == (kind, name) and event.reason in reasons
        ]
        return sorted(found, key=_when, reverse=True)

    def of(self, component: str, things: Iterable[Any]) -> list[Any]:
        """Those of one component."""
        return [each for each in things if component_of(each) == component]


def component_of(thing: Any) -> str:
    """The component that an object belongs to, by its label: ``speech``, ``pipeline-worker``; empty for none."""
    return str((thing.metadata.labels or {}).get(names.COMPONENT, ""))


def statuses(pod: client.V1Pod) -> Iterator[Container]:
    """The containers of a pod of which the kubelet tells."""
    if pod.status is None:
        return
    for initial, told in ((True, pod.status.init_container_statuses), (False, pod.status.container_statuses)):
        for status in told or []:
            yield Container(pod, status.name, initial, status)


def collect(cluster: Cluster, namespace: str, *, client_namespace: str = "") -> Snapshot:
    """Read a namespace. What the caller may not read is left out and told in ``refused``; raises ClusterError for any
    other failure.
    """
    core, apps = client.CoreV1Api(cluster.api), client.AppsV1Api(cluster.api)
    ours = {"label_selector": names.SELECTOR}
    reads: dict[str, tuple[str, Any, dict[str, str]]] = {
        "pods": ("pods", core.list_namespaced_pod, ours),
        "services": ("services", core.list_namespaced_service, ours),
        "deployments": ("deployments.apps", apps.list_namespaced_deployment, ours),
        "slices": (
            "endpointslices.discovery.k8s.io",
            client.DiscoveryV1Api(cluster.api).list_namespaced_endpoint_slice,
            ours,
        ),
        "autoscalers": (
            "horizontalpodautoscalers.autoscaling",
            client.AutoscalingV2Api(cluster.api).list_namespaced_horizontal_pod_autoscaler,
            ours,
        ),
        "policies": (
            "networkpolicies.networking.k8s.io",
            client.NetworkingV1Api(cluster.api).list_namespaced_network_policy,
            {},
        ),
        "claims": ("persistentvolumeclaims", core.list_namespaced_persistent_volume_claim, {}),
        "events": ("events", core.list_namespaced_event, {}),
    }
    found: dict[str, Any] = {}
    refused: dict[str, ClusterForbiddenError] = {}
    for name, (resource, read, options) in reads.items():
        try:
            with cluster.asked("list", resource, namespace):
                found[name] = read(namespace, _request_timeout=TIMEOUT_S, **options).items
        except ClusterForbiddenError as error:
            refused[resource] = error
    logs: dict[tuple[str, str], str] = {}
    for pod in found.get("pods", ()):
        try:
            logs |= _logs(cluster, core, namespace, pod)
        except ClusterForbiddenError as error:
            refused["pods/log"] = error
    labels = _labels(cluster, core, client_namespace) if client_namespace else None
    return Snapshot(namespace, **found, refused=refused, logs=logs, callers=labels)


def namespaces(cluster: Cluster) -> list[str]:
    """The namespaces that hold something of the catalogue. Raises ClusterError."""
    core = client.CoreV1Api(cluster.api)
    found: set[str] = set()
    for resource, read in (
        ("services", core.list_service_for_all_namespaces),
        ("pods", core.list_pod_for_all_namespaces),
    ):
        with cluster.asked("list", resource, ""):
            items = read(label_selector=names.SELECTOR, _request_timeout=TIMEOUT_S).items
        found |= {each.metadata.namespace for each in items}
    return sorted(found)


def _logs(cluster: Cluster, core: Any, namespace: str, pod: Any) -> dict[tuple[str, str], str]:
    """The end of the logs of the pod's containers that failed, or that run and are not ready."""
    found = {}
    for container in statuses(pod):
        state = container.status.state
        ended = container.ended
        running = state is not None and state.running is not None
        if (ended is None or ended.exit_code == 0) and (not running or container.status.ready or container.initial):
            continue
        last = not running and (state is None or state.terminated is None)
        try:
            with cluster.asked("get", "pods/log", namespace):
                found[pod.metadata.name, container.name] = core.read_namespaced_pod_log(
                    pod.metadata.name, namespace, container=container.name, tail_lines=_LOG_LINES, previous=last,
                    _request_timeout=TIMEOUT_S,
                )  # fmt: skip
        except ClusterForbiddenError:
            raise
        except ClusterError:  # the log is gone, or the container never wrote one
            continue
    return found


def _labels(cluster: Cluster, core: Any, namespace: str) -> dict[str, str]:
    """The labels of a namespace; the one that every namespace has, where more may not be read."""
    named = {"kubernetes.io/metadata.name": namespace}
    try:
        with cluster.asked("get", "namespaces", namespace):
            return named | (core.read_namespace(namespace, _request_timeout=TIMEOUT_S).metadata.labels or {})
    except ClusterForbiddenError:
        return named


def _when(event: client.CoreV1Event) -> str:
    return str(event.last_timestamp or event.event_time or event.metadata.creation_timestamp or "")
