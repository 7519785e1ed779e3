"""What a camera wrote about a photograph: EXIF, and what drones add as XMP. Nothing of the picture is decoded."""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from PIL import ExifTags, Image

_MM_PER_UNIT = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}
"""Millimetres in a unit of FocalPlaneResolutionUnit: inch, centimetre, millimetre, micrometre."""
_XMP_NUMBER = rb'drone-dji:%s(?:=["\']|>)\s*([-+]?\d{1,6}(?:\.\d{1,9})?)\s*["\'<]'
_SIDES = {"N": 1, "S": -1, "E": 1, "W": -1}
_MOST_DISTANCE_M = 1_000.0
"""Beyond what an inspection is made from. Cameras write infinity as a SubjectDistance of 0xFFFFFFFF (Exif 2.3)."""


@dataclass(frozen=True)
class Position:
    """Where a camera stood, WGS 84, in degrees and metres; the heading is clockwise from true north, 0 to below 360,
    the pitch -90 straight down.
    """

    latitude: float
    longitude: float
    altitude_m: float | None = None
    heading_degrees: float | None = None
    pitch_degrees: float | None = None


@dataclass(frozen=True)
class Metadata:
    """None where it was not written, or is not a number that makes sense. ``pixels_per_mm`` is that of the sensor in
    the file's own ``width_px``; the pitch of the camera is -90 degrees where it looks straight down.
    """

    width_px: int
    height_px: int
    focal_length_mm: float | None = None
    focal_length_35mm: float | None = None
    pixels_per_mm: float | None = None
    subject_distance_m: float | None = None
    relative_altitude_m: float | None = None
    pitch_degrees: float | None = None
    position: Position | None = field(default=None, repr=False)


def read(data: bytes) -> Metadata:
    """What is written in a JPEG, PNG, TIFF or WebP file whose header is right."""
    with warnings.catch_warnings():
        # Pillow warns of large images, which are not decoded here, and of EXIF that is cut, which counts as none.
        warnings.simplefilter("ignore")
        with Image.open(io.BytesIO(data)) as image:
            width, height = image.size
            try:
                exif = image.getexif()
                camera, gps = exif.get_ifd(ExifTags.IFD.Exif), exif.get_ifd(ExifTags.IFD.GPSInfo)
            except Exception:  # noqa: BLE001 - whatever Pillow says of broken EXIF, the picture is good
                camera, gps = {}, {}
            xmp = image.info.get("xmp", b"")
    drone = xmp if isinstance(xmp, bytes) else xmp.encode() if isinstance(xmp, str) else b""
    distance = _positive(camera.get(ExifTags.Base.SubjectDistance))
    return Metadata(
        width_px=width,
        height_px=height,
        focal_length_mm=_positive(camera.get(ExifTags.Base.FocalLength)),
        focal_length_35mm=_positive(camera.get(ExifTags.Base.FocalLengthIn35mmFilm)),
        pixels_per_mm=_pixels_per_mm(camera, width, height),
        subject_distance_m=distance if distance is not None and distance <= _MOST_DISTANCE_M else None,
        relative_altitude_m=_positive(_xmp(drone, b"RelativeAltitude")),
        pitch_degrees=_xmp(drone, b"GimbalPitchDegree"),
        position=_position(gps, _xmp(drone, b"GimbalYawDegree"), _xmp(drone, b"GimbalPitchDegree")),
    )


def _pixels_per_mm(camera: Mapping[int, Any], width: int, height: int) -> float | None:
    """Of a file that was resized, as many as it has left; it may have been turned too."""
    density = _positive(camera.get(ExifTags.Base.FocalPlaneXResolution))
    unit = _MM_PER_UNIT.get(camera.get(ExifTags.Base.FocalPlaneResolutionUnit, 2))
    if density is None or unit is None:
        return None
    original = _positive(camera.get(ExifTags.Base.ExifImageWidth))
    if original is None:
        return density / unit
    original_height = _positive(camera.get(ExifTags.Base.ExifImageHeight))
    if original_height is None:
        return density / unit * width / original
    return density / unit * max(width, height) / max(original, original_height)


def _position(gps: Mapping[int, Any], yaw: float | None, pitch: float | None) -> Position | None:
    latitude = _degrees(gps.get(ExifTags.GPS.GPSLatitude), gps.get(ExifTags.GPS.GPSLatitudeRef), "NS", 90)
    longitude = _degrees(gps.get(ExifTags.GPS.GPSLongitude), gps.get(ExifTags.GPS.GPSLongitudeRef), "EW", 180)
    if latitude is None or longitude is None:
        return None
    altitude = _number(gps.get(ExifTags.GPS.GPSAltitude))
    if altitude is not None and gps.get(ExifTags.GPS.GPSAltitudeRef) in (1, b"\x01"):
        altitude = -altitude
    heading = _number(gps.get(ExifTags.GPS.GPSImgDirection))
    if heading is None or gps.get(ExifTags.GPS.GPSImgDirectionRef, "T") != "T":
        heading = yaw
    return Position(latitude, longitude, altitude, None if heading is None else heading % 360, pitch)


def _degrees(parts: Any, side: Any, sides: str, most: float) -> float | None:
    side = str(side).strip("\0 ").upper()
    if not isinstance(parts, tuple) or len(parts) != 3 or side not in tuple(sides):
        return None
    numbers = [_number(part) for part in parts]
    if any(number is None or number < 0 for number in numbers):
        return None
    value = float(sum((number or 0.0) / 60**n for n, number in enumerate(numbers)))
    if value > most:
        return None
    return value * _SIDES[side]


def _xmp(packet: bytes, name: bytes) -> float | None:
    found = re.search(_XMP_NUMBER % name, packet)
    return float(found[1]) if found else None


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if math.isfinite(number) else None


def _positive(value: Any) -> float | None:
    number = _number(value)
    return number if number is not None and number > 0 else None
