"""How good predictions are: F1 of pixels within a tolerance, pixels on joints, photographs wrongly flagged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from services.image_inspect.evaluate import grown
from training.crack.data import Labelled, Pixels
from training.crack.generator.scene import Mask

Probabilities = NDArray[np.float32]
_FLAGGED_PX = 40
"""A photograph is flagged where a crack of at least so many pixels in length is found."""


@dataclass(frozen=True)
class Scores:
    """Shares, 0 to 1. ``on_joints`` is that of predicted pixels on joints and not on a crack; ``flagged`` that of
    photographs in which something long enough is found.
    """

    precision: float
    recall: float
    f1: float
    on_joints: float
    flagged: float


def score(pairs: Iterable[tuple[Labelled, Mask]]) -> Scores:
    """The scores of predicted masks, all photographs together."""
    right = predicted = hit = real = joints = flagged = count = 0
    for truth, mask in pairs:
        near = grown(truth.cracks)
        right += int((mask & near).sum())
        predicted += int(mask.sum())
        hit += int((truth.cracks & grown(mask)).sum())
        real += int(truth.cracks.sum())
        if truth.joints is not None:
            joints += int((mask & truth.joints & ~near).sum())
        flagged += _is_flagged(mask)
        count += 1
    precision, recall = right / max(1, predicted), hit / max(1, real)
    f1 = 2 * precision * recall / max(1e-9, precision + recall)
    return Scores(precision, recall, f1, joints / max(1, predicted), flagged / max(1, count))


def _is_flagged(mask: Mask) -> bool:
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    return bool((np.hypot(stats[1:, cv2.CC_STAT_WIDTH], stats[1:, cv2.CC_STAT_HEIGHT]) >= _FLAGGED_PX).any())


def table(
    sets: Mapping[str, Sequence[Labelled]], predict: Callable[[Pixels], Probabilities], thresholds: Sequence[float]
) -> dict[float, dict[str, Scores]]:
    """The scores of each set at each threshold."""
    found: dict[float, dict[str, Scores]] = {threshold: {} for threshold in thresholds}
    for name, photos in sets.items():
        predicted = [predict(photo.photo) for photo in photos]
        for threshold in thresholds:
            masks = [probabilities > threshold for probabilities in predicted]
            found[threshold][name] = score(zip(photos, masks, strict=True))
    return found
