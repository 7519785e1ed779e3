"""Trains the network: ``python -m training.crack.train --data FOLDER --out FOLDER``.

Batches mix generated samples with crops of photographs. Binary cross-entropy and soft Dice loss (Milletari et al. 2016,
arXiv:1606.04797), AdamW, one cycle of the learning rate, an exponential moving average of the weights. After each round
the average is scored on validation data only; the best round is kept. Writes weights.pt and training.json.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import Progress
from torch import Tensor
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from training.crack.data import (
    Crops,
    Labelled,
    Pixels,
    digest,
    generated,
    generated_for_validation,
    photographs,
    varied,
)
from training.crack.generator.scene import Mask, Random
from training.crack.net import STRIDE, CrackNet
from training.crack.scores import Probabilities, Scores, table

THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7)


@dataclass(frozen=True)
class Plan:
    """How long and with what. ``real`` is the share of photographs in a batch, ``minutes`` the time of training."""

    samples: int = 12_000
    batch: int = 16
    rounds: int = 12
    minutes: float = 90.0
    real: float = 0.25
    rate: float = 2e-3
    seed: int = 0
    validation: int = 8


def batches(plan: Plan, made: tuple[Pixels, Mask], crops: list[Crops], rng: Random) -> Iterator[tuple[Tensor, Tensor]]:
    """Photographs (n, 3, SIDE, SIDE), 0 to 1, and masks (n, 1, SIDE, SIDE), without an end."""
    real = round(plan.batch * plan.real)
    while True:
        chosen = rng.integers(0, len(made[0]), plan.batch - real)
        pairs = [(made[0][n], made[1][n]) for n in chosen]
        for number, crop in enumerate(crops):
            pairs += crop.draw(real // len(crops) + (number < real % len(crops)))
        photos, masks = zip(*(varied(rng, *pair) for pair in pairs), strict=True)
        yield (
            torch.from_numpy(np.stack(photos)).permute(0, 3, 1, 2).float() / 255,
            torch.from_numpy(np.stack(masks))[:, None].float(),
        )


def loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Cross-entropy, in which cracks count more, and one minus the Dice coefficient of the batch."""
    entropy = functional.binary_cross_entropy_with_logits(logits, truth, pos_weight=torch.tensor(2.0))
    found = torch.sigmoid(logits)
    dice = (2 * (found * truth).sum() + 1) / (found.sum() + truth.sum() + 1)
    total: Tensor = entropy + 0.5 * (1 - dice)
    return total


def predictor(net: torch.nn.Module) -> Callable[[Pixels], Probabilities]:
    """A function from a photograph to the probability of a crack in each pixel."""

    def predict(photo: Pixels) -> Probabilities:
        height, width = photo.shape[:2]
        padding = ((0, -height % STRIDE), (0, -width % STRIDE), (0, 0))
        padded: NDArray[np.uint8] = np.pad(photo, padding, mode="reflect")
        with torch.inference_mode():
            logits = net(torch.from_numpy(padded.copy()).permute(2, 0, 1)[None].float() / 255)
        return np.asarray(torch.sigmoid(logits)[0, 0, :height, :width].float().numpy(), np.float32)

    return predict


def worth(scores: dict[str, Scores]) -> float:
    """One number to choose by: the mean F1 of all sets with cracks, less what is found on joints and without cracks."""
    f1 = mean(found.f1 for name, found in scores.items() if name != "no crack")
    return f1 - 0.5 * scores["no crack"].flagged - 0.5 * mean(found.on_joints for found in scores.values())


def train(data: Path, out: Path, plan: Plan) -> None:
    """Train, and write what came of it."""
    torch.manual_seed(plan.seed)
    rng = np.random.default_rng(plan.seed)
    began = time.monotonic()
    made = generated(plan.samples)
    crops = [Crops(photos, rng) for photos in photographs(data, validation=False).values()]
    sets: dict[str, list[Labelled]] = {
        **photographs(data, validation=True),
        **generated_for_validation(plan.validation),
    }
    made_s = time.monotonic() - began
    net = CrackNet().to(memory_format=torch.channels_last)
    average = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.998), use_buffers=True)
    optimizer = torch.optim.AdamW(net.parameters(), lr=plan.rate, weight_decay=1e-3)
    stream = batches(plan, made, crops, rng)
    curve: list[dict[str, Any]] = []
    best = -1.0
    began = time.monotonic()
    share = 0.0
    out.mkdir(parents=True, exist_ok=True)
    with Progress() as bar:
        task = bar.add_task("training", total=1.0)
        for number in range(plan.rounds):
            net.train()
            losses = []
            while share < (number + 1) / plan.rounds:
                share = (time.monotonic() - began) / (60 * plan.minutes)
                for group in optimizer.param_groups:
                    group["lr"] = plan.rate * _cycle(share)
                photos, masks = next(stream)
                with torch.autocast("cpu", torch.bfloat16):
                    logits = net(photos.to(memory_format=torch.channels_last))
                found = loss(logits.float(), masks)
                optimizer.zero_grad()
                found.backward()
                torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
                optimizer.step()
                average.update_parameters(net)
                losses.append(found.item())
                bar.update(task, completed=share)
            average.eval()
            scores = table(sets, predictor(average.module), THRESHOLDS)
            threshold = max(scores, key=lambda each: worth(scores[each]))
            curve.append({
                "round": number, "batches": len(losses), "loss": mean(losses), "threshold": threshold,
                "worth": worth(scores[threshold]), "scores": {name: asdict(s) for name, s in scores[threshold].items()},
            })  # fmt: skip
            told = ", ".join(f"{name} {found.f1:.2f}" for name, found in scores[threshold].items())
            bar.console.print(f"round {number}: loss {mean(losses):.3f}, worth {curve[-1]['worth']:.3f} at {threshold}")
            bar.console.print(f"  {told}, flagged {scores[threshold]['no crack'].flagged:.2f}")
            if curve[-1]["worth"] > best:
                best = curve[-1]["worth"]
                torch.save(average.module.state_dict(), out / "weights.pt")
            record = {"plan": asdict(plan), "torch": torch.__version__, "data_sha256": digest(data), "made_s": made_s,
                      "trained_s": time.monotonic() - began, "parameters": sum(p.numel() for p in net.parameters()),
                      "curve": curve}  # fmt: skip
            (out / "training.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _cycle(share: float) -> float:
    """The learning rate over the training: up in the first twentieth, then down as a cosine."""
    share = min(1.0, share)
    return share / 0.05 if share < 0.05 else 0.5 * (1 + float(np.cos(np.pi * (share - 0.05) / 0.95))) + 1e-3


def main() -> None:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with uav/ and sut/")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=Plan.minutes)
    parser.add_argument("--samples", type=int, default=Plan.samples)
    parser.add_argument("--rounds", type=int, default=Plan.rounds)
    parser.add_argument("--real", type=float, default=Plan.real)
    arguments = parser.parse_args()
    plan = Plan(minutes=arguments.minutes, samples=arguments.samples, real=arguments.real, rounds=arguments.rounds)
    train(arguments.data, arguments.out, plan)


if __name__ == "__main__":
    main()
