"""The real servicers of the four services on small engines, in a thread, with limits that keep a call short."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from buhin.config import ImageSettings, SpeechSettings, TextSettings
from buhin.serving import Application, Server
from services.image_inspect.__main__ import application as image_inspect
from services.speech.__main__ import application as speech
from services.summarize.__main__ import application as summarize
from services.summarize.engines.composed import ComposedSummarizer
from services.translate.__main__ import application as translate
from services.translate.engines.composed import ComposedTranslator
from tests.encoders import Words
from tests.generators import FakeGenerator
from tests.support import ANY_PORT
from tests.unit.speech.fakes import FakeEngine

SMALL: dict[str, Any] = ANY_PORT | {"concurrency": 2, "stream_idle_s": 2.0, "max_call_s": 20.0}


def applications() -> dict[str, Application[Any]]:
    """Each function's service."""
    text = TextSettings(**SMALL, max_characters=5_000)
    generator = FakeGenerator(lambda prompt: prompt.text)
    voices = SpeechSettings(**SMALL, max_audio_seconds=30)
    return {
        "speech": dataclasses.replace(speech(voices), load=FakeEngine),
        "summarize": dataclasses.replace(
            summarize(text),
            load=lambda: ComposedSummarizer(generator, Words(), slots=2),  # type: ignore[arg-type]
        ),
        "translate": dataclasses.replace(
            translate(text),
            load=lambda: ComposedTranslator(generator, Words(), slots=2),  # type: ignore[arg-type]
        ),
        "image_inspect": image_inspect(ImageSettings(**SMALL, image_engine="ridge", max_pixels=100_000)),
    }


@contextmanager
def served() -> Iterator[dict[str, str]]:
    """All of them; their addresses."""
    addresses: dict[str, str] = {}
    ready, ended = threading.Event(), threading.Event()

    async def serve() -> None:
        servers = [Server(application) for application in applications().values()]
        for function, server in zip(applications(), servers, strict=True):
            await server.__aenter__()
            await server.started()
            addresses[function] = server.address
        ready.set()
        await asyncio.to_thread(ended.wait)
        for server in servers:
            await server.__aexit__(None, None, None)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert ready.wait(60)
        yield addresses
    finally:
        ended.set()
        thread.join()
