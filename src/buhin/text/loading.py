"""The models of a language service, by its settings. An engine's library is imported only where it is chosen."""

from __future__ import annotations

from buhin.config import TextSettings
from buhin.models.store import ModelStore
from buhin.text.embeddings import SentenceEncoder
from buhin.text.generator import Generator


def load_models(settings: TextSettings, *, writes: str, compares: str) -> tuple[Generator, SentenceEncoder]:
    """The writing model and the one that compares sentences, in these roles.

    Raises ModelError where one is missing or cannot be used, ModelServerError where its server does not answer.
    """
    store = ModelStore.from_settings(settings)
    encoder = SentenceEncoder(store.open(settings.embedding_model), role=compares)
    return load_generator(settings, store, role=writes), encoder


def load_generator(settings: TextSettings, store: ModelStore, *, role: str) -> Generator:
    """The writing model in its engine."""
    if settings.text_engine == "openai":
        from buhin.text.openai import OpenAIGenerator

        return OpenAIGenerator(
            settings.text_model,
            url=settings.openai_url,
            api_key=settings.openai_api_key.get_secret_value() if settings.openai_api_key else None,
            timeout_s=settings.openai_timeout_s,
            wait_s=settings.openai_wait_s,
            extra=settings.openai_extra,
            context_tokens=settings.text_context_tokens // settings.slots,
            role=role,
        )
    model = store.open(settings.text_model)
    if settings.text_engine == "transformers":
        from buhin.text.hf.generator import TransformersGenerator

        return TransformersGenerator(
            model,
            context_tokens=settings.text_context_tokens // settings.slots,
            batch_size=settings.slots,
            window_s=settings.text_batch_window_ms / 1000,
            threads=settings.threads,
            device=settings.text_device,
            dtype=settings.text_dtype,
            role=role,
        )
    from buhin.text.llama import LlamaGenerator

    return LlamaGenerator(
        model,
        context_tokens=settings.text_context_tokens,
        slots=settings.slots,
        threads=settings.threads,
        gpu=settings.text_device != "cpu",
        role=role,
    )
