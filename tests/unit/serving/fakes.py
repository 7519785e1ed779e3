"""A small real service: an engine that does what a test tells it, behind the runtime."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import grpc

from buhin.catalogue.card import Localized, Method, ServiceCard
from buhin.config import ServerSettings
from buhin.engine import LoadedModel, Stop
from buhin.serving import Application, Worker
from buhin.translate.v1 import translate_pb2, translate_pb2_grpc
from tests.support import ANY_PORT

SERVICE = "buhin.translate.v1.TranslateService"
MODEL = LoadedModel("tiny", "sha256:" + "ab" * 32, "testing", "MIT", 12)


class FakeEngine:
    """Upper-cases. ``before`` runs in the worker thread first."""

    name = "fake"
    version = "1.2"
    models = (MODEL,)

    def __init__(self, before: Callable[[Stop], None] = lambda stop: None) -> None:
        self.before = before
        self.done: list[str] = []
        self.closed = False

    def warm_up(self) -> None:
        """Nothing to warm."""

    def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True

    def shout(self, text: str, stop: Stop) -> str:
        """The text in capitals."""
        self.before(stop)
        self.done.append(text)
        return text.upper()

    def spell(self, text: str, stop: Stop) -> Iterator[str]:
        """The letters in capitals, one at a time."""
        for letter in text:
            yield self.shout(letter, stop)


class Servicer(translate_pb2_grpc.TranslateServiceServicer):
    """Three of the four kinds of RPC; the fourth is added by hand in ``register``."""

    def __init__(self, worker: Worker[FakeEngine]) -> None:
        self.worker = worker

    async def _shout(self, text: str) -> str:
        return await self.worker.run(lambda engine, stop: engine.shout(text, stop))

    async def TranslateText(self, request: Any, context: Any) -> translate_pb2.TranslateTextResponse:
        """Unary, unary."""
        texts = [await self._shout(text) for text in request.contents]
        return translate_pb2.TranslateTextResponse(
            translations=[translate_pb2.Translation(translated_text=text) for text in texts]
        )

    async def StreamTranslateText(
        self, request_iterator: Any, context: Any
    ) -> AsyncIterator[translate_pb2.StreamTranslateTextResponse]:
        """Stream, stream."""
        async for request in request_iterator:
            yield translate_pb2.StreamTranslateTextResponse(translated_text=await self._shout(request.text))

    async def DetectLanguage(self, request: Any, context: Any) -> Any:
        """Is marked as not implemented on the card."""
        raise AssertionError("must not be reached")

    async def collect(self, request_iterator: Any, context: Any) -> translate_pb2.StreamTranslateTextResponse:
        """Stream, unary."""
        texts = [request.text async for request in request_iterator]
        return translate_pb2.StreamTranslateTextResponse(translated_text=await self._shout("".join(texts)))

    async def spread(self, request: Any, context: Any) -> AsyncIterator[translate_pb2.StreamTranslateTextResponse]:
        """Unary, stream."""
        for letter in request.text:
            yield translate_pb2.StreamTranslateTextResponse(translated_text=await self._shout(letter))


def register(servicer: Servicer, server: grpc.aio.Server) -> None:
    """The generated registration, and two methods of the kinds that the protos do not use."""
    translate_pb2_grpc.add_TranslateServiceServicer_to_server(servicer, server)
    codec: dict[str, Any] = {
        "request_deserializer": translate_pb2.StreamTranslateTextRequest.FromString,
        "response_serializer": translate_pb2.StreamTranslateTextResponse.SerializeToString,
    }
    handlers: dict[str, Any] = {
        "Collect": grpc.stream_unary_rpc_method_handler(servicer.collect, **codec),
        "Spread": grpc.unary_stream_rpc_method_handler(servicer.spread, **codec),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("buhin.test.v1.Test", handlers),))


def card() -> ServiceCard:
    """A card of the fake."""
    text = Localized(en="fake", ja="偽物")
    return ServiceCard(
        function="translate",
        service=SERVICE,
        version="3.2.1",
        title=text,
        description=text,
        methods=[
            Method(method="TranslateText", implemented=True),
            Method(method="DetectLanguage", implemented=False),
        ],
        known_limits=[text],
        review_codes={"LOW_SIMILARITY": text},
    )


def application(load: Callable[[], FakeEngine], **settings: Any) -> Application[FakeEngine]:
    """The fake as a service."""
    return Application(
        card=card(),
        settings=ServerSettings(**(ANY_PORT | settings)),
        models={"tiny": "testing"},
        load=load,
        servicer=Servicer,
        register=register,
    )


class Gate:
    """Holds work until a test opens it; says when work has arrived."""

    def __init__(self) -> None:
        self.arrived = threading.Semaphore(0)
        self.opened = threading.Event()
        self.stopped = threading.Event()

    def __call__(self, stop: Stop) -> None:
        """Wait in the worker thread."""
        self.arrived.release()
        while not self.opened.wait(0.005):
            if stop.is_set():
                self.stopped.set()
                stop.check()
