"""The sample photographs through the real service: what is drawn is found, what is none is not reported."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from buhin.config import ImageSettings
from buhin.engine import Stop
from buhin.image_inspect.v1 import image_inspect_pb2, image_inspect_pb2_grpc
from samples.concrete.make import SCENES, Scene
from services.image_inspect import photo
from services.image_inspect.__main__ import application
from services.image_inspect.engine import Mask
from services.image_inspect.engines.ridge import RidgeEngine
from services.image_inspect.evaluate import grown
from tests.conftest import ROOT
from tests.support import AS_DEPLOYED, serving

FOLDER = ROOT / "samples" / "concrete"
NAMES = [name for name, _, _ in SCENES]


def truth(name: str) -> Mask:
    """Where the generator drew cracks."""
    number = NAMES.index(name)
    _, draw, tone = SCENES[number]
    scene = Scene(seed=number + 1, tone=tone)
    draw(scene)
    return np.asarray(scene.mask > 0)


def test_every_scene_is_shipped_and_nothing_else() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.jpg")) == NAMES
    for path in FOLDER.glob("*.jpg"):
        with Image.open(path) as image:
            assert sorted(image.size) == [768, 1024]


@pytest.mark.parametrize("name", NAMES)
def test_it_finds_what_was_drawn(name: str) -> None:
    pixels, _ = photo.decode(photo.check((FOLDER / f"{name}.jpg").read_bytes(), ImageSettings()))
    found, real = RidgeEngine().detect(pixels, Stop()).mask, truth(name)
    if not real.any():
        assert not found.any()
        return
    assert (found & grown(real)).sum() / found.sum() > 0.95
    assert (real & grown(found)).sum() / real.sum() > 0.85


async def test_the_service_measures_them() -> None:
    async with serving(application(ImageSettings(**AS_DEPLOYED))) as channel:
        stub: Any = image_inspect_pb2_grpc.ImageInspectServiceStub(channel)
        answers: dict[str, image_inspect_pb2.InspectResponse] = {}
        for name in NAMES:
            request = image_inspect_pb2.InspectRequest(
                image=(FOLDER / f"{name}.jpg").read_bytes(),
                config=image_inspect_pb2.InspectConfig(ground_sampling_distance_mm=0.3),
            )
            answers[name] = await stub.Inspect(request, timeout=60)
    clean = {name for name, answer in answers.items() if not answer.cracks}
    assert clean == {name for name in NAMES if not truth(name).any()}
    hairline, wide = answers["wall_06_hairline"], answers["wall_05_crack"]
    assert hairline.summary.max_width_mm < 1.2 < wide.summary.max_width_mm < 4
    assert (answers["wall_08_weathered"].width_px, answers["wall_08_weathered"].height_px) == (1024, 768)
    assert [warning.code for warning in answers["wall_08_weathered"].warnings] == ["ORIENTATION_APPLIED"]
