"""The service over gRPC with an engine of known answers."""

from __future__ import annotations

import dataclasses
import io
from typing import Any

import grpc
import numpy as np
import pytest
from PIL import ExifTags, Image

from buhin import errors
from buhin.config import ImageSettings
from buhin.engine import LoadedModel, Stop
from buhin.image_inspect.v1 import image_inspect_pb2, image_inspect_pb2_grpc
from buhin.status import decode_call
from services.image_inspect.__main__ import application
from services.image_inspect.engine import Detection, Mask, Photo
from services.image_inspect.scale import marker
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


async def test_without_a_crack_the_answer_is_empty_and_sound() -> None:
    answer = await inspect(FakeEngine(MASK & False), ground_sampling_distance_mm=0.3)
    assert (len(answer.cracks), answer.summary.crack_count, answer.summary.total_length_mm) == (0, 0, 0)
    assert not answer.summary.HasField("max_width_mm")
    assert list(answer.summary.orientation_lengths_px) == [0] * 12


async def test_a_crack_is_told_in_full() -> None:
    answer = await inspect(FakeEngine(), ground_sampling_distance_mm=0.1, include_width_profiles=True)
    crack = answer.cracks[0]
    assert crack.min_confidence == pytest.approx(0.9, abs=0.01)
    assert len(crack.outline.points) >= 4
    assert (len(crack.width_profiles), len(crack.branches)) == (1, 1)
    assert crack.width_profiles[0].distances_px[-1] == pytest.approx(crack.length_px, abs=0.1)
    assert max(crack.width_profiles[0].widths_px) == pytest.approx(5, abs=0.6)
    assert crack.mean_width_uncertainty_mm == pytest.approx(np.hypot(0.02 * crack.mean_width_mm, 0.025), rel=0.01)
    assert answer.summary.density_m_per_m2 == pytest.approx(1000 * answer.summary.total_length_mm / (40 * 40), rel=0.01)
    assert sum(answer.summary.orientation_lengths_px) == pytest.approx(answer.summary.total_length_px, rel=0.05)
    without = await inspect(FakeEngine())
    assert not without.cracks[0].width_profiles


@pytest.mark.parametrize(
    ("rules", "gsd", "classes", "borderline"),
    [
        ("", 0.25, ["wide", "moderate"], 0),
        ("bridge_rc", 0.04, ["medium", "small"], 1),
        ("sewer_pipe", 2, ["a", "a"], 0),
    ],
)
async def test_severity_is_judged_by_the_rules_asked_for(
    rules: str, gsd: float, classes: list[str], borderline: int
) -> None:
    answer = await inspect(FakeEngine(), ground_sampling_distance_mm=gsd, severity_rules=rules)
    assert [crack.severity_judgement.class_id for crack in answer.cracks] == classes
    assert answer.severity_rules.rules_id == (rules or "general")
    codes = [reason.code for reason in answer.review.reasons]
    assert codes.count("SEVERITY_BORDERLINE") >= borderline


async def test_unknown_rules_are_refused_with_those_that_there_are() -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await inspect(FakeEngine(), severity_rules="mine")
    found = decode_call(caught.value)
    assert (type(found), found.field) == (errors.InvalidValueError, "config.severity_rules")
    assert "bridge_rc" in found.message


async def test_the_scale_comes_from_the_lens_or_from_a_marker() -> None:
    by_lens = await inspect(FakeEngine(), LENS, distance_m=2)
    assert by_lens.scale.source == image_inspect_pb2.SCALE_SOURCE_EXIF
    assert by_lens.scale.ground_sampling_distance_mm == pytest.approx(2000 * 43.267 / np.hypot(400, 400) / 50, rel=0.01)
    assert by_lens.cracks[0].HasField("length_mm")
    photo = wall(1)
    printed = marker(3, 100)
    photo[200:350, 20:170] = printed[..., None]
    marked = await inspect(FakeEngine(), encoded(photo), marker_size_mm=50)
    assert marked.scale.source == image_inspect_pb2.SCALE_SOURCE_MARKER
    assert marked.ground_sampling_distance_mm == pytest.approx(0.5, rel=0.02)
    missing = await inspect(FakeEngine(), marker_size_mm=50)
    assert [reason.code for reason in missing.review.reasons] == ["MARKER_NOT_FOUND"]


async def test_a_scale_too_coarse_for_the_width_asked_for_is_told() -> None:
    answer = await inspect(FakeEngine(), ground_sampling_distance_mm=0.3, min_width_mm=0.2)
    assert "SCALE_TOO_COARSE" in [reason.code for reason in answer.review.reasons]


async def test_a_position_is_told_only_when_it_is_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    answer = await inspect(FakeEngine(), LENS, include_position=True)
    assert answer.position.latitude_degrees == pytest.approx(35.5)
    assert answer.position.heading_degrees == pytest.approx(90)
    without = await inspect(FakeEngine(), LENS)
    assert not without.HasField("position")
    assert "35.5" not in str(without)


def _lens() -> bytes:
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FocalLengthIn35mmFilm] = 50
    exif.get_ifd(ExifTags.IFD.GPSInfo).update(
        {
            ExifTags.GPS.GPSLatitudeRef: "N",
            ExifTags.GPS.GPSLatitude: (35.0, 30.0, 0.0),
            ExifTags.GPS.GPSLongitudeRef: "E",
            ExifTags.GPS.GPSLongitude: (139.0, 30.0, 0.0),
            ExifTags.GPS.GPSImgDirection: 90.0,
            ExifTags.GPS.GPSImgDirectionRef: "T",
        }
    )
    return encoded(wall(1), "JPEG", exif=exif, quality=95)


LENS = _lens()
