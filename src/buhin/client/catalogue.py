"""What every service tells of itself."""

from __future__ import annotations

from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from buhin.catalogue.v1 import catalogue_pb2
from buhin.client.connection import Connection
from buhin.client.resolving import Target
from buhin.common.v1 import common_pb2
from buhin.config import ClientSettings

GET_SERVICE_INFO = catalogue_pb2.DESCRIPTOR.services_by_name["ServiceInfoService"].methods_by_name["GetServiceInfo"]


def service_info(
    function: str,
    *,
    address: str | None = None,
    settings: ClientSettings | None = None,
    target: Target | None = None,
    timeout_s: float = 3,
) -> common_pb2.ServiceInfo:
    """The card of the running service of a function, with its state. Raises UnavailableError where there is none."""
    with Connection(function, address=address, settings=settings, target=target) as connection:
        answer: catalogue_pb2.GetServiceInfoResponse = connection.unary(
            GET_SERVICE_INFO, catalogue_pb2.GetServiceInfoRequest(), timeout_s=timeout_s
        )
    return answer.info


def is_serving(health_address: str, *, timeout_s: float = 3) -> bool:
    """What a service says on its port of health checks, where everyone may ask; False where there is none."""
    with grpc.insecure_channel(health_address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=timeout_s)
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
