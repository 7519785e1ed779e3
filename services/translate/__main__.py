"""The translation service: ``python -m services.translate``."""

from __future__ import annotations

from pathlib import Path

from buhin.catalogue.card import ServiceCard
from buhin.config import TextSettings
from buhin.models.store import ModelStore
from buhin.serving import Application, run
from buhin.text.embeddings import SentenceEncoder
from buhin.text.llama import LlamaGenerator
from buhin.translate.v1 import translate_pb2_grpc
from services.translate.engine import TranslateEngine
from services.translate.engines.llama_cpp import LlamaTranslator
from services.translate.servicer import TranslateServicer

ROLES = ("translation", "translation check")


def application(settings: TextSettings) -> Application[TranslateEngine]:
    """The service as the runtime runs it."""

    def load() -> TranslateEngine:
        store = ModelStore.from_settings(settings)
        encoder = SentenceEncoder(store.open(settings.embedding_model), threads=settings.threads, role=ROLES[1])
        generator = LlamaGenerator(
            store.open(settings.text_model),
            context_tokens=settings.text_context_tokens,
            slots=settings.concurrency,
            threads=settings.threads,
            role=ROLES[0],
        )
        return LlamaTranslator(generator, encoder, slots=settings.concurrency)

    return Application(
        card=ServiceCard.load(Path(__file__).with_name("card.yaml")),
        settings=settings,
        models=dict(zip((settings.text_model, settings.embedding_model), ROLES, strict=True)),
        load=load,
        servicer=lambda worker: TranslateServicer(worker, settings),
        register=translate_pb2_grpc.add_TranslateServiceServicer_to_server,
    )


if __name__ == "__main__":
    run(application(TextSettings()))
