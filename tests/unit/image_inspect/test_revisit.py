"""Two photographs of a place over gRPC."""

from __future__ import annotations

import dataclasses
import io
from typing import Any

import cv2
import grpc
import numpy as np
import pytest
from PIL import Image

from buhin import errors
from buhin.config import ImageSettings
from buhin.engine import Stop
from buhin.image_inspect.v1 import image_inspect_pb2, image_inspect_pb2_grpc
from buhin.status import decode_call
from services.image_inspect.__main__ import application
from services.image_inspect.engine import Detection, Photo
from tests.support import ANY_PORT, serving
from tests.unit.image_inspect.drawings import detection, encoded
from tests.unit.image_inspect.test_servicer import FakeEngine
from training.crack.generator import sample

WALL = sample(31, 640, kind="rough", cracked=False).photo
OTHER = sample(32, 640, kind="rough", cracked=False).photo
GREEN = (0, 255, 0)
LINES = {"old": ((100, 140), (330, 170)), "longer": ((330, 170), (430, 182)), "new": ((150, 380), (400, 360))}


class GreenEngine(FakeEngine):
    """Finds what is drawn in green."""

    def detect(self, photo: Photo, stop: Stop) -> Detection:
        """Where it is green."""
        strong = photo.astype(int)
        return detection((strong[..., 1] > 140) & (strong[..., 0] < 110) & (strong[..., 2] < 110), 0.9)


def drawn(wall: Photo, *lines: str, width: int = 4, shift: int = 0) -> bytes:
    """A photograph of 500x500 of a wall with lines on it, from ``shift`` pixels further on."""
    photo = wall.copy()
    for line in lines:
        cv2.line(photo, *LINES[line], GREEN, width)
    return encoded(np.ascontiguousarray(photo[shift : shift + 500, shift : shift + 500]))


async def compare(before: bytes, after: bytes, **config: Any) -> image_inspect_pb2.CompareResponse:
    """One call."""
    running = dataclasses.replace(application(ImageSettings(**ANY_PORT)), load=GreenEngine)
    request = image_inspect_pb2.CompareRequest(
        before_image=before, after_image=after, config=image_inspect_pb2.InspectConfig(**config)
    )
    async with serving(running) as channel:
        stub: Any = image_inspect_pb2_grpc.ImageInspectServiceStub(channel)
        answer: image_inspect_pb2.CompareResponse = await stub.Compare(request, timeout=30)
        return answer


def told(answer: image_inspect_pb2.CompareResponse) -> list[tuple[str, list[str], str]]:
    """The changes in short."""
    return [
        (image_inspect_pb2.ChangeKind.Name(c.kind)[12:], list(c.before_crack_ids), c.after_crack_id)
        for c in answer.changes
    ]


async def test_new_and_grown_cracks_with_their_growth() -> None:
    before, after = drawn(WALL, "old"), drawn(WALL, "old", "longer", "new", shift=30)
    answer = await compare(before, after, ground_sampling_distance_mm=0.5, include_overlay=True)
    assert told(answer) == [("NEW", [], "C2"), ("GROWN", ["C1"], "C1")]
    grown = answer.changes[1]
    assert grown.length_growth_px == pytest.approx(100, abs=8)
    assert grown.length_growth_mm == pytest.approx(0.5 * grown.length_growth_px)
    assert grown.width_growth_px == pytest.approx(0, abs=0.5)
    assert answer.before.ground_sampling_distance_mm == pytest.approx(0.5, rel=0.01)
    assert answer.registration.matrix[2] == pytest.approx(-30, abs=1.5)
    assert answer.registration.overlap == pytest.approx((470 / 500) ** 2, abs=0.02)
    overlay = np.asarray(Image.open(io.BytesIO(answer.overlay_png)))
    assert overlay.shape == (500, 500, 3)
    assert not answer.before.overlay_png
    assert answer.provenance.service.endswith("ImageInspectService")
    assert not answer.review.recommended


async def test_what_is_as_it_was_and_what_is_not_found_again() -> None:
    answer = await compare(drawn(WALL, "old", "new"), drawn(WALL, "new"))
    assert told(answer) == [("NOT_FOUND", ["C2"], ""), ("UNCHANGED", ["C1"], "C1")]
    assert [reason.code for reason in answer.review.reasons] == ["CRACK_NOT_FOUND_AGAIN"]
    assert not answer.changes[1].HasField("length_growth_mm")


async def test_a_wider_crack_has_grown() -> None:
    answer = await compare(drawn(WALL, "old"), drawn(WALL, "old", width=8))
    assert told(answer) == [("GROWN", ["C1"], "C1")]
    assert answer.changes[0].width_growth_px == pytest.approx(4, abs=1)


@pytest.mark.parametrize(
    ("before", "after", "error", "field"),
    [
        (drawn(OTHER, "old"), drawn(WALL, "old"), errors.NotTheSamePlaceError, "before_image"),
        (b"", drawn(WALL), errors.EmptyInputError, "before_image"),
        (drawn(WALL), b"no picture", errors.UnreadableMediaError, "after_image"),
        (drawn(WALL)[:9_000], drawn(WALL), errors.UnreadableMediaError, "before_image"),
    ],
)
async def test_what_cannot_be_compared(before: bytes, after: bytes, error: type[errors.BuhinError], field: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await compare(before, after)
    found = decode_call(caught.value)
    assert (type(found), found.field) == (error, field)
