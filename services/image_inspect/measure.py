"""Cracks measured from what an engine found: centre lines, lengths, widths, confidence. The same for every engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy.ndimage import median_filter
from scipy.spatial import cKDTree

from buhin.engine import Stop
from services.image_inspect import widths
from services.image_inspect.certain import BLOCK_PX, counts
from services.image_inspect.engine import Detection, Mask, Photo
from services.image_inspect.skeleton import Points, graph
from services.image_inspect.widths import Values

_TOLERANCE_PX = 0.5
_MARGIN = 2
_ALONG = 7
"""The widest place is one that holds over half of so many points."""
DIRECTIONS = 12
"""Bins of the histogram of directions, over 180 degrees."""


@dataclass(frozen=True)
class Profile:
    """The width along a branch: distances from its first point along the centre line and widths there, shape (n,), in
    pixels. NaN where it cannot be measured: at the ends and at junctions.
    """

    distances: Values
    widths: Values


@dataclass(frozen=True)
class Crack:
    """A crack with all its branches, longest first, in pixels. ``orientation`` is 0 to 180 degrees counter-clockwise
    from the horizontal; ``box`` is left, top, width, height; ``outline`` the smallest convex polygon around it;
    ``directions`` the length in each of 12 bins of 15 degrees; confidences are 0 to 1, along the centre line;
    ``uncertain`` is the share of the centre line that the engine was hardly sure of.
    """

    branches: tuple[Points, ...]
    profiles: tuple[Profile, ...]
    length: float
    mean_width: float
    max_width: float
    area: float
    orientation: float
    directions: Values
    intersections: int
    box: tuple[int, int, int, int]
    outline: Points
    confidence: float
    min_confidence: float
    uncertain: float


@dataclass(frozen=True)
class Network:
    """All cracks of a photograph together: length in pixels, length a square pixel, places where branches meet, and the
    length in each of 12 bins of 15 degrees.
    """

    length: float
    density: float
    intersections: int
    directions: Values


def measure(detection: Detection, min_length: float, stop: Stop, photo: Photo | None = None) -> list[Crack]:
    """The cracks of at least ``min_length`` pixels, longest first. Widths are taken from the photograph where it shows
    the edges, else from the engine's scores.
    """
    cracks = []
    for box, part in _parts(detection.mask, min_length):
        stop.check()
        crack = _measure(detection, box, part, photo)
        if crack is not None and crack.length >= min_length:
            cracks.append(crack)
    return sorted(cracks, key=lambda crack: -crack.length)


def network(cracks: Sequence[Crack], pixels: int) -> Network:
    """The figures of all cracks in a photograph of so many pixels."""
    length = sum(crack.length for crack in cracks)
    directions = np.sum([crack.directions for crack in cracks], axis=0) if cracks else np.zeros(DIRECTIONS)
    return Network(length, length / pixels, sum(crack.intersections for crack in cracks), directions)


def _parts(mask: Mask, min_length: float) -> Iterator[tuple[tuple[int, int, int, int], Mask]]:
    """Each connected part that may be long enough: its box (left, top, width, height) and its pixels in it.

    Parts are told apart among blocks of pixels first, so that labels are not needed for every pixel of a photograph.
    """
    occupied = np.asarray(counts(mask) > 0, np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(occupied, connectivity=8)
    for label in range(1, count):
        x, y, w, h = (int(value) * BLOCK_PX for value in stats[label][:4])
        if np.hypot(w, h) < 0.5 * min_length:
            continue
        here = labels[y // BLOCK_PX : (y + h) // BLOCK_PX, x // BLOCK_PX : (x + w) // BLOCK_PX] == label
        crop = mask[y : y + h, x : x + w]
        crop = crop & np.repeat(np.repeat(here, BLOCK_PX, axis=0), BLOCK_PX, axis=1)[: crop.shape[0], : crop.shape[1]]
        parts, inner, inner_stats, _ = cv2.connectedComponentsWithStats(crop.astype(np.uint8), connectivity=8)
        for part in range(1, parts):
            left, top, wide, high = (int(value) for value in inner_stats[part][:4])
            if np.hypot(wide, high) >= 0.5 * min_length:
                yield (x + left, y + top, wide, high), inner[top : top + high, left : left + wide] == part


def _measure(detection: Detection, box: tuple[int, int, int, int], part: Mask, photo: Photo | None) -> Crack | None:
    left, top, _, _ = box
    padded = np.pad(part, _MARGIN)
    distance = cv2.distanceTransform(padded.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    found = graph(padded, distance)
    lengths = [_length(line) for line in found.branches]
    length = sum(lengths)
    if length <= 0:
        return None
    area = int(part.sum())
    shift = np.array([left - _MARGIN, top - _MARGIN], np.float64)
    window = _Window(detection, photo, box)
    halves = [widths.half_widths(line, distance) for line in found.branches]
    measured = [window.widths(line + shift, half) for line, half in zip(found.branches, halves, strict=True)]
    clear = [_is_clear(line, found.junctions, half) for line, half in zip(found.branches, halves, strict=True)]
    profiles = [
        Profile(_along(line), np.where(away, seen, np.nan))
        for line, (seen, _), away in zip(found.branches, measured, clear, strict=True)
    ]
    known, by_scores = (
        np.concatenate([pair[n][away] for pair, away in zip(measured, clear, strict=True)]) for n in (0, 1)
    )
    mean = float(known.mean()) if len(known) else area / length
    narrower = mean / float(by_scores.mean()) if len(known) else 1.0
    confidences = np.concatenate([window.confidence(line + shift) for line in found.branches])
    order = np.argsort([-each for each in lengths])
    hull = cv2.convexHull(np.argwhere(part)[:, ::-1].astype(np.float32))[:, 0] + np.array([left, top])
    return Crack(
        branches=tuple(_simplified(found.branches[i] + shift) for i in order),
        profiles=tuple(profiles[i] for i in order),
        length=length,
        mean_width=mean,
        max_width=max(mean, float(np.percentile(median_filter(known, _ALONG), 98)) if len(known) else mean),
        area=area * narrower,
        orientation=_orientation(np.concatenate(found.branches)),
        directions=_directions(found.branches),
        intersections=len(found.junctions),
        box=box,
        outline=_simplified(hull, closed=True),
        confidence=float(confidences.mean()),
        min_confidence=float(confidences.min()),
        uncertain=float((confidences < detection.threshold / 255 + 0.1).mean()),
    )


class _Window:
    """The part of a photograph and of the scores around a crack."""

    def __init__(self, detection: Detection, photo: Photo | None, box: tuple[int, int, int, int]) -> None:
        margin = 64
        left, top, width, height = box
        self._origin = np.array([max(0, left - margin), max(0, top - margin)], np.float64)
        rows = slice(int(self._origin[1]), top + height + margin)
        columns = slice(int(self._origin[0]), left + width + margin)
        self._scores = np.ascontiguousarray(detection.scores[rows, columns])
        self._threshold = detection.threshold
        self._grey = None if photo is None else cv2.cvtColor(photo[rows, columns], cv2.COLOR_RGB2GRAY)

    def widths(self, line: Points, half: Values) -> tuple[Values, Values]:
        """At each point of a line: the width by the photograph, where it shows it, and the width by the scores."""
        line = line - self._origin
        found = widths.from_scores(self._scores, self._threshold, line, half)
        found = np.where(np.isfinite(found), found, 2 * half)
        if self._grey is None:
            return found, found
        seen = widths.from_photo(np.asarray(self._grey, np.uint8), line, half)
        return np.where(np.isfinite(seen), seen, found), found

    def confidence(self, line: Points) -> Values:
        """The best score within a pixel of each point of a line, 0 to 1."""
        limits = np.array(self._scores.shape)[::-1] - 1
        x, y = np.clip(np.round(line - self._origin).astype(int), 0, limits).T
        near = [
            self._scores[np.clip(y + dy, 0, limits[1]), np.clip(x + dx, 0, limits[0])]
            for dy in (-1, 0, 1)
            for dx in (-1, 0, 1)
        ]
        return np.asarray(np.max(near, axis=0) / 255, np.float64)


def _is_clear(line: Points, junctions: Points, half: Values) -> npt.NDArray[np.bool_]:
    """Which points are so far from the ends and from junctions that only this branch lies across."""
    along = _along(line)
    clear = np.minimum(along, along[-1] - along) >= 1.5 * half
    if len(junctions):
        clear &= cKDTree(junctions).query(line)[0] >= 2 * half + 2
    return np.asarray(clear)


def _along(line: Points) -> Values:
    return np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])


def _length(line: Points) -> float:
    return float(_along(line)[-1])


def _directions(lines: Sequence[Points]) -> Values:
    histogram = np.zeros(DIRECTIONS)
    for line in lines:
        steps = np.diff(line[:: max(1, min(5, len(line) // 2))], axis=0)
        degrees = np.degrees(np.arctan2(-steps[:, 1], steps[:, 0])) % 180
        bins = (degrees / (180 / DIRECTIONS)).astype(int) % DIRECTIONS
        np.add.at(histogram, bins, np.linalg.norm(steps, axis=1))
    return histogram


def _simplified(line: Points, *, closed: bool = False) -> Points:
    """Within the tolerance of the line, with fewer points (Douglas and Peucker 1973)."""
    return cv2.approxPolyDP(line.astype(np.float32)[:, None], _TOLERANCE_PX, closed)[:, 0].astype(float)


def _orientation(points: Points) -> float:
    if len(points) < 2:
        return 0.0
    _, _, axes = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    return float(np.degrees(np.arctan2(-axes[0][1], axes[0][0])) % 180)
