"""The service over gRPC with an engine of known answers."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import AsyncIterator
from typing import Any

import grpc
import numpy as np
import pytest
from PIL import Image

from buhin import errors
from buhin.config import ImageSettings
from buhin.engine import LoadedModel, Stop
from buhin.image_inspect.v1 import image_inspect_pb2, image_inspect_pb2_grpc
from buhin.status import decode_call
from services.image_inspect.__main__ import application
from services.image_inspect.engine import Detection, Mask, Photo
from tests.support import ANY_PORT, serving
from tests.unit.image_inspect.drawings import bar, detection, encoded, wall

PHOTO = encoded(wall(1))
MASK = bar(200, 5, 0, centre=(150, 100)) | bar(90, 3, 90, centre=(300, 250))


class FakeEngine:
    """Finds the same in every photograph."""

    name, version, models = "fake", "1.2", (LoadedModel("tiny", "sha256:" + "ab" * 32, "testing", "MIT", 12),)

    def __init__(self, mask: Mask = MASK, score: float = 0.9) -> None:
        self.answer = detection(mask, score)
        self.seen: list[Photo] = []

    def warm_up(self) -> None:
        """Nothing to warm."""

    def close(self) -> None:
        """Nothing to free."""

    def detect(self, photo: Photo, stop: Stop) -> Detection:
        """The answer."""
        self.seen.append(photo)
        return self.answer


async def inspect(engine: FakeEngine, photo: bytes = PHOTO, **config: Any) -> image_inspect_pb2.InspectResponse:
    """One call."""
    running = dataclasses.replace(application(ImageSettings(**ANY_PORT, max_pixels=200_000)), load=lambda: engine)
    request = image_inspect_pb2.InspectRequest(image=photo, config=image_inspect_pb2.InspectConfig(**config))
    async with serving(running) as channel:
        stub: Any = image_inspect_pb2_grpc.ImageInspectServiceStub(channel)
        answer: image_inspect_pb2.InspectResponse = await stub.Inspect(request, timeout=20)
        return answer


async def test_cracks_are_numbered_measured_and_summed_up() -> None:
    answer = await inspect(FakeEngine())
    long, short = answer.cracks
    assert (answer.width_px, answer.height_px) == (400, 400)
    assert (long.crack_id, short.crack_id) == ("C1", "C2")
    assert (long.length_px, short.length_px) == pytest.approx((200, 90), rel=0.02)
    assert (long.bounding_box.left_px, long.bounding_box.top_px) == (50, 98)
    assert (long.bounding_box.width_px, long.bounding_box.height_px) == (200, 5)
    assert all(abs(p.y_px - 100) < 2 and 48 <= p.x_px <= 252 for p in long.branches[0].points)
    assert answer.summary.crack_count == 2
    assert answer.summary.total_length_px == pytest.approx(long.length_px + short.length_px)
    assert answer.summary.area_ratio == pytest.approx(MASK.sum() / MASK.size)
    assert answer.provenance.models[0].model_id == "tiny"
    assert not answer.review.recommended


async def test_without_a_scale_there_are_no_millimetres_and_the_answer_says_so() -> None:
    answer = await inspect(FakeEngine())
    assert not any(crack.HasField("length_mm") or crack.severity for crack in answer.cracks)
    assert not answer.HasField("ground_sampling_distance_mm")
    assert [warning.code for warning in answer.warnings] == ["NO_SCALE"]


@pytest.mark.parametrize(
    ("gsd", "severities"),
    [(0.03, "HAIRLINE HAIRLINE"), (0.05, "MODERATE HAIRLINE"), (0.25, "WIDE MODERATE"), (2, "WIDE WIDE")],
)
async def test_millimetres_are_pixels_times_the_scale(gsd: float, severities: str) -> None:
    answer = await inspect(FakeEngine(), ground_sampling_distance_mm=gsd)
    for crack, severity in zip(answer.cracks, severities.split(), strict=True):
        assert crack.length_mm == pytest.approx(crack.length_px * gsd)
        assert crack.mean_width_mm == pytest.approx(crack.mean_width_px * gsd)
        assert crack.max_width_mm == pytest.approx(crack.max_width_px * gsd)
        assert crack.area_mm2 == pytest.approx(crack.area_px * gsd**2)
        assert image_inspect_pb2.Severity.Name(crack.severity) == f"SEVERITY_{severity}"
    assert answer.summary.max_width_mm == pytest.approx(max(c.max_width_mm for c in answer.cracks))
    assert answer.ground_sampling_distance_mm == gsd
    assert not answer.warnings


async def test_pictures_come_when_they_are_asked_for() -> None:
    without = await inspect(FakeEngine())
    assert (without.mask_png, without.overlay_png) == (b"", b"")
    answer = await inspect(FakeEngine(), include_mask=True, include_overlay=True)
    mask = np.asarray(Image.open(io.BytesIO(answer.mask_png)))
    assert np.array_equal(mask > 0, MASK)
    overlay = np.asarray(Image.open(io.BytesIO(answer.overlay_png))).astype(int)
    assert overlay.shape == (400, 400, 3)
    red = (overlay[..., 0] > 180) & (overlay[..., 1] < 80)
    assert red[100, 60:240].mean() > 0.9
    assert red[300:, 100:250].sum() == 0


@pytest.mark.parametrize(
    ("photo", "score", "codes"),
    [
        (wall(1), 0.9, []),
        (np.full((400, 400, 3), 160, np.uint8), 0.9, ["BLURRED"]),
        (wall(1) // 6, 0.9, ["BLURRED", "UNDEREXPOSED"]),
        (np.clip(wall(1).astype(int) + 75, 0, 255).astype(np.uint8), 0.9, ["OVEREXPOSED"]),
        (wall(1), 0.5, ["LOW_CONFIDENCE cracks[0]", "LOW_CONFIDENCE cracks[1]"]),
    ],
)
async def test_reasons_to_look(photo: Photo, score: float, codes: list[str]) -> None:
    answer = await inspect(FakeEngine(score=score), encoded(photo))
    assert [f"{reason.code} {reason.subject}".strip() for reason in answer.review.reasons] == codes
    assert answer.review.recommended is bool(codes)


async def test_a_texture_is_not_taken_for_cracks_in_silence() -> None:
    mask = np.zeros((400, 400), bool)
    mask[5:395:6] = True
    answer = await inspect(FakeEngine(mask))
    assert [reason.code for reason in answer.review.reasons] == ["MANY_FINDINGS"]


@pytest.mark.parametrize(
    ("photo", "config", "error", "field"),
    [
        (b"", {}, errors.EmptyInputError, "image"),
        (b"fake" * 99, {}, errors.UnreadableMediaError, "image"),
        (encoded(wall(1, height=500, width=500)), {}, errors.InputTooLargeError, "image"),
        *(
            (PHOTO, {name: value}, errors.OutOfRangeError, f"config.{name}")
            for name, values in (
                ("ground_sampling_distance_mm", (float("nan"), float("inf"), 0.0, -1.0, 1001.0)),
                ("min_length_px", (float("nan"), float("-inf"), -0.1, 1e9)),
            )
            for value in values
        ),
    ],
)
async def test_a_bad_request_never_reaches_the_engine(
    photo: bytes, config: dict[str, Any], error: type[errors.BuhinError], field: str
) -> None:
    engine = FakeEngine()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await inspect(engine, photo, **config)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    found = decode_call(caught.value)
    assert (type(found), found.field) == (error, field)
    assert engine.seen == []


async def test_a_cut_photograph_is_refused_before_the_engine() -> None:
    engine = FakeEngine()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await inspect(engine, PHOTO[: len(PHOTO) // 2])
    assert type(decode_call(caught.value)) is errors.UnreadableMediaError
    assert engine.seen == []


async def test_the_stream_is_not_there_yet() -> None:
    async def photos() -> AsyncIterator[image_inspect_pb2.StreamInspectRequest]:
        yield image_inspect_pb2.StreamInspectRequest()

    running = dataclasses.replace(application(ImageSettings(**ANY_PORT)), load=FakeEngine)
    async with serving(running) as channel:
        stub: Any = image_inspect_pb2_grpc.ImageInspectServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async for _ in stub.StreamInspect(photos()):
                raise AssertionError("an answer came")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
