"""The summarization service: ``python -m services.summarize``."""

from __future__ import annotations

from pathlib import Path

from buhin.catalogue.card import ServiceCard
from buhin.config import TextSettings
from buhin.models.store import ModelStore
from buhin.serving import Application, run
from buhin.summarize.v1 import summarize_pb2_grpc
from buhin.text.embeddings import SentenceEncoder
from buhin.text.llama import LlamaGenerator
from services.summarize.engine import SummarizeEngine
from services.summarize.engines.composed import ComposedSummarizer
from services.summarize.servicer import SummarizeServicer

ROLES = ("writing", "ranking and citations")


def application(settings: TextSettings) -> Application[SummarizeEngine]:
    """The service as the runtime runs it."""

    def load() -> SummarizeEngine:
        store = ModelStore.from_settings(settings)
        encoder = SentenceEncoder(store.open(settings.embedding_model), threads=settings.threads, role=ROLES[1])
        generator = LlamaGenerator(
            store.open(settings.text_model),
            context_tokens=settings.text_context_tokens,
            slots=settings.concurrency,
            threads=settings.threads,
            role=ROLES[0],
        )
        return ComposedSummarizer(generator, encoder, slots=settings.concurrency)

    return Application(
        card=ServiceCard.load(Path(__file__).with_name("card.yaml")),
        settings=settings,
        models=dict(zip((settings.text_model, settings.embedding_model), ROLES, strict=True)),
        load=load,
        servicer=lambda worker: SummarizeServicer(worker, settings),
        register=summarize_pb2_grpc.add_SummarizeServiceServicer_to_server,
    )


if __name__ == "__main__":
    run(application(TextSettings()))
