"""The centre lines of a crack: its skeleton as a graph, the graph's branches as smooth lines."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from skimage.morphology import skeletonize

from services.image_inspect.engine import Mask

Points = npt.NDArray[np.float64]
"""Points of a line, shape (n, 2), x and y in pixels."""
Distances = npt.NDArray[Any]
"""How far each pixel of a mask is from the nearest one outside, shape of the mask."""
Pixel = tuple[int, int]

_SMOOTHING = 7
_NEIGHBOURS = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]


@dataclass(frozen=True)
class Graph:
    """Branches as lines with a point a pixel, and the places where at least three of them meet, shape (n, 2)."""

    branches: tuple[Points, ...]
    junctions: Points


def graph(mask: Mask, distance: Distances) -> Graph:
    """The graph of a mask's skeleton (Zhang & Suen 1984, https://doi.org/10.1145/357994.358023).

    A spur is left out where it is shorter than the line is wide. The mask is False along its border.
    """
    paths = _merged(_without_spurs(_paths(skeletonize(mask)), distance))
    meeting = _ends(paths)
    junctions = [np.mean(spots, axis=0) for spots in meeting.values() if len(spots) > 2]
    lines = tuple(_line(pixels, distance, lone=len(paths) == 1) for _, pixels, _ in paths)
    return Graph(lines, np.array(junctions, np.float64).reshape(-1, 2)[:, ::-1])


Path = tuple[int, list[Pixel], int]
"""The node at which it starts, its pixels (row, column), and the node at which it ends."""


def _paths(skeleton: Mask) -> list[Path]:
    """The pixels between nodes. Pixels with other than two neighbours are nodes; those that touch are one node."""
    pixels = {(int(y), int(x)) for y, x in np.argwhere(skeleton)}
    near = {pixel: _near(pixel, pixels) for pixel in pixels}
    node_of: dict[Pixel, int] = {}
    for pixel in sorted(pixel for pixel in pixels if len(near[pixel]) != 2):
        if pixel not in node_of:
            _spread(pixel, len(node_of), near, node_of)
    paths, walked = [], set()
    for start, node in sorted(node_of.items()):
        for first in near[start]:
            if first not in node_of and (start, first) not in walked:
                path = _walk(start, first, near, node_of)
                walked.update({(start, first), (path[-1], path[-2])})
                paths.append((node, path, node_of[path[-1]]))
    rest = pixels - set(node_of) - {pixel for _, path, _ in paths for pixel in path}
    number = len(pixels)
    while rest:
        start = min(rest)
        path = _walk(start, near[start][0], near, {start: number})
        paths.append((number, path, number))
        rest -= set(path)
        number += 1
    return paths


def _spread(start: Pixel, node: int, near: dict[Pixel, list[Pixel]], node_of: dict[Pixel, int]) -> None:
    waiting = [start]
    while waiting:
        pixel = waiting.pop()
        if pixel not in node_of:
            node_of[pixel] = node
            waiting += [other for other in near[pixel] if len(near[other]) != 2]


def _walk(start: Pixel, first: Pixel, near: dict[Pixel, list[Pixel]], ends: dict[Pixel, int]) -> list[Pixel]:
    path = [start, first]
    while path[-1] not in ends:
        path.append(next(pixel for pixel in near[path[-1]] if pixel != path[-2]))
    return path


def _near(pixel: Pixel, pixels: set[Pixel]) -> list[Pixel]:
    """Neighbours on the skeleton; a diagonal one only where no straight one leads there."""
    y, x = pixel
    found = []
    for dy, dx in _NEIGHBOURS:
        neighbour = (y + dy, x + dx)
        stepped = dy and dx and ((y + dy, x) in pixels or (y, x + dx) in pixels)
        if neighbour in pixels and not stepped:
            found.append(neighbour)
    return found


def _ends(paths: list[Path]) -> dict[int, list[Pixel]]:
    """Of each node the ends of paths that meet there."""
    found: dict[int, list[Pixel]] = defaultdict(list)
    for start, path, end in paths:
        found[start].append(path[0])
        found[end].append(path[-1])
    return found


def _without_spurs(paths: list[Path], distance: Distances) -> list[Path]:
    meeting = _ends(paths)
    kept = []
    for start, path, end in paths:
        free = [len(meeting[node]) == 1 for node in (start, end)]
        widest = max(distance[path[0]], distance[path[-1]])
        if any(free) and not all(free) and len(path) <= 2 * widest + 2:
            continue
        kept.append((start, path, end))
    return kept or sorted(paths, key=lambda path: -len(path[1]))[:1]


def _merged(paths: list[Path]) -> list[Path]:
    """Paths joined where only two of them meet."""
    merged = list(paths)
    for node, spots in _ends(paths).items():
        touching = [path for path in merged if node in (path[0], path[2])]
        if len(spots) != 2 or len(touching) != 2:
            continue
        (a, before, b), (c, after, d) = touching
        if a == node:
            a, before = b, before[::-1]
        if d == node:
            after, d = after[::-1], c
        merged = [path for path in merged if path not in touching] + [(a, before + after, d)]
    return merged


def _line(path: list[Pixel], distance: Distances, *, lone: bool) -> Points:
    """A path as a smooth line, which takes the stairs out of it; a lone one reaches to the ends of the crack."""
    points = np.array(path, np.float64)[:, ::-1]
    half = min(_SMOOTHING, len(points) - 1) // 2
    if half:
        padded = np.concatenate([np.repeat(points[:1], half, 0), points, np.repeat(points[-1:], half, 0)])
        kernel = np.ones(2 * half + 1) / (2 * half + 1)
        smooth = np.stack([np.convolve(padded[:, axis], kernel, "valid") for axis in (0, 1)], axis=1)
        smooth[0], smooth[-1] = points[0], points[-1]
        points = smooth
    if lone and len(points) > 2 and path[0] != path[-1]:
        reach = min(len(points) - 1, 2 * _SMOOTHING)
        before = _to_the_edge(points[0], points[0] - points[reach], distance)
        after = _to_the_edge(points[-1], points[-1] - points[-1 - reach], distance)
        points = np.concatenate([[before], points, [after]])
    return points


def _to_the_edge(end: Points, direction: Points, distance: Distances) -> Points:
    """The last place inside the mask from an end of its skeleton on. Thinning shortens lines, diagonal ones most."""
    direction = direction / max(float(np.linalg.norm(direction)), 1e-9)
    most = 3 * float(distance[round(end[1]), round(end[0])]) + 2
    steps = end + np.arange(0, most, 0.25)[:, None] * direction
    x, y = np.clip(np.round(steps).astype(int), 0, np.array(distance.shape)[::-1] - 1).T
    outside = distance[y, x] == 0
    return np.asarray(steps[max(0, int(np.argmax(outside)) - 1) if outside.any() else -1])
