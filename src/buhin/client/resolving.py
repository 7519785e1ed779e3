"""Addresses such as ``buhin://speech``: where the service of a function runs, found when it is first called.

The environment (``BUHIN_SPEECH_ADDRESS``) comes first, then the cluster's DNS, then the cluster's API.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from typing import Protocol

from buhin.cluster import here, names
from buhin.config import ClientSettings
from buhin.errors import ClusterError, InvalidValueError, OutsideClusterError

SCHEME = "buhin://"
_ADDRESS = re.compile(r"buhin://(?P<function>[a-z][a-z0-9_-]*)(?:\.(?P<namespace>[a-z0-9-]+))?")


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

    In a pod that has no token the cluster's DNS is all there is, and calls are UNAVAILABLE while it does not know the
    name: no pod is ready. Raises InvalidValueError for an address that cannot be one, OutsideClusterError where the DNS
    does not know it and this is no pod, ClusterError where the cluster's API does not tell.
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
    namespace = found["namespace"] or settings.namespace or here.namespace() or "default"
    service = names.service(settings.release, function)
    pods = names.host(names.pods_service(service), namespace)
    if (here.in_a_pod() and not here.inside()) or _known(pods):
        target = Target(f"dns:///{pods}:{names.GRPC_PORT}", names.host(service, namespace), pods=True)
        return Fixed(target)
    if not here.inside():
        raise OutsideClusterError(address=address, function=function, service=service, namespace=namespace)
    try:
        from buhin.cluster.api import Cluster
        from buhin.cluster.endpoints import Endpoints
    except ModuleNotFoundError as error:
        problem = f"the DNS does not know {pods}, and asking the API needs: pip install 'buhin[cluster]'"
        raise ClusterError(problem=problem) from error
    return Endpoints(Cluster(), settings.release, function, namespace)


def _known(host: str) -> bool:
    """Whether the DNS knows a name now."""
    try:
        return bool(socket.getaddrinfo(host, names.GRPC_PORT, type=socket.SOCK_STREAM))
    except OSError:
        return False
