"""The engine of the image inspection service, by its settings. Only the chosen one is imported."""

from __future__ import annotations

from buhin.config import ImageSettings
from buhin.models.store import ModelStore
from services.image_inspect.engine import InspectEngine


def load(settings: ImageSettings) -> InspectEngine:
    """Raises ModelError where the model is missing or cannot be used."""
    if settings.image_engine == "ridge":
        from services.image_inspect.engines.ridge import RidgeEngine

        return RidgeEngine()
    from services.image_inspect.engines.network import NetworkEngine

    model = ModelStore.from_settings(settings).open(settings.image_model)
    return NetworkEngine(
        model,
        threads=settings.threads,
        batch_size=settings.image_batch_size,
        window_s=settings.image_batch_window_ms / 1000,
    )
