"""Cracks of two dates: which are new, which grew, which are as they were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from services.image_inspect.measure import Crack
from services.image_inspect.registration import Registration, transform
from services.image_inspect.skeleton import Points

NEAR_PX, NEAR_ERRORS = 4.0, 3.0
"""Lines are the same within so many pixels, or so many times the error of the registration, or half the width."""
SAME, OUT_OF_VIEW = 0.2, 0.2
"""A crack is new where less of it was there and it holds no earlier crack; not judged where less of it was in view."""
HELD = 0.5
"""A crack holds an earlier one of which so much is found again in it: it has grown, however far."""
GROWN_PX, GROWN_SHARE = 10.0, 0.05
"""Growth in length that counts: the larger of both."""
WIDER_PX, WIDER_SHARE = 0.7, 0.15
"""Growth in mean width that counts: the larger of both."""


class ChangeKind(StrEnum):
    """What happened to a crack."""

    NEW = "NEW"
    GROWN = "GROWN"
    UNCHANGED = "UNCHANGED"
    NOT_FOUND = "NOT_FOUND"
    OUT_OF_VIEW = "OUT_OF_VIEW"


@dataclass(frozen=True)
class Change:
    """What became of cracks, by their numbers. Growth is in pixels of the later photograph; None where there is nothing
    to compare. Growth in length is that of lines which had no counterpart, less that of earlier ones which have none.
    """

    kind: ChangeKind
    before: tuple[int, ...] = ()
    after: int | None = None
    length_growth: float | None = None
    width_growth: float | None = None


def compare(
    before: Sequence[Crack],
    after: Sequence[Crack],
    found: Registration,
    before_shape: tuple[int, int],
    after_shape: tuple[int, int],
) -> list[Change]:
    """The change of each later crack, then of the earlier ones without a counterpart. Shapes are height and width."""
    earlier = [_sampled(crack, found.matrix) for crack in before]
    later = [_sampled(crack) for crack in after]
    back = np.asarray(np.linalg.inv(found.matrix), np.float64)
    seen_before = [_inside(transform(points, back), before_shape) for points in later]
    seen_after = [_inside(points, after_shape) for points in earlier]
    near = max(NEAR_PX, NEAR_ERRORS * found.error_px)
    matches = _Matches(earlier)
    changes, known = [], set[int]()
    for number, (crack, points, seen) in enumerate(zip(after, later, seen_before, strict=True)):
        if seen.mean() < OUT_OF_VIEW:
            changes.append(Change(ChangeKind.OUT_OF_VIEW, after=number))
            continue
        matched, counterparts = matches.of(points, max(near, crack.mean_width / 2))
        missing = [_missing(earlier[n][seen_after[n]], points, near) for n in counterparts]
        held = [lost <= (1 - HELD) * len(earlier[n]) for lost, n in zip(missing, counterparts, strict=True)]
        if not counterparts or (matched[seen].mean() < SAME and not any(held)):
            changes.append(Change(ChangeKind.NEW, after=number))
            continue
        known.update(counterparts)
        length = float((seen & ~matched).sum() - sum(missing))
        changes.append(_grown(crack, number, [before[n] for n in counterparts], counterparts, length, found.size))
    for number, seen in enumerate(seen_after):
        if number not in known:
            kind = ChangeKind.NOT_FOUND if seen.mean() >= 0.5 else ChangeKind.OUT_OF_VIEW
            changes.append(Change(kind, before=(number,)))
    return changes


class _Matches:
    """The points of all earlier cracks, to find the nearest."""

    def __init__(self, lines: Sequence[Points]) -> None:
        self._owner = np.repeat(np.arange(len(lines)), [len(line) for line in lines])
        self._tree = cKDTree(np.concatenate(lines)) if lines else None

    def of(self, points: Points, near: float) -> tuple[npt.NDArray[np.bool_], tuple[int, ...]]:
        """Which points have a counterpart, and of which cracks these are."""
        if self._tree is None:
            return np.zeros(len(points), bool), ()
        apart, nearest = self._tree.query(points)
        matched = apart <= near
        owners, counts = np.unique(self._owner[nearest[matched]], return_counts=True)
        return matched, tuple(int(n) for n, count in zip(owners, counts, strict=True) if count >= near)


def _missing(line: Points, points: Points, near: float) -> int:
    """How many pixels of an earlier line have no counterpart among the points of a later one."""
    return int((cKDTree(points).query(line)[0] > near).sum()) if len(line) else 0


def _grown(
    crack: Crack, number: int, old: Sequence[Crack], counterparts: tuple[int, ...], length: float, size: float
) -> Change:
    old_length = size * sum(each.length for each in old)
    old_width = size * sum(each.mean_width * each.length for each in old) / max(1e-9, sum(each.length for each in old))
    wider = crack.mean_width - old_width
    grown = length > max(GROWN_PX, GROWN_SHARE * old_length) or wider > max(WIDER_PX, WIDER_SHARE * old_width)
    return Change(ChangeKind.GROWN if grown else ChangeKind.UNCHANGED, counterparts, number, length, wider)


def _sampled(crack: Crack, matrix: npt.NDArray[np.float64] | None = None) -> Points:
    """A point a pixel along all branches, in the pixels of the later photograph."""
    parts = []
    for branch in crack.branches:
        line = branch if matrix is None else transform(branch, matrix)
        along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
        steps = np.arange(0, along[-1] + 0.5)
        parts.append(np.stack([np.interp(steps, along, line[:, axis]) for axis in (0, 1)], axis=1))
    return np.concatenate(parts)


def _inside(points: Points, shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    height, width = shape
    return np.asarray(((points >= 0) & (points < [width, height])).all(axis=1))
