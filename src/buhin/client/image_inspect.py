"""Client of the image inspection service."""

from __future__ import annotations

from pathlib import Path

from buhin.client.base import AsyncClient, Client, calls, calls_async, read
from buhin.image_inspect.v1 import image_inspect_pb2

_METHODS = image_inspect_pb2.DESCRIPTOR.services_by_name["ImageInspectService"].methods_by_name


def inspect_request(
    image: bytes | Path,
    *,
    ground_sampling_distance_mm: float | None = None,
    include_mask: bool = False,
    include_overlay: bool = False,
    min_length_px: float | None = None,
) -> image_inspect_pb2.InspectRequest:
    """Find and measure the cracks in a JPEG, PNG, TIFF or WebP photograph.

    ``ground_sampling_distance_mm`` is the size of a pixel on the surface; without it no millimetres are given.
    """
    config = image_inspect_pb2.InspectConfig(
        ground_sampling_distance_mm=ground_sampling_distance_mm,
        include_mask=include_mask,
        include_overlay=include_overlay,
        min_length_px=min_length_px,
    )
    return image_inspect_pb2.InspectRequest(image=read(image), config=config)


class ImageInspectClient(Client):
    """Finds and measures cracks."""

    function = "image_inspect"
    inspect = calls(inspect_request, _METHODS["Inspect"], image_inspect_pb2.InspectResponse)


class AsyncImageInspectClient(AsyncClient):
    """The async twin of ImageInspectClient."""

    function = "image_inspect"
    inspect = calls_async(inspect_request, _METHODS["Inspect"], image_inspect_pb2.InspectResponse)
