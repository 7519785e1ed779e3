"""The pods of a service as the API tells them: its EndpointSlices, watched."""

from __future__ import annotations

import ipaddress
import threading

import urllib3
from kubernetes import client, watch

from buhin.client.resolving import Target
from buhin.cluster import names
from buhin.cluster.api import TIMEOUT_S, Cluster
from buhin.errors import ClusterError, NoReadyPodError

_WATCH_S = 300
_LONGEST_PAUSE_S = 30.0


class Endpoints:
    """Where the ready pods of a service are. A thread watches the EndpointSlices of its headless Service. Raises
    ClusterError where the API does not tell.

    (The library's SharedInformer connects again without a pause where the API is away.)
    """

    def __init__(self, cluster: Cluster, service: str, namespace: str) -> None:
        self._cluster, self._service, self._namespace = cluster, service, namespace
        self._selector = f"kubernetes.io/service-name={names.pods_service(service)}"
        self._api = client.DiscoveryV1Api(cluster.api)
        self._slices: dict[str, client.V1EndpointSlice] = {}
        self._closed = threading.Event()
        self._watch = watch.Watch()
        version = self._list()
        self._thread = threading.Thread(target=self._follow, args=(version,), name=f"endpoints {service}", daemon=True)
        self._thread.start()

    @property
    def target(self) -> Target:
        """Where they are now. Raises NoReadyPodError where none is ready."""
        addresses = ready_addresses(list(self._slices.values()))
        if not addresses:
            raise NoReadyPodError(service=self._service, namespace=self._namespace)
        return Target(addresses, names.host(self._service, self._namespace), pods=True)

    def close(self) -> None:
        """Watch no more."""
        self._closed.set()
        self._watch.stop()

    def _list(self) -> str:
        with self._cluster.asked("list", "endpointslices", self._namespace):
            found = self._api.list_namespaced_endpoint_slice(
                self._namespace, label_selector=self._selector, _request_timeout=TIMEOUT_S
            )
        self._slices = {each.metadata.name: each for each in found.items}
        return str(found.metadata.resource_version)

    def _follow(self, version: str) -> None:
        pause_s = 0.5
        known: str | None = version
        while not self._closed.is_set():
            try:
                known = known or self._list()
                for event in self._watch.stream(
                    self._api.list_namespaced_endpoint_slice,
                    self._namespace,
                    label_selector=self._selector,
                    resource_version=known,
                    timeout_seconds=_WATCH_S,
                    _request_timeout=(TIMEOUT_S, _WATCH_S + TIMEOUT_S),
                ):
                    self._happened(event["type"], event["object"])
                    if self._closed.is_set():
                        return
                    pause_s = 0.5
                known = self._watch.resource_version or known
                self._closed.wait(0.05)
            except client.ApiException as error:
                if error.status == 410:  # what happened since is forgotten
                    known = None
                else:
                    pause_s = self._pause(pause_s)
            except (ClusterError, urllib3.exceptions.HTTPError, OSError):
                pause_s = self._pause(pause_s)

    def _pause(self, seconds: float) -> float:
        self._closed.wait(seconds)
        return min(2 * seconds, _LONGEST_PAUSE_S)

    def _happened(self, kind: str, each: client.V1EndpointSlice) -> None:
        slices = dict(self._slices)
        if kind == "DELETED":
            slices.pop(each.metadata.name, None)
        else:
            slices[each.metadata.name] = each
        self._slices = slices


def ready_addresses(slices: list[client.V1EndpointSlice]) -> str:
    """The ready pods as gRPC writes many addresses: of IPv4, else of IPv6; empty where there is none."""
    found: dict[int, set[str]] = {4: set(), 6: set()}
    for each in slices:
        port = next((p.port for p in each.ports or [] if p.name == "grpc"), names.GRPC_PORT)
        for endpoint in each.endpoints or []:
            if endpoint.conditions is not None and endpoint.conditions.ready is False:
                continue
            for address in endpoint.addresses if each.address_type != "FQDN" else []:
                version = ipaddress.ip_address(address).version
                found[version].add(f"{address}:{port}" if version == 4 else f"[{address}]:{port}")
    version = 4 if found[4] else 6
    return f"ipv{version}:{','.join(sorted(found[version]))}" if found[version] else ""
