"""Where photographs were taken and, as seen from straight above, where on the ground their cracks lie."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

Ground = tuple[float, float]
"""Longitude and latitude in degrees, WGS 84."""

MAX_TILT_DEGREES = 15.0
"""A camera that is known to look further away from straight down shows no plan of the ground."""
_VIEW = 1_000.0
_MARGIN = 60.0


@dataclass(frozen=True)
class Plan:
    """How a photograph lies on the ground: its centre, millimetres a pixel, and where its top points."""

    latitude: float
    longitude: float
    mm_per_px: float
    heading_degrees: float
    width_px: int
    height_px: int

    def ground(self, x_px: float, y_px: float) -> Ground:
        """Where a pixel lies. Degrees have the length of the ellipsoid's arcs there (Snyder 1987, USGS PP 1395)."""
        right = (x_px - (self.width_px - 1) / 2) * self.mm_per_px / 1_000
        up = ((self.height_px - 1) / 2 - y_px) * self.mm_per_px / 1_000
        turned = math.radians(self.heading_degrees)
        east = right * math.cos(turned) + up * math.sin(turned)
        north = up * math.cos(turned) - right * math.sin(turned)
        lon_m, lat_m = degree_m(self.latitude)
        return round(self.longitude + east / lon_m, 9), round(self.latitude + north / lat_m, 9)


def degree_m(latitude: float) -> tuple[float, float]:
    """Metres in a degree of longitude and in one of latitude."""
    phi = math.radians(latitude)
    lat = 111_132.92 - 559.82 * math.cos(2 * phi) + 1.175 * math.cos(4 * phi)
    lon = 111_412.84 * math.cos(phi) - 93.5 * math.cos(3 * phi)
    return max(lon, 1e-6), lat


def plan(answer: Any) -> Plan | None:
    """How the photograph of an InspectResponse lies on the ground.

    None without a position, a heading or a scale, and where the camera is known not to have looked down.
    """
    place = answer.position
    if not answer.HasField("position") or not answer.HasField("ground_sampling_distance_mm"):
        return None
    if not place.HasField("heading_degrees"):
        return None
    if place.HasField("pitch_degrees") and abs(place.pitch_degrees + 90) > MAX_TILT_DEGREES:
        return None
    return Plan(
        place.latitude_degrees,
        place.longitude_degrees,
        answer.ground_sampling_distance_mm,
        place.heading_degrees,
        answer.width_px,
        answer.height_px,
    )


def geometry(answer: Any, crack: Any) -> dict[str, Any] | None:
    """A GeoJSON geometry (RFC 7946): the lines of a crack on the ground, else the camera's position, else None."""
    lies = plan(answer)
    if lies is not None:
        lines = [[lies.ground(point.x_px, point.y_px) for point in branch.points] for branch in crack.branches]
        return {"type": "MultiLineString", "coordinates": lines}
    if not answer.HasField("position"):
        return None
    place = answer.position
    altitude = [place.altitude_m] if place.HasField("altitude_m") else []
    return {"type": "Point", "coordinates": [place.longitude_degrees, place.latitude_degrees, *altitude]}


def drawn_map(photos: Iterable[tuple[int, str, Any]]) -> dict[str, Any] | None:
    """A map to draw, of photographs given as their number, name and answer: dots, outlines and cracks in units of a
    view box, a scale bar. None where no photograph has a position.
    """
    known = [(number, name, answer) for number, name, answer in photos if answer.HasField("position")]
    if not known:
        return None
    places = [(answer.position.longitude_degrees, answer.position.latitude_degrees) for _, _, answer in known]
    plans = [plan(answer) for _, _, answer in known]
    corners = [_corners(lies) if lies else [place] for lies, place in zip(plans, places, strict=True)]
    every = [point for points in corners for point in points]
    lon_m, lat_m = degree_m(places[0][1])
    west, north = min(lon for lon, _ in every), max(lat for _, lat in every)
    wide = max((max(lon for lon, _ in every) - west) * lon_m, 1.0)
    tall = max((north - min(lat for _, lat in every)) * lat_m, 1.0)
    scale = (_VIEW - 2 * _MARGIN) / max(wide, 1.6 * tall)

    def view(point: Ground) -> str:
        return f"{_MARGIN + (point[0] - west) * lon_m * scale:.1f},{_MARGIN + (north - point[1]) * lat_m * scale:.1f}"

    marks = []
    for (number, name, answer), place, lies, outline in zip(known, places, plans, corners, strict=True):
        x, y = view(place).split(",")
        marks.append(
            {
                "number": number,
                "name": name,
                "x": x,
                "y": y,
                "count": len(answer.cracks),
                "outline": " ".join(map(view, outline)) if lies else "",
                "cracks": [_lines(lies, crack, view) for crack in answer.cracks] if lies else [],
                "severities": [crack.severity for crack in answer.cracks],
            }
        )
    metres = _round_number(0.25 * _VIEW / scale)
    return {
        "width": _VIEW,
        "height": round(2 * _MARGIN + tall * scale + 30, 1),
        "marks": marks,
        "bar_m": f"{metres:g}",
        "bar": round(metres * scale, 1),
    }


def _corners(lies: Plan) -> Sequence[Ground]:
    right, bottom = lies.width_px - 1, lies.height_px - 1
    return [lies.ground(x, y) for x, y in ((0, 0), (right, 0), (right, bottom), (0, bottom))]


def _lines(lies: Plan, crack: Any, view: Any) -> list[str]:
    return [
        " ".join(view(lies.ground(point.x_px, point.y_px)) for point in branch.points[:: -(-len(branch.points) // 60)])
        for branch in crack.branches
    ]


def _round_number(most: float) -> float:
    """The largest of 1, 2 or 5 times a power of ten that is not above ``most``."""
    power = 10.0 ** math.floor(math.log10(most))
    return next(factor * power for factor in (5, 2, 1) if factor * power <= most)
