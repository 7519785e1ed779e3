"""What a service hands to the runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import grpc
from google.protobuf.message import Message

from buhin.catalogue.card import ServiceCard
from buhin.config import PORTS, ServerSettings
from buhin.engine import Engine
from buhin.serving.worker import Worker

E = TypeVar("E", bound=Engine)


def one(message: Message) -> float:
    """A request is a unit of work, whatever is in it."""
    return 1.0


def unknown(response: Message) -> float:
    """Answers do not say how much work they were."""
    return 0.0


def accepted(engine: Engine) -> None:
    """Any engine that answered its warm-up."""


@dataclass(frozen=True)
class Application(Generic[E]):
    """A service: its card, its settings, how to load its engine and how to answer with it."""

    card: ServiceCard
    settings: ServerSettings
    models: Mapping[str, str]
    """Models that the engine loads: id to role."""
    load: Callable[[], E]
    """Builds the engine; raises ModelError where a model cannot be used. Where the engine has a process of its own, it
    is called there: a function of a module that can be imported, with or without arguments (functools.partial)."""
    servicer: Callable[[Worker[E]], Any]
    """Builds the generated servicer's implementation."""
    register: Callable[[Any, grpc.aio.Server], None]
    """The generated ``add_…Servicer_to_server``."""
    unit: str = "requests"
    """What work is measured in: ``audio_seconds``, ``characters`` or ``pixels``."""
    units: Callable[[], Callable[[Message], float]] = lambda: one
    """Counts the work of one call: of each of its messages, estimated without decoding it. Never raises: what is wrong
    with a request is for the servicer to say."""
    done: Callable[[Message], float] = unknown
    """The work of the whole call, as an answer tells it. Where that is more than was estimated, the rest is charged."""
    accept: Callable[[E], None] = accepted
    """Asks a new engine what it must be able to answer before it takes the place of one that serves; raises where it
    cannot."""

    @property
    def port(self) -> int:
        """The port to listen on."""
        port = self.settings.port
        return PORTS[self.card.function] if port is None else port

    @property
    def health_port(self) -> int:
        """The port of health checks."""
        return self._above(self.settings.health_port, 100)

    @property
    def metrics_port(self) -> int:
        """The port of metrics."""
        return self._above(self.settings.metrics_port, 200)

    def _above(self, port: int | None, distance: int) -> int:
        return port if port is not None else self.port + distance if self.port else 0
