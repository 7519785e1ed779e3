"""What a photograph says about itself: where it was taken, and a small preview of it."""

from __future__ import annotations

import base64
import io
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from PIL import ExifTags, Image, ImageOps


@dataclass(frozen=True)
class Position:
    """WGS 84. ``altitude_m`` is above sea level; None where it is not given."""

    latitude: float
    longitude: float
    altitude_m: float | None


def position(image: bytes) -> Position | None:
    """The GPS position in a photograph's EXIF data; None where there is none or it makes no sense."""
    try:
        with Image.open(io.BytesIO(image)) as opened:
            gps: Mapping[int, Any] = opened.getexif().get_ifd(ExifTags.IFD.GPSInfo)
        tags = ExifTags.GPS
        latitude = _degrees(gps[tags.GPSLatitude], negative=gps[tags.GPSLatitudeRef] == "S")
        longitude = _degrees(gps[tags.GPSLongitude], negative=gps[tags.GPSLongitudeRef] == "W")
        altitude = float(gps[tags.GPSAltitude]) if tags.GPSAltitude in gps else None
        below_sea = gps.get(tags.GPSAltitudeRef) in (1, b"\x01")
    except (KeyError, TypeError, ValueError, ZeroDivisionError, OSError, SyntaxError):
        return None
    if not (math.isfinite(latitude) and math.isfinite(longitude)) or abs(latitude) > 90 or abs(longitude) > 180:
        return None
    if altitude is not None:
        altitude = (-altitude if below_sea else altitude) if math.isfinite(altitude) else None
    return Position(round(latitude, 8), round(longitude, 8), altitude)


def preview(image: bytes, *, side_px: int, max_bytes: int) -> str:
    """The photograph, upright and no larger than ``side_px`` on a side, as the data URI of a WebP image.

    It is made smaller until it takes at most ``max_bytes``, down to a side of about 160 pixels. Raises OSError where
    it cannot be read.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the service has checked its size
        with Image.open(io.BytesIO(image)) as opened:
            opened.draft("RGB", (side_px, side_px))
            upright = ImageOps.exif_transpose(opened).convert("RGB")
    while True:
        upright.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
        encoded = io.BytesIO()
        upright.save(encoded, "WEBP", quality=74, method=4)
        if encoded.tell() <= max_bytes or side_px <= 160:
            return f"data:image/webp;base64,{base64.b64encode(encoded.getvalue()).decode()}"
        side_px = side_px * 4 // 5


def _degrees(parts: Any, *, negative: bool) -> float:
    degrees, minutes, seconds = (float(part) for part in parts)
    value = degrees + minutes / 60 + seconds / 3600
    return -value if negative else value
