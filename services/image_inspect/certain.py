"""Which of what is likely is a crack: what hangs together with something certain (hysteresis, Canny 1986,
https://doi.org/10.1109/TPAMI.1986.4767851).

Parts hang together over blocks of pixels, so that a line with small gaps is one, and no label is needed for a pixel.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from services.image_inspect.engine import Mask, Scores

BLOCK_PX = 8
SURE_PX = 20
"""So many pixels have to be certain."""


def certain(scores: Scores, threshold: float, sure: float) -> Mask:
    """Where scores are at least ``threshold`` and hang together with enough that are at least ``sure``, both of 255."""
    mask = scores >= threshold
    _, labels = cv2.connectedComponents(np.asarray(counts(mask) > 0, np.uint8), connectivity=8)
    sums = np.bincount(labels.ravel(), weights=counts(scores >= sure).ravel())
    keep = sums >= SURE_PX
    keep[0] = False
    for number, row in enumerate(keep[labels]):
        part = mask[number * BLOCK_PX : (number + 1) * BLOCK_PX]
        part &= np.repeat(row, BLOCK_PX)[: part.shape[1]]
    return np.asarray(mask)


def counts(mask: Mask) -> npt.NDArray[np.uint8]:
    """How many pixels of each block of 8x8 are in the mask; blocks at the right and lower edge may be smaller."""
    height, width = (-(-length // BLOCK_PX) for length in mask.shape)
    whole = np.zeros((height * BLOCK_PX, width * BLOCK_PX), np.uint8)
    whole[: mask.shape[0], : mask.shape[1]] = mask
    whole *= BLOCK_PX**2  # so that the mean of a block is its count
    return np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
