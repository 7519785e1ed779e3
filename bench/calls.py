"""A unary call through everything that the runtime does around it, against a bare server of grpc.aio.

Both run as processes of their own and answer the same message with the same message; 16 calls are in flight.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc

from bench.measure import Row, compare
from buhin.catalogue.card import ServiceCard
from buhin.config import ServerSettings
from buhin.engine import LoadedModel
from buhin.serving import Application, Server
from buhin.translate.v1 import translate_pb2, translate_pb2_grpc

CALLS, IN_FLIGHT = 3_000, 16
CARD = Path(__file__).parents[1] / "services" / "translate" / "card.yaml"
REQUEST = translate_pb2.TranslateTextRequest(contents=["こんにちは。"] * 3, target_language_code="en")


class Nothing:
    """An engine that is never asked."""

    name, version = "none", "0"
    models: tuple[LoadedModel, ...] = ()

    def warm_up(self) -> None:
        """Nothing to warm."""

    def close(self) -> None:
        """Nothing to free."""


class Echo(translate_pb2_grpc.TranslateServiceServicer):
    """Answers what it was asked."""

    async def TranslateText(self, request: Any, context: Any) -> translate_pb2.TranslateTextResponse:  # noqa: N802
        """The contents as their translations."""
        return translate_pb2.TranslateTextResponse(
            translations=[translate_pb2.Translation(translated_text=content) for content in request.contents]
        )

    def StreamTranslateText(self, request_iterator: Any, context: Any) -> Any:  # noqa: N802
        """Not asked."""

    async def DetectLanguage(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Not asked."""

    async def ListLanguages(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Not asked."""


async def serve(kind: str) -> None:
    """Run one of the two, tell its port, and wait for the end."""
    if kind == "bare":
        server = grpc.aio.server()
        translate_pb2_grpc.add_TranslateServiceServicer_to_server(Echo(), server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        print(port, flush=True)  # noqa: T201 - read by the one who started this
        await server.wait_for_termination()
    application: Application[Nothing] = Application(
        ServiceCard.load(CARD),
        ServerSettings(port=0),
        {},
        Nothing,
        lambda worker: Echo(),
        translate_pb2_grpc.add_TranslateServiceServicer_to_server,
    )
    async with Server(application) as ours:
        await ours.started()
        print(ours.address.rpartition(":")[2], flush=True)  # noqa: T201 - as above
        await asyncio.Event().wait()


@contextmanager
def process(kind: str) -> Iterator[str]:
    """One of the two as a process; its address. What it logs is thrown away by a pipe that nobody keeps."""
    started = subprocess.Popen(
        [sys.executable, "-m", "bench.calls", kind], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert started.stdout  # noqa: S101 - asked for
        yield f"127.0.0.1:{started.stdout.readline().strip()}"
    finally:
        started.terminate()
        started.wait()
        if started.stdout:
            started.stdout.close()


async def rate(address: str) -> float:
    """Calls a second."""
    async with grpc.aio.insecure_channel(address) as channel:
        stub: Any = translate_pb2_grpc.TranslateServiceStub(channel)
        await stub.TranslateText(REQUEST, wait_for_ready=True)
        left = iter(range(CALLS))

        async def caller() -> None:
            for _ in left:
                await stub.TranslateText(REQUEST)

        began = asyncio.get_running_loop().time()
        await asyncio.gather(*(caller() for _ in range(IN_FLIGHT)))
        return CALLS / (asyncio.get_running_loop().time() - began)


def rows() -> Iterator[Row]:
    """Calls a second."""
    with process("ours") as own, process("bare") as other:
        yield compare(
            f"a unary call, {IN_FLIGHT} in flight",
            ("runtime", lambda: asyncio.run(rate(own))),
            ("bare grpc.aio", lambda: asyncio.run(rate(other))),
            "1/s",
            at_least=0.6,
            runs=9,
            note="the rest of the time is for identity, limits, provenance, log, metrics and traces",
        )


if __name__ == "__main__":
    from buhin.serving.server import configure_logging

    configure_logging("INFO", "translate")
    asyncio.run(serve(sys.argv[1]))
