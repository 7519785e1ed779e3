"""What a large photograph needs beyond itself is bounded by the tiles at hand."""

from __future__ import annotations

from training.crack.sizes import measured

BYTES_A_PIXEL = 20
"""The photograph (3), its mask and its scores (2), and what a crack across all of it needs to be measured: a distance
for every pixel of its box (4), its skeleton and copies of both.
"""
TILES_MIB = 600


def test_memory_grows_with_the_photograph_and_not_with_the_work() -> None:
    small, large = measured((4, 24), runs=1)
    assert large["cracks"] > small["cracks"] > 0
    assert small["peak_mib"] - small["before_mib"] < TILES_MIB
    grown = (large["peak_mib"] - small["peak_mib"]) * 2**20
    assert grown / ((large["megapixels"] - small["megapixels"]) * 1e6) < BYTES_A_PIXEL
