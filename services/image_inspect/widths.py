"""The width of a crack along its centre line, below a pixel, from profiles across it.

Across each point of the line the width is that between the places where the darkness has fallen to half of what it is
inside (full width at half maximum), each side against its own surroundings. Where the photograph shows too little
contrast it is that between the places where the network's probability crosses its threshold, and without either twice
the distance to the edge. On profiles along the normal of the centre line see Yang et al. 2018
(https://doi.org/10.1111/mice.12412), on lines and their edges below a pixel Steger 1998
(https://doi.org/10.1109/34.659930).
"""

from __future__ import annotations

from collections.abc import Callable
from math import erf, sqrt
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from services.image_inspect.skeleton import Distances, Points

Values = npt.NDArray[np.float64]
Profiles = npt.NDArray[np.float32]
"""Values across a line, shape (points, samples)."""

_STEP_PX = 0.25
_BEYOND_PX = 6.0
"""Profiles reach so far beyond the edge."""
_ALONG = 5
"""So many neighbouring profiles are averaged."""
_MIN_CONTRAST = 8.0
"""In grey levels of 255."""
_LONGEST, _SAMPLES = 4_096, 250_000
"""At most so many profiles, and so many samples, are looked at together."""
_WIDE_PX = 4.0
"""From this width on a crack is as dark as the median of its middle, below as its darkest place."""
_SPREAD_PX = 0.8
"""Deviation of the blur of lens, sensor and sampling, which makes narrow cracks look wider than they are."""


def _half_maximum(width: float) -> float:
    """The full width at half maximum of a line of such a width after the blur, by bisection."""

    def depth(place: float) -> float:
        return erf((place + width / 2) / (_SPREAD_PX * sqrt(2))) - erf((place - width / 2) / (_SPREAD_PX * sqrt(2)))

    low, high = 0.0, width + 4
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if depth(middle) > depth(0) / 2 else (low, middle)
    return 2 * low


_TRUE_PX = np.arange(0.25, 6.25, 0.25)
_SEEN_PX = np.array([_half_maximum(width) for width in _TRUE_PX])


def normals(line: Points, half: float) -> Points:
    """The unit normal at each point of a line, of its course over about the width of the crack."""
    reach = max(4, round(half))
    padded = np.concatenate([np.repeat(line[:1], reach, 0), line, np.repeat(line[-1:], reach, 0)])
    tangent = padded[2 * reach :] - padded[: -2 * reach]
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9)
    return np.stack([-tangent[:, 1], tangent[:, 0]], axis=1)


def half_widths(line: Points, distance: Distances) -> Values:
    """Half the width of the mask at each point: the distance from the nearest pixel outside, less half a pixel on
    average."""
    x, y = np.clip(np.round(line).astype(int), 0, np.array(distance.shape)[::-1] - 1).T
    return np.asarray(np.maximum(0.5, distance[y, x] - 0.25), np.float64)


def from_scores(scores: npt.NDArray[np.uint8], threshold: float, line: Points, half: Values) -> Values:
    """Between the places where the score falls below ``threshold`` (0 to 255), in pixels; NaN where it does not."""

    def between(offsets: Values, values: Profiles, half: Values) -> Values:
        return _between(offsets, values - np.float32(threshold), np.zeros((len(half), 1)))

    return _along(scores, line, half, 3.0, between)


def from_photo(grey: npt.NDArray[np.uint8], line: Points, half: Values) -> Values:
    """Between the places where a dark or a light line has fallen to half its contrast, in pixels.

    NaN where the contrast is below _MIN_CONTRAST or the surroundings are not reached.
    """
    return _along(grey, line, half, _BEYOND_PX, _at_half_contrast)


def _along(
    image: npt.NDArray[Any],
    line: Points,
    half: Values,
    beyond: float,
    measure: Callable[[Values, Profiles, Values], Values],
) -> Values:
    """The widths that ``measure`` finds of profiles across a line, in parts of bounded size.

    It is given where the samples lie along the normal in pixels, the values of the image of one channel there, and half
    the width of the mask.
    """
    normal = normals(line, float(np.median(half)))
    reach = 1.5 * float(half.max()) + beyond
    offsets = np.arange(-reach, reach + _STEP_PX / 2, _STEP_PX)
    count = max(32, min(_LONGEST, _SAMPLES // len(offsets)))
    found = []
    for first in range(0, len(line), count):
        before = min(first, _ALONG)
        part = slice(first - before, first + count + _ALONG)
        at = (line[part, None] + offsets[None, :, None] * normal[part, None]).astype(np.float32)
        values = cv2.remap(image, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        smooth = cv2.blur(values.astype(np.float32), (1, _ALONG), borderType=cv2.BORDER_REPLICATE)
        widths = measure(offsets, np.asarray(smooth, np.float32), half[part])
        found.append(widths[before : before + count])
    return np.concatenate(found)


def _at_half_contrast(offsets: Values, values: Profiles, half: Values) -> Values:
    away = np.abs(offsets)[None] - half[:, None]
    left, right = (
        _median_where(values, (away > 1.5) & (away < _BEYOND_PX) & side) for side in (offsets < 0, offsets > 0)
    )
    inside = _median_where(values, np.abs(offsets)[None] <= np.maximum(0.5, 0.4 * half)[:, None])
    sign = 1.0 if np.nanmedian((left + right) / 2 - inside) >= 0 else -1.0
    near = np.abs(offsets)[None] <= half[:, None] + 1
    centre = offsets[np.argmax(np.where(near, -sign * values, -np.inf), axis=1)][:, None]
    core = np.min(np.where(near, sign * values, np.inf), axis=1) * sign
    outside = np.where(offsets[None] < centre, left[:, None], right[:, None])
    for _ in range(2):
        seen = _between(offsets, sign * ((outside + core[:, None]) / 2 - values), centre)
        wide = np.where(seen > _WIDE_PX, seen, 0)
        middle = np.abs(offsets[None] - centre) <= 0.25 * wide[:, None]
        core = np.where(wide > 0, _median_where(values, middle), core)
    narrow = np.interp(seen, _SEEN_PX, _TRUE_PX)
    widths = np.where(seen < _SEEN_PX[-1], narrow, seen)
    contrast = np.minimum(sign * left, sign * right) - sign * core
    return np.where((contrast >= _MIN_CONTRAST) & (widths <= 2 * half + 4), widths, np.nan)


def _between(offsets: Values, inside: npt.NDArray[Any], centre: npt.NDArray[Any]) -> Values:
    """The distance between the first places on both sides of ``centre`` where ``inside`` becomes negative."""
    total = np.zeros(len(inside))
    for direction in (1, -1):
        order = offsets[::direction]
        values = inside[:, ::direction]
        beyond = direction * (order[None] - centre) > 0
        below = beyond & (values < 0)
        first = np.argmax(below, axis=1)
        found = below.any(axis=1) & (first > 0)
        rows = np.arange(len(values))
        after, before = values[rows, first], values[rows, np.maximum(first - 1, 0)]
        share = np.clip(before / np.where(before - after > 1e-6, before - after, 1), 0, 1)
        place = order[np.maximum(first - 1, 0)] + direction * _STEP_PX * share
        total += np.where(found, direction * (place - centre[:, 0]), np.nan)
    return total


def _median_where(values: Profiles, chosen: npt.NDArray[np.bool_]) -> Values:
    """The median of the chosen samples of each profile; NaN where none is."""
    ordered = np.sort(np.where(chosen, values, np.nan), axis=1)  # NaN comes last
    number = chosen.sum(axis=1)
    rows = np.arange(len(ordered))
    middle = ordered[rows, np.maximum(number - 1, 0) // 2] + ordered[rows, number // 2]
    return np.asarray(middle / 2, np.float64)
