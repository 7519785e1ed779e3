"""Measures the engines on photographs with masks, white where there is a crack, that the network did not learn from.

`make evaluate` writes what it finds; `make evaluate-crack` measures more closely.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from buhin.catalogue.card import Quality
from buhin.config import ClientSettings, ImageSettings
from buhin.engine import Stop
from buhin.models.store import ModelStore
from services.image_inspect import photo
from services.image_inspect.engine import InspectEngine, Mask
from services.image_inspect.engines.network import NetworkEngine
from services.image_inspect.engines.ridge import RidgeEngine

TOLERANCE_PX = 2
SETS = {"uav": "drone photographs of concrete (UAV-Based Crack Detection)", "sut": "photographs of asphalt (SUT-Crack)"}
_STRIP = 48
_FOLD, _FOLDS = 0, 5


def grown(mask: Mask) -> Mask:
    """The mask and everything within the tolerance."""
    size = 2 * TOLERANCE_PX + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return np.asarray(cv2.dilate(mask.astype(np.uint8), kernel) > 0)


def for_validation(file: Path) -> bool:
    """Whether a photograph was kept from training: a fifth, by a digest of its name. Photographs of a drone overlap in
    strips, all of which are on the same side.
    """
    strip = re.fullmatch(r"slide(\d+)", file.stem)
    key = str(int(strip[1]) // _STRIP) if strip else file.stem
    return int(hashlib.sha256(key.encode()).hexdigest(), 16) % _FOLDS == _FOLD


def engines(settings: ImageSettings) -> Iterator[tuple[InspectEngine, str, str]]:
    """The network and the classical filter, with the id and the digest of their models."""
    model = ModelStore.from_settings(settings).pull(settings.image_model)
    yield NetworkEngine(model, threads=settings.threads), model.id, model.digest
    yield RidgeEngine(), "", ""


def agreement(engine: InspectEngine, folder: Path) -> tuple[int, float, float]:
    """Photographs of ``images`` and ``masks``, and precision and recall of their pixels, all photographs together."""
    files = [file for file in sorted((folder / "images").iterdir()) if for_validation(file)]
    settings, stop = ImageSettings(), Stop()
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
    for engine, model_id, digest in engines(ImageSettings()):
        for name, kind in SETS.items():
            count, precision, recall = agreement(engine, data / "crack" / name)
            f1 = 2 * precision * recall / max(1e-9, precision + recall)
            for measure, value in (("precision", precision), ("recall", recall), ("F1", f1)):
                yield Quality(
                    measure=f"{measure} of pixels, tolerance {TOLERANCE_PX} pixels, {engine.name}",
                    value=round(value, 3),
                    dataset=f"{count} {kind}, not learned from",
                    model_id=model_id,
                    model_digest=digest,
                )
