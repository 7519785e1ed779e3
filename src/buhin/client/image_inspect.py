"""Client of the image inspection service."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict, Unpack

from buhin.client.base import AsyncClient, Client, calls, calls_async, converses, converses_async, read
from buhin.image_inspect.v1 import image_inspect_pb2

_METHODS = image_inspect_pb2.DESCRIPTOR.services_by_name["ImageInspectService"].methods_by_name


class Options(TypedDict, total=False):
    """How to inspect, with the names, units and ranges of ``InspectConfig``; None is as good as left out."""

    ground_sampling_distance_mm: float | None
    ground_sampling_distance_uncertainty: float | None
    marker_size_mm: float | None
    distance_m: float | None
    min_length_px: float | None
    min_width_mm: float | None
    severity_rules: str
    include_mask: bool
    include_overlay: bool
    include_position: bool
    include_width_profiles: bool


def inspect_request(image: bytes | Path, **options: Unpack[Options]) -> image_inspect_pb2.InspectRequest:
    """Find and measure the cracks in a JPEG, PNG, TIFF or WebP photograph.

    Millimetres are given where a ground sampling distance, a marker or a distance tells the scale.
    """
    return image_inspect_pb2.InspectRequest(image=read(image), config=image_inspect_pb2.InspectConfig(**options))


def stream_inspect_config(**options: Unpack[Options]) -> image_inspect_pb2.StreamInspectRequest:
    """Inspect a flight: pairs of an identifier and a photograph go before the options.

    Findings come in order of completion with the identifiers; the last response is the summary.
    """
    return image_inspect_pb2.StreamInspectRequest(config=image_inspect_pb2.InspectConfig(**options))


def compare_request(
    before: bytes | Path, after: bytes | Path, **options: Unpack[Options]
) -> image_inspect_pb2.CompareRequest:
    """Compare an earlier and a later photograph of the same place: which cracks are new, which grew."""
    return image_inspect_pb2.CompareRequest(
        before_image=read(before), after_image=read(after), config=image_inspect_pb2.InspectConfig(**options)
    )


def _photo(pair: tuple[str, bytes | Path]) -> image_inspect_pb2.StreamInspectRequest:
    photo_id, image = pair
    return image_inspect_pb2.StreamInspectRequest(photo=image_inspect_pb2.Photo(photo_id=photo_id, image=read(image)))


class ImageInspectClient(Client):
    """Finds and measures cracks."""

    function = "image_inspect"
    inspect = calls(inspect_request, _METHODS["Inspect"], image_inspect_pb2.InspectResponse)
    stream_inspect = converses(
        stream_inspect_config, _photo, _METHODS["StreamInspect"], image_inspect_pb2.StreamInspectResponse
    )
    compare = calls(compare_request, _METHODS["Compare"], image_inspect_pb2.CompareResponse)


class AsyncImageInspectClient(AsyncClient):
    """The async twin of ImageInspectClient."""

    function = "image_inspect"
    inspect = calls_async(inspect_request, _METHODS["Inspect"], image_inspect_pb2.InspectResponse)
    stream_inspect = converses_async(
        stream_inspect_config, _photo, _METHODS["StreamInspect"], image_inspect_pb2.StreamInspectResponse
    )
    compare = calls_async(compare_request, _METHODS["Compare"], image_inspect_pb2.CompareResponse)
