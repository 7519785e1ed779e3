"""Builds the server of a service, binds it, and drains it."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import signal
import sys
from typing import Any, Generic, TypeVar

import grpc
import structlog
from google.protobuf import descriptor_pool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from buhin import telemetry
from buhin.catalogue.v1 import catalogue_pb2, catalogue_pb2_grpc
from buhin.config import ServerSettings
from buhin.engine import Engine
from buhin.serving.application import Application
from buhin.serving.auth import tls
from buhin.serving.auth.gate import Gate
from buhin.serving.health import MAX_MESSAGE_BYTES, HealthServicer
from buhin.serving.info import ServiceInfoServicer
from buhin.serving.interceptors import CallInterceptor
from buhin.serving.metrics import Metrics, MetricsServer
from buhin.serving.worker import State, Worker

E = TypeVar("E", bound=Engine)

_log = structlog.get_logger("buhin.server")
MAX_METADATA_BYTES = 16 * 1024
MAX_CALLS_A_CONNECTION = 4_096
KEEPALIVE_MS = 60_000
"""How often a connection without traffic is asked whether its other end still lives."""
_HEALTH_SERVICE = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
_INFO_SERVICE = catalogue_pb2.DESCRIPTOR.services_by_name["ServiceInfoService"].full_name


class Server(Generic[E]):
    """A service that listens, as an async context manager: bound on entry, drained on exit. Raises OSError where it
    cannot be bound, ValueError where its settings would let strangers in or do not fit.

    Health is honest: NOT_SERVING until the engine has answered its warm-up, while one that was lost is replaced, and
    again from the first moment of draining. It is answered on a port of its own, and on the service's port to whom the
    policy knows.
    """

    def __init__(self, application: Application[E]) -> None:
        self._application = application
        self._settings = application.settings
        self._gate = Gate(self._settings.policy, application.card.function)
        self.metrics = Metrics(application.card.function, _methods(application.card.service), application.unit)
        self.worker: Worker[E] = Worker(
            application.load, self._settings, metrics=self.metrics, accept=application.accept
        )
        self.worker.when_changed = self._changed
        self._health = HealthServicer(("", application.card.service))
        self._servers: list[grpc.aio.Server] = []
        self._metrics_server: MetricsServer | None = None
        self._starting: asyncio.Task[None] | None = None
        self.address = ""
        self.health_address = ""
        self.metrics_address = ""

    async def __aenter__(self) -> Server[E]:
        credentials = _credentials(self._settings)
        self._starting = asyncio.create_task(self.worker.start())
        await asyncio.sleep(0)  # the engine is on its way while the servicer is imported
        try:
            await self._listen(credentials)
        except BaseException:
            await self._end()
            raise
        if self._settings.policy is None:
            _log.warning("no_policy", consequence="every caller on this machine is let in; for development only")
        return self

    async def _listen(self, credentials: grpc.ServerCredentials | None) -> None:
        main = grpc.aio.server(
            interceptors=[CallInterceptor(self._application, self.worker, self._gate, self.metrics)],
            options=[
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", self._settings.max_message_bytes),
                ("grpc.max_send_message_length", -1),
                ("grpc.max_concurrent_streams", MAX_CALLS_A_CONNECTION),
                ("grpc.max_metadata_size", MAX_METADATA_BYTES),
                ("grpc.absolute_max_metadata_size", MAX_METADATA_BYTES),
                ("grpc.keepalive_time_ms", KEEPALIVE_MS),
                ("grpc.max_connection_age_ms", round(self._settings.connection_age_s * 1000)),
                ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
            ],
        )
        service = self._application.card.service
        self._application.register(self._application.servicer(self.worker), main)
        catalogue_pb2_grpc.add_ServiceInfoServiceServicer_to_server(
            ServiceInfoServicer(self._application, self.worker), main
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, main)
        reflection.enable_server_reflection([service, _INFO_SERVICE, _HEALTH_SERVICE, reflection.SERVICE_NAME], main)
        side = grpc.aio.server(
            options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES)]
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, side)
        self._servers = [main, side]
        self.address = await self._bind(main, self._application.port, credentials)
        self.health_address = await self._bind(side, self._application.health_port)
        try:
            self._metrics_server = MetricsServer(self.metrics, self._settings.host, self._application.metrics_port)
        except OSError as error:
            raise OSError(_in_use(self._settings.host, self._application.metrics_port)) from error
        self.metrics_address = f"{self._settings.host}:{self._metrics_server.port}"
        _log.info(
            "listening",
            service=service,
            address=self.address,
            tls=credentials is not None,
            health_address=self.health_address,
            metrics_address=self.metrics_address,
        )

    async def __aexit__(self, *exception: object) -> None:
        _log.info("draining", seconds=self._settings.drain_s)
        self.worker.drain()
        await self._servers[0].stop(self._settings.drain_s)
        await self._end()
        _log.info("stopped")

    async def _end(self) -> None:
        """Free all that was begun."""
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
        await self.worker.close()
        for server in self._servers:
            await server.stop(0)
        if self._metrics_server is not None:
            self._metrics_server.close()

    async def started(self) -> State:
        """Wait until the engine serves or has failed, and say which."""
        if self._starting is not None:
            await self._starting
        return self.worker.state

    def _changed(self) -> None:
        self._health.set(serving=self.worker.state is State.SERVING)

    async def _bind(self, server: grpc.aio.Server, port: int, credentials: grpc.ServerCredentials | None = None) -> str:
        address = f"{self._settings.host}:{port}"
        try:
            bound = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
        except RuntimeError as error:
            raise OSError(_in_use(self._settings.host, port)) from error
        await server.start()
        return f"{self._settings.host}:{bound}"


def _in_use(host: str, port: int) -> str:
    return f"cannot listen on {host}:{port}: is it in use? Set BUHIN_PORT, BUHIN_HEALTH_PORT and BUHIN_METRICS_PORT."


def _methods(service: str) -> list[str]:
    """The paths of a service's methods, and of the one that every service has."""
    descriptors = [descriptor_pool.Default().FindServiceByName(name) for name in (service, _INFO_SERVICE)]
    return [f"/{descriptor.full_name}/{method.name}" for descriptor in descriptors for method in descriptor.methods]


def _credentials(settings: ServerSettings) -> grpc.ServerCredentials | None:
    """What TLS needs; None without. Raises ValueError for settings that would let strangers in."""
    if settings.policy is None and not _is_loopback(settings.host):
        raise ValueError(
            f"without BUHIN_POLICY a service listens on loopback only, and BUHIN_HOST is {settings.host}: "
            "write a policy (docs/security.md) or listen on 127.0.0.1"
        )
    if settings.tls_certificate is None or settings.tls_key is None:
        if settings.tls_certificate or settings.tls_key or settings.tls_client_ca:
            raise ValueError("TLS needs both BUHIN_TLS_CERTIFICATE and BUHIN_TLS_KEY")
        return None
    return tls.credentials(settings.tls_certificate, settings.tls_key, settings.tls_client_ca)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def run(application: Application[Any]) -> None:
    """Serve until SIGTERM or SIGINT, then drain. SIGHUP loads the models anew."""
    configure_logging(application.settings.log_level, application.card.function)
    telemetry.configure(f"buhin-{application.card.function}", application.settings.otlp_endpoint)
    try:
        asyncio.run(_serve(application))
    except (OSError, ValueError) as error:
        raise SystemExit(str(error)) from error


async def _serve(application: Application[Any]) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with Server(application) as server:
        reloads: set[asyncio.Task[bool]] = set()

        def reload() -> None:
            reloads.add(task := asyncio.ensure_future(server.worker.reload()))
            task.add_done_callback(reloads.discard)

        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload)
        await stopping.wait()


def configure_logging(level: str, function: str) -> None:
    """Log JSON lines on standard error, each with the time, the level and the function."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
    structlog.contextvars.bind_contextvars(function=function)
