"""What tests share: a service that runs in the test's event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc

from buhin.serving import Application, Server
from buhin.serving.worker import State

ANY_PORT: dict[str, Any] = {
    "port": 0,
    "health_port": 0,
    "metrics_port": 0,
    "drain_s": 5.0,
    "isolate_engine": False,
}
"""Settings of a server for a test: any free port, and the engine where the test can see it."""


AS_DEPLOYED = ANY_PORT | {"isolate_engine": True}
"""The same with the engine in its own process, as it is run."""


@asynccontextmanager
async def serving(application: Application[Any], *, state: State = State.SERVING) -> AsyncIterator[grpc.aio.Channel]:
    """Run a service until its engine has the given state, and connect to it."""
    async with Server(application) as server:
        assert await server.started() is state, server.worker.failure
        async with grpc.aio.insecure_channel(server.address) as channel:
            yield channel
