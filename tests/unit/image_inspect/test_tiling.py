"""Tiles cover a photograph, and what is found in them is one answer without seams."""

from __future__ import annotations

import numpy as np
import pytest

from services.image_inspect.tiling import tiles

SIZES = [(64, 64), (40, 300), (300, 50), (100, 131), (257, 500)]


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_tiles_are_of_one_size_and_cover_everything(height: int, width: int) -> None:
    seen = np.zeros((height, width), int)
    every = list(tiles(height, width, side=64, overlap=16, stride=16))
    assert len({(tile.height, tile.width) for tile in every}) == 1
    photo = np.arange(height * width * 3, dtype=np.uint32).reshape(height, width, 3).astype(np.uint8)
    for tile in every:
        assert tile.height % 16 == tile.width % 16 == 0
        part = tile.of(photo)
        assert part.shape == (tile.height, tile.width, 3)
        inside = photo[tile.top : tile.top + tile.height, tile.left : tile.left + tile.width]
        assert np.array_equal(part[: inside.shape[0], : inside.shape[1]], inside)
        seen[tile.top : tile.top + tile.height, tile.left : tile.left + tile.width] += 1
    assert seen.min() >= 1
    assert all(tile.above >= 16 for tile in every if tile.top)
    assert all(tile.before >= 16 for tile in every if tile.left)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_tiles_that_agree_blend_to_what_they_say(height: int, width: int) -> None:
    y, x = np.mgrid[:height, :width]
    truth = (127 + 100 * np.sin(y / 17) * np.cos(x / 23)).astype(np.uint8)
    scores = np.zeros_like(truth)
    for tile in tiles(height, width, side=64, overlap=16, stride=16):
        tile.blend(scores, tile.of(np.repeat(truth[..., None], 3, axis=2))[..., 0])
    assert np.abs(scores.astype(int) - truth).max() <= 2


def test_tiles_that_differ_fade_into_each_other() -> None:
    scores = np.zeros((64, 200), np.uint8)
    for number, tile in enumerate(tiles(64, 200, side=64, overlap=16, stride=16)):
        tile.blend(scores, np.full((64, 64), 60 * number, np.uint8))
    steps = np.diff(scores[32].astype(int))
    assert scores[32, 0] == 0
    assert scores[32, -1] > 150
    assert 0 <= steps.min() <= steps.max() <= 5
