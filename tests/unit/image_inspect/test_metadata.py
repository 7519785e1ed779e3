"""EXIF and XMP as cameras and drones write them, and as they come broken."""

from __future__ import annotations

import io
import tracemalloc
from typing import Any

import pytest
from PIL import ExifTags, Image, TiffImagePlugin

from services.image_inspect.metadata import Metadata, Position, read

B, G = ExifTags.Base, ExifTags.GPS
QUAY: dict[int, Any] = {
    G.GPSLatitudeRef: "N",
    G.GPSLatitude: (35.0, 39.0, 31.0),
    G.GPSLongitudeRef: "E",
    G.GPSLongitude: (139.0, 44.0, 44.0),
}
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description drone-dji:RelativeAltitude="+12.30" %s/></x:xmpmeta>'


def photo(camera: dict[int, Any] | None = None, gps: dict[int, Any] | None = None, xmp: bytes = b"") -> bytes:
    """A JPEG of 60x40 pixels with what a camera wrote."""
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif).update(camera or {})
    exif.get_ifd(ExifTags.IFD.GPSInfo).update(gps or {})
    buffer = io.BytesIO()
    Image.new("RGB", (60, 40), "grey").save(buffer, "JPEG", exif=exif, **({"xmp": xmp} if xmp else {}))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("camera", "expected"),
    [
        ({}, {}),
        ({B.FocalLength: 8.8, B.FocalLengthIn35mmFilm: 24, B.SubjectDistance: 3.5},
         {"focal_length_mm": 8.8, "focal_length_35mm": 24, "subject_distance_m": 3.5}),
        ({B.FocalPlaneXResolution: 1000.0, B.FocalPlaneResolutionUnit: 3}, {"pixels_per_mm": 100}),
        ({B.FocalPlaneXResolution: 2540.0}, {"pixels_per_mm": 100}),
        ({B.FocalPlaneXResolution: 100.0, B.FocalPlaneResolutionUnit: 4, B.ExifImageWidth: 120}, {"pixels_per_mm": 50}),
        ({B.FocalPlaneXResolution: 100.0, B.FocalPlaneResolutionUnit: 4, B.ExifImageWidth: 80, B.ExifImageHeight: 120},
         {"pixels_per_mm": 50}),
        ({B.FocalPlaneXResolution: 100.0, B.FocalPlaneResolutionUnit: 9}, {}),
        ({B.SubjectDistance: TiffImagePlugin.IFDRational(0xFFFFFFFF, 1)}, {}),
        ({B.SubjectDistance: TiffImagePlugin.IFDRational(1, 0)}, {}),
        ({B.FocalLength: 0.0, B.SubjectDistance: -1.0}, {}),
        ({B.FocalLength: "wide"}, {}),
    ],
)  # fmt: skip
def test_lens_and_distance(camera: dict[int, Any], expected: dict[str, float]) -> None:
    said = read(photo(camera))
    for name in ("focal_length_mm", "focal_length_35mm", "pixels_per_mm", "subject_distance_m"):
        assert getattr(said, name) == (pytest.approx(expected[name]) if name in expected else None)
    assert (said.width_px, said.height_px, said.position) == (60, 40, None)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, Position(35.658611, 139.745556)),
        ({G.GPSLatitudeRef: "S", G.GPSLongitudeRef: "W"}, Position(-35.658611, -139.745556)),
        ({G.GPSAltitude: 12.5}, Position(35.658611, 139.745556, 12.5)),
        ({G.GPSAltitude: 3.0, G.GPSAltitudeRef: b"\x01"}, Position(35.658611, 139.745556, -3.0)),
        ({G.GPSImgDirection: 370.0, G.GPSImgDirectionRef: "T"}, Position(35.658611, 139.745556, None, 10.0)),
        ({G.GPSImgDirection: 90.0, G.GPSImgDirectionRef: "M"}, Position(35.658611, 139.745556)),
        ({G.GPSLatitudeRef: "X"}, None),
        ({G.GPSLongitudeRef: "N"}, None),
        ({G.GPSLongitudeRef: ""}, None),
        ({G.GPSLatitude: (95.0, 0.0, 0.0)}, None),
        ({G.GPSLatitude: (35.0, 39.0)}, None),
        ({G.GPSLongitude: (200.0, 0.0, 0.0)}, None),
    ],
)
def test_where_the_camera_stood(change: dict[int, Any], expected: Position | None) -> None:
    found = read(photo(gps=QUAY | change)).position
    if expected is None:
        assert found is None
        return
    assert found is not None
    assert (found.latitude, found.longitude) == pytest.approx((expected.latitude, expected.longitude), abs=1e-5)
    assert (found.altitude_m, found.heading_degrees) == (expected.altitude_m, expected.heading_degrees)


@pytest.mark.parametrize(
    ("more", "pitch", "heading"),
    [
        (b'drone-dji:GimbalPitchDegree="-89.9" drone-dji:GimbalYawDegree="-20.0"', -89.9, 340.0),
        (b'drone-dji:GimbalPitchDegree="down"', None, None),
        (b"", None, None),
    ],
)
def test_what_a_drone_adds(more: bytes, pitch: float | None, heading: float | None) -> None:
    said = read(photo(gps=QUAY, xmp=XMP % more))
    assert (said.relative_altitude_m, said.pitch_degrees) == (12.3, pitch)
    assert said.position is not None
    assert said.position.heading_degrees == heading


@pytest.mark.parametrize(
    "packet",
    [
        b"<a><drone-dji:RelativeAltitude>+7.5</drone-dji:RelativeAltitude></a>",
        b"<a drone-dji:RelativeAltitude='+7.5'/>",
    ],
)
def test_xmp_may_be_written_in_other_ways(packet: bytes) -> None:
    assert read(photo(xmp=packet)).relative_altitude_m == 7.5


@pytest.mark.parametrize(("kind", "value"), [(4, 3_000_000_000), (11, 1.5), (5, TiffImagePlugin.IFDRational(1, 2))])
def test_xmp_that_is_a_number_counts_as_none(kind: int, value: Any) -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags.tagtype[700] = kind
    tags[700] = value
    buffer = io.BytesIO()
    Image.new("RGB", (60, 40)).save(buffer, "TIFF", tiffinfo=tags)
    tracemalloc.start()
    try:
        assert read(buffer.getvalue()) == Metadata(60, 40)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("cut", [b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0", b"Exif\0\0MM\0*\0\0\0\x08\0\x05"])
def test_broken_exif_counts_as_none(cut: bytes) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (60, 40)).save(buffer, "JPEG", exif=cut)
    assert read(buffer.getvalue()) == Metadata(60, 40)


def test_a_position_is_not_told_by_accident() -> None:
    said = read(photo(gps=QUAY))
    assert said.position is not None
    assert "35.6" not in repr(said)
