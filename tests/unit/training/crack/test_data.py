"""What is learned from and what is chosen by never mix."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from training.crack.data import SIDE, Crops, Labelled, digest, generated_for_validation, photographs, varied


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two sets of small photographs with masks; of the drone's, ten strips of three."""
    names = {
        "uav": [f"slide{48 * strip + n}" for strip in range(30) for n in range(3)],
        "sut": [str(n) for n in range(30)],
    }
    for name, stems in names.items():
        for part in ("images", "masks"):
            (tmp_path / name / part).mkdir(parents=True)
        for number, stem in enumerate(stems):
            mask = np.zeros((300, 300), np.uint8)
            mask[number : number + 3] = 255
            cv2.imwrite(str(tmp_path / name / "images" / f"{stem}.jpg"), np.full((300, 300, 3), 128, np.uint8))
            cv2.imwrite(str(tmp_path / name / "masks" / f"{stem}.png"), mask)
    return tmp_path


def test_a_strip_is_on_one_side_only(folder: Path) -> None:
    sides = [photographs(folder, validation=validation) for validation in (False, True)]
    strips = [{int(photo.name[5:-4]) // 48 for photo in side["uav"]} for side in sides]
    assert strips[0] and strips[1]
    assert not strips[0] & strips[1]
    assert strips[0] | strips[1] == set(range(30))
    assert [len(side["sut"]) for side in sides] != [0, 0]
    assert sum(len(side["sut"]) for side in sides) == 30


def test_crops_show_what_the_mask_says(folder: Path) -> None:
    photo = np.zeros((400, 400, 3), np.uint8)
    mask = np.zeros((400, 400), bool)
    mask[100:140] = True
    photo[mask] = 255
    agreement = []
    for pixels, cracks in Crops([Labelled("one", photo, mask)], np.random.default_rng(0)).draw(40):
        assert pixels.shape == (SIDE, SIDE, 3)
        agreement.append(((pixels[..., 0] > 127) == cracks).mean())
    plain = [share for share in agreement if share > 0.98]
    assert 12 < len(plain) < 36, "some have clutter on them, some have none"


def test_turning_and_mirroring_keep_photograph_and_mask_together() -> None:
    rng = np.random.default_rng(0)
    photo, mask = np.full((64, 64, 3), 20, np.uint8), np.zeros((64, 64), bool)
    mask[5:9, 10:40] = True
    photo[mask] = 230
    for _ in range(20):
        pixels, cracks = varied(rng, photo, mask)
        assert pixels[cracks].mean() > pixels[~cracks].mean() + 40


def test_validation_has_every_kind_and_photographs_without_cracks() -> None:
    sets = generated_for_validation(2, 64)
    assert all(len(photos) == (4 if name == "no crack" else 2) for name, photos in sets.items())
    assert not any(photo.cracks.any() for photo in sets["no crack"])


def test_the_digest_changes_with_a_byte(folder: Path) -> None:
    before = digest(folder)
    file = folder / "sut" / "images" / "0.jpg"
    file.write_bytes(file.read_bytes() + b"x")
    assert digest(folder) != before
