"""How many pixels a request has, told from the headers of its photographs alone."""

from __future__ import annotations

from google.protobuf.message import Message

from buhin.errors import BuhinError
from buhin.image_inspect.v1 import image_inspect_pb2
from services.image_inspect import photo


def pixels(message: Message) -> float:
    """The pixels of a message's photographs; none of those that cannot be read."""
    match message:
        case image_inspect_pb2.InspectRequest():
            return _pixels(message.image)
        case image_inspect_pb2.CompareRequest():
            return _pixels(message.before_image) + _pixels(message.after_image)
        case image_inspect_pb2.StreamInspectRequest():
            return _pixels(message.photo.image)
    return 0.0


def _pixels(data: bytes) -> float:
    try:
        return float(photo.pixels(data))
    except BuhinError:
        return 0.0
