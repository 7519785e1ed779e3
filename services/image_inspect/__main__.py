"""The image inspection service: ``python -m services.image_inspect``."""

from __future__ import annotations

import functools
from pathlib import Path

from buhin.catalogue.card import ServiceCard
from buhin.config import ImageSettings
from buhin.image_inspect.v1 import image_inspect_pb2_grpc
from buhin.serving import Application, Worker, run
from services.image_inspect import loading
from services.image_inspect.acceptance import accept
from services.image_inspect.engine import ROLE, InspectEngine
from services.image_inspect.units import pixels


def application(settings: ImageSettings) -> Application[InspectEngine]:
    """The service as the runtime runs it."""

    def servicer(worker: Worker[InspectEngine]) -> object:
        from services.image_inspect.servicer import ImageInspectServicer  # while the engine loads
        from services.image_inspect.severity import rule_sets

        return ImageInspectServicer(worker, settings, rule_sets(settings.severity_rules_dir))

    return Application(
        card=ServiceCard.load(Path(__file__).with_name("card.yaml")),
        settings=settings,
        models={settings.image_model: ROLE} if settings.image_engine == "network" else {},
        load=functools.partial(loading.load, settings),
        servicer=servicer,
        register=image_inspect_pb2_grpc.add_ImageInspectServiceServicer_to_server,
        unit="pixels",
        units=lambda: pixels,
        accept=accept,
    )


if __name__ == "__main__":
    run(application(ImageSettings()))
