"""Cracks of known length and width are measured right, however they lie."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from buhin.engine import Stop
from buhin.errors import CancelledError
from services.image_inspect.engine import Detection
from services.image_inspect.measure import measure, network
from tests.unit.image_inspect.drawings import bar, detection, ring, winding

ANGLES = (0, 15, 30, 45, 60, 90, 120, 157)


@pytest.mark.parametrize("degrees", ANGLES)
@pytest.mark.parametrize(("length", "width"), [(200, 3), (200, 5), (120, 8), (300, 12)])
def test_a_bar_at_every_angle(length: float, width: float, degrees: float) -> None:
    mask = bar(length, width, degrees)
    (crack,) = measure(detection(mask), 40, Stop())
    assert crack.length == pytest.approx(length, rel=0.02, abs=1)
    assert crack.mean_width == pytest.approx(mask.sum() / length, abs=0.15)
    assert crack.max_width == pytest.approx(width, abs=1)
    assert crack.area == pytest.approx(mask.sum())
    assert min(abs(crack.orientation - degrees), 180 - abs(crack.orientation - degrees)) < 1
    assert crack.confidence == pytest.approx(0.9, abs=0.003)


@pytest.mark.parametrize("degrees", [0, 17, 34, 45, 68, 90, 119, 136, 153])
@pytest.mark.parametrize(("width", "more"), [(2, 1), (3, 2), (5, 0), (8, 1), (13, 2), (20, 1), (30, 0)])
def test_a_photographed_crack_is_measured_below_a_pixel_however_it_lies(
    width: float, more: float, degrees: float
) -> None:
    """``more`` is by how much the engine's mask is wider than the crack on each side."""
    photo, mask, length = winding(width, degrees, more=more)
    (crack,) = measure(detection(mask), 40, Stop(), photo)
    assert crack.length == pytest.approx(length, rel=0.03)
    assert crack.mean_width == pytest.approx(width, abs=0.25)
    assert crack.max_width == pytest.approx(width, abs=0.6 if width < 30 else 1)
    assert crack.area == pytest.approx(width * length, rel=0.12)
    assert min(abs(crack.orientation - degrees), 180 - abs(crack.orientation - degrees)) < 2
    [profile] = crack.profiles
    assert profile.distances[-1] == pytest.approx(crack.length)
    known = profile.widths[np.isfinite(profile.widths)]
    assert len(known) > 0.5 * len(profile.widths)
    assert np.abs(np.median(known) - width) < 0.25


def test_a_light_crack_is_measured_too() -> None:
    photo, mask, _ = winding(6, 30, more=1)
    (crack,) = measure(detection(mask), 40, Stop(), 255 - photo)
    assert crack.mean_width == pytest.approx(6, abs=0.25)


def test_a_wedge_shows_its_width_along_its_line() -> None:
    photo, mask, _ = winding(4, 20, more=1, to_width=14)
    (crack,) = measure(detection(mask), 40, Stop(), photo)
    [profile] = crack.profiles
    known = np.isfinite(profile.widths)
    slope = np.polyfit(profile.distances[known], profile.widths[known], 1)[0]
    assert abs(slope) == pytest.approx(10 / 300, rel=0.15)
    assert crack.max_width > crack.mean_width + 3


def test_without_contrast_the_width_is_that_of_the_scores() -> None:
    _, mask, _ = winding(7, 30, more=0)
    flat = np.full((*mask.shape, 3), 128, np.uint8)
    assert measure(detection(mask), 40, Stop(), flat)[0].mean_width == pytest.approx(7, abs=0.5)


def test_the_widest_place_counts_not_the_mean() -> None:
    mask = bar(200, 3, 20) | bar(60, 9, 20)
    (crack,) = measure(detection(mask), 40, Stop())
    assert crack.max_width == pytest.approx(9, abs=1)
    assert crack.mean_width == pytest.approx((140 * 3 + 60 * 9) / 200, abs=0.5)


def test_a_closed_line_is_as_long_as_its_circumference() -> None:
    (crack,) = measure(detection(ring(80, 4)), 40, Stop())
    assert crack.length == pytest.approx(2 * np.pi * 80, rel=0.03)
    assert crack.mean_width == pytest.approx(4, abs=0.5)


def test_branches_count_together() -> None:
    mask = bar(240, 4, 0) | bar(100, 4, 60, centre=(225, 157))
    (crack,) = measure(detection(mask), 40, Stop())
    assert len(crack.branches) == 3
    assert crack.length == pytest.approx(340, rel=0.04)
    lengths = [np.linalg.norm(np.diff(branch, axis=0), axis=1).sum() for branch in crack.branches]
    assert lengths == sorted(lengths, reverse=True)


@pytest.mark.parametrize("bars", [1, 2, 3])
def test_the_network_of_all_cracks(bars: int) -> None:
    cross = bar(240, 4, 0) | bar(240, 4, 90)
    others = [bar(120, 4, 45, centre=(60 + 90 * n, 320)) for n in range(bars - 1)]
    cracks = measure(detection(np.logical_or.reduce([cross, *others])), 40, Stop())
    figures = network(cracks, cross.size)
    assert figures.length == pytest.approx(480 + 120 * (bars - 1), rel=0.04)
    assert figures.density == pytest.approx(figures.length / cross.size)
    assert figures.intersections == 1
    assert figures.directions.sum() == pytest.approx(figures.length, rel=0.05)
    assert figures.directions[6] == pytest.approx(240, abs=15)
    assert figures.directions[3] + figures.directions[2] == pytest.approx(120 * (bars - 1), abs=15)


def test_no_cracks_have_no_network() -> None:
    figures = network([], 100)
    assert (figures.length, figures.density, figures.intersections, figures.directions.tolist()) == (0, 0, 0, [0] * 12)


def test_a_spur_is_no_branch() -> None:
    (crack,) = measure(detection(bar(240, 8, 0) | bar(5, 3, 90, centre=(200, 195))), 40, Stop())
    assert len(crack.branches) == 1
    assert crack.intersections == 0


def test_confidence_is_that_of_the_centre_line() -> None:
    mask = bar(200, 4, 0)
    scores = np.where(mask, 230, 0).astype(np.uint8)
    scores[:, 200:240] = np.where(mask[:, 200:240], 140, 0)
    (crack,) = measure(Detection(mask, scores, 128), 40, Stop())
    assert crack.min_confidence == pytest.approx(140 / 255)
    assert crack.confidence == pytest.approx((160 * 230 + 40 * 140) / 200 / 255, abs=0.02)
    assert crack.uncertain == pytest.approx(0.2, abs=0.03)


def test_the_outline_holds_the_crack() -> None:
    mask = bar(200, 6, 30)
    (crack,) = measure(detection(mask), 40, Stop())
    hull = crack.outline.astype(np.float32)
    assert all(cv2.pointPolygonTest(hull, (float(x), float(y)), True) > -1.5 for y, x in np.argwhere(mask))
    assert cv2.contourArea(hull) < 1.3 * mask.sum()


def test_each_crack_has_its_place_and_the_longest_comes_first() -> None:
    mask = bar(80, 4, 90, centre=(50, 200)) | bar(180, 4, 0, centre=(250, 300))
    long, short = measure(detection(mask), 40, Stop())
    assert (long.length, short.length) == pytest.approx((180, 80), rel=0.02)
    assert short.box == (48, 161, 5, 80)
    for crack in (long, short):
        left, top, width, height = crack.box
        for x, y in np.concatenate(crack.branches):
            assert left - 1 <= x <= left + width
            assert top - 1 <= y <= top + height


@pytest.mark.parametrize(("least", "expected"), [(0, 2), (60, 1), (100, 1), (190, 0)])
def test_shorter_cracks_are_left_out(least: float, expected: int) -> None:
    mask = bar(50, 4, 90, centre=(50, 200)) | bar(180, 4, 0, centre=(250, 300))
    assert len(measure(detection(mask), least, Stop())) == expected


@pytest.mark.parametrize("mask", [np.zeros((50, 50), bool), np.eye(50, dtype=bool) & False, bar(1, 1, 0, size=9)])
def test_nothing_is_no_crack(mask: np.ndarray) -> None:
    assert measure(detection(mask), 5, Stop()) == []


def test_a_crack_that_fills_the_photograph_is_measured() -> None:
    (crack,) = measure(detection(np.ones((64, 64), bool)), 0, Stop())
    assert np.isfinite([crack.length, crack.mean_width, crack.max_width, crack.orientation]).all()
    assert crack.area == 64 * 64


def test_it_stops() -> None:
    stop = Stop()
    stop.set()
    with pytest.raises(CancelledError):
        measure(detection(bar(100, 4, 0)), 40, stop)
