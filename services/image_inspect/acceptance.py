"""What a crack finder must find, and must not, before it takes the place of one that serves."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import cv2
import numpy as np

from buhin.engine import Stop
from buhin.errors import UnusableModelError
from services.image_inspect.engine import InspectEngine, Photo

SIDE_PX, STEP_PX = 512, 3
LEAST = 0.5
"""Share of the line that must be found."""


def accept(engine: InspectEngine) -> None:
    """Let it look at a wall with a crack and at one without. Raises UnusableModelError."""
    wall = _wall()
    cracked, line = wall.copy(), np.zeros(wall.shape[:2], np.uint8)
    for begin, end, width in _crack():
        cv2.line(cracked, begin, end, (60, 60, 60), width, cv2.LINE_AA)
        cv2.line(line, begin, end, 1, 1)
    share = float(engine.detect(cracked, Stop()).mask[line > 0].mean())
    false = float(engine.detect(wall, Stop()).mask.mean())
    if share < LEAST or false > 0:
        problem = f"it found {share:.0%} of a crack, and {false:.2%} of a wall without one"
        raise UnusableModelError(
            engine=engine.name, model=next((m.model_id for m in engine.models), "-"), problem=problem
        )


def _crack() -> Iterator[tuple[tuple[int, int], tuple[int, int], int]]:
    """A walk across the wall in short steps, each with its width in pixels."""
    random = np.random.default_rng(2)
    steps = (SIDE_PX - 80) // STEP_PX
    turns = np.pi / 4 + 0.25 * np.sin(np.linspace(0, 9, steps)) + random.normal(0, 0.5, steps)
    points = 40 + np.cumsum(STEP_PX * np.stack([np.cos(turns), np.sin(turns)], axis=1), axis=0) * 1.2
    widths = random.integers(2, 6, steps)
    for (begin, end), width in zip(pairwise(points.astype(int).tolist()), widths, strict=False):
        yield (begin[0], begin[1]), (end[0], end[1]), int(width)


def _wall() -> Photo:
    """Concrete: grey, rough at two scales."""
    random = np.random.default_rng(1)
    coarse = cv2.resize(random.normal(0, 6, (16, 16)), (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_CUBIC)
    grey = 150 + coarse + random.normal(0, 4, (SIDE_PX, SIDE_PX))
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)
