"""The engine of the translation service, by its settings."""

from __future__ import annotations

from buhin.config import TextSettings
from buhin.text.loading import load_models
from services.translate.engine import COMPARES, WRITES, TranslateEngine
from services.translate.engines.composed import ComposedTranslator


def load(settings: TextSettings) -> TranslateEngine:
    """Raises ModelError where a model is missing or cannot be used, ModelServerError where its server is not there."""
    generator, encoder = load_models(settings, writes=WRITES, compares=COMPARES)
    return ComposedTranslator(generator, encoder, slots=settings.slots)
