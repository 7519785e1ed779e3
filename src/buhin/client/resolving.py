"""Addresses such as ``buhin://speech``: where the service of a function runs, found when it is first called.

The environment (``BUHIN_SPEECH_ADDRESS``) comes first, then the cluster's DNS, then the cluster's API.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from buhin.cluster import names
from buhin.config import ClientSettings
from buhin.errors import InvalidValueError

SCHEME = "buhin://"
_ADDRESS = re.compile(r"buhin://(?P<function>[a-z][a-z0-9_-]*)(?:\.(?P<namespace>[a-z0-9-]+))?")
_OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


@dataclass(frozen=True)
class Target:
    """What gRPC dials. ``certificate_name`` is the name of the service's certificate where it is not the address's own.
    ``pods``: calls go to all addresses in turn, and never through a proxy.
    """

    address: str
    certificate_name: str = ""
    pods: bool = False


class Place(Protocol):
    """Where a service is; it may move."""

    @property
    def target(self) -> Target:
        """Where it is now. Raises NoReadyPodError where it is nowhere."""

    def close(self) -> None:
        """Look no more."""


@dataclass(frozen=True)
class Fixed:
    """A place that does not move, or whose moves gRPC follows by itself."""

    target: Target

    def close(self) -> None:
        """Nothing to do."""


def resolve(address: str, settings: ClientSettings) -> Place:
    """Where the service of an address is; a plain address is where it says. Waits for the network.

    Raises InvalidValueError for an address that cannot be one, OutsideClusterError where the cluster's DNS does not
    know it and this is not a pod of the cluster, ClusterError where the cluster's API does not tell.
    """
    if not address.startswith(SCHEME):
        return Fixed(Target(address))
    found = _ADDRESS.fullmatch(address)
    if found is None:
        accepted = "buhin://FUNCTION, buhin://FUNCTION.NAMESPACE, HOST:PORT"
        raise InvalidValueError(field="address", value=address, accepted=accepted)
    function = found["function"].replace("-", "_")
    given = settings.given_address(function)
    if given and not given.startswith(SCHEME):
        return Fixed(Target(given))
    namespace = found["namespace"] or settings.namespace or _own_namespace() or "default"
    service = names.service(settings.release, function)
    pods = names.host(names.pods_service(service), namespace)
    if _known(pods):
        target = Target(f"dns:///{pods}:{names.GRPC_PORT}", names.host(service, namespace), pods=True)
        return Fixed(target)
    from buhin.cluster.endpoints import Endpoints

    return Endpoints.inside(address, function, service, namespace)


def _own_namespace() -> str:
    """The namespace of the pod that this runs in; empty where it is none."""
    try:
        return _OWN_NAMESPACE.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _known(host: str) -> bool:
    """Whether the DNS knows a name now."""
    try:
        return bool(socket.getaddrinfo(host, names.GRPC_PORT, type=socket.SOCK_STREAM))
    except OSError:
        return False
