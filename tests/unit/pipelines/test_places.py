"""Where cracks lie on the ground, and the map that is drawn of a survey."""

from __future__ import annotations

from typing import Any

import pytest

from buhin.image_inspect.v1 import image_inspect_pb2
from buhin.pipelines.writers.places import degree_m, drawn_map, geometry, plan


def answer(
    *, gsd: float | None = 10.0, heading: float | None = 0.0, pitch: float | None = None, lat: float = 35.0
) -> Any:
    """A photograph of 1001x501 pixels with one crack from its centre to the right, and one upwards."""
    found = image_inspect_pb2.InspectResponse(width_px=1001, height_px=501, ground_sampling_distance_mm=gsd)
    found.position.latitude_degrees, found.position.longitude_degrees, found.position.altitude_m = lat, 139.0, 12.0
    if heading is not None:
        found.position.heading_degrees = heading
    if pitch is not None:
        found.position.pitch_degrees = pitch
    for x, y in ((600, 250), (500, 150)):
        points = found.cracks.add(severity=image_inspect_pb2.SEVERITY_WIDE).branches.add().points
        points.add(x_px=500, y_px=250)
        points.add(x_px=x, y_px=y)
    return found


@pytest.mark.parametrize(
    ("heading", "crack", "east", "north"),
    [
        (0, 0, 1, 0),
        (0, 1, 0, 1),
        (90, 0, 0, -1),
        (90, 1, 1, 0),
        (180, 0, -1, 0),
        (270, 1, -1, 0),
        (45, 1, 0.7071, 0.7071),
    ],
)
@pytest.mark.parametrize("lat", [35.0, -33.0, 60.0])
def test_lines_lie_by_scale_and_heading(heading: float, crack: int, east: float, north: float, lat: float) -> None:
    found = answer(heading=heading, lat=lat)
    placed = geometry(found, found.cracks[crack])
    assert placed is not None
    assert placed["type"] == "MultiLineString"
    [[start, end]] = placed["coordinates"]
    lon_m, lat_m = degree_m(lat)
    assert start == pytest.approx((139.0, lat), abs=1e-8)
    assert ((end[0] - 139.0) * lon_m, (end[1] - lat) * lat_m) == pytest.approx((east, north), abs=0.002)


@pytest.mark.parametrize(
    ("lat", "lon_m", "lat_m"), [(0, 111_319.5, 110_574.3), (35, 91_288.0, 110_940.0), (60, 55_800.0, 111_412.0)]
)
def test_the_length_of_a_degree(lat: float, lon_m: float, lat_m: float) -> None:
    assert degree_m(lat) == pytest.approx((lon_m, lat_m), rel=2e-4)


@pytest.mark.parametrize("found", [answer(gsd=None), answer(heading=None), answer(pitch=-30), answer(pitch=0)])
def test_what_is_no_plan_is_a_point(found: Any) -> None:
    assert plan(found) is None
    assert geometry(found, found.cracks[0]) == {"type": "Point", "coordinates": [139.0, 35.0, 12.0]}


def test_a_camera_that_looks_down_makes_a_plan() -> None:
    assert plan(answer(pitch=-85)) is not None


def test_without_a_position_there_is_no_place_and_no_map() -> None:
    found = answer()
    found.ClearField("position")
    assert geometry(found, found.cracks[0]) is None
    assert drawn_map([(1, "a", found)]) is None


def test_the_map_shows_every_place_in_its_frame() -> None:
    far = answer(heading=None, lat=35.001)
    found = drawn_map([(1, "a", answer()), (2, "b", far)])
    assert found is not None
    first, second = found["marks"]
    assert float(first["y"]) > float(second["y"]), "north is up"
    assert first["outline"]
    assert len(first["cracks"]) == 2
    assert (second["outline"], second["cracks"]) == ("", [])
    points = [p.split(",") for mark in found["marks"] for p in [f"{mark['x']},{mark['y']}", *mark["outline"].split()]]
    assert all(0 <= float(x) <= found["width"] and 0 <= float(y) <= found["height"] for x, y in points)
    assert float(found["bar_m"]) / found["bar"] == pytest.approx(
        111 / abs(float(first["y"]) - float(second["y"])), rel=0.05
    )


def test_a_map_of_one_place_has_a_size() -> None:
    found = drawn_map([(1, "a", answer(heading=None))])
    assert found is not None
    assert found["bar"] > 0
    assert found["height"] < 1_000
