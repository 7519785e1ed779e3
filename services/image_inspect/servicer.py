"""Proto to domain and back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc

from buhin.config import ImageSettings
from buhin.engine import Stop
from buhin.errors import NotImplementedMethodError, OutOfRangeError
from buhin.image_inspect.v1 import image_inspect_pb2, image_inspect_pb2_grpc
from buhin.review import Notice, review, warnings
from buhin.serving import Worker
from services.image_inspect import overlay, photo, reasons
from services.image_inspect.engine import InspectEngine
from services.image_inspect.measure import Crack, measure

DEFAULT_MIN_LENGTH_PX = 40.0
LENGTH_PX = (0.0, 100_000.0)
GSD_MM = (0.001, 1_000.0)
MODERATE_MM, WIDE_MM = 0.2, 1.0


@dataclass(frozen=True)
class _Options:
    gsd: float | None
    min_length: float
    mask: bool
    overlay: bool


class ImageInspectServicer(image_inspect_pb2_grpc.ImageInspectServiceServicer):
    """Answers with an engine. StreamInspect is not implemented yet, as the card says."""

    def __init__(self, worker: Worker[InspectEngine], settings: ImageSettings) -> None:
        self._worker = worker
        self._settings = settings

    async def Inspect(  # noqa: N802 - the name is the proto's
        self, request: image_inspect_pb2.InspectRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> image_inspect_pb2.InspectResponse:
        """Inspect one photograph."""
        options = _options(request.config)
        header = photo.check(request.image, self._settings)
        return await self._worker.run(lambda engine, stop: _inspect(engine, header, options, stop))

    def StreamInspect(  # noqa: N802 - the name is the proto's
        self,
        request_iterator: AsyncIterator[image_inspect_pb2.StreamInspectRequest],
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> AsyncIterator[image_inspect_pb2.StreamInspectResponse]:
        """Is marked as not implemented on the card; the runtime answers before this."""
        raise NotImplementedMethodError(method="buhin.image_inspect.v1.ImageInspectService/StreamInspect")


def _options(config: image_inspect_pb2.InspectConfig) -> _Options:
    gsd = config.ground_sampling_distance_mm if config.HasField("ground_sampling_distance_mm") else None
    min_length = config.min_length_px if config.HasField("min_length_px") else DEFAULT_MIN_LENGTH_PX
    for field, value, bounds in (
        ("ground_sampling_distance_mm", gsd, GSD_MM),
        ("min_length_px", min_length, LENGTH_PX),
    ):
        if value is not None and not bounds[0] <= value <= bounds[1]:
            raise OutOfRangeError(field=f"config.{field}", value=value, minimum=bounds[0], maximum=bounds[1])
    return _Options(gsd, min_length, config.include_mask, config.include_overlay)


def _inspect(
    engine: InspectEngine, header: photo.Header, options: _Options, stop: Stop
) -> image_inspect_pb2.InspectResponse:
    pixels, notices = photo.decode(header)
    detection = engine.detect(pixels, stop)
    cracks = measure(detection, options.min_length, stop)
    if options.gsd is None:
        notices.append(
            Notice(
                "NO_SCALE",
                "without a ground sampling distance there are no millimetres and no severity",
                "地上画素寸法がないため、ミリメートルの値と区分はありません",
                "config.ground_sampling_distance_mm",
            )
        )
    response = image_inspect_pb2.InspectResponse(
        width_px=pixels.shape[1],
        height_px=pixels.shape[0],
        cracks=[_crack(f"C{n}", crack, options.gsd) for n, crack in enumerate(cracks, start=1)],
        summary=_summary(cracks, pixels.shape[0] * pixels.shape[1], options.gsd),
        ground_sampling_distance_mm=options.gsd,
        review=review([*reasons.of_photo(pixels), *reasons.of_cracks(cracks)]),
        warnings=warnings(notices),
    )
    stop.check()
    if options.mask:
        response.mask_png = overlay.png(overlay.mask_image(detection.mask))
    if options.overlay:
        named = [(f"C{n}", crack) for n, crack in enumerate(cracks, start=1)]
        response.overlay_png = overlay.png(overlay.overlay(pixels, named))
    return response


def _crack(name: str, crack: Crack, gsd: float | None) -> image_inspect_pb2.Crack:
    left, top, width, height = crack.box
    message = image_inspect_pb2.Crack(
        crack_id=name,
        branches=[
            image_inspect_pb2.Polyline(points=[image_inspect_pb2.Point(x_px=x, y_px=y) for x, y in branch])
            for branch in crack.branches
        ],
        length_px=crack.length,
        mean_width_px=crack.mean_width,
        max_width_px=crack.max_width,
        area_px=crack.area,
        orientation_degrees=crack.orientation,
        bounding_box=image_inspect_pb2.BoundingBox(left_px=left, top_px=top, width_px=width, height_px=height),
        confidence=crack.confidence,
    )
    if gsd is not None:
        message.length_mm = crack.length * gsd
        message.mean_width_mm = crack.mean_width * gsd
        message.max_width_mm = crack.max_width * gsd
        message.area_mm2 = crack.area * gsd**2
        message.severity = _severity(message.mean_width_mm)
    return message


def _severity(mean_width_mm: float) -> image_inspect_pb2.Severity.ValueType:
    if mean_width_mm < MODERATE_MM:
        return image_inspect_pb2.SEVERITY_HAIRLINE
    return image_inspect_pb2.SEVERITY_MODERATE if mean_width_mm < WIDE_MM else image_inspect_pb2.SEVERITY_WIDE


def _summary(cracks: list[Crack], pixels: int, gsd: float | None) -> image_inspect_pb2.CrackSummary:
    summary = image_inspect_pb2.CrackSummary(
        crack_count=len(cracks),
        total_length_px=sum(crack.length for crack in cracks),
        area_ratio=sum(crack.area for crack in cracks) / pixels,
    )
    if gsd is not None:
        summary.total_length_mm = summary.total_length_px * gsd
        if cracks:
            summary.max_width_mm = max(crack.max_width for crack in cracks) * gsd
    return summary
