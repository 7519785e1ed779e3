"""The models of a language service, by its settings."""

from __future__ import annotations

from buhin.config import TextSettings
from buhin.models.store import ModelStore
from buhin.text.embeddings import SentenceEncoder
from buhin.text.generator import Generator
from buhin.text.llama import LlamaGenerator


def load_models(settings: TextSettings, *, writes: str, compares: str) -> tuple[Generator, SentenceEncoder]:
    """The writing model and the one that compares sentences, in these roles. Raises ModelError where one is missing."""
    store = ModelStore.from_settings(settings)
    encoder = SentenceEncoder(store.open(settings.embedding_model), threads=settings.threads, role=compares)
    generator = LlamaGenerator(
        store.open(settings.text_model),
        context_tokens=settings.text_context_tokens,
        slots=settings.concurrency,
        threads=settings.threads,
        role=writes,
    )
    return generator, encoder
