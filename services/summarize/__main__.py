"""The summarization service: ``python -m services.summarize``."""

from __future__ import annotations

import functools
from pathlib import Path

from buhin.catalogue.card import ServiceCard
from buhin.config import TextSettings
from buhin.serving import Application, Worker, run
from buhin.summarize.v1 import summarize_pb2_grpc
from buhin.text.units import characters
from services.summarize import loading
from services.summarize.acceptance import accept
from services.summarize.engine import COMPARES, WRITES, SummarizeEngine


def application(settings: TextSettings) -> Application[SummarizeEngine]:
    """The service as the runtime runs it."""

    def servicer(worker: Worker[SummarizeEngine]) -> object:
        from services.summarize.servicer import SummarizeServicer  # while the engine loads

        return SummarizeServicer(worker, settings)

    return Application(
        card=ServiceCard.load(Path(__file__).with_name("card.yaml")),
        settings=settings,
        models={settings.text_model: WRITES, settings.embedding_model: COMPARES},
        load=functools.partial(loading.load, settings),
        servicer=servicer,
        register=summarize_pb2_grpc.add_SummarizeServiceServicer_to_server,
        unit="characters",
        units=lambda: characters,
        accept=accept,
    )


if __name__ == "__main__":
    run(application(TextSettings()))
