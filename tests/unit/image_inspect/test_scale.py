"""How large pixels are: by the lens and a distance, by markers; and the uncertainty of widths."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest

from services.image_inspect.engine import Photo
from services.image_inspect.metadata import Metadata
from services.image_inspect.scale import (
    Scale,
    ScaleSource,
    from_exif,
    from_marker,
    from_request,
    marker,
    width_mm,
)
from tests.unit.image_inspect.drawings import wall

DRONE = Metadata(5472, 3648, focal_length_mm=8.8, pixels_per_mm=5472 / 13.2)
FLYING = dataclasses.replace(DRONE, relative_altitude_m=20.0, pitch_degrees=-90.0)
LOW = dataclasses.replace(DRONE, relative_altitude_m=2.0, pitch_degrees=-80.0)
FULL_FRAME = Metadata(6000, 4000, focal_length_35mm=50)


@pytest.mark.parametrize(
    ("said", "distance", "mm", "uncertainty"),
    [
        (DRONE, 10.0, 10_000 * 13.2 / 5472 / 8.8, 0.028),
        (FULL_FRAME, 2.0, 2_000 * 36 / 6000 / 50, 0.045),
        (dataclasses.replace(DRONE, subject_distance_m=4.0), None, 4_000 * 13.2 / 5472 / 8.8, 0.102),
        (dataclasses.replace(DRONE, subject_distance_m=4.0), 10.0, 10_000 * 13.2 / 5472 / 8.8, 0.028),
        (FLYING, None, 20_000 * 13.2 / 5472 / 8.8, 0.054),
        (LOW, None, 2_000 * 13.2 / 5472 / 8.8, 0.251),
    ],
)  # fmt: skip
def test_by_the_lens_and_a_distance(said: Metadata, distance: float | None, mm: float, uncertainty: float) -> None:
    found = from_exif(said, distance)
    assert found is not None
    assert found.source is ScaleSource.EXIF
    assert found.mm_per_px == pytest.approx(mm, rel=0.01)
    assert found.relative_uncertainty == pytest.approx(uncertainty, abs=0.001)


@pytest.mark.parametrize(
    "said",
    [
        DRONE,
        Metadata(100, 100),
        dataclasses.replace(DRONE, relative_altitude_m=20.0, pitch_degrees=-30.0),
        dataclasses.replace(DRONE, relative_altitude_m=20.0),
    ],
)
def test_without_a_distance_there_is_no_scale(said: Metadata) -> None:
    assert from_exif(said, None) is None


@pytest.mark.parametrize(
    "change",
    [
        {"focal_length_mm": 1e308, "pixels_per_mm": 1e308},
        {"focal_length_mm": 1e-9},
        {"focal_length_mm": 1e9},
        {"pixels_per_mm": None, "focal_length_35mm": 1e308},
    ],
)
def test_a_lens_that_makes_no_sense_gives_no_scale(change: dict[str, float | None]) -> None:
    assert from_exif(dataclasses.replace(DRONE, **change), 10.0) is None  # type: ignore[arg-type]


def with_marker(side: float, degrees: float, tilt: float, size: int = 900) -> Photo:
    """A wall with a marker of ``side`` pixels on it, turned, and seen at a slant."""
    printed = marker(7, 400)
    quiet = 100
    corners = np.array(
        [[quiet, quiet], [quiet + 400, quiet], [quiet + 400, quiet + 400], [quiet, quiet + 400]], np.float32
    )
    angle = np.radians(degrees) + np.arange(4) * np.pi / 2 - 3 * np.pi / 4
    target = side / np.sqrt(2) * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    target *= 1 + tilt * target[:, :1] / side
    matrix = cv2.getPerspectiveTransform(corners, (target + size / 2).astype(np.float32))
    photo = wall(3, height=size, width=size)
    laid = cv2.warpPerspective(printed, matrix, (size, size), flags=cv2.INTER_AREA)
    where = cv2.warpPerspective(np.full_like(printed, 255), matrix, (size, size))
    photo[where > 127] = (laid[where > 127] * 0.8 + 20)[:, None].astype(np.uint8)
    return np.asarray(cv2.GaussianBlur(photo, (0, 0), 0.8), np.uint8)


@pytest.mark.parametrize(("side", "degrees", "tilt", "size"), [
    (120, 0, 0, 900), (120, 33, 0, 900), (260, 200, 0.1, 900), (60, 45, 0, 900), (300, 10, 0, 3000),
])  # fmt: skip
def test_by_a_marker_however_it_lies(side: float, degrees: float, tilt: float, size: int) -> None:
    found = from_marker(with_marker(side, degrees, tilt, size), 50)
    assert found is not None
    assert found.source is ScaleSource.MARKER
    assert found.mm_per_px == pytest.approx(50 / side, rel=0.02)
    assert abs(found.mm_per_px * side / 50 - 1) < 2 * found.relative_uncertainty
    assert found.relative_uncertainty < 0.15


@pytest.mark.parametrize("slant", [15, 30, 45])
@pytest.mark.parametrize("axis", [0, 45, 90, 135])
def test_a_slant_is_told_about_whatever_axis(slant: float, axis: float) -> None:
    """Twice the uncertainty holds the truth, which is the side that the slant leaves as it is."""
    side, size = 200, 700
    cos, sin = np.cos(np.radians(axis)), np.sin(np.radians(axis))
    turn = np.array([[cos, -sin], [sin, cos]])
    seen = turn @ np.diag([1, np.cos(np.radians(slant))]) @ turn.T * side / 400
    shift = np.full(2, size / 2) - seen @ np.full(2, 300)
    printed = cv2.warpAffine(
        marker(7, 400), np.column_stack([seen, shift]), (size, size), flags=cv2.INTER_AREA, borderValue=(160,)
    )
    found = from_marker(np.repeat(np.asarray(printed, np.uint8)[..., None], 3, axis=2), 50)
    assert found is not None
    assert abs(found.mm_per_px * side / 50 - 1) < 2 * found.relative_uncertainty


def test_where_there_is_no_marker_there_is_no_scale() -> None:
    assert from_marker(wall(1), 50) is None


@pytest.mark.parametrize(
    ("width", "share", "value", "uncertainty"), [(4, 0.0, 2.0, 0.125), (4, 0.1, 2.0, 0.236), (40, 0.1, 20.0, 2.004)]
)
def test_the_uncertainty_of_a_width(width: float, share: float, value: float, uncertainty: float) -> None:
    found = width_mm(width, Scale(0.5, share, ScaleSource.REQUEST))
    assert found == pytest.approx((value, uncertainty), abs=0.001)


def test_the_caller_says_how_sure_it_is() -> None:
    assert from_request(0.3, None) == Scale(0.3, 0.02, ScaleSource.REQUEST)
    assert from_request(0.3, 0.0).relative_uncertainty == 0
