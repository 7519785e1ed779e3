"""Proto to domain and back."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any

import grpc

from buhin.config import ImageSettings
from buhin.engine import Stop
from buhin.errors import InvalidValueError, OutOfRangeError
from buhin.image_inspect.v1 import image_inspect_pb2, image_inspect_pb2_grpc
from buhin.serving import Worker
from buhin.serving.streams import opened
from services.image_inspect import answers, photo, revisit
from services.image_inspect.engine import InspectEngine
from services.image_inspect.flight import Flight
from services.image_inspect.inspection import Options, inspect
from services.image_inspect.severity import DEFAULT, RuleSet

DEFAULT_MIN_LENGTH_PX = 40.0
RANGES: Mapping[str, tuple[float, float]] = {
    "ground_sampling_distance_mm": (0.001, 1_000),
    "min_length_px": (0, 100_000),
    "ground_sampling_distance_uncertainty": (0, 0.5),
    "marker_size_mm": (1, 10_000),
    "distance_m": (0.05, 1_000),
    "min_width_mm": (0.001, 1_000),
}
"""The numbers of the config, each with its least and greatest value."""


class ImageInspectServicer(image_inspect_pb2_grpc.ImageInspectServiceServicer):
    """Answers with an engine."""

    def __init__(self, worker: Worker[InspectEngine], settings: ImageSettings, rules: Mapping[str, RuleSet]) -> None:
        self._worker = worker
        self._settings = settings
        self._rules = rules

    async def Inspect(  # noqa: N802 - the name is the proto's
        self, request: image_inspect_pb2.InspectRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> image_inspect_pb2.InspectResponse:
        """Inspect one photograph."""
        options = self._options(request.config)
        header = photo.check(request.image, self._settings)

        def work(engine: InspectEngine, stop: Stop) -> image_inspect_pb2.InspectResponse:
            return answers.inspection(inspect(engine, header, options, stop), options)

        return await self._worker.run(work)

    async def StreamInspect(  # noqa: N802 - the name is the proto's
        self,
        request_iterator: AsyncIterator[image_inspect_pb2.StreamInspectRequest],
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> AsyncIterator[image_inspect_pb2.StreamInspectResponse]:
        """Inspect the photographs of a flight as they come."""
        with self._worker.stream() as stream:
            config, photos = await opened(request_iterator, self._settings.stream_idle_s)
            flight = Flight(stream, self._options(config), self._settings)
            async with aclosing(flight.answers(photos)) as responses:
                async for response in responses:
                    yield response

    async def Compare(  # noqa: N802 - the name is the proto's
        self, request: image_inspect_pb2.CompareRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> image_inspect_pb2.CompareResponse:
        """Compare two photographs of the same place."""
        options = self._options(request.config)
        before = photo.check(request.before_image, self._settings, "before_image")
        after = photo.check(request.after_image, self._settings, "after_image")
        return await self._worker.run(lambda engine, stop: revisit.compared(engine, before, after, options, stop))

    def _options(self, config: image_inspect_pb2.InspectConfig) -> Options:
        """Raises OutOfRangeError or InvalidValueError."""
        numbers = {name: getattr(config, name) for name in RANGES if config.HasField(name)}  # type: ignore[arg-type]
        for name, value in numbers.items():
            low, high = RANGES[name]
            if not (math.isfinite(value) and low <= value <= high):
                raise OutOfRangeError(field=f"config.{name}", value=value, minimum=low, maximum=high)
        rules = self._rules.get(config.severity_rules or DEFAULT)
        if rules is None:
            known = ", ".join(sorted(self._rules))
            raise InvalidValueError(field="config.severity_rules", value=config.severity_rules, accepted=known)
        return Options(
            rules=rules,
            min_length=numbers.get("min_length_px", DEFAULT_MIN_LENGTH_PX),
            gsd=numbers.get("ground_sampling_distance_mm"),
            gsd_uncertainty=numbers.get("ground_sampling_distance_uncertainty"),
            marker_mm=numbers.get("marker_size_mm"),
            distance_m=numbers.get("distance_m"),
            min_width_mm=numbers.get("min_width_mm"),
            position=config.include_position,
            profiles=config.include_width_profiles,
            mask=config.include_mask,
            overlay=config.include_overlay,
        )
