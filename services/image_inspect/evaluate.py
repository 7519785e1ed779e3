"""Measures the engine on photographs with masks, white where there is a crack. `make evaluate` writes what it finds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from buhin.catalogue.card import Quality
from buhin.config import ClientSettings, ImageSettings
from buhin.engine import Stop
from services.image_inspect import photo
from services.image_inspect.engine import Mask
from services.image_inspect.engines.ridge import RidgeEngine

TOLERANCE_PX = 2
PHOTOGRAPHS = 120
SETS = {"uav": "drone photographs of concrete (UAV-Based Crack Detection)", "sut": "photographs of asphalt (SUT-Crack)"}


def grown(mask: Mask) -> Mask:
    """The mask and everything within the tolerance."""
    size = 2 * TOLERANCE_PX + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return np.asarray(cv2.dilate(mask.astype(np.uint8), kernel) > 0)


def agreement(folder: Path) -> tuple[int, float, float]:
    """Photographs of ``images`` and ``masks``, and precision and recall of their pixels, all photographs together."""
    files = sorted((folder / "images").iterdir())
    files = files[:: max(1, len(files) // PHOTOGRAPHS)][:PHOTOGRAPHS]
    engine, settings, stop = RidgeEngine(), ImageSettings(), Stop()
    right = predicted = hit = real = 0
    for file in files:
        pixels, _ = photo.decode(photo.check(file.read_bytes(), settings))
        with Image.open(next((folder / "masks").glob(f"{file.stem}.*"))) as drawn:
            truth = np.asarray(drawn.convert("L")) > 127
        mask = engine.detect(pixels, stop).mask
        right += int((mask & grown(truth)).sum())
        predicted += int(mask.sum())
        hit += int((truth & grown(mask)).sum())
        real += int(truth.sum())
    return len(files), right / max(1, predicted), hit / max(1, real)


def figures(data: Path, settings: ClientSettings) -> Iterator[Quality]:
    """Precision, recall and F1 of pixels, with a tolerance of 2 pixels."""
    for name, kind in SETS.items():
        count, precision, recall = agreement(data / "crack" / name)
        f1 = 2 * precision * recall / max(1e-9, precision + recall)
        for measure, value in (("precision", precision), ("recall", recall), ("F1", f1)):
            yield Quality(
                measure=f"{measure} of pixels, tolerance {TOLERANCE_PX} pixels",
                value=round(value, 3),
                dataset=f"{count} {kind}",
                model_id="",
                model_digest="",
            )
