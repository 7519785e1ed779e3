"""Calls of a pipeline's services: again where one does not answer now, and stopped when the run is."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from buhin.client.catalogue import service_info
from buhin.client.connection import Connection
from buhin.common.v1 import common_pb2
from buhin.config import ClientSettings
from buhin.errors import (
    BuhinError,
    CancelledError,
    ClusterUnreachableError,
    ModelError,
    NoReadyPodError,
    QueueFullError,
    UnavailableError,
)
from buhin.pipelines.spec import Spec
from buhin.pipelines.types import function_of

RETRY_DELAYS_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Waits before a service that does not answer is called again; after the last the run stops."""

RETRIED = (UnavailableError, QueueFullError, NoReadyPodError, ClusterUnreachableError)
"""Errors of a service that is not there, or has no room, now."""


class Caller:
    """Connections to the services of a pipeline, shared by the threads of a process; use as a context manager."""

    def __init__(
        self, spec: Spec, settings: ClientSettings, retry_delays_s: tuple[float, ...] = RETRY_DELAYS_S
    ) -> None:
        self._settings = settings.model_copy(update={"priority": "batch"})
        self._retry_delays_s = retry_delays_s
        self._stopping = threading.Event()
        functions = {function_of(step.method) for step in spec.steps.values()}
        self._connections = {function: Connection(function, settings=self._settings) for function in functions}

    def __enter__(self) -> Caller:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Cancel the calls in flight and make no more."""
        self._stopping.set()
        for connection in self._connections.values():
            connection.close()

    def answer(
        self,
        method: MethodDescriptor,
        request: Message,
        *,
        timeout_s: float | None,
        request_id: str,
        on_wait: Callable[[BuhinError], None],
    ) -> Any:
        """The answer of a method. Raises as ``Connection.unary`` does, after the last retry, and CancelledError where
        it was stopped.
        """
        connection = self._connections[function_of(method)]
        for delay_s in (*self._retry_delays_s, None):
            if self._stopping.is_set():
                raise CancelledError
            try:
                return connection.unary(method, request, timeout_s=timeout_s, request_id=request_id)
            except RETRIED as error:
                if delay_s is None or isinstance(error, ModelError):
                    raise
                on_wait(error)
                self._stopping.wait(max(delay_s, error.retry_after_s or 0))
        raise AssertionError("the last try returns or raises")

    def cards(self) -> dict[str, common_pb2.ServiceInfo]:
        """The cards of the services by their full names, as far as they still answer."""
        cards = {}
        for function in self._connections:
            with suppress(BuhinError):
                info = service_info(function, settings=self._settings)
                cards[info.service] = info
        return cards
