"""Pods that answer, and move."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import grpc

from buhin.translate.v1 import translate_pb2
from tests.cluster_api import ApiServer
from tests.cluster_api.store import Thing
from tests.unit.cluster.recorded import NAMESPACE, healthy

METHODS = translate_pb2.DESCRIPTOR.services_by_name["TranslateService"].methods_by_name
SLICE = "buhin-translate-pods-7kw2m"
NAME = f"buhin-translate.{NAMESPACE}.svc"
ADDRESS = f"buhin://translate.{NAMESPACE}"
REQUEST = translate_pb2.StreamTranslateTextRequest(text="a")
ASK = (METHODS["TranslateText"], translate_pb2.TranslateTextRequest())


def until(holds: Callable[[], bool]) -> None:
    """Wait for what another thread does."""
    for _ in range(2_000):
        if holds():
            return
        threading.Event().wait(0.005)
    raise AssertionError("it did not come about in ten seconds")


def slice_of(thing: Thing, *hosts: str, port: int = 50051) -> Thing:
    """The recorded slice with other pods."""
    (kind,) = {"IPv6" if ":" in host else "IPv4" for host in hosts} or {"IPv4"}
    endpoints = [{"addresses": [host], "conditions": {"ready": True}} for host in hosts]
    ports = [{**each, "port": port} if each["name"] == "grpc" else each for each in thing["ports"]]
    return thing | {"endpoints": endpoints, "addressType": kind, "ports": ports}


def recorded_slice() -> Thing:
    """That of the headless Service."""
    return next(each for each in healthy() if each["metadata"]["name"] == SLICE)


def move(api: ApiServer, *hosts: str, port: int = 50051) -> None:
    """The pods are these now."""
    api.put(slice_of(recorded_slice(), *hosts, port=port))


class Pods:
    """Servers on addresses of their own, all at the same port, that tell who answered; a stream echoes."""

    def __init__(self) -> None:
        self.port = 0
        self._servers: dict[str, grpc.aio.Server] = {}

    async def start(self, host: str) -> None:
        """One more."""
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])

        async def answer(request: bytes, context: Any) -> bytes:
            return translate_pb2.TranslateTextResponse(
                translations=[translate_pb2.Translation(translated_text=host)]
            ).SerializeToString()

        async def echo(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
            async for _ in requests:
                yield translate_pb2.StreamTranslateTextResponse(translated_text=host).SerializeToString()

        handlers: dict[str, Any] = {
            "TranslateText": grpc.unary_unary_rpc_method_handler(answer),
            "StreamTranslateText": grpc.stream_stream_rpc_method_handler(echo),
        }
        server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler("buhin.translate.v1.TranslateService", handlers)]
        )
        self.port = server.add_insecure_port(f"{host}:{self.port}")
        await server.start()
        self._servers[host] = server

    async def stop(self, *hosts: str) -> None:
        """They are gone."""
        for host in hosts or list(self._servers):
            await self._servers.pop(host).stop(0)


@asynccontextmanager
async def pods(*hosts: str) -> AsyncIterator[Pods]:
    """Servers that run."""
    found = Pods()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(found.stop)
        for host in hosts:
            await found.start(host)
        yield found


def who(answer: Any) -> str:
    """Who answered."""
    return str(answer.translations[0].translated_text)
