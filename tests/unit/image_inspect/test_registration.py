"""Photographs of one place lie upon each other; those of different places do not; a flight falls into places."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from services.image_inspect.duplicates import Duplicates, difference_hash
from services.image_inspect.engine import Photo
from services.image_inspect.registration import features, register, transform
from training.crack.generator import sample

WALL = sample(11, 900, kind="rough", cracked=True).photo
OTHER = sample(12, 900, kind="rough", cracked=True).photo


def turned(degrees: float, scale: float, shift: tuple[float, float] = (0, 0), slant: float = 0.0) -> np.ndarray:
    """A homography around the middle of a photograph of 600x600."""
    cos, sin = scale * np.cos(np.radians(degrees)), scale * np.sin(np.radians(degrees))
    about = np.array([[cos, -sin, 0], [sin, cos, 0], [slant, 0, 1]])
    there = np.array([[1, 0, 300.0 + shift[0]], [0, 1, 300.0 + shift[1]], [0, 0, 1]])
    return np.asarray(there @ about @ np.array([[1, 0, -300.0], [0, 1, -300.0], [0, 0, 1]]))


def seen(photo: Photo, matrix: np.ndarray, light: float = 1.0) -> Photo:
    """What another photograph shows of a wall."""
    moved = cv2.warpPerspective(photo, matrix, (600, 600), borderMode=cv2.BORDER_REFLECT)
    noise = np.random.default_rng(0).normal(0, 2, moved.shape)
    return np.asarray(np.clip(moved * light + noise, 0, 255), np.uint8)


@pytest.mark.parametrize(
    ("matrix", "light"),
    [
        (turned(0, 1, (40, -25)), 1.0),
        (turned(12, 1.1), 0.8),
        (turned(90, 1), 1.15),
        (turned(0, 0.8, (30, 30)), 1.0),
        (turned(5, 1, (10, 0), 0.0002), 0.9),
    ],
)
def test_a_known_homography_is_found(matrix: np.ndarray, light: float) -> None:
    first = WALL[:600, :600]
    second = seen(first, matrix, light)
    found = register(features(first), features(second))
    assert found is not None
    inner = np.array([[150.0, 150], [450, 150], [450, 450], [150, 450]])
    assert np.abs(transform(inner, found.matrix) - transform(inner, matrix)).max() < 2
    assert found.error_px < 1.5
    assert found.inliers >= 15


def test_overlap_is_told_both_ways() -> None:
    found = register(features(WALL[:600, :600]), features(WALL[200:800, :600]))
    assert found is not None
    assert (found.overlap, found.overlap_back) == pytest.approx((2 / 3, 2 / 3), abs=0.02)
    part = register(features(WALL[100:400, 100:400]), features(WALL[:600, :600]))
    assert part is not None
    assert (part.overlap, part.overlap_back) == pytest.approx((1, 0.25), abs=0.02)


@pytest.mark.parametrize("other", [OTHER[:600, :600], np.full((600, 600, 3), 128, np.uint8), WALL[:600, :600][:, ::-1]])
def test_another_place_is_refused(other: Photo) -> None:
    assert register(features(WALL[:600, :600]), features(np.ascontiguousarray(other))) is None


def test_features_of_a_large_photograph_are_in_its_own_pixels() -> None:
    large = np.asarray(cv2.resize(WALL, (2700, 2700), interpolation=cv2.INTER_CUBIC), np.uint8)
    found = register(features(large), features(WALL))
    assert found is not None
    assert found.size == pytest.approx(1 / 3, rel=0.01)
    assert transform(np.array([[1349.0, 1349.0]]), found.matrix)[0] == pytest.approx([449, 449], abs=2)


def test_a_flight_falls_into_places() -> None:
    flight = Duplicates()
    photos = {
        "a1": WALL[:500, :500],
        "b1": OTHER[:500, :500],
        "a2": WALL[60:560, 40:540],
        "far": WALL[400:900, 400:900],
        "a3": seen(WALL[:600, :600], turned(3, 1, (10, 10)), 0.85)[:500, :500],
        "b2": OTHER[30:530, :500],
    }
    for photo_id, photo in photos.items():
        flight.add(photo_id, np.ascontiguousarray(photo))
    groups = flight.groups()
    assert [group.photo_ids for group in groups] == [("a1", "a2", "a3"), ("b1", "b2")]
    assert groups[1].overlap == pytest.approx(0.94, abs=0.02)


def test_a_walk_does_not_become_one_place() -> None:
    flight = Duplicates()
    for number, left in enumerate(range(0, 401, 100)):
        flight.add(str(number), np.ascontiguousarray(WALL[:450, left : left + 450]))
    assert [group.photo_ids for group in flight.groups()] == [("0", "1", "2"), ("3", "4")]


def test_the_digest_is_near_for_the_same_picture_and_far_for_another() -> None:
    same = cv2.imdecode(cv2.imencode(".jpg", WALL, [cv2.IMWRITE_JPEG_QUALITY, 60])[1], cv2.IMREAD_COLOR)
    assert (difference_hash(WALL) ^ difference_hash(np.asarray(same, np.uint8))).bit_count() <= 4
    assert (difference_hash(WALL) ^ difference_hash(OTHER)).bit_count() > 12
