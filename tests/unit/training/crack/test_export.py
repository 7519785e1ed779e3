"""Calibration, the file that is shipped, and the card."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from tests.conftest import ROOT
from training.crack.card import page
from training.crack.export import INPUT, OUTPUT, Shipped, calibrated, calibration_error
from training.crack.net import CrackNet


@pytest.mark.parametrize(("slope", "shift"), [(1.0, 0.0), (0.5, -1.0), (1.6, 0.7)])
def test_calibration_finds_the_line_that_was_drawn(slope: float, shift: float) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, 60_000)
    truth = rng.random(len(logits)) < 1 / (1 + np.exp(-(slope * logits + shift)))
    found = (1 / (1 + np.exp(-logits))).astype(np.float32)
    assert calibrated(found, truth) == pytest.approx((slope, shift), abs=0.06)


def test_the_calibration_error_is_small_when_probabilities_hold() -> None:
    rng = np.random.default_rng(0)
    found = rng.random(50_000).astype(np.float32)
    truth = rng.random(len(found)) < found
    assert calibration_error(found, truth) < 0.02
    assert calibration_error(found, rng.random(len(found)) < found**3) > 0.1


def test_the_file_answers_as_the_network_does(tmp_path: Path) -> None:
    torch.manual_seed(0)
    shipped = Shipped(CrackNet(), 0.8, 0.3).eval()
    file = tmp_path / "net.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            shipped, (torch.zeros((1, 64, 64, 3), dtype=torch.uint8),), str(file), input_names=[INPUT],
            output_names=[OUTPUT], dynamo=False, opset_version=17,
            dynamic_axes={name: {0: "n", 1: "height", 2: "width"} for name in (INPUT, OUTPUT)},
        )  # fmt: skip
    photos = np.random.default_rng(1).integers(0, 255, (2, 96, 80, 3)).astype(np.uint8)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (found,) = session.run([OUTPUT], {INPUT: photos})
    with torch.inference_mode():
        expected = shipped(torch.from_numpy(photos)).numpy()
    assert found.shape == (2, 96, 80)
    assert np.abs(found.astype(int) - expected).max() <= 1


def test_the_card_is_what_the_records_say() -> None:
    records = ROOT / "training" / "crack" / "records"
    assert (ROOT / "docs" / "crack-model.md").read_text(encoding="utf-8") == page(records)
    evaluation = json.loads((records / "evaluation.json").read_text(encoding="utf-8"))
    names = {found["model"] for found in evaluation["engines"].values()}
    assert names == {"crack-segmentation", ""}
