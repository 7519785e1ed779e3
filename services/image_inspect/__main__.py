"""The image inspection service: ``python -m services.image_inspect``."""

from __future__ import annotations

from pathlib import Path

from buhin.catalogue.card import ServiceCard
from buhin.config import ImageSettings
from buhin.image_inspect.v1 import image_inspect_pb2_grpc
from buhin.models.store import ModelStore
from buhin.serving import Application, run
from services.image_inspect.engine import ROLE, InspectEngine
from services.image_inspect.engines.ridge import RidgeEngine
from services.image_inspect.servicer import ImageInspectServicer
from services.image_inspect.severity import rule_sets


def application(settings: ImageSettings) -> Application[InspectEngine]:
    """The service as the runtime runs it."""
    network = settings.image_engine == "network"

    def load() -> InspectEngine:
        if not network:
            return RidgeEngine()
        from services.image_inspect.engines.network import NetworkEngine

        model = ModelStore.from_settings(settings).open(settings.image_model)
        return NetworkEngine(model, threads=settings.threads, batch_size=settings.image_batch_size)

    rules = rule_sets(settings.severity_rules_dir)
    return Application(
        card=ServiceCard.load(Path(__file__).with_name("card.yaml")),
        settings=settings,
        models={settings.image_model: ROLE} if network else {},
        load=load,
        servicer=lambda worker: ImageInspectServicer(worker, settings, rules),
        register=image_inspect_pb2_grpc.add_ImageInspectServiceServicer_to_server,
    )


if __name__ == "__main__":
    run(application(ImageSettings()))
