"""What hangs together with something certain is kept, the rest is not."""

from __future__ import annotations

import numpy as np
import pytest

from services.image_inspect.certain import certain, counts


@pytest.mark.parametrize(("sure", "gap", "kept"), [(30, 0, True), (10, 0, False), (30, 6, True), (30, 40, False)])
def test_a_line_is_kept_with_its_certain_part(sure: int, gap: int, kept: bool) -> None:
    scores = np.zeros((100, 301), np.uint8)
    scores[50, 10:150] = 120
    scores[50, 150 + gap : 150 + gap + sure] = 230
    found = certain(scores, 100, 200)
    assert bool(found[50, 10:150].all()) is kept
    assert bool(found[50, 10:150].any()) is kept
    assert not found[:50].any()


@pytest.mark.parametrize("shape", [(8, 8), (33, 95), (40, 300)])
def test_every_size_has_an_answer(shape: tuple[int, int]) -> None:
    assert not certain(np.zeros(shape, np.uint8), 100, 200).any()
    assert certain(np.full(shape, 255, np.uint8), 100, 200).all()


@pytest.mark.parametrize("shape", [(8, 8), (3, 5), (33, 95), (40, 300)])
def test_the_pixels_of_each_block_are_counted(shape: tuple[int, int]) -> None:
    mask = np.random.default_rng(0).random(shape) < 0.3
    found = counts(mask)
    assert found.shape == (-(-shape[0] // 8), -(-shape[1] // 8))
    for row, column in np.ndindex(found.shape):
        assert found[row, column] == mask[8 * row : 8 * row + 8, 8 * column : 8 * column + 8].sum()
