"""What every service tells of itself."""

from __future__ import annotations

from grpc_health.v1 import health_pb2

from buhin.catalogue.v1 import catalogue_pb2
from buhin.client.connection import Connection
from buhin.common.v1 import common_pb2
from buhin.config import ClientSettings

_CHECK = health_pb2.DESCRIPTOR.services_by_name["Health"].methods_by_name["Check"]
_GET_SERVICE_INFO = catalogue_pb2.DESCRIPTOR.services_by_name["ServiceInfoService"].methods_by_name["GetServiceInfo"]


def service_info(
    function: str, *, address: str | None = None, settings: ClientSettings | None = None, timeout_s: float = 3
) -> common_pb2.ServiceInfo:
    """The card of the running service of a function, with its state. Raises UnavailableError where there is none."""
    with Connection(function, address=address, settings=settings) as connection:
        answer: catalogue_pb2.GetServiceInfoResponse = connection.unary(
            _GET_SERVICE_INFO, catalogue_pb2.GetServiceInfoRequest(), timeout_s=timeout_s
        )
    return answer.info


def is_serving(
    function: str, *, address: str | None = None, settings: ClientSettings | None = None, timeout_s: float = 3
) -> bool:
    """What the service says of its health, which everyone may ask. Raises UnavailableError where there is none."""
    with Connection(function, address=address, settings=settings) as connection:
        answer = connection.unary(_CHECK, health_pb2.HealthCheckRequest(), timeout_s=timeout_s)
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
