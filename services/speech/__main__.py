"""The speech service: ``python -m services.speech``."""

from __future__ import annotations

import functools
from pathlib import Path

from buhin.catalogue.card import ServiceCard
from buhin.config import SpeechSettings
from buhin.models.store import ModelStore
from buhin.serving import Application, Worker, run
from buhin.speech.v1 import speech_pb2_grpc
from services.speech import loading
from services.speech.acceptance import accept
from services.speech.engine import ROLE, SPEAKER_ROLE, SpeechEngine
from services.speech.speakers import Voices
from services.speech.units import Seconds, audio_s


def application(settings: SpeechSettings) -> Application[SpeechEngine]:
    """The service as the runtime runs it."""

    @functools.cache
    def voices() -> Voices:
        from services.speech.engines.voice_encoder import VoiceEncoder

        return VoiceEncoder(ModelStore.from_settings(settings).open(settings.speaker_model))

    def servicer(worker: Worker[SpeechEngine]) -> object:
        from services.speech.servicer import SpeechServicer  # while the engine loads

        return SpeechServicer(worker, settings, voices)

    return Application(
        card=ServiceCard.load(Path(__file__).with_name("card.yaml")),
        settings=settings,
        models={settings.speech_model: ROLE, settings.speaker_model: SPEAKER_ROLE},
        load=functools.partial(loading.load, settings),
        servicer=servicer,
        register=speech_pb2_grpc.add_SpeechServiceServicer_to_server,
        unit="audio_seconds",
        units=Seconds,
        done=audio_s,
        accept=accept,
    )


if __name__ == "__main__":
    run(application(SpeechSettings()))
