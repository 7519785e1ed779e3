"""The trained network: it finds a crack and no joint, tile by tile, and stops."""

from __future__ import annotations

import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from buhin.config import ImageSettings
from buhin.engine import Stop
from buhin.errors import CancelledError, UnusableModelError
from buhin.models.manifest import Manifest
from buhin.models.store import Model
from services.image_inspect.engines.network import TILE_PX, NetworkEngine
from tests.unit.image_inspect.drawings import wall, wandering

MANIFEST = ImageSettings().manifest


def shipped() -> Model:
    """The model as it lies in the repository."""
    [entry] = [entry for entry in Manifest.load(MANIFEST).models if entry.id == "crack-segmentation"]
    folder = MANIFEST.parent / entry.id
    return Model(entry.id, folder, folder / entry.main, entry.digest, entry.licence, entry.size)


@pytest.fixture(scope="module")
def engine() -> NetworkEngine:
    """It, loaded."""
    return NetworkEngine(shipped(), threads=2)


def test_it_answers_its_warm_up_and_says_what_it_is(engine: NetworkEngine) -> None:
    engine.warm_up()
    [model] = engine.models
    assert (model.model_id, model.licence) == ("crack-segmentation", "Apache-2.0")
    assert model.size_bytes < 12_000_000


@pytest.mark.parametrize("degrees", [0, 37, 90, 140])
def test_a_crack_is_found_where_it_is(engine: NetworkEngine, degrees: float) -> None:
    photo = wall(4)
    truth = wandering(photo, degrees)
    found = engine.detect(photo, Stop())
    near = cv2.dilate(truth.astype(np.uint8), np.ones((5, 5))) > 0
    assert found.mask[truth].mean() > 0.8
    assert near[found.mask].mean() > 0.9
    assert (found.scores[found.mask] >= found.threshold).all()


def test_a_plain_wall_and_a_joint_are_no_cracks(engine: NetworkEngine) -> None:
    photo = wall(5)
    assert engine.detect(photo, Stop()).mask.mean() < 0.0005
    photo[:, 198:203] = 60
    assert engine.detect(photo, Stop()).mask[:, 190:210].mean() < 0.05


def test_a_photograph_of_many_tiles_is_answered_as_one(engine: NetworkEngine) -> None:
    photo = wall(6, height=TILE_PX + 300, width=2 * TILE_PX + 100)
    x = np.arange(20, photo.shape[1] - 20)
    y = photo.shape[0] / 2 + 12 * np.sin(x / 40) + 5 * np.sin(x / 13)
    cv2.polylines(photo, [np.stack([x, y], axis=1).astype(np.int32)], False, (60, 58, 55), 4)
    found = engine.detect(photo, Stop())
    assert found.mask.shape == photo.shape[:2]
    assert np.mean([found.mask[round(v) - 2 : round(v) + 3, u].any() for u, v in zip(x, y, strict=True)]) > 0.95
    assert found.mask.sum() < 9 * len(x)


def test_a_very_wide_crack_is_found_in_a_smaller_copy(engine: NetworkEngine) -> None:
    photo = wall(7, height=900, width=1200)
    t = np.linspace(0, 1, 60)
    line = np.stack([1200 * t, 450 + 60 * np.sin(7 * t) + 20 * np.sin(31 * t)], axis=1).astype(np.int32)
    truth = np.zeros((900, 1200), np.uint8)
    cv2.polylines(truth, [line], False, 1, 60)
    photo[truth > 0] = 45
    photo = np.asarray(cv2.GaussianBlur(photo, (0, 0), 1.5), np.uint8)
    found = engine.detect(photo, Stop()).mask
    assert found[truth > 0].mean() > 0.8


def test_it_stops_between_tiles(engine: NetworkEngine) -> None:
    stop = Stop()
    stop.set()
    with pytest.raises(CancelledError):
        engine.detect(wall(8), stop)
    later = Stop()
    threading.Timer(0.05, later.set).start()
    with pytest.raises(CancelledError):
        engine.detect(wall(8, height=4 * TILE_PX, width=4 * TILE_PX), later)


@pytest.mark.parametrize("data", [b"", b"not a model", b"\x08\x07\x12\x00"])
def test_a_file_that_is_no_such_model_is_told(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "crack.onnx"
    file.write_bytes(data)
    with pytest.raises(UnusableModelError):
        NetworkEngine(Model("odd", tmp_path, file, "sha256:0", "none", 1))
