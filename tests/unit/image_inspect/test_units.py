"""How many pixels a request is told to have, from headers alone."""

from __future__ import annotations

import pytest
from google.protobuf.message import Message

from buhin.image_inspect.v1 import image_inspect_pb2 as pb
from services.image_inspect.units import pixels
from tests.e2e.fault_inputs import png

SMALL, LARGE = png(40, 30), png(30_000, 30)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (pb.InspectRequest(image=SMALL), 1_200),
        (pb.InspectRequest(image=LARGE), 900_000),
        (pb.InspectRequest(image=b"no picture"), 0),
        (pb.InspectRequest(), 0),
        (pb.CompareRequest(before_image=SMALL, after_image=SMALL), 2_400),
        (pb.StreamInspectRequest(photo=pb.Photo(image=SMALL)), 1_200),
        (pb.StreamInspectRequest(config=pb.InspectConfig()), 0),
        (pb.InspectResponse(), 0),
    ],
)
def test_pixels(message: Message, expected: float) -> None:
    assert pixels(message) == expected
