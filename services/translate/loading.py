"""The engine of the translation service, by its settings. Its libraries are imported only where it runs."""

from __future__ import annotations

from buhin.config import TextSettings
from services.translate.engine import COMPARES, WRITES, TranslateEngine


def load(settings: TextSettings) -> TranslateEngine:
    """Raises ModelError where a model is missing or cannot be used, ModelServerError where its server is not there."""
    from buhin.text.loading import load_models
    from services.translate.engines.composed import ComposedTranslator

    generator, encoder = load_models(settings, writes=WRITES, compares=COMPARES)
    return ComposedTranslator(generator, encoder, slots=settings.slots)
