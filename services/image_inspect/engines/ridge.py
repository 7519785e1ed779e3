"""Cracks as dark ridges: the classical engine, without a trained model.

The largest eigenvalue of the Hessian at several scales (Sato et al. 1998, https://doi.org/10.1016/S1361-8415(98)80009-1;
scale normalization after Lindeberg 1998) answers to dark lines. Hysteresis joins their parts; then each is tested for
what a joint, a shadow edge, a pore or a stain is and a crack is not.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import numpy.typing as npt
from skimage.filters import apply_hysteresis_threshold
from skimage.morphology import skeletonize

from buhin.engine import LoadedModel, Stop
from services.image_inspect.engine import Detection, Mask, Photo, Scores

TILE_PX, OVERLAP_PX = 1024, 96
SIGMAS = (1.2, 2.0, 3.2, 5.0)
"""Scales in pixels: lines from about 2 to 16 pixels wide."""
LOW, HIGH = 3.0, 5.0
"""Thresholds of the response, in multiples of its own noise."""
MIN_CONTRAST = 10.0
"""A crack is so much darker than both its sides, in grey levels of 255."""
LEAST_CONFIDENCE = 0.4
"""Of a pixel that is less dark than that and in a crack all the same."""
MIN_LENGTH_PX = 30
MIN_ELONGATION = 6.0
"""A crack is so many times as long as wide."""
CONTRAST_PER_PX, MAX_LEAST_CONTRAST = 4.0, 60.0
"""A wide line must be darker: so many grey levels a pixel of its width, at most so many."""
STRAIGHT_RATIO, STRAIGHT_LENGTH_PX = 0.007, 90
"""A line of this length that leaves a straight one by less than this share of its length is no crack."""
RULED_LENGTH, RULED_GAP, RULED_SHARE = 0.4, 0.06, 0.6
"""A straight line so long, with such gaps, in sides of the photograph, and seen over such a share of its length."""

Grey = npt.NDArray[np.float32]


class RidgeEngine:
    """An InspectEngine by filters."""

    name = "ridge"
    version = importlib.metadata.version("scikit-image")
    models: Sequence[LoadedModel] = ()

    def warm_up(self) -> None:
        """Find a drawn crack."""
        photo = np.full((128, 128, 3), 170, np.uint8)
        cv2.polylines(photo, [np.array([(10, 20), (50, 44), (70, 80), (118, 108)], np.int32)], False, (60, 60, 60), 4)
        if not self.detect(photo, Stop()).mask.any():
            raise RuntimeError("the ridge filter does not find a drawn crack")

    def close(self) -> None:
        """Nothing to free."""

    def detect(self, photo: Photo, stop: Stop) -> Detection:
        """Filter tile by tile, so that the working memory does not grow with the photograph; then test the parts."""
        grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
        candidates = np.zeros(grey.shape, bool)
        contrast = np.zeros(grey.shape, np.uint8)
        for outer, inner, place in _tiles(*grey.shape):
            stop.check()
            found, dark = _candidates(grey[outer].astype(np.float32))
            candidates[place] = found[inner]
            contrast[place] = np.clip(dark[inner], 0, 255)
        stop.check()
        mask = _cracks(candidates, contrast)
        return Detection(mask, np.where(mask, _confidence(contrast), 0).astype(np.uint8), 255 * LEAST_CONFIDENCE)


def _tiles(height: int, width: int) -> Iterator[tuple[tuple[slice, slice], tuple[slice, slice], tuple[slice, slice]]]:
    """For each tile: what is read of the photograph, what of that is kept, and where it belongs."""
    for top in range(0, height, TILE_PX):
        for left in range(0, width, TILE_PX):
            y0, x0 = max(0, top - OVERLAP_PX), max(0, left - OVERLAP_PX)
            y1, x1 = min(height, top + TILE_PX + OVERLAP_PX), min(width, left + TILE_PX + OVERLAP_PX)
            bottom, right = min(height, top + TILE_PX), min(width, left + TILE_PX)
            inner = slice(top - y0, bottom - y0), slice(left - x0, right - x0)
            yield (slice(y0, y1), slice(x0, x1)), inner, (slice(top, bottom), slice(left, right))


def _candidates(grey: Grey) -> tuple[Mask, Grey]:
    """Where a dark line is, and how much darker than its surroundings every pixel is."""
    size = 2 * int(4 * SIGMAS[-1]) + 1
    background = cv2.GaussianBlur(
        cv2.morphologyEx(cv2.GaussianBlur(grey, (0, 0), 1), cv2.MORPH_CLOSE, np.ones((size, size), np.uint8)), (0, 0), 4
    )
    response = np.max([_ridge(grey, sigma) for sigma in SIGMAS], axis=0)
    noise = 1.4826 * float(np.median(np.abs(response))) + 1e-3
    lines = apply_hysteresis_threshold(response, LOW * noise, HIGH * noise)
    dark = background - grey
    # The filter answers beyond the line, whose width is taken at half its darkness (full width at half maximum).
    middle = cv2.dilate(np.where(lines, dark, 0).astype(np.float32), np.ones((9, 9), np.uint8))
    near = cv2.dilate(lines.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    return near & (dark > np.maximum(0.5 * middle, 0.5 * MIN_CONTRAST)), dark


def _ridge(grey: Grey, sigma: float) -> Grey:
    """The largest eigenvalue of the Hessian where it is positive, times the square of the scale."""
    smooth = cv2.GaussianBlur(grey, (0, 0), sigma)
    dy, dx = np.gradient(smooth)
    dyy, dyx = np.gradient(dy)
    dxx = np.gradient(dx, axis=1)
    largest = (dxx + dyy) / 2 + np.sqrt(((dxx - dyy) / 2) ** 2 + dyx**2)
    return np.asarray(np.maximum(largest, 0) * sigma**2, np.float32)


def _cracks(candidates: Mask, contrast: npt.NDArray[np.uint8]) -> Mask:
    """The candidates that are long, thin, dark for their width and not drawn with a ruler."""
    candidates = candidates & ~_ruled(candidates)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(candidates.astype(np.uint8), connectivity=8)
    mask = np.zeros(candidates.shape, bool)
    for label in range(1, count):
        x, y, width, height, area = (int(value) for value in stats[label])
        if max(width, height) < MIN_LENGTH_PX * 0.7:
            continue
        box = slice(y, y + height), slice(x, x + width)
        part = labels[box] == label
        line: Mask = skeletonize(np.pad(part, 1))[1:-1, 1:-1]
        length = int(line.sum())
        if length < MIN_LENGTH_PX or length**2 < MIN_ELONGATION * area:
            continue
        least = np.clip(CONTRAST_PER_PX * area / length, MIN_CONTRAST, MAX_LEAST_CONTRAST)
        if float(np.median(contrast[box][line])) >= least and not _is_straight(line):
            mask[box] |= part
    return mask


def _ruled(candidates: Mask) -> Mask:
    """Where lines are that run straight over much of the photograph: joints, board marks, cables, edges of shadows.

    Found by the probabilistic Hough transform (Matas et al. 2000, https://doi.org/10.1006/cviu.1999.0831), and as wide
    as the candidate is along it.
    """
    ruled = np.zeros(candidates.shape, np.uint8)
    line = skeletonize(candidates).astype(np.uint8)
    distance = cv2.distanceTransform(candidates.astype(np.uint8), cv2.DIST_L2, 3)
    side = max(candidates.shape)
    found = cv2.HoughLinesP(line, 1, np.pi / 360, 80, minLineLength=RULED_LENGTH * side, maxLineGap=RULED_GAP * side)
    for x0, y0, x1, y1 in found.reshape(-1, 4) if found is not None else ():
        track = np.zeros(candidates.shape, np.uint8)
        cv2.line(track, (int(x0), int(y0)), (int(x1), int(y1)), 1, 3)
        on_line = (line > 0) & (track > 0)
        if on_line.sum() < RULED_SHARE * np.hypot(x1 - x0, y1 - y0):
            continue
        thickness = int(2 * float(np.percentile(distance[on_line], 75)) + 7)
        cv2.line(ruled, (int(x0), int(y0)), (int(x1), int(y1)), 1, thickness)
    return ruled > 0


def _is_straight(line: Mask) -> bool:
    """Whether a line is too straight for a crack of its length; cracks wander."""
    points = np.argwhere(line).astype(np.float64)
    centred = points - points.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    along, across = centred @ axes[0], np.abs(centred @ axes[1])
    length = float(np.ptp(along))
    return length > STRAIGHT_LENGTH_PX and float(np.percentile(across, 90)) < STRAIGHT_RATIO * length


def _confidence(contrast: npt.NDArray[np.uint8]) -> Scores:
    """Half of 255 at the least contrast, 255 at six times as much."""
    steps = (np.arange(256) / MIN_CONTRAST - 1) / 10
    table = np.clip(255 * np.maximum(LEAST_CONFIDENCE, 0.5 + steps), 0, 255).astype(np.uint8)
    return np.asarray(table[contrast], np.uint8)
