"""Scores of predicted masks."""

from __future__ import annotations

import numpy as np
import pytest

from training.crack.data import Labelled
from training.crack.scores import score, table

TRUTH = np.zeros((60, 60), bool)
TRUTH[30, 5:55] = True
JOINTS = np.zeros((60, 60), bool)
JOINTS[10] = True
PHOTO = Labelled("one", np.zeros((60, 60, 3), np.uint8), TRUTH, JOINTS)


@pytest.mark.parametrize(
    ("rows", "precision", "recall", "on_joints", "flagged"),
    [
        ([30], 1, 1, 0, 1),
        ([32], 1, 1, 0, 1),
        ([33], 0, 0, 0, 1),
        ([30, 10], 0.5, 1, 0.5, 1),
        ([], 0, 0, 0, 0),
    ],
    ids=["right", "within the tolerance", "beyond it", "a joint too", "nothing"],
)
def test_scores(rows: list[int], precision: float, recall: float, on_joints: float, flagged: float) -> None:
    mask = np.zeros((60, 60), bool)
    mask[rows, 5:55] = True
    found = score([(PHOTO, mask)])
    assert (found.precision, found.recall, found.on_joints, found.flagged) == (precision, recall, on_joints, flagged)
    assert found.f1 == pytest.approx(2 * precision * recall / max(1e-9, precision + recall))


def test_a_table_has_the_scores_of_each_set_at_each_threshold() -> None:
    probabilities = np.where(TRUTH, 0.6, 0.1).astype(np.float32)
    found = table({"some": [PHOTO]}, lambda photo: probabilities, [0.5, 0.7])
    assert (found[0.5]["some"].f1, found[0.7]["some"].f1) == (1, 0)
