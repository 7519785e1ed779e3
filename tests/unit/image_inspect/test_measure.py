"""Cracks of known length and width are measured right, however they lie."""

from __future__ import annotations

import numpy as np
import pytest

from buhin.engine import Stop
from buhin.errors import CancelledError
from services.image_inspect.measure import measure
from tests.unit.image_inspect.drawings import bar, detection, ring

ANGLES = (0, 15, 30, 45, 60, 90, 120, 157)


@pytest.mark.parametrize("degrees", ANGLES)
@pytest.mark.parametrize(("length", "width"), [(200, 3), (200, 5), (120, 8), (300, 12)])
def test_a_bar_at_every_angle(length: float, width: float, degrees: float) -> None:
    mask = bar(length, width, degrees)
    (crack,) = measure(detection(mask), 40, Stop())
    assert crack.length == pytest.approx(length, rel=0.02, abs=1)
    assert crack.mean_width == pytest.approx(mask.sum() / length, rel=0.03)
    assert crack.mean_width == pytest.approx(width, abs=0.6)
    assert crack.max_width == pytest.approx(width, abs=1)
    assert crack.area == mask.sum()
    assert min(abs(crack.orientation - degrees), 180 - abs(crack.orientation - degrees)) < 1
    assert crack.confidence == pytest.approx(0.9)


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
