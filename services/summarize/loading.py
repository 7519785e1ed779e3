"""The engine of the summarization service, by its settings. Its libraries are imported only where it runs."""

from __future__ import annotations

from buhin.config import TextSettings
from services.summarize.engine import COMPARES, WRITES, SummarizeEngine


def load(settings: TextSettings) -> SummarizeEngine:
    """Raises ModelError where a model is missing or cannot be used, ModelServerError where its server is not there."""
    from buhin.text.loading import load_models
    from services.summarize.engines.composed import ComposedSummarizer

    generator, encoder = load_models(settings, writes=WRITES, compares=COMPARES)
    return ComposedSummarizer(generator, encoder, slots=settings.slots)
