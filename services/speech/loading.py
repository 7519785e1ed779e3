"""The engine of the speech service, by its settings. Its library is imported only where it runs."""

from __future__ import annotations

from buhin.config import SpeechSettings
from buhin.models.store import ModelStore
from services.speech.engine import SpeechEngine


def load(settings: SpeechSettings) -> SpeechEngine:
    """Raises ModelError where the model is missing or cannot be used."""
    from services.speech.engines.faster_whisper import FasterWhisperEngine

    return FasterWhisperEngine(
        ModelStore.from_settings(settings).open(settings.speech_model),
        threads=settings.threads,
        workers=settings.concurrency,
        beam_size=settings.speech_beam_size,
        batch_size=settings.speech_batch_size,
    )
