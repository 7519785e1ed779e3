"""Health checks, which no slow watcher can hold up: https://github.com/grpc/grpc/blob/master/doc/health-checking.md"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

MAX_WATCHERS = 1_000
MAX_MESSAGE_BYTES = 4 * 1024
"""Of a request on the port of health checks."""
LIVE = "live"
"""A name that serves as long as its answer comes, for liveness probes: an engine that is replaced, or work that is
drained, is no reason to end the process."""

_Status = health_pb2.HealthCheckResponse


class HealthServicer(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # it has no types
    """Tells of some names whether they serve."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)
        self._serving = False
        self._changed = asyncio.Event()
        self._watchers = 0

    def set(self, *, serving: bool) -> None:
        """Say it to all who watch."""
        self._serving = serving
        self._changed.set()
        self._changed = asyncio.Event()

    async def Check(  # noqa: N802 - the name is the proto's
        self, request: health_pb2.HealthCheckRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> health_pb2.HealthCheckResponse:
        """Tell it once; NOT_FOUND for another name."""
        answer = self._answer(request)
        if answer.status == _Status.SERVICE_UNKNOWN:
            await context.abort(grpc.StatusCode.NOT_FOUND)
        return answer

    async def Watch(  # noqa: N802 - the name is the proto's
        self, request: health_pb2.HealthCheckRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        """Tell it now and whenever it changes; RESOURCE_EXHAUSTED where too many watch."""
        if self._watchers >= MAX_WATCHERS:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED)
        self._watchers += 1
        try:
            told = None
            while True:
                changed, answer = self._changed, self._answer(request)
                if answer != told:
                    yield answer
                told = answer
                await changed.wait()
        finally:
            self._watchers -= 1

    def _answer(self, request: health_pb2.HealthCheckRequest) -> health_pb2.HealthCheckResponse:
        if request.service == LIVE:
            return _Status(status=_Status.SERVING)
        if request.service not in self._names:
            return _Status(status=_Status.SERVICE_UNKNOWN)
        return _Status(status=_Status.SERVING if self._serving else _Status.NOT_SERVING)
