"""The translation service: ``python -m services.translate``."""

from __future__ import annotations

from pathlib import Path

from buhin.catalogue.card import ServiceCard
from buhin.config import TextSettings
from buhin.serving import Application, run
from buhin.text.loading import load_models
from buhin.translate.v1 import translate_pb2_grpc
from services.translate.engine import TranslateEngine
from services.translate.engines.composed import ComposedTranslator
from services.translate.servicer import TranslateServicer

WRITES, COMPARES = "translation", "translation check"


def application(settings: TextSettings) -> Application[TranslateEngine]:
    """The service as the runtime runs it."""

    def load() -> TranslateEngine:
        generator, encoder = load_models(settings, writes=WRITES, compares=COMPARES)
        return ComposedTranslator(generator, encoder, slots=settings.slots)

    return Application(
        card=ServiceCard.load(Path(__file__).with_name("card.yaml")),
        settings=settings,
        models={settings.text_model: WRITES, settings.embedding_model: COMPARES},
        load=load,
        servicer=lambda worker: TranslateServicer(worker, settings),
        register=translate_pb2_grpc.add_TranslateServiceServicer_to_server,
    )


if __name__ == "__main__":
    run(application(TextSettings()))
