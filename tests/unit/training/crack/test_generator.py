"""Generated photographs: the same for the same seed, with cracks where the mask says, and none where it says none."""

from __future__ import annotations

from statistics import mean

import cv2
import numpy as np
import pytest

from training.crack.generator import Sample, mixed, sample
from training.crack.generator.cracks import add_cracks, crack, draw_width, drawn
from training.crack.generator.scene import fractal, grain
from training.crack.generator.surfaces import KINDS, smooth

SIDE = 96


@pytest.fixture(scope="module")
def many() -> list[Sample]:
    """A hundred samples."""
    return [sample(seed, SIDE) for seed in range(100)]


def test_a_seed_gives_the_same_sample_and_another_one_another() -> None:
    first, again, other = sample(7, SIDE), sample(7, SIDE), sample(8, SIDE)
    assert (first.kind, first.photo.tobytes(), first.cracks.tobytes()) == (
        again.kind, again.photo.tobytes(), again.cracks.tobytes()
    )  # fmt: skip
    assert first.photo.tobytes() != other.photo.tobytes()


def test_samples_are_of_all_kinds_and_a_third_has_no_crack(many: list[Sample]) -> None:
    assert {made.kind for made in many} == set(KINDS)
    assert 0.2 < mean(not made.cracks.any() for made in many) < 0.5
    for made in many:
        assert made.photo.shape == (SIDE, SIDE, 3)
        assert made.photo.dtype == np.uint8
        assert made.cracks.shape == made.joints.shape == (SIDE, SIDE)
        assert made.cracks.mean() < 0.5
        assert made.photo.std() > 0.5


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cracked", [False, True])
def test_a_kind_can_be_asked_for_with_or_without_cracks(kind: str, cracked: bool) -> None:
    made = [sample(seed, SIDE, kind=kind, cracked=cracked) for seed in range(8)]
    assert {each.kind for each in made} == {kind}
    assert any(each.cracks.any() for each in made) is cracked
    if kind in ("boards", "bricks"):
        assert all(each.joints.any() for each in made)


def test_most_cracks_are_darker_than_what_is_around_them() -> None:
    differences = []
    for seed in range(40):
        made = sample(seed, 160, kind="smooth", cracked=True)
        grey = made.photo.mean(axis=2)
        around = cv2.dilate(made.cracks.astype(np.uint8), np.ones((13, 13))).astype(bool) & ~made.cracks
        if made.cracks.sum() > 20:
            differences.append(float(grey[made.cracks].mean() - grey[around].mean()))
    assert mean(difference < -3 for difference in differences) > 0.7


def test_widths_are_those_that_drones_and_phones_see() -> None:
    rng = np.random.default_rng(0)
    widths = [draw_width(rng) for _ in range(2_000)]
    assert (min(widths) >= 1, max(widths) <= 40) == (True, True)
    assert 2.5 < float(np.median(widths)) < 5


@pytest.mark.parametrize("width", [1.0, 3.0, 8.0, 20.0])
def test_a_straight_line_is_drawn_as_wide_as_it_is(width: float) -> None:
    points = np.stack([np.linspace(20, 180, 60), np.linspace(30, 170, 60)], axis=1)
    cover = drawn(np.random.default_rng(0), 200, [(points, np.full(60, width))])
    length = float(np.hypot(160, 140))
    assert float(cover.sum()) / length == pytest.approx(width, rel=0.15, abs=0.4)


def test_cracks_branch_and_taper() -> None:
    rng = np.random.default_rng(3)
    walks = [list(crack(rng, 256, 6.0)) for _ in range(50)]
    assert mean(len(lines) for lines in walks) > 1.5
    for points, widths in (line for lines in walks for line in lines):
        assert len(points) == len(widths)
        assert widths.max() <= 2.5 * 6.0 * 1.2


def test_a_crack_changes_the_scene_only_near_it() -> None:
    rng = np.random.default_rng(5)
    scene = smooth(rng, 200)
    before = scene.colour.copy()
    mask = add_cracks(rng, scene)
    changed = np.abs(scene.colour - before).max(axis=2)
    assert mask.any()
    assert changed[mask].mean() > 5 * changed[~mask].mean()


@pytest.mark.parametrize("cells", [1.0, 3.5, 20.0])
def test_noise_is_even(cells: float) -> None:
    for noise in (fractal(np.random.default_rng(1), 90, cells=cells), grain(np.random.default_rng(1), 90, 1.0)):
        assert noise.shape == (90, 90)
        assert float(noise.std()) == pytest.approx(1, abs=0.05)
        assert abs(float(noise.mean())) < 0.2


def test_real_photographs_get_lines_that_are_no_cracks_and_cracks_where_they_had_none() -> None:
    photo, none = np.full((SIDE, SIDE, 3), 150, np.uint8), np.zeros((SIDE, SIDE), bool)
    own = none.copy()
    own[40:44] = True
    changed, cracked, kept = [], [], []
    for seed in range(30):
        seen, cracks = mixed(np.random.default_rng(seed), photo, none)
        changed.append(bool((seen != photo).any()))
        cracked.append(bool(cracks.any()))
        kept.append(mixed(np.random.default_rng(seed), photo, own)[1])
    assert mean(changed) > 0.5
    assert 0.25 < mean(cracked) < 0.75
    assert all(not (mask & ~own).any() for mask in kept), "where a crack is known, none is added"
    assert mean(float(mask.sum() / own.sum()) for mask in kept) > 0.6
