"""Findings of a crack survey as a table, as GeoJSON and as overlays."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from buhin.image_inspect.v1 import image_inspect_pb2
from buhin.pipelines.results import Job
from buhin.pipelines.types import of_message
from buhin.pipelines.writers.base import Need, file_writer, folder_writer
from buhin.pipelines.writers.places import geometry

INSPECTIONS = of_message(image_inspect_pb2.InspectResponse.DESCRIPTOR).list()

_COLUMNS = (
    "photo", "crack_id", "severity", "severity_class", "length_px", "mean_width_px", "max_width_px", "area_px",
    "length_mm", "mean_width_mm", "mean_width_uncertainty_mm", "max_width_mm", "max_width_uncertainty_mm", "area_mm2",
    "orientation_degrees", "confidence", "min_confidence", "review_codes",
)  # fmt: skip
_MILLIMETRES = (
    "length_mm", "mean_width_mm", "mean_width_uncertainty_mm", "max_width_mm", "max_width_uncertainty_mm", "area_mm2",
)  # fmt: skip
_SUBJECT = re.compile(r"cracks\[(\d+)\]")


@file_writer("crack_table", Need("photos", INSPECTIONS))
def crack_table(job: Job) -> bytes:
    """One row a crack, as CSV with a byte order mark, so that spreadsheets read Japanese names.

    Lengths in pixels and, where the scale is known, in millimetres; empty where it is not. ``review_codes`` are those
    of the crack and of its photograph, with a space between them.
    """
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, _COLUMNS)
    table.writeheader()
    for item, answer in job.results["photos"].answers():
        for index, crack in enumerate(answer.cracks):
            row = {"photo": _harmless(item.label), **figures(crack), "review_codes": " ".join(codes(answer, index))}
            table.writerow({name: row[name] for name in _COLUMNS})
    return text.getvalue().encode("utf-8-sig")


@file_writer("crack_geojson", Need("photos", INSPECTIONS))
def crack_geojson(job: Job) -> bytes:
    """A FeatureCollection (RFC 7946) with one feature a crack.

    The geometry is the lines of the crack on the ground where position, heading and scale are known and the camera is
    not known to have looked elsewhere than straight down; else the position of the camera; null where there is none.
    The lines are also in ``polylines_px``: pixels of the upright photograph, x to the right, y downwards. Photographs
    without an answer stand in the foreign member ``failed``.
    """
    features = []
    for item, answer in job.results["photos"].answers():
        for index, crack in enumerate(answer.cracks):
            properties = {
                "photo": item.label,
                **figures(crack),
                "review_codes": codes(answer, index),
                "photo_width_px": answer.width_px,
                "photo_height_px": answer.height_px,
                "polylines_px": [
                    [[round(point.x_px, 1), round(point.y_px, 1)] for point in branch.points]
                    for branch in crack.branches
                ],
                "request_id": answer.provenance.request_id,
            }
            features.append(
                {
                    "type": "Feature",
                    "id": f"{item.label}#{crack.crack_id}",
                    "geometry": geometry(answer, crack),
                    "properties": properties,
                }
            )
    collection = {
        "type": "FeatureCollection",
        "features": features,
        "run": job.run,
        "failed": [
            {"photo": label, "reason": failure.reason, "message": failure.message}
            for label, failure in job.results["photos"].failures()
        ],
    }
    return (json.dumps(collection, ensure_ascii=False, allow_nan=False) + "\n").encode()


@folder_writer("crack_overlays", Need("photos", INSPECTIONS))
def crack_overlays(job: Job) -> Iterator[tuple[str, bytes]]:
    """The overlays as the service drew them, in full size: one PNG a photograph. Needs ``include_overlay: true``."""
    for item, answer in job.results["photos"].answers():
        if answer.overlay_png:
            yield f"{PurePath(item.label).name}.overlay.png", answer.overlay_png


def figures(crack: Any) -> dict[str, Any]:
    """The figures of a crack; None for a millimetre that is not known."""
    values: dict[str, Any] = {
        "crack_id": crack.crack_id,
        "severity": severity(crack.severity),
        "severity_class": crack.severity_judgement.class_id,
        "orientation_degrees": round(crack.orientation_degrees, 1),
        "confidence": round(crack.confidence, 3),
        "min_confidence": round(crack.min_confidence, 3),
    }
    for name in ("length_px", "mean_width_px", "max_width_px", "area_px"):
        values[name] = round(getattr(crack, name), 2)
    for name in _MILLIMETRES:
        values[name] = round(getattr(crack, name), 3) if crack.HasField(name) else None
    return values


def severity(number: image_inspect_pb2.Severity.ValueType) -> str:
    """``HAIRLINE``, ``MODERATE``, ``WIDE``, or ``UNKNOWN`` where the scale is not known."""
    name = image_inspect_pb2.Severity.Name(number).removeprefix("SEVERITY_")
    return "UNKNOWN" if name == "UNSPECIFIED" else name


def reasons(answer: Any, index: int | None) -> list[Any]:
    """The reasons to look at a crack, or with None those that are about the whole photograph."""
    found = []
    for reason in answer.review.reasons:
        match = _SUBJECT.match(reason.subject)
        if (int(match[1]) if match else None) == index:
            found.append(reason)
    return found


def codes(answer: Any, index: int) -> list[str]:
    """The codes of the reasons to look at a crack and at its photograph, each once."""
    return list(dict.fromkeys(reason.code for reason in [*reasons(answer, index), *reasons(answer, None)]))


def _harmless(text: str) -> str:
    """A name that a spreadsheet does not take for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
