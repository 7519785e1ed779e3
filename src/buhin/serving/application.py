"""What a service hands to the runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import grpc

from buhin.catalogue.card import ServiceCard
from buhin.config import PORTS, ServerSettings
from buhin.engine import Engine
from buhin.serving.worker import Worker

E = TypeVar("E", bound=Engine)


@dataclass(frozen=True)
class Application(Generic[E]):
    """A service: its card, its settings, how to load its engine and how to answer with it."""

    card: ServiceCard
    settings: ServerSettings
    models: Mapping[str, str]
    """Models that the engine loads: id to role."""
    load: Callable[[], E]
    """Builds the engine; runs in a thread; raises ModelError where a model cannot be used."""
    servicer: Callable[[Worker[E]], Any]
    """Builds the generated servicer's implementation."""
    register: Callable[[Any, grpc.aio.Server], None]
    """The generated ``add_…Servicer_to_server``."""

    @property
    def port(self) -> int:
        """The port to listen on."""
        port = self.settings.port
        return PORTS[self.card.function] if port is None else port

    @property
    def health_port(self) -> int:
        """The port of health checks."""
        port = self.settings.health_port
        return self.port + 100 if port is None else port
