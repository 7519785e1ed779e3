"""The services of the catalogue in a cluster, and what their pods say of themselves."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from http.client import HTTPException, IncompleteRead
from typing import Any

from kubernetes import client
from prometheus_client.parser import text_string_to_metric_families

from buhin.client.resolving import Target
from buhin.cluster import names
from buhin.cluster.api import TIMEOUT_S, Cluster
from buhin.cluster.forward import Forward
from buhin.cluster.snapshot import statuses
from buhin.config import ClientSettings
from buhin.errors import BuhinError, InvalidValueError, NoReadyPodError, ServiceNotFoundError, ServiceWithoutTlsError

_AT_ONCE = 8
_METRICS_S, _METRICS_BYTES = 5.0, 4 << 20


@dataclass(frozen=True)
class Model:
    """A model in a pod's memory."""

    id: str
    role: str
    digest: str


@dataclass(frozen=True)
class Metrics:
    """What a pod's metrics say now. ``waiting`` is the depth of its queue, in requests."""

    serving: bool
    waiting: int
    waiting_units: float
    in_progress: int
    models: tuple[Model, ...]


@dataclass(frozen=True)
class Pod:
    """A pod of a service. ``metrics`` is None where it was not, or could not be, asked: ``problem`` says why."""

    name: str
    node: str
    phase: str
    ready: bool
    restarts: int
    image: str
    address: str
    metrics: Metrics | None = None
    problem: str = ""


@dataclass(frozen=True)
class Service:
    """A service of the catalogue. ``address`` is that in the cluster, ``tls`` is none, server or mutual."""

    namespace: str
    name: str
    release: str
    function: str
    version: str
    address: str
    tls: str
    pods: tuple[Pod, ...] = ()
    endpoints: tuple[str, ...] = ()
    """Addresses of the pods that get calls."""

    @property
    def ready(self) -> int:
        """How many of its pods are ready."""
        return sum(pod.ready for pod in self.pods)

    @property
    def waiting(self) -> int | None:
        """Requests that wait in all its pods; None where no pod told."""
        told = [pod.metrics.waiting for pod in self.pods if pod.metrics]
        return sum(told) if told else None

    @property
    def health(self) -> str:
        """``SERVING``: every pod; ``DEGRADED``: some; ``NOT_SERVING``: none; ``NO_PODS``: none is there."""
        if not self.pods:
            return "NO_PODS"
        serving = sum(pod.ready and (pod.metrics is None or pod.metrics.serving) for pod in self.pods)
        return "SERVING" if serving == len(self.pods) else "DEGRADED" if serving else "NOT_SERVING"

    @property
    def models(self) -> list[str]:
        """Ids of the models that its pods have in memory."""
        return sorted({model.id for pod in self.pods if pod.metrics for model in pod.metrics.models})

    def as_dict(self) -> dict[str, Any]:
        """As plain types."""
        told = {"health": self.health, "ready": self.ready, "total": len(self.pods), "waiting": self.waiting}
        return asdict(self) | told | {"models": self.models}


def find(cluster: Cluster, namespace: str) -> list[Service]:
    """The services of a namespace, of all namespaces where it is empty. Raises ClusterError."""
    core, discovery = client.CoreV1Api(cluster.api), client.DiscoveryV1Api(cluster.api)
    services = _listed(
        cluster, "services", core.list_namespaced_service, core.list_service_for_all_namespaces, namespace
    )
    pods = _listed(cluster, "pods", core.list_namespaced_pod, core.list_pod_for_all_namespaces, namespace)
    slices = _listed(
        cluster, "endpointslices",
        discovery.list_namespaced_endpoint_slice, discovery.list_endpoint_slice_for_all_namespaces, namespace,
    )  # fmt: skip
    return [_service(each, pods, slices) for each in services if _is_main(each)]


def asked(cluster: Cluster, services: Sequence[Service]) -> list[Service]:
    """The services with the metrics of their running pods, of which eight are asked at a time."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        told = [[pool.submit(_asked, cluster, each, pod) for pod in each.pods] for each in services]
        return [
            replace(each, pods=tuple(pod.result() for pod in pods)) for each, pods in zip(services, told, strict=True)
        ]


def one(cluster: Cluster, namespace: str, function: str, release: str = "") -> Service:
    """The service of a function, of one release where that is given. Raises ServiceNotFoundError where there is none,
    InvalidValueError where several releases have one.
    """
    services = find(cluster, namespace)
    found = [each for each in services if each.function == function and release in ("", each.release)]
    if not found:
        there = ", ".join(sorted(each.name for each in services)) or "-"
        raise ServiceNotFoundError(function=function, namespace=namespace, found=there)
    if len(found) > 1:
        accepted = ", ".join(sorted(each.release for each in found))
        raise InvalidValueError(field="--release", value="?", accepted=accepted)
    return found[0]


def ready_pod(service: Service) -> Pod:
    """A pod that answers. Raises NoReadyPodError where there is none."""
    found = next((pod for pod in service.pods if pod.ready), None)
    if found is None:
        raise NoReadyPodError(service=service.name, namespace=service.namespace)
    return found


def settings_for(service: Service, settings: ClientSettings) -> ClientSettings:
    """The caller's settings with TLS as the service speaks it, and without it no token. Raises ServiceWithoutTlsError
    where the settings ask for TLS and the service says that it has none, InvalidValueError where the service wants a
    certificate of the caller and there is none.
    """
    if service.tls == "none":
        asked = [name for name in ("tls", "tls_ca", "client_certificate", "client_key") if getattr(settings, name)]
        if asked:
            given = ", ".join(f"BUHIN_{name.upper()}" for name in asked)
            raise ServiceWithoutTlsError(service=service.name, namespace=service.namespace, settings=given)
        return settings.model_copy(update={"token": None, "token_file": None})
    if service.tls == "mutual" and not (settings.client_certificate and settings.client_key):
        accepted = "BUHIN_CLIENT_CERTIFICATE, BUHIN_CLIENT_KEY"
        raise InvalidValueError(field="BUHIN_CLIENT_CERTIFICATE", value="-", accepted=accepted)
    return settings.model_copy(update={"tls": True})


def forwarded(service: Service, forward: Forward) -> Target:
    """Where a forwarded pod of the service is called, under the name of its certificate."""
    return Target(forward.address, names.host(service.name, service.namespace), pods=True)


def _listed(cluster: Cluster, resource: str, here: Any, everywhere: Any, namespace: str) -> list[Any]:
    options = {"label_selector": names.SELECTOR, "_request_timeout": TIMEOUT_S}
    with cluster.asked("list", resource, namespace):
        return list((here(namespace, **options) if namespace else everywhere(**options)).items)


def _is_main(service: Any) -> bool:
    return names.FUNCTION in (service.metadata.labels or {}) and service.spec.cluster_ip != "None"


def _service(service: Any, pods: Iterable[Any], slices: Iterable[Any]) -> Service:
    meta = service.metadata
    labels = meta.labels
    mine = [
        pod
        for pod in pods
        if pod.metadata.namespace == meta.namespace
        and (service.spec.selector or {}).items() <= (pod.metadata.labels or {}).items()
    ]
    endpoints = [
        address
        for each in slices
        if each.metadata.namespace == meta.namespace
        and (each.metadata.labels or {}).get("kubernetes.io/service-name") == names.pods_service(meta.name)
        for endpoint in each.endpoints or []
        if endpoint.conditions is None or endpoint.conditions.ready is not False
        for address in endpoint.addresses
    ]
    return Service(
        namespace=meta.namespace,
        name=meta.name,
        release=labels.get(names.INSTANCE, ""),
        function=labels[names.FUNCTION],
        version=labels.get("app.kubernetes.io/version", ""),
        address=f"{names.host(meta.name, meta.namespace)}:{names.GRPC_PORT}",
        tls=(meta.annotations or {}).get(names.TLS, "none"),
        pods=tuple(_pod(pod) for pod in mine if not (pod.status and pod.status.phase in ("Succeeded", "Failed"))),
        endpoints=tuple(sorted(endpoints)),
    )


def _pod(pod: Any) -> Pod:
    ready = any(each.type == "Ready" and each.status == "True" for each in (pod.status.conditions or []))
    containers = [each.status for each in statuses(pod) if not each.initial]
    return Pod(
        name=pod.metadata.name,
        node=pod.spec.node_name or "",
        phase="Terminating" if pod.metadata.deletion_timestamp else pod.status.phase or "",
        ready=ready and pod.metadata.deletion_timestamp is None,
        restarts=sum(each.restart_count for each in containers),
        image=next((each.image for each in pod.spec.containers if each.name == "service"), ""),
        address=pod.status.pod_ip or "",
    )


def _asked(cluster: Cluster, service: Service, pod: Pod) -> Pod:
    """The pod with its metrics, or with why there are none."""
    if pod.phase != "Running":
        return pod
    try:
        with Forward(cluster, service.namespace, pod.name, names.METRICS_PORT) as forward:
            try:
                return replace(pod, metrics=read(_get(f"http://{forward.address}/metrics")))
            except (OSError, HTTPException, ValueError, LookupError) as error:
                return replace(pod, problem=forward.problem or str(error) or type(error).__name__)
    except BuhinError as error:
        return replace(pod, problem=error.message)


def _get(url: str) -> str:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(url, timeout=_METRICS_S) as answer:
        data: bytes = answer.read(_METRICS_BYTES + 1)
        if len(data) > _METRICS_BYTES or answer.length:
            raise IncompleteRead(data, answer.length)
        return data.decode("utf-8")


def read(text: str) -> Metrics:
    """What the metrics of a service say. Raises ValueError where they are none of a service's."""
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]

    def total(name: str) -> float:
        return sum(sample.value for sample in samples if sample.name == name)

    if not any(sample.name == "buhin_ready" for sample in samples):
        raise ValueError("these are not the metrics of a service of the catalogue")
    return Metrics(
        serving=total("buhin_ready") == 1,
        waiting=round(total("buhin_queue_waiting")),
        waiting_units=total("buhin_queue_work"),
        in_progress=round(total("buhin_calls_in_progress")),
        models=tuple(
            Model(sample.labels["model_id"], sample.labels["role"], sample.labels["digest"])
            for sample in samples
            if sample.name == "buhin_model_info" and sample.value == 1
        ),
    )
