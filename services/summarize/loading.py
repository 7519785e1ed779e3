"""The engine of the summarization service, by its settings."""

from __future__ import annotations

from buhin.config import TextSettings
from buhin.text.loading import load_models
from services.summarize.engine import COMPARES, WRITES, SummarizeEngine
from services.summarize.engines.composed import ComposedSummarizer


def load(settings: TextSettings) -> SummarizeEngine:
    """Raises ModelError where a model is missing or cannot be used, ModelServerError where its server is not there."""
    generator, encoder = load_models(settings, writes=WRITES, compares=COMPARES)
    return ComposedSummarizer(generator, encoder, slots=settings.slots)
