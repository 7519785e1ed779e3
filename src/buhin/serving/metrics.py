"""What Prometheus is told: rate, errors and duration of calls, the queue, the work, the engine.

Labels have few values: methods are those of the service, groups those of the policy. Nothing of a request is in them.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from wsgiref.simple_server import WSGIServer

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    start_http_server,
)

from buhin.engine import LoadedModel
from buhin.serving.admission import Priority

_SECONDS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """The metrics of one server. ``methods`` are the paths that are told apart, ``unit`` is that of its work."""

    def __init__(self, function: str, methods: Sequence[str], unit: str) -> None:
        self.registry = CollectorRegistry()
        self._methods = frozenset(methods)
        self._unit = unit
        fixed: Any = functools.partial

        def make(kind: Any, name: str, text: str, *labels: str, **options: Any) -> Any:
            metric = kind(f"buhin_{name}", text, ["function", *labels], registry=self.registry, **options)
            return functools.cache(fixed(_labelled, metric, function))

        self._calls = make(Counter, "calls", "Calls that ended.", "method", "group", "code", "reason")
        self._call_s = make(Histogram, "call_seconds", "Time of a call.", "method", "group", buckets=_SECONDS)
        self._in_progress = make(Gauge, "calls_in_progress", "Calls that have not ended.", "method")
        self._waiting = make(Gauge, "queue_waiting", "Requests that wait.", "priority")
        self._waiting_units = make(Gauge, "queue_work", "Units of work that wait.", "priority")
        self._wait_s = make(Histogram, "queue_wait_seconds", "Time in the queue.", "priority", buckets=_SECONDS)
        self._refused = make(Counter, "queue_refused", "Requests that were refused.", "reason")
        self._units = make(Counter, "work_units", "Work asked for, in units.", "group", "unit")
        self._work_s = make(Histogram, "work_seconds", "Time of a piece of work on the engine.", buckets=_SECONDS)
        self._batch = make(Histogram, "batch_size", "Pieces of work that the engine took at once.", buckets=_SIZES)
        self._model = make(Gauge, "model_info", "1 for a model in memory.", "model_id", "digest", "role")
        self._load_s = make(Gauge, "model_load_seconds", "Time to load the engine and to prove it.")
        self._restarts = make(Counter, "engine_restarts", "Engines that ended and were replaced.")
        self._reloads = make(Counter, "engine_reloads", "Engines that were replaced by request.", "outcome")
        self._streams = make(Gauge, "streams_open", "Streams that are open.")
        self._ready = make(Gauge, "ready", "1 while the service answers.")
        self._loaded: list[tuple[str, str, str]] = []
        for none_yet in (
            self._restarts(),
            self._reloads("ok"),
            self._reloads("failed"),
            self._streams(),
            self._ready(),
        ):
            none_yet.inc(0)
        self._engine_process: int | None = None
        ProcessCollector(registry=self.registry)
        ProcessCollector("buhin_engine", lambda: self._engine_process or "none", registry=self.registry)
        PlatformCollector(registry=self.registry)

    def call_began(self, method: str) -> None:
        """A call came."""
        self._in_progress(self._known(method)).inc()

    def call_ended(self, method: str, group: str, code: str, reason: str, seconds: float) -> None:
        """It ended with a gRPC code and, where that is not OK, with a reason of the house."""
        method = self._known(method)
        self._in_progress(method).dec()
        self._calls(method, group, code, reason).inc()
        self._call_s(method, group).observe(seconds)

    def watch_queue(self, waiting: Callable[[Priority], tuple[int, float]]) -> None:
        """Ask for the requests that wait, and their units, whenever the metrics are read."""
        for priority in Priority:
            name = priority.name.lower()
            self._waiting(name).set_function(lambda each=priority: waiting(each)[0])
            self._waiting_units(name).set_function(lambda each=priority: waiting(each)[1])

    def waited(self, priority: Priority, seconds: float) -> None:
        """A piece of work got its turn."""
        self._wait_s(priority.name.lower()).observe(seconds)

    def refused(self, reason: str) -> None:
        """A request was not let into the queue, or taken out of it."""
        self._refused(reason).inc()

    def units(self, group: str, units: float) -> None:
        """Work was asked for."""
        self._units(group, self._unit).inc(max(0.0, units))

    def worked(self, seconds: float, batches: Sequence[int]) -> None:
        """A piece of work ended; what the engine took at once since the last one."""
        self._work_s().observe(seconds)
        for size in batches:
            self._batch().observe(size)

    def loaded(self, models: Sequence[LoadedModel], seconds: float) -> None:
        """An engine is ready, with these models."""
        for old in self._loaded:
            self._model(*old).set(0)
        self._loaded = [(model.model_id, model.digest, model.role) for model in models]
        for new in self._loaded:
            self._model(*new).set(1)
        self._load_s().set(seconds)

    def runs_in(self, process_id: int | None) -> None:
        """The process of the engine, whose memory and time are told as ``buhin_engine_process_…``."""
        self._engine_process = process_id

    def restarted(self) -> None:
        """An engine ended by itself."""
        self._restarts().inc()

    def reloaded(self, outcome: str) -> None:
        """An engine was to be replaced: ``ok`` or ``failed``."""
        self._reloads(outcome).inc()

    def streams(self, count: int) -> None:
        """So many streams are open."""
        self._streams().set(count)

    def ready(self, ready: bool) -> None:
        """Whether the service answers."""
        self._ready().set(ready)

    def _known(self, method: str) -> str:
        return method if method in self._methods else "other"


_SCRAPE_S = 10.0
"""Who has not asked after so long is not waited for: each connection has a thread."""


class MetricsServer:
    """``GET /metrics`` in a thread of its own. Raises OSError where the port cannot be had."""

    def __init__(self, metrics: Metrics, host: str, port: int) -> None:
        self._server: WSGIServer
        self._thread: threading.Thread
        self._server, self._thread = start_http_server(port, host, metrics.registry)
        handler: Any = self._server.RequestHandlerClass
        self._server.RequestHandlerClass = type("Handler", (handler,), {"timeout": _SCRAPE_S})
        self._server.set_app(_only_metrics(self._server.get_app()))
        self.port: int = self._server.server_port

    def close(self) -> None:
        """Stop, and give the port back."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _only_metrics(app: Any) -> Callable[[dict[str, Any], Any], Iterable[bytes]]:
    """The application of prometheus_client, which answers on every path."""

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/metrics":
            return app(environ, start_response)  # type: ignore[no-any-return]
        start_response("404 Not Found", [])
        return [b""]

    return answer


def _labelled(metric: Any, function: str, *labels: str) -> Any:
    return metric.labels(function, *labels)
