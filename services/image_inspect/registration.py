"""One photograph laid upon another: features, matches, a homography.

SIFT (Lowe 2004, https://doi.org/10.1023/B:VISI.0000029664.99615.94) with the ratio test, its descriptors compared by
their square roots (Arandjelovic & Zisserman 2012), the homography by MAGSAC++ (Barath et al. 2020, arXiv:1912.05909).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from services.image_inspect.engine import Photo
from services.image_inspect.skeleton import Points

SIDE_PX = 1024
_RATIO = 0.8
_WITHIN_PX = 3.0
MIN_INLIERS, MIN_SHARE = 15, 0.15
SIZES = (0.3, 3.0)
"""How many times larger one photograph may show the surface than the other."""


@dataclass(frozen=True)
class Features:
    """Places in pixels of the photograph, shape (n, 2), and descriptors, shape (n, 128): 136 bytes a feature."""

    places: npt.NDArray[np.float32]
    descriptors: npt.NDArray[np.uint8]
    height: int
    width: int

    @property
    def corners(self) -> Points:
        """The corners of the photograph, shape (4, 2)."""
        return np.array([[0, 0], [self.width, 0], [self.width, self.height], [0, self.height]], np.float64)


@dataclass(frozen=True)
class Registration:
    """A homography (3, 3) from the pixels of one photograph to those of another, how many features agree with it, and
    their median distance from where they should be. ``overlap`` is the share of the first photograph that the second
    shows, ``overlap_back`` that of the second that the first shows; ``size`` how many pixels one becomes at the centre.
    """

    matrix: npt.NDArray[np.float64]
    inliers: int
    error_px: float
    overlap: float
    overlap_back: float
    size: float


def features(photo: Photo, limit: int = 1_500) -> Features:
    """The strongest features of a photograph, found in a copy of at most 1024 pixels a side."""
    height, width = photo.shape[:2]
    shrink = min(1.0, SIDE_PX / max(height, width))
    small = cv2.resize(photo, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA) if shrink < 1 else photo
    grey = cv2.createCLAHE(clipLimit=3.0, tileGridSize=(8, 8)).apply(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY))
    found, descriptors = cv2.SIFT.create(nfeatures=limit, contrastThreshold=0.02).detectAndCompute(grey, None)
    if descriptors is None:
        return Features(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.uint8), height, width)
    places = (np.array([point.pt for point in found[:limit]], np.float32) + 0.5) / shrink - 0.5
    return Features(places.astype(np.float32), descriptors[:limit].astype(np.uint8), height, width)


def register(first: Features, second: Features) -> Registration | None:
    """How the first photograph lies upon the second; None where that cannot be told or is not plausible."""
    pairs = _matches(first, second)
    if len(pairs) < MIN_INLIERS:
        return None
    source, target = first.places[pairs[:, 0]], second.places[pairs[:, 1]]
    within = _WITHIN_PX * max(1.0, max(second.height, second.width) / SIDE_PX)
    fitted, mask = cv2.findHomography(source, target, cv2.USAC_MAGSAC, within, maxIters=5_000, confidence=0.999)
    if fitted is None:
        return None
    matrix = np.asarray(fitted, np.float64)
    agree = mask.ravel() > 0
    count = int(agree.sum())
    if count < max(MIN_INLIERS, MIN_SHARE * len(pairs)):
        return None
    corners = transform(first.corners, matrix)
    size = _size(matrix, first)
    if size is None or not SIZES[0] <= size <= SIZES[1] or not cv2.isContourConvex(corners.astype(np.float32)):
        return None
    shared, _ = cv2.intersectConvexConvex(corners.astype(np.float32), second.corners.astype(np.float32))
    error = float(np.median(np.linalg.norm(transform(source[agree], matrix) - target[agree], axis=1)))
    return Registration(
        matrix=matrix,
        inliers=count,
        error_px=error,
        overlap=min(1.0, shared / max(1.0, cv2.contourArea(corners.astype(np.float32)))),
        overlap_back=min(1.0, shared / (second.width * second.height)),
        size=size,
    )


def transform(points: npt.NDArray[Any], matrix: npt.NDArray[np.float64]) -> Points:
    """Points of shape (n, 2) through a homography."""
    found = cv2.perspectiveTransform(np.asarray(points, np.float64).reshape(-1, 1, 2), matrix)
    return np.asarray(found, np.float64).reshape(-1, 2)


def _matches(first: Features, second: Features) -> npt.NDArray[np.int64]:
    """Pairs of indices, shape (n, 2), each feature of the second photograph at most once."""
    if min(len(first.places), len(second.places)) < 2:
        return np.zeros((0, 2), np.int64)
    found = cv2.BFMatcher(cv2.NORM_L2).knnMatch(_roots(first.descriptors), _roots(second.descriptors), k=2)
    good = sorted((a.distance, a.queryIdx, a.trainIdx) for a, b in found if a.distance < _RATIO * b.distance)
    best: dict[int, int] = {}
    for _, query, train in good:
        best.setdefault(train, query)
    return np.array([(query, train) for train, query in best.items()], np.int64).reshape(-1, 2)


def _size(matrix: npt.NDArray[np.float64], first: Features) -> float | None:
    """How many pixels of the second photograph one of the first becomes at its centre; None where it is mirrored."""
    depth = float(matrix[2] @ [first.width / 2, first.height / 2, 1])
    area = float(np.linalg.det(matrix)) / depth**3 if abs(depth) > 1e-9 else 0.0
    return float(np.sqrt(area)) if area > 0 else None


def _roots(descriptors: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    sums = np.maximum(1, descriptors.sum(axis=1, keepdims=True, dtype=np.float32))
    return np.asarray(np.sqrt(descriptors / sums), np.float32)
