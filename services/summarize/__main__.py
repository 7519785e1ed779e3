"""The summarization service: ``python -m services.summarize``."""

from __future__ import annotations

from pathlib import Path

from buhin.catalogue.card import ServiceCard
from buhin.config import TextSettings
from buhin.serving import Application, run
from buhin.summarize.v1 import summarize_pb2_grpc
from buhin.text.loading import load_models
from services.summarize.engine import SummarizeEngine
from services.summarize.engines.composed import ComposedSummarizer
from services.summarize.servicer import SummarizeServicer

WRITES, COMPARES = "writing", "ranking and citations"


def application(settings: TextSettings) -> Application[SummarizeEngine]:
    """The service as the runtime runs it."""

    def load() -> SummarizeEngine:
        generator, encoder = load_models(settings, writes=WRITES, compares=COMPARES)
        return ComposedSummarizer(generator, encoder, slots=settings.slots)

    return Application(
        card=ServiceCard.load(Path(__file__).with_name("card.yaml")),
        settings=settings,
        models={settings.text_model: WRITES, settings.embedding_model: COMPARES},
        load=load,
        servicer=lambda worker: SummarizeServicer(worker, settings),
        register=summarize_pb2_grpc.add_SummarizeServiceServicer_to_server,
    )


if __name__ == "__main__":
    run(application(TextSettings()))
