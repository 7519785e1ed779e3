"""How large the pixels of a photograph are on the surface, and how sure that is.

The ground sampling distance is the distance from camera to surface times the size of a pixel of the sensor over the
focal length, for a surface square to the camera. Uncertainties are standard ones, as shares, and add as squares (JCGM
100:2008).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np
import numpy.typing as npt

from services.image_inspect.engine import Photo
from services.image_inspect.metadata import Metadata

GIVEN, CALLERS_DISTANCE, CAMERAS_DISTANCE = 0.02, 0.02, 0.10
"""Uncertainty of a ground sampling distance of the request that says none, and of distances."""
ALTITUDE, ALTITUDE_M = 0.05, 0.5
"""Uncertainty of a drone's height above its start, as a share and at least, in metres."""
FOCAL_LENGTH, FOCAL_LENGTH_35MM = 0.02, 0.04
"""Uncertainty of a focal length, and of one that was converted to 35 mm film and rounded."""
CORNER_PX, LEAST_MARKER = 0.5, 0.01
"""Uncertainty of a marker's corner, and the least that a marker is believed."""
WIDTH_PX = 0.25
"""Uncertainty of a width."""
LEAST_MM, MOST_MM = 0.001, 1_000.0
"""What a request may say; what a camera wrote makes no sense beyond it."""
DOWN_DEGREES, WITHIN_DEGREES = -90.0, 15.0
_FILM_DIAGONAL_MM = 43.267
_SEARCH_PX = 2_000
_DICTIONARY = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50)


class ScaleSource(StrEnum):
    """Where a scale came from."""

    REQUEST = "REQUEST"
    MARKER = "MARKER"
    EXIF = "EXIF"


@dataclass(frozen=True)
class Scale:
    """Millimetres on the surface a pixel, and the standard uncertainty as a share of it."""

    mm_per_px: float
    relative_uncertainty: float
    source: ScaleSource


def width_mm(width_px: float, scale: Scale) -> tuple[float, float]:
    """A width and its standard uncertainty, in millimetres."""
    width = width_px * scale.mm_per_px
    return width, math.hypot(width * scale.relative_uncertainty, WIDTH_PX * scale.mm_per_px)


def from_request(mm_per_px: float, relative_uncertainty: float | None) -> Scale:
    """As the caller says."""
    return Scale(mm_per_px, GIVEN if relative_uncertainty is None else relative_uncertainty, ScaleSource.REQUEST)


def from_exif(said: Metadata, distance_m: float | None) -> Scale | None:
    """By the focal length and a distance: the caller's, else the camera's, else the height of a drone that looks down.

    None where one of them is not known, or they make no sense together.
    """
    lens, distance = _pixels_per_focal_length(said), _distance(said, distance_m)
    if lens is None or distance is None:
        return None
    mm_per_px = distance[0] * 1_000 / lens[0]
    if not LEAST_MM <= mm_per_px <= MOST_MM:
        return None
    return Scale(mm_per_px, math.hypot(lens[1], distance[1]), ScaleSource.EXIF)


def _pixels_per_focal_length(said: Metadata) -> tuple[float, float] | None:
    if said.focal_length_mm is not None and said.pixels_per_mm is not None:
        return said.focal_length_mm * said.pixels_per_mm, FOCAL_LENGTH
    if said.focal_length_35mm is not None:
        diagonal = math.hypot(said.width_px, said.height_px)
        return said.focal_length_35mm * diagonal / _FILM_DIAGONAL_MM, FOCAL_LENGTH_35MM
    return None


def _distance(said: Metadata, distance_m: float | None) -> tuple[float, float] | None:
    if distance_m is not None:
        return distance_m, CALLERS_DISTANCE
    if said.subject_distance_m is not None:
        return said.subject_distance_m, CAMERAS_DISTANCE
    altitude, pitch = said.relative_altitude_m, said.pitch_degrees
    if altitude is None or pitch is None or abs(pitch - DOWN_DEGREES) > WITHIN_DEGREES:
        return None
    return altitude, max(ALTITUDE, ALTITUDE_M / altitude)


def from_marker(photo: Photo, size_mm: float) -> Scale | None:
    """By square ArUco markers of the dictionary 4x4_50 with sides of ``size_mm`` (Garrido-Jurado et al. 2014,
    https://doi.org/10.1016/j.patcog.2014.01.005). None where there is none.

    They are looked for in a smaller copy of a large photograph, and their corners then placed in the photograph. How
    slanted they are seen is the spread of sides and diagonals: a square turned about a diagonal keeps equal sides.
    """
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
    shrink = max(1.0, max(grey.shape) / _SEARCH_PX)
    small = cv2.resize(grey, None, fx=1 / shrink, fy=1 / shrink, interpolation=cv2.INTER_AREA) if shrink > 1 else grey
    parameters = cv2.aruco.DetectorParameters()
    parameters.cornerRefinementMethod = cv2.aruco.CORNER_REFINE_SUBPIX
    found, _, _ = cv2.aruco.ArucoDetector(_DICTIONARY, parameters).detectMarkers(small)
    if not found:
        return None
    corners = np.concatenate([each.reshape(1, 4, 2) for each in found]).astype(np.float32)
    corners = (corners + 0.5) * shrink - 0.5
    if shrink > 1:
        reach = max(3, round(2 * shrink))
        until = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 50, 0.01)
        refined = cv2.cornerSubPix(grey, corners.reshape(-1, 1, 2), (reach, reach), (-1, -1), until)
        corners = np.asarray(refined, np.float32).reshape(-1, 4, 2)
    sides = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2)
    diagonals = np.linalg.norm(corners[:, :2] - corners[:, 2:], axis=2) / math.sqrt(2)
    mean = float(sides.mean())
    spread = max(float(sides.std()), float(diagonals.std()))
    uncertainty = math.hypot(spread / mean, CORNER_PX * math.sqrt(2) / mean)
    return Scale(size_mm / mean, max(LEAST_MARKER, uncertainty), ScaleSource.MARKER)


def marker(number: int, side_px: int) -> npt.NDArray[np.uint8]:
    """A marker to print, black on white with a quiet zone of a quarter of its side; ``number`` is 0 to 49."""
    image = cv2.aruco.generateImageMarker(_DICTIONARY, number, side_px)
    return np.pad(np.asarray(image, np.uint8), side_px // 4, constant_values=255)
