"""The image inspection service: ``python -m services.image_inspect``."""

from __future__ import annotations

from pathlib import Path

from buhin.catalogue.card import ServiceCard
from buhin.config import ImageSettings
from buhin.image_inspect.v1 import image_inspect_pb2_grpc
from buhin.serving import Application, run
from services.image_inspect.engine import InspectEngine
from services.image_inspect.engines.ridge import RidgeEngine
from services.image_inspect.servicer import ImageInspectServicer


def application(settings: ImageSettings) -> Application[InspectEngine]:
    """The service as the runtime runs it."""
    return Application(
        card=ServiceCard.load(Path(__file__).with_name("card.yaml")),
        settings=settings,
        models={},
        load=RidgeEngine,
        servicer=lambda worker: ImageInspectServicer(worker, settings),
        register=image_inspect_pb2_grpc.add_ImageInspectServiceServicer_to_server,
    )


if __name__ == "__main__":
    run(application(ImageSettings()))
