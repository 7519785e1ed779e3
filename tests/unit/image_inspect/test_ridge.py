"""The ridge engine finds drawn cracks at every angle and size of photograph, and leaves what is none."""

from __future__ import annotations

import tracemalloc

import cv2
import numpy as np
import pytest

from buhin.engine import Stop
from buhin.errors import CancelledError
from services.image_inspect.engine import Mask, Photo
from services.image_inspect.engines import ridge
from services.image_inspect.engines.ridge import TILE_PX, RidgeEngine
from services.image_inspect.evaluate import grown
from services.image_inspect.measure import measure
from tests.unit.image_inspect.drawings import wall, wandering


def f1(found: Mask, truth: Mask) -> float:
    """Of pixels, with the tolerance of the evaluation."""
    precision = (found & grown(truth)).sum() / max(1, found.sum())
    recall = (truth & grown(found)).sum() / truth.sum()
    return float(2 * precision * recall / max(1e-9, precision + recall))


@pytest.mark.parametrize("degrees", range(0, 180, 15))
@pytest.mark.parametrize("width", [3.0, 6.0])
def test_a_crack_at_every_angle(degrees: int, width: float) -> None:
    photo = wall(degrees)
    truth = wandering(photo, degrees, width=width)
    found = RidgeEngine().detect(photo, Stop())
    assert f1(found.mask, truth) > 0.9
    (crack,) = measure(found, 40, Stop())
    assert crack.mean_width == pytest.approx(width, abs=1)
    assert 0.6 < crack.confidence <= 1


def stained(photo: Photo) -> None:
    """A soft dark patch."""
    layer = np.zeros(photo.shape[:2], np.float32)
    cv2.circle(layer, (200, 200), 90, 1, -1)
    photo[:] = photo * (1 - 0.4 * cv2.GaussianBlur(layer, (0, 0), 15))[..., None]


def jointed(photo: Photo) -> None:
    """A straight dark line across."""
    cv2.line(photo, (0, 120), (400, 170), (60, 60, 60), 6, cv2.LINE_AA)


def shadowed(photo: Photo) -> None:
    """One half in shadow."""
    photo[:, 180:] //= 2


def pored(photo: Photo) -> None:
    """Round dark holes."""
    for n in range(40):
        cv2.circle(photo, ((n * 97) % 390, (n * 61) % 390), 1 + n % 3, (70, 70, 70), -1, cv2.LINE_AA)


@pytest.mark.parametrize("draw", [lambda photo: None, stained, jointed, shadowed, pored])
def test_what_is_no_crack_is_left(draw: object) -> None:
    photo = wall(3)
    assert callable(draw)
    draw(photo)
    assert not measure(RidgeEngine().detect(photo, Stop()), 40, Stop())


def test_a_crack_that_meets_a_joint_is_told_from_it() -> None:
    photo = wall(6)
    truth = wandering(photo, 10, width=4, length=300)
    cv2.line(photo, (200, 0), (206, 400), (55, 55, 55), 7, cv2.LINE_AA)
    found = RidgeEngine().detect(photo, Stop()).mask
    assert not found[:150].any()
    assert not found[250:].any()
    assert (truth & grown(found)).sum() / truth.sum() > 0.8


@pytest.mark.parametrize("degrees", [10, 88])
def test_tiles_leave_no_trace(degrees: int, monkeypatch: pytest.MonkeyPatch) -> None:
    photo = wall(4, height=300, width=2 * TILE_PX)
    truth = wandering(photo, degrees, width=5)
    tiled = RidgeEngine().detect(photo, Stop())
    monkeypatch.setattr(ridge, "TILE_PX", 2 * TILE_PX)
    whole = RidgeEngine().detect(photo, Stop())
    assert f1(tiled.mask, truth) > 0.9
    assert len(measure(tiled, 40, Stop())) == 1
    assert np.array_equal(tiled.mask, whole.mask)


def test_the_memory_for_the_filter_does_not_grow_with_the_photograph() -> None:
    def bytes_per_pixel(side: int) -> float:
        photo = np.full((side, side, 3), 150, np.uint8)
        tracemalloc.start()
        RidgeEngine().detect(photo, Stop())
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak / side**2

    assert bytes_per_pixel(4 * TILE_PX) < 32 < bytes_per_pixel(TILE_PX // 2)


def test_it_warms_up_and_stops() -> None:
    engine, stop = RidgeEngine(), Stop()
    engine.warm_up()
    stop.set()
    with pytest.raises(CancelledError):
        engine.detect(wall(5), stop)
