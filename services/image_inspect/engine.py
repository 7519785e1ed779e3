"""What a crack inspection engine does: pixels in, cracks out. Measuring them is the same for every engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from buhin import engine

Photo = npt.NDArray[np.uint8]
"""A photograph, shape (height, width, 3), red green blue."""
Mask = npt.NDArray[np.bool_]
"""Where there is a crack, shape (height, width)."""
Scores = npt.NDArray[np.uint8]
"""How sure that there is a crack, 0 to 255, shape (height, width)."""


ROLE = "crack segmentation"
"""What a trained model is used for."""


@dataclass(frozen=True)
class Detection:
    """What an engine finds in a photograph. ``scores`` are at least ``threshold`` (0 to 255) where ``mask`` is set."""

    mask: Mask
    scores: Scores
    threshold: float


class InspectEngine(engine.Engine, Protocol):
    """Finds cracks."""

    def detect(self, photo: Photo, stop: engine.Stop) -> Detection:
        """Find the cracks of a photograph of any size. Raises CancelledError soon after ``stop`` is set."""
