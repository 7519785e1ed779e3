"""What lies in the photograph: blur, light, shadow, scale, and whether it shows a surface at all."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
from PIL import Image, ImageDraw, ImageFont

from services.image_inspect.engine import Photo
from services.image_inspect.quality import of_photo, of_scale
from tests.unit.image_inspect.drawings import wall
from training.crack.generator import sample
from training.crack.generator.surfaces import KINDS

SAMPLES = Path(__file__).parents[3] / "samples" / "concrete"


def sky() -> Photo:
    """A blue that pales towards the horizon, with two clouds."""
    share = np.linspace(0, 1, 480)[:, None, None]
    photo = np.broadcast_to((1 - share) * [70, 120, 200] + share * [170, 200, 235], (480, 640, 3)).copy()
    clouds = np.zeros((480, 640), np.float32)
    for centre in ((160, 120), (450, 200)):
        cv2.ellipse(clouds, centre, (70, 25), 0, 0, 360, 1.0, -1)
    soft = np.asarray(cv2.GaussianBlur(clouds, (0, 0), 12))[..., None]
    return np.asarray(photo * (1 - soft) + 250 * soft, np.uint8)


def page() -> Photo:
    """A page of a printed text."""
    image = Image.new("RGB", (800, 1000), (246, 245, 240))
    draw = ImageDraw.Draw(image)
    for line in range(30):
        text = "The quick brown fox inspects the bridge at noon " + str(line)
        draw.text((60, 40 + 30 * line), text, (30, 30, 30), font=ImageFont.load_default(22))
    return np.asarray(image)


def leaves() -> Photo:
    """Green, in all lights."""
    rng = np.random.default_rng(0)
    photo = np.zeros((480, 640, 3), np.uint8)
    photo[:] = (40, 110, 30)
    for _ in range(900):
        at = tuple(int(v) for v in rng.uniform(0, [640, 480]))
        colour = (np.array([60, 150, 40]) * rng.uniform(0.5, 1.4)).clip(0, 255).astype(int).tolist()
        cv2.ellipse(photo, at, (18, 7), float(rng.uniform(0, 180)), 0, 360, colour, -1)
    return photo


def face() -> Photo:
    """A person."""
    return np.asarray(skimage.data.astronaut(), np.uint8)


def half_in_shadow() -> Photo:
    """A wall, the left third of which lies in shadow."""
    photo = wall(2, height=480, width=640)
    photo[:, :213] = photo[:, :213] * 0.45
    return photo


@pytest.mark.parametrize(
    ("photo", "codes"),
    [
        (wall(1), []),
        (np.full((400, 400, 3), 160, np.uint8), ["BLURRED"]),
        (np.asarray(cv2.GaussianBlur(sample(1, 400, kind="rough").photo, (0, 0), 6)), ["BLURRED"]),
        (wall(1) // 6, ["BLURRED", "UNDEREXPOSED"]),
        (np.clip(wall(1).astype(int) + 75, 0, 255).astype(np.uint8), ["OVEREXPOSED"]),
        (half_in_shadow(), ["SHADOWED"]),
    ],
)
def test_blur_light_and_shadow(photo: Photo, codes: list[str]) -> None:
    assert [reason.code for reason in of_photo(photo)] == codes


@pytest.mark.parametrize(("photo", "what"), [(sky(), "sky"), (page(), "text"), (leaves(), "plants"), (face(), "face")])
def test_what_is_no_surface_is_said_to_be_none(photo: Photo, what: str) -> None:
    first = next(iter(of_photo(photo)))
    assert first.code == "NOT_A_SURFACE"
    assert what in first.message


@pytest.mark.parametrize("kind", KINDS)
def test_no_surface_is_taken_for_something_else(kind: str) -> None:
    found = [reason.code for seed in range(12) for reason in of_photo(sample(seed, 320, kind=kind).photo)]
    assert "NOT_A_SURFACE" not in found


@pytest.mark.parametrize(
    ("name", "codes"),
    [("wall_01_plain", []), ("wall_05_crack", []), ("wall_07_boards", []), ("wall_09_joint_crack", ["SHADOWED"])],
)
def test_the_samples(name: str, codes: list[str]) -> None:
    with Image.open(SAMPLES / f"{name}.jpg") as image:
        assert [reason.code for reason in of_photo(np.asarray(image))] == codes


@pytest.mark.parametrize(
    ("gsd", "width", "codes"), [(0.5, 0.2, ["SCALE_TOO_COARSE"]), (0.1, 0.2, []), (0.11, 0.2, ["SCALE_TOO_COARSE"])]
)
def test_a_scale_that_is_too_coarse(gsd: float, width: float, codes: list[str]) -> None:
    assert [reason.code for reason in of_scale(gsd, width)] == codes
