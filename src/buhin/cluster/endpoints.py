"""The pods of a service as the API tells them: its EndpointSlices, watched."""

from __future__ import annotations

import ipaddress
import threading
import weakref
from typing import Any

import urllib3
from kubernetes import client, watch

from buhin.client.resolving import Target
from buhin.cluster import names
from buhin.cluster.api import TIMEOUT_S, Cluster
from buhin.errors import ClusterError, NoReadyPodError

_WATCH_S = 300
_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0
_OF = "kubernetes.io/service-name"
_LATER = (client.ApiException, ClusterError, urllib3.exceptions.HTTPError, OSError)
"""After these the watch goes on where it was."""


class Endpoints:
    """Where the ready pods of a function's service are: that of a release, found by its labels. A thread watches the
    EndpointSlices until this is closed, or nobody has it any more. Raises ClusterError where the API does not tell.

    (The library's SharedInformer connects again without a pause where the API is away.)
    """

    def __init__(self, cluster: Cluster, release: str, function: str, namespace: str) -> None:
        self._release, self._service, self._namespace = release, names.service(release, function), namespace
        self._slices: dict[str, client.V1EndpointSlice] = {}
        selector = f"{names.SELECTOR},{names.FUNCTION}={function}"
        following = _Following(cluster, selector, namespace, weakref.ref(self))
        self.close = weakref.finalize(self, following.stop)
        """Watch no more."""
        version = following.read()
        threading.Thread(target=following.run, args=(version,), name=f"endpoints {function}", daemon=True).start()

    @property
    def target(self) -> Target:
        """Where they are now. Raises NoReadyPodError where none is ready."""
        slices = list(self._slices.values())
        service = _service(slices, self._release, self._service)
        headless = names.pods_service(service)
        addresses = ready_addresses([each for each in slices if each.metadata.labels[_OF] == headless])
        if not addresses:
            raise NoReadyPodError(service=service, namespace=self._namespace)
        return Target(addresses, names.host(service, self._namespace), pods=True)

    def replace(self, slices: list[client.V1EndpointSlice]) -> None:
        """The slices are these now."""
        self._slices = {each.metadata.name: each for each in slices}

    def happened(self, kind: str, each: client.V1EndpointSlice) -> None:
        """One was ADDED, MODIFIED or DELETED."""
        slices = dict(self._slices)
        if kind == "DELETED":
            slices.pop(each.metadata.name, None)
        else:
            slices[each.metadata.name] = each
        self._slices = slices


class _Following:
    """The thread's part: it knows the endpoints only as long as somebody else has them."""

    def __init__(self, cluster: Cluster, selector: str, namespace: str, owner: weakref.ref[Endpoints]) -> None:
        self._cluster, self._selector, self._namespace, self._owner = cluster, selector, namespace, owner
        self._api = client.DiscoveryV1Api(cluster.api)
        self._stopped = threading.Event()
        self._watch = watch.Watch(return_type=client.V1EndpointSlice)

    def stop(self) -> None:
        """Ends the thread."""
        self._stopped.set()
        self._watch.stop()

    def read(self) -> str:
        """Tell the owner the slices that there are; the version of the list."""
        with self._cluster.asked("list", "endpointslices", self._namespace):
            found = self._api.list_namespaced_endpoint_slice(
                self._namespace, label_selector=self._selector, _request_timeout=TIMEOUT_S
            )
        if owner := self._owner():
            owner.replace(found.items)
        return str(found.metadata.resource_version)

    def run(self, version: str) -> None:
        """Tell the owner what happens after a version."""
        pause_s = _PAUSE_S
        known: str | None = version
        while not self._stopped.is_set():
            try:
                known = known or self.read()
                for event in self._watch.stream(
                    self._begin,
                    self._namespace,
                    label_selector=self._selector,
                    resource_version=known,
                    timeout_seconds=_WATCH_S,
                    _request_timeout=(TIMEOUT_S, _WATCH_S + TIMEOUT_S),
                ):
                    self._tell(event)
                    if self._stopped.is_set():
                        return
                    pause_s = _PAUSE_S
                known = self._watch.resource_version or known
                self._stopped.wait(0.05)
            except Exception as error:  # noqa: BLE001 - else it would end silently
                code = error.status if isinstance(error, client.ApiException) else 0
                if code == 410 or not isinstance(error, _LATER):  # events were lost, or one cannot be read
                    known = None
                if code != 410:
                    self._stopped.wait(pause_s)
                    pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _begin(self, *arguments: Any, **options: Any) -> Any:
        """Begin a watch; ``stop`` ends only those that it finds."""
        response = self._api.list_namespaced_endpoint_slice(*arguments, **options)
        if self._stopped.is_set():
            response.close()
        return response

    def _tell(self, event: dict[str, Any] | None) -> None:
        """Tell the owner; a blank line is no event."""
        if event and (owner := self._owner()):
            owner.happened(event["type"], event["object"])


def _service(slices: list[client.V1EndpointSlice], release: str, expected: str) -> str:
    """The Service whose pods have a headless one: that of the expected name, else the first of the release."""
    suffix = names.pods_service("")
    headless = {
        str(labels[_OF]).removesuffix(suffix): labels.get(names.INSTANCE)
        for labels in (each.metadata.labels for each in slices)
        if labels[_OF].endswith(suffix)
    }
    if expected in headless:
        return expected
    return min((name for name, instance in headless.items() if instance == release), default=expected)


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
