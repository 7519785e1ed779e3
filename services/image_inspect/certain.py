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
    _, labels = cv2.connectedComponents(blocks(mask, np.logical_or).astype(np.uint8), connectivity=8)
    counts = np.bincount(labels.ravel(), weights=blocks((scores >= sure).astype(np.uint8), np.add).ravel())
    keep = counts >= SURE_PX
    keep[0] = False
    for number, row in enumerate(keep[labels]):
        part = mask[number * BLOCK_PX : (number + 1) * BLOCK_PX]
        part &= np.repeat(row, BLOCK_PX)[: part.shape[1]]
    return np.asarray(mask)


def blocks(values: npt.NDArray[np.generic], reduce: np.ufunc) -> npt.NDArray[np.generic]:
    """The values of blocks of 8x8 pixels, reduced by ``numpy.add`` or another function."""
    rows, columns = (np.arange(0, length, BLOCK_PX) for length in values.shape)
    return np.asarray(reduce.reduceat(reduce.reduceat(values, rows, axis=0), columns, axis=1))
