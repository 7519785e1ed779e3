"""Builds the server of a service, binds it, and drains it."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from typing import Any, Generic, TypeVar

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from buhin.catalogue.v1 import catalogue_pb2, catalogue_pb2_grpc
from buhin.engine import Engine
from buhin.serving.application import Application
from buhin.serving.info import ServiceInfoServicer
from buhin.serving.interceptors import CallInterceptor
from buhin.serving.worker import State, Worker

E = TypeVar("E", bound=Engine)

_log = structlog.get_logger("buhin.server")
_INFO_SERVICE = catalogue_pb2.DESCRIPTOR.services_by_name["ServiceInfoService"].full_name


class Server(Generic[E]):
    """A service that listens, as an async context manager: bound on entry (OSError where it cannot), drained on exit.

    Health is honest: NOT_SERVING until the engine has answered its warm-up, and again from the first moment of
    draining. It is answered on the service's port and on a port of its own.
    """

    def __init__(self, application: Application[E]) -> None:
        self._application = application
        self._settings = application.settings
        self.worker: Worker[E] = Worker(application.load, self._settings)
        self._health = health.aio.HealthServicer()
        self._servers: list[grpc.aio.Server] = []
        self._starting: asyncio.Task[None] | None = None
        self.address = ""
        self.health_address = ""

    async def __aenter__(self) -> Server[E]:
        await self._set_health(serving=False)
        main = grpc.aio.server(
            interceptors=[CallInterceptor(self._application.card, self.worker)],
            options=[
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", self._settings.max_message_bytes),
                ("grpc.max_send_message_length", -1),
            ],
        )
        service = self._application.card.service
        self._application.register(self._application.servicer(self.worker), main)
        catalogue_pb2_grpc.add_ServiceInfoServiceServicer_to_server(
            ServiceInfoServicer(self._application, self.worker), main
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, main)
        reflection.enable_server_reflection(
            [service, _INFO_SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME], main
        )
        side = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        health_pb2_grpc.add_HealthServicer_to_server(self._health, side)
        self._servers = [main, side]
        self.address = await self._bind(main, self._application.port)
        self.health_address = await self._bind(side, self._application.health_port)
        self._starting = asyncio.create_task(self._start())
        _log.info("listening", service=service, address=self.address, health_address=self.health_address)
        return self

    async def __aexit__(self, *exception: object) -> None:
        _log.info("draining", seconds=self._settings.drain_s)
        self.worker.drain()
        await self._set_health(serving=False)
        main, side = self._servers
        await main.stop(self._settings.drain_s)
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
        await self.worker.close()
        await side.stop(0)
        _log.info("stopped")

    async def started(self) -> State:
        """Wait until the engine serves or has failed, and say which."""
        if self._starting is not None:
            await self._starting
        return self.worker.state

    async def _start(self) -> None:
        await self.worker.start()
        await self._set_health(serving=self.worker.state is State.SERVING)

    async def _set_health(self, *, serving: bool) -> None:
        names = health_pb2.HealthCheckResponse.ServingStatus
        for name in ("", self._application.card.service):
            await self._health.set(name, names.SERVING if serving else names.NOT_SERVING)

    async def _bind(self, server: grpc.aio.Server, port: int) -> str:
        try:
            bound = server.add_insecure_port(f"{self._settings.host}:{port}")
        except RuntimeError as error:
            for bound_before in self._servers:
                await bound_before.stop(0)
            raise OSError(
                f"cannot listen on {self._settings.host}:{port}: is it in use? Set BUHIN_PORT and BUHIN_HEALTH_PORT."
            ) from error
        await server.start()
        return f"{self._settings.host}:{bound}"


def run(application: Application[Any]) -> None:
    """Serve until SIGTERM or SIGINT, then drain."""
    configure_logging(application.settings.log_level, application.card.function)
    try:
        asyncio.run(_serve(application))
    except OSError as error:
        raise SystemExit(str(error)) from error


async def _serve(application: Application[Any]) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with Server(application):
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
