"""Makes what is shipped of the trained weights: ``python -m training.crack.export --data FOLDER --weights FOLDER``.

On validation data only: a line in the logits that calibrates the probabilities (Platt 1999), and the one threshold. The
network becomes an ONNX file from photographs to probabilities in 8 bits, with its convolutions in 8 bits too (static
quantization; ranges from generated samples and photographs that were learned from). Writes crack.onnx, which carries
its threshold, and export.json.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from torch import Tensor, nn

from buhin.engine import Stop
from buhin.models.store import Model
from services.image_inspect.certain import certain
from services.image_inspect.engines.network import NetworkEngine
from training.crack.data import SIDE, Labelled, Pixels, generated, generated_for_validation, photographs
from training.crack.net import STRIDE, CrackNet
from training.crack.scores import Probabilities, Scores, score
from training.crack.train import predictor, worth

INPUT, OUTPUT = "photographs", "probabilities"
THRESHOLDS = (0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6)
SURE = (0.6, 0.7, 0.75, 0.8, 0.85, 0.9)
_BINS = 15
_RANGES_FROM = 96


class Shipped(nn.Module):  # type: ignore[misc]  # types of torch are not read
    """Photographs (n, height, width, 3) to calibrated probabilities (n, height, width), both in 8 bits."""

    def __init__(self, net: CrackNet, slope: float, shift: float) -> None:
        super().__init__()
        self.net = net
        self.slope, self.shift = slope, shift

    def forward(self, photographs: Tensor) -> Tensor:
        """The probabilities times 255."""
        logits = self.net(photographs.permute(0, 3, 1, 2).to(torch.float32) / 255)
        found: Tensor = (torch.sigmoid(self.slope * logits[:, 0] + self.shift) * 255 + 0.5).to(torch.uint8)
        return found


def calibrated(found: Probabilities, truth: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and shift of the logits with the least cross-entropy, of probabilities (n,) given what they were of."""
    logits, target = _logits(found), torch.from_numpy(truth).double()
    line = torch.tensor([1.0, 0.0], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([line], max_iter=60, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = nn.functional.binary_cross_entropy_with_logits(line[0] * logits + line[1], target)
        loss.backward()
        return loss

    optimizer.step(closure)
    return round(line[0].item(), 4), round(line[1].item(), 4)


def _logits(found: Probabilities) -> Tensor:
    return torch.logit(torch.from_numpy(found).double().clamp(1e-6, 1 - 1e-6))


def calibration_error(found: Probabilities, truth: NDArray[np.bool_]) -> float:
    """Expected calibration error over bins of equal width (Naeini et al. 2015), 0 to 1, of pixels above 0.05."""
    kept = found > 0.05
    found, truth = found[kept], truth[kept]
    bins = np.minimum((found * _BINS).astype(int), _BINS - 1)
    gaps = [(bins == n).mean() * abs(found[bins == n].mean() - truth[bins == n].mean()) for n in set(bins.tolist())]
    return float(sum(gaps))


def export(data: Path, weights: Path, out: Path) -> dict[str, Any]:
    """Write crack.onnx and export.json; gives what the latter says."""
    net = CrackNet().eval()
    net.load_state_dict(torch.load(weights / "weights.pt", weights_only=True))
    sets = {**photographs(data, validation=True), **generated_for_validation(12)}
    found, truth = (np.concatenate(each) for each in zip(*_pixels(net, sets), strict=True))
    slope, shift = calibrated(found, truth)
    with tempfile.TemporaryDirectory() as scratch:
        plain = Path(scratch) / "plain.onnx"
        side = 4 * STRIDE
        torch.onnx.export(
            Shipped(net, slope, shift), (torch.zeros((2, side, side, 3), dtype=torch.uint8),), str(plain),
            input_names=[INPUT], output_names=[OUTPUT], dynamo=False, opset_version=17,
            dynamic_axes={name: {0: "n", 1: "height", 2: "width"} for name in (INPUT, OUTPUT)},
        )  # fmt: skip
        quantize_static(
            plain, out / "crack.onnx", _Ranges(data), quant_format=QuantFormat.QDQ, per_channel=True,
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, op_types_to_quantize=["Conv"],
        )  # fmt: skip
        scores = _scored(sets, _engine(out / "crack.onnx"), list(product(THRESHOLDS, SURE)))
        chosen = max(scores, key=lambda pair: worth(scores[pair]))
        in_float = _scored(sets, _engine(plain), [chosen])
    threshold, sure = chosen
    _say(out / "crack.onnx", threshold, sure)
    told = {
        "calibration": {"slope": slope, "shift": shift},
        "threshold": threshold,
        "sure": sure,
        "f1": {"float": _mean_f1(in_float[chosen]), "int8": _mean_f1(scores[chosen])},
        "calibration_error": {
            "before": calibration_error(found, truth),
            "after": calibration_error(torch.sigmoid(slope * _logits(found) + shift).float().numpy(), truth),
        },
        "size_bytes": (out / "crack.onnx").stat().st_size,
    }  # fmt: skip
    (out / "export.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return told


def _scored(
    sets: dict[str, list[Labelled]], engine: NetworkEngine, pairs: list[tuple[float, float]]
) -> dict[tuple[float, float], dict[str, Scores]]:
    """The scores of each set for each pair of thresholds."""
    found: dict[tuple[float, float], dict[str, Scores]] = {pair: {} for pair in pairs}
    for name, photos in sets.items():
        predicted = [engine.scores(photo.photo, Stop()) for photo in photos]
        for threshold, sure in found:
            masks = (certain(scores, 255 * threshold, 255 * sure) for scores in predicted)
            found[threshold, sure][name] = score(zip(photos, masks, strict=True))
    return found


def _mean_f1(scores: dict[str, Scores]) -> float:
    return mean(found.f1 for name, found in scores.items() if name != "no crack")


def _pixels(net: CrackNet, sets: dict[str, list[Labelled]]) -> Iterator[tuple[Probabilities, NDArray[np.bool_]]]:
    """Probabilities and truth of every eleventh pixel."""
    predict = predictor(net)
    for photos in sets.values():
        for photo in photos:
            yield predict(photo.photo).ravel()[::11], photo.cracks.ravel()[::11]


def _engine(file: Path) -> NetworkEngine:
    """The engine with a model whose thresholds are still to be chosen."""
    _say(file, 0.5, 0.5)
    return NetworkEngine(Model(file.stem, file.parent, file, "", "", file.stat().st_size))


def _say(file: Path, threshold: float, sure: float) -> None:
    """Write thresholds into a model."""
    model = onnx.load(file)
    onnx.helper.set_model_props(model, {"threshold": str(threshold), "sure": str(sure), "stride": str(STRIDE)})
    onnx.save(model, file)


class _Ranges(CalibrationDataReader):  # type: ignore[misc]
    """Photographs by which the ranges of the activations are told."""

    def __init__(self, data: Path) -> None:
        made, _ = generated(_RANGES_FROM, first_seed=900_000_000)
        rng = np.random.default_rng(0)
        real = [photo.photo for photos in photographs(data, validation=False).values() for photo in photos]
        chosen = [real[int(n)][:SIDE, :SIDE] for n in rng.integers(0, len(real), _RANGES_FROM // 2)]
        self._batches = iter(np.concatenate([made, np.stack(chosen)])[:, None])

    def get_next(self) -> dict[str, Pixels] | None:
        """The next one."""
        batch = next(self._batches, None)
        return None if batch is None else {INPUT: batch}


def main() -> None:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with uav/ and sut/")
    parser.add_argument("--weights", type=Path, required=True, help="folder with weights.pt")
    parser.add_argument("--out", type=Path, help="folder for what is made; that of the weights by default")
    arguments = parser.parse_args()
    told = export(arguments.data, arguments.weights, arguments.out or arguments.weights)
    print(json.dumps(told, indent=1))  # noqa: T201


if __name__ == "__main__":
    main()
