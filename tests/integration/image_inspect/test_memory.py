"""What a large photograph needs beyond itself is bounded by the tiles at hand."""

from __future__ import annotations

from training.crack.sizes import measured

BYTES_A_PIXEL = 16
"""The photograph twice while it is decoded (6), the mask and the scores (2), and what JPEG and blending need."""
TILES_MIB = 700


def test_memory_grows_with_the_photograph_and_not_with_the_work() -> None:
    small, large = measured((4, 24), runs=1)
    assert large["cracks"] > small["cracks"] > 0
    assert small["peak_mib"] - small["before_mib"] < TILES_MIB
    grown = (large["peak_mib"] - small["peak_mib"]) * 2**20
    assert grown / ((large["megapixels"] - small["megapixels"]) * 1e6) < BYTES_A_PIXEL
