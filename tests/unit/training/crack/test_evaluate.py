"""Engines are measured as they detect; sizes of photographs are what was asked for."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from buhin.engine import Stop
from services.image_inspect.engine import Detection, Mask, Photo
from tests.unit.image_inspect.drawings import bar, detection
from training.crack.data import Labelled
from training.crack.evaluate import scores
from training.crack.sizes import photograph


class Finder:
    """An engine that finds what it was given."""

    name, version, models = "finder", "1", ()

    def __init__(self, mask: Mask) -> None:
        self._mask = mask

    def warm_up(self) -> None:
        """Nothing to warm."""

    def close(self) -> None:
        """Nothing to free."""

    def detect(self, photo: Photo, stop: Stop) -> Detection:
        """The mask."""
        return detection(self._mask)


@pytest.mark.parametrize(
    ("found", "f1", "on_joints", "flagged"),
    [(bar(200, 4, 0), 1.0, 0.0, 1.0), (bar(200, 4, 90), 0.03, 1.0, 1.0), (bar(1, 1, 0), 0.01, 0.0, 0.0)],
)
def test_what_an_engine_finds_is_scored(found: Mask, f1: float, on_joints: float, flagged: float) -> None:
    truth, joints = bar(200, 4, 0), bar(200, 6, 90)
    photo = Labelled("wall", np.zeros((400, 400, 3), np.uint8), truth, joints)
    told: list[str] = []
    result = scores(Finder(found), {"walls": [photo]}, told.append)["walls"]
    assert result.f1 == pytest.approx(f1, abs=0.05)
    assert result.on_joints == pytest.approx(on_joints, abs=0.1)
    assert result.flagged == flagged
    assert told[0].startswith("finder, walls: F1 ")


@pytest.mark.parametrize("megapixels", [0.5, 3])
def test_a_photograph_is_as_large_as_asked_for(megapixels: float) -> None:
    with Image.open(io.BytesIO(photograph(megapixels))) as image:
        assert image.size[0] * image.size[1] / 1e6 == pytest.approx(megapixels, rel=0.01)
        assert image.size[0] / image.size[1] == pytest.approx(4 / 3, rel=0.01)
