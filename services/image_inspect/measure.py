"""Cracks measured from a mask: centre lines, lengths, widths. The same for every engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from skimage.measure import approximate_polygon
from skimage.morphology import skeletonize

from buhin.engine import Stop
from services.image_inspect.engine import Detection, Mask

Points = npt.NDArray[np.float64]
"""Points of a line, shape (n, 2), x and y in pixels."""

_TOLERANCE_PX = 0.5
_SMOOTHING = 7
_NEIGHBOURS = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]


@dataclass(frozen=True)
class Crack:
    """A crack with all its branches, in pixels. ``orientation`` is 0 to 180 degrees counter-clockwise from horizontal;
    ``box`` is left, top, width, height; ``confidence`` 0 to 1.
    """

    branches: tuple[Points, ...]
    length: float
    mean_width: float
    max_width: float
    area: float
    orientation: float
    box: tuple[int, int, int, int]
    confidence: float


def measure(detection: Detection, min_length: float, stop: Stop) -> list[Crack]:
    """The cracks of at least ``min_length`` pixels, longest first."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(detection.mask.astype(np.uint8), connectivity=8)
    cracks = []
    for label in range(1, count):
        stop.check()
        left, top, width, height, area = (int(value) for value in stats[label])
        if np.hypot(width, height) < min_length * 0.5:
            continue
        box = slice(top, top + height), slice(left, left + width)
        part = labels[box] == label
        crack = _measure(part, detection.scores[box], (left, top, width, height), area)
        if crack is not None and crack.length >= min_length:
            cracks.append(crack)
    return sorted(cracks, key=lambda crack: -crack.length)


def _measure(part: Mask, scores: npt.NDArray[np.float32], box: tuple[int, int, int, int], area: int) -> Crack | None:
    padded = np.pad(part, 2)
    distance = cv2.distanceTransform(padded.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    paths = _paths(skeletonize(padded), distance)
    if not paths:
        return None
    lines = [_line(path, distance, lone=len(paths) == 1) for path in paths]
    length = sum(_length(line) for line in lines)
    if length <= 0:
        return None
    # The distance to the nearest pixel outside is half the width and, on average, a quarter pixel.
    widths = 2 * np.concatenate([distance[tuple(path.T)] for path in paths]) - 0.5
    shift = np.array([box[0] - 2, box[1] - 2], np.float64)
    order = np.argsort([-_length(line) for line in lines])
    return Crack(
        branches=tuple(approximate_polygon(lines[i] + shift, _TOLERANCE_PX) for i in order),
        length=length,
        mean_width=area / length,
        max_width=max(float(np.percentile(widths, 98)), area / length),
        area=float(area),
        orientation=_orientation(np.concatenate(lines)),
        box=box,
        confidence=float(scores[part].mean()),
    )


def _paths(skeleton: Mask, distance: npt.NDArray[Any]) -> list[npt.NDArray[np.int64]]:
    """The branches of a skeleton as paths of pixels (row, column), without spurs shorter than the line is wide."""
    pixels = {(int(y), int(x)) for y, x in np.argwhere(skeleton)}
    degree = {pixel: len(_near(pixel, pixels)) for pixel in pixels}
    nodes = {pixel for pixel in pixels if degree[pixel] != 2}
    walked: set[frozenset[tuple[int, int]]] = set()
    paths = []
    for node in sorted(nodes) or sorted(pixels)[:1]:
        for first in _near(node, pixels):
            if frozenset((node, first)) in walked:
                continue
            path = [node, first]
            walked.add(frozenset((node, first)))
            while path[-1] not in nodes and path[-1] != node:
                onward = [
                    p for p in _near(path[-1], pixels) if p != path[-2] and frozenset((path[-1], p)) not in walked
                ]
                if not onward:
                    break
                walked.add(frozenset((path[-1], onward[0])))
                path.append(onward[0])
            paths.append(np.array(path))
    free = {pixel for pixel in nodes if degree[pixel] == 1}
    kept = [
        path
        for path in paths
        if len(path) > 2 * max(distance[tuple(path[0])], distance[tuple(path[-1])]) + 2
        or not ({tuple(path[0]), tuple(path[-1])} & free)
    ]
    return kept or paths[:1]


def _near(pixel: tuple[int, int], pixels: set[tuple[int, int]]) -> list[tuple[int, int]]:
    """Neighbours on the skeleton; a diagonal one only where no straight one leads there."""
    y, x = pixel
    found = []
    for dy, dx in _NEIGHBOURS:
        neighbour = (y + dy, x + dx)
        stepped = dy and dx and ((y + dy, x) in pixels or (y, x + dx) in pixels)
        if neighbour in pixels and not stepped:
            found.append(neighbour)
    return found


def _line(path: npt.NDArray[np.int64], distance: npt.NDArray[Any], *, lone: bool) -> Points:
    """A path as a smooth line, which takes the stairs out of it; a lone one reaches to the ends of the crack."""
    points = path[:, ::-1].astype(np.float64)
    half = min(_SMOOTHING, len(points) - 1) // 2
    if half:
        padded = np.concatenate([np.repeat(points[:1], half, 0), points, np.repeat(points[-1:], half, 0)])
        kernel = np.ones(2 * half + 1) / (2 * half + 1)
        smooth = np.stack([np.convolve(padded[:, axis], kernel, "valid") for axis in (0, 1)], axis=1)
        smooth[0], smooth[-1] = points[0], points[-1]
        points = smooth
    if lone and len(points) > 2:
        reach = min(len(points) - 1, 2 * _SMOOTHING)
        ends = []
        for end, inside, pixel in ((points[0], points[reach], path[0]), (points[-1], points[-1 - reach], path[-1])):
            direction = (end - inside) / max(float(np.linalg.norm(end - inside)), 1e-9)
            ends.append(end + direction * max(0.0, float(distance[tuple(pixel)]) - 0.5))
        points = np.concatenate([ends[:1], points, ends[1:]])
    return points


def _length(line: Points) -> float:
    return float(np.linalg.norm(np.diff(line, axis=0), axis=1).sum())


def _orientation(points: Points) -> float:
    if len(points) < 2:
        return 0.0
    _, _, axes = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    return float(np.degrees(np.arctan2(-axes[0][1], axes[0][0])) % 180)
