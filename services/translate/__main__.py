"""The translation service: ``python -m services.translate``."""

from __future__ import annotations

import functools
from pathlib import Path

from buhin.catalogue.card import ServiceCard
from buhin.config import TextSettings
from buhin.serving import Application, Worker, run
from buhin.text.units import characters
from buhin.translate.v1 import translate_pb2_grpc
from services.translate import loading
from services.translate.acceptance import accept
from services.translate.engine import COMPARES, WRITES, TranslateEngine


def application(settings: TextSettings) -> Application[TranslateEngine]:
    """The service as the runtime runs it."""

    def servicer(worker: Worker[TranslateEngine]) -> object:
        from services.translate.servicer import TranslateServicer  # while the engine loads

        return TranslateServicer(worker, settings)

    return Application(
        card=ServiceCard.load(Path(__file__).with_name("card.yaml")),
        settings=settings,
        models={settings.text_model: WRITES, settings.embedding_model: COMPARES},
        load=functools.partial(loading.load, settings),
        servicer=servicer,
        register=translate_pb2_grpc.add_TranslateServiceServicer_to_server,
        unit="characters",
        units=lambda: characters,
        accept=accept,
    )


if __name__ == "__main__":
    run(application(TextSettings()))
