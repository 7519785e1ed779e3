"""The speech service: ``python -m services.speech``."""

from __future__ import annotations

import functools
from pathlib import Path

from buhin.catalogue.card import ServiceCard
from buhin.config import SpeechSettings
from buhin.models.store import ModelStore
from buhin.serving import Application, run
from buhin.speech.v1 import speech_pb2_grpc
from services.speech.engine import SpeechEngine
from services.speech.engines.faster_whisper import ROLE, FasterWhisperEngine
from services.speech.engines.voice_encoder import ROLE as SPEAKER_ROLE
from services.speech.engines.voice_encoder import VoiceEncoder
from services.speech.servicer import SpeechServicer
from services.speech.speakers import Voices


def application(settings: SpeechSettings) -> Application[SpeechEngine]:
    """The service as the runtime runs it."""

    def load() -> SpeechEngine:
        model = ModelStore.from_settings(settings).open(settings.speech_model)
        return FasterWhisperEngine(
            model,
            threads=settings.threads,
            workers=settings.concurrency,
            beam_size=settings.speech_beam_size,
            batch_size=settings.speech_batch_size,
        )

    @functools.cache
    def voices() -> Voices:
        return VoiceEncoder(ModelStore.from_settings(settings).open(settings.speaker_model))

    return Application(
        card=ServiceCard.load(Path(__file__).with_name("card.yaml")),
        settings=settings,
        models={settings.speech_model: ROLE, settings.speaker_model: SPEAKER_ROLE},
        load=load,
        servicer=lambda worker: SpeechServicer(worker, settings, voices),
        register=speech_pb2_grpc.add_SpeechServiceServicer_to_server,
    )


if __name__ == "__main__":
    run(application(SpeechSettings()))
