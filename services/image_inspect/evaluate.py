"""Measures the engine: ``python -m services.image_inspect.evaluate IMAGES MASKS [--limit N]``.

IMAGES and MASKS are folders whose files have the same names but for the ending; a mask is white where there is a crack.
Prints JSON: precision, recall and F1 of pixels with a tolerance of 2 pixels, over all photographs together, and the
share of photographs without a crack in which one is reported.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from buhin.config import ImageSettings
from buhin.engine import Stop
from services.image_inspect import photo
from services.image_inspect.engine import Mask
from services.image_inspect.engines.ridge import RidgeEngine
from services.image_inspect.measure import measure
from services.image_inspect.servicer import DEFAULT_MIN_LENGTH_PX

TOLERANCE_PX = 2


def grown(mask: Mask) -> Mask:
    """The mask and everything within the tolerance."""
    size = 2 * TOLERANCE_PX + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return np.asarray(cv2.dilate(mask.astype(np.uint8), kernel) > 0)


def main() -> None:
    """Print the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("images", type=Path)
    options.add_argument("masks", type=Path)
    options.add_argument("--limit", type=int, default=40)
    given = options.parse_args()
    files = sorted(path for path in given.images.iterdir() if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    files = files[:: max(1, len(files) // given.limit)][: given.limit]
    engine, settings, stop = RidgeEngine(), ImageSettings(), Stop()
    right = predicted = hit = real = clean = flagged = 0
    for file in files:
        mask_file = next(path for path in given.masks.glob(f"{file.stem}.*"))
        pixels, _ = photo.decode(photo.check(file.read_bytes(), settings))
        with Image.open(mask_file) as drawn:
            truth = np.asarray(drawn.convert("L")) > 127
        detection = engine.detect(pixels, stop)
        mask = detection.mask
        right += int((mask & grown(truth)).sum())
        predicted += int(mask.sum())
        hit += int((truth & grown(mask)).sum())
        real += int(truth.sum())
        if not truth.any():
            clean += 1
            flagged += bool(measure(detection, DEFAULT_MIN_LENGTH_PX, stop))
    precision, recall = right / max(1, predicted), hit / max(1, real)
    result = {
        "engine": engine.name, "photographs": len(files), "precision": round(precision, 3), "recall": round(recall, 3),
        "f1": round(2 * precision * recall / max(1e-9, precision + recall), 3),
        "without_crack": clean, "wrongly_flagged": flagged,
    }  # fmt: skip
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
