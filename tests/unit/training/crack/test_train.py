"""The network and what it learns from in a batch; nothing is trained in earnest."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from training.crack.data import SIDE, Crops, Labelled
from training.crack.net import CrackNet
from training.crack.scores import Scores
from training.crack.train import Plan, batches, loss, predictor, worth


@pytest.mark.parametrize(("height", "width"), [(64, 64), (50, 97), (17, 200)])
def test_every_pixel_of_a_photograph_of_any_size_has_a_probability(height: int, width: int) -> None:
    predict = predictor(CrackNet().eval())
    found = predict(np.random.default_rng(0).integers(0, 255, (height, width, 3)).astype(np.uint8))
    assert found.shape == (height, width)
    assert ((found > 0) & (found < 1)).all()


def test_a_batch_mixes_generated_samples_and_photographs() -> None:
    rng = np.random.default_rng(0)
    made = np.full((4, SIDE, SIDE, 3), 200, np.uint8), np.zeros((4, SIDE, SIDE), bool)
    real = Labelled("real", np.full((300, 300, 3), 20, np.uint8), np.ones((300, 300), bool))
    photos, masks = next(batches(Plan(batch=10, real=0.4), made, [Crops([real], rng)], rng))
    assert photos.shape == (10, 3, SIDE, SIDE)
    assert masks.shape == (10, 1, SIDE, SIDE)
    shares = masks.mean(dim=(1, 2, 3))
    assert shares[:6].tolist() == [0] * 6
    assert (shares[6:] > 0.3).all(), "what was put on a photograph hides a part of its crack at most"


def test_the_loss_is_less_the_better_the_prediction() -> None:
    truth = torch.zeros(1, 1, 16, 16)
    truth[..., 8, :] = 1
    right, unsure, wrong = (loss(sign * (2 * truth - 1), truth).item() for sign in (8, 0, -8))
    assert right < unsure < wrong
    assert right < 0.01


def test_few_steps_learn_a_dark_line() -> None:
    torch.manual_seed(0)
    net = CrackNet()
    photos, truth = torch.full((2, 3, 64, 64), 0.7), torch.zeros(2, 1, 64, 64)
    photos[:, :, 30:34] = 0.1
    truth[:, :, 30:34] = 1
    optimizer = torch.optim.AdamW(net.parameters(), lr=5e-3)
    losses = []
    for _ in range(25):
        losses.append(loss(net(photos), truth))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[-1].item() < 0.3 * losses[0].item()


def test_what_is_found_without_cracks_or_on_joints_makes_a_network_worth_less() -> None:
    good, none = Scores(1, 1, 0.9, 0, 1), Scores(0, 0, 0, 0, 0)
    best = worth({"smooth": good, "no crack": none})
    assert best == pytest.approx(0.9)
    assert worth({"smooth": good, "no crack": Scores(0, 0, 0, 0, 0.5)}) < best
    assert worth({"smooth": Scores(1, 1, 0.9, 0.2, 1), "no crack": none}) < best
