"""The recorded service, with a pod that really answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from buhin.cluster import names
from buhin.serving import Server
from tests.cluster_api import ApiServer
from tests.unit.cluster.recorded import NAMESPACE, POD, healthy
from tests.unit.serving.fakes import FakeEngine, application


@asynccontextmanager
async def running(
    api: ApiServer, load: Callable[[], FakeEngine] = FakeEngine, *, tls: str = "none", **settings: Any
) -> AsyncIterator[Server[FakeEngine]]:
    """Put the recorded objects, with a service of the tests behind the pod's ports."""
    for thing in healthy():
        if thing["kind"] == "Service":
            thing["metadata"]["annotations"][names.TLS] = tls
        api.put(thing)
    async with Server(application(load, **settings)) as server:
        await server.started()
        for port, address in (
            (names.GRPC_PORT, server.address),
            (names.HEALTH_PORT, server.health_address),
            (names.METRICS_PORT, server.metrics_address),
        ):
            host, _, number = address.rpartition(":")
            api.ports[NAMESPACE, POD, port] = (host, int(number))
        yield server
