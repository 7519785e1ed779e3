"""The report of a crack survey: one HTML file with the photographs, the cracks drawn on them, and what to check."""

from __future__ import annotations

from collections import Counter
from typing import Any

from buhin.errors import RunError
from buhin.pipelines.results import Item, Job
from buhin.pipelines.writers.base import Need, file_writer
from buhin.pipelines.writers.cracks import INSPECTIONS, figures, reasons
from buhin.pipelines.writers.pages import render
from buhin.pipelines.writers.places import drawn_map
from buhin.pipelines.writers.preview import preview

PAGE_BYTES = 3_300_000
"""Budget of all previews together, before base64; the page stays below 5 MB."""
MAX_POINTS = 250
"""Points of a drawn line; a longer one is thinned out."""

SEVERITIES = {
    "WIDE": ("Wide", "大"),
    "MODERATE": ("Moderate", "中"),
    "HAIRLINE": ("Hairline", "微細"),
    "UNKNOWN": ("Not judged", "未判定"),
}
"""Severity to its names in English and Japanese, most serious first; the names of the rule set go before these."""


@file_writer("crack_report", Need("photos", INSPECTIONS))
def crack_report(job: Job) -> bytes:
    """The report. Lengths are in millimetres where every photograph has a scale, in pixels otherwise."""
    result = job.results["photos"]
    budget = PAGE_BYTES // max(1, len(result.items))
    photos = [_photo(number, item, answer, budget) for number, (item, answer) in enumerate(result.answers(), 1)]
    unit = "mm" if photos and all(photo["scale_mm"] is not None for photo in photos) else "px"
    cracks = [crack for photo in photos for crack in photo["cracks"]]
    cracks.sort(key=lambda crack: -crack[f"max_width_{unit}"])
    counts = Counter(crack["severity"] for crack in cracks)
    answers = [answer for _, answer in result.answers()]
    return render(
        "crack_report.html.j2",
        job,
        photos=photos,
        cracks=cracks,
        failed=result.failures(),
        unit=unit,
        severities=SEVERITIES | {crack["severity"]: crack["class_label"] for crack in cracks if crack["class_label"]},
        rules=next((answer.severity_rules for answer in answers if answer.HasField("severity_rules")), None),
        map=drawn_map((photo["number"], photo["name"], answer) for photo, answer in zip(photos, answers, strict=True)),
        counts=counts,
        total_length=sum(crack[f"length_{unit}"] for crack in cracks),
        to_review=[photo for photo in photos if photo["review"]],
        checks=_checks(photos),
    )


def _photo(number: int, item: Item, answer: Any, budget: int) -> dict[str, Any]:
    if item.source is None:
        raise RunError(run=item.label, problem="crack_report takes a step that runs for each of the input files")
    image = item.source.bytes
    cracks = []
    for index, crack in enumerate(answer.cracks):
        lines = [_points(branch.points) for branch in crack.branches]
        cracks.append(
            {
                **figures(crack),
                "anchor": f"p{number}-{crack.crack_id}",
                "photo": item.label,
                "photo_number": number,
                "lines": lines,
                "tag": _tag(crack, answer.width_px, answer.height_px),
                "stroke_px": max(crack.mean_width_px, max(answer.width_px, answer.height_px) / 320),
                "reasons": reasons(answer, index),
                "why": crack.severity_judgement.reason if crack.HasField("severity_judgement") else None,
                "class_label": _label(crack),
            }
        )
    return {
        "number": number,
        "name": item.label,
        "width_px": answer.width_px,
        "height_px": answer.height_px,
        "scale_mm": answer.ground_sampling_distance_mm if answer.HasField("ground_sampling_distance_mm") else None,
        "area_ratio": answer.summary.area_ratio,
        "cracks": cracks,
        "reasons": reasons(answer, None),
        "review": answer.review.recommended,
        "warnings": list(answer.warnings),
        "position": answer.position if answer.HasField("position") else None,
        "scale": answer.scale if answer.HasField("scale") else None,
        "network": answer.summary,
        "preview": preview(image, side_px=1400, max_bytes=budget * 9 // 10),
        "thumbnail": preview(image, side_px=360, max_bytes=budget // 10),
    }


def _label(crack: Any) -> tuple[str, str] | None:
    label = crack.severity_judgement.label
    return (label.en, label.ja) if label.en else None


def _checks(photos: list[dict[str, Any]]) -> dict[tuple[str, str, str], list[tuple[str, str]]]:
    """What to check: each reason as its code and its texts, with the names and the anchors of what it is about."""
    found: dict[tuple[str, str, str], list[tuple[str, str]]] = {}
    for photo in photos:
        about = [(photo["name"], f"p{photo['number']}", photo["reasons"])]
        about += [
            (f"{photo['name']} {crack['crack_id']}", crack["anchor"], crack["reasons"]) for crack in photo["cracks"]
        ]
        for name, anchor, why in about:
            for reason in why:
                found.setdefault((reason.code, reason.message, reason.message_ja), []).append((name, anchor))
    return found


def _points(points: Any) -> str:
    step = -(-len(points) // MAX_POINTS)
    kept = [*points[:-1:step], points[-1]] if len(points) > 1 else list(points)
    return " ".join(f"{point.x_px:.0f},{point.y_px:.0f}" for point in kept)


def _tag(crack: Any, width_px: int, height_px: int) -> tuple[float, float]:
    """Where the crack's identifier is written: at the upper end of its longest branch, inside the photograph."""
    points = crack.branches[0].points if crack.branches else []
    if not points:
        return 0.0, 0.0
    top = min((points[0], points[-1]), key=lambda point: point.y_px)
    margin_px = max(width_px, height_px) / 30
    x_px = min(max(top.x_px, margin_px), width_px - 2 * margin_px)
    return round(x_px, 1), round(min(max(top.y_px, margin_px), height_px - margin_px), 1)
