"""Findings as the proto says them."""

from __future__ import annotations

import numpy as np

from buhin.image_inspect.v1 import image_inspect_pb2
from buhin.review import review, warnings
from services.image_inspect import overlay
from services.image_inspect.inspection import Finding, Inspection, Options
from services.image_inspect.measure import Crack
from services.image_inspect.metadata import Position
from services.image_inspect.registration import Registration
from services.image_inspect.scale import Scale
from services.image_inspect.severity import Judgement, RuleSet
from services.image_inspect.skeleton import Points

_LEVELS = {
    "hairline": image_inspect_pb2.SEVERITY_HAIRLINE,
    "moderate": image_inspect_pb2.SEVERITY_MODERATE,
    "wide": image_inspect_pb2.SEVERITY_WIDE,
}


def inspection(found: Inspection, options: Options) -> image_inspect_pb2.InspectResponse:
    """An inspection with the pictures that were asked for."""
    height, width = found.photo.shape[:2]
    gsd = found.scale.mm_per_px if found.scale else None
    response = image_inspect_pb2.InspectResponse(
        width_px=width,
        height_px=height,
        cracks=[_crack(finding, gsd, options) for finding in found.findings],
        summary=_summary(found, gsd),
        ground_sampling_distance_mm=gsd,
        scale=_scale(found.scale) if found.scale else None,
        severity_rules=_rules(found.rules),
        position=_position(found.position) if found.position else None,
        review=review(found.reasons),
        warnings=warnings(found.notices),
    )
    if options.mask:
        response.mask_png = overlay.png(overlay.mask_image(found.mask))
    if options.overlay:
        response.overlay_png = overlay.png(overlay.drawn(found.photo, [_drawn(finding) for finding in found.findings]))
    return response


def _drawn(finding: Finding) -> overlay.Drawn:
    widest = finding.max_width_mm
    width = f"{finding.crack.max_width:.0f} px" if widest is None else f"{widest[0]:.2g} mm"
    return overlay.Drawn(finding.crack.branches, f"{finding.name} {width}")


def registration(found: Registration) -> image_inspect_pb2.Registration:
    """How one photograph lies upon another."""
    return image_inspect_pb2.Registration(
        matrix=found.matrix.ravel().tolist(),
        inlier_count=found.inliers,
        error_px=found.error_px,
        overlap=found.overlap,
    )


def _crack(finding: Finding, gsd: float | None, options: Options) -> image_inspect_pb2.Crack:
    crack = finding.crack
    left, top, width, height = crack.box
    message = image_inspect_pb2.Crack(
        crack_id=finding.name,
        branches=[_polyline(branch) for branch in crack.branches],
        length_px=crack.length,
        mean_width_px=crack.mean_width,
        max_width_px=crack.max_width,
        area_px=crack.area,
        orientation_degrees=crack.orientation,
        bounding_box=image_inspect_pb2.BoundingBox(left_px=left, top_px=top, width_px=width, height_px=height),
        outline=_polyline(crack.outline),
        confidence=crack.confidence,
        min_confidence=crack.min_confidence,
    )
    if options.profiles:
        message.width_profiles.extend(_profiles(crack))
    if gsd is not None:
        message.length_mm = crack.length * gsd
        message.area_mm2 = crack.area * gsd**2
    if finding.mean_width_mm and finding.max_width_mm:
        message.mean_width_mm, message.mean_width_uncertainty_mm = finding.mean_width_mm
        message.max_width_mm, message.max_width_uncertainty_mm = finding.max_width_mm
    if finding.judgement:
        message.severity = _LEVELS[finding.judgement.severity.level]
        message.severity_judgement.CopyFrom(_judgement(finding.judgement))
    return message


def _polyline(points: Points) -> image_inspect_pb2.Polyline:
    return image_inspect_pb2.Polyline(points=[image_inspect_pb2.Point(x_px=x, y_px=y) for x, y in points])


def _profiles(crack: Crack) -> list[image_inspect_pb2.WidthProfile]:
    return [
        image_inspect_pb2.WidthProfile(distances_px=profile.distances, widths_px=np.nan_to_num(profile.widths))
        for profile in crack.profiles
    ]


def _judgement(judgement: Judgement) -> image_inspect_pb2.SeverityJudgement:
    return image_inspect_pb2.SeverityJudgement(
        class_id=judgement.severity.id,
        label=judgement.severity.label.to_proto(),
        reason=judgement.why.to_proto(),
        borderline=judgement.borderline,
    )


def _summary(found: Inspection, gsd: float | None) -> image_inspect_pb2.CrackSummary:
    pixels = found.photo.shape[0] * found.photo.shape[1]
    summary = image_inspect_pb2.CrackSummary(
        crack_count=len(found.findings),
        total_length_px=found.network.length,
        area_ratio=sum(finding.crack.area for finding in found.findings) / pixels,
        density_per_px=found.network.density,
        intersection_count=found.network.intersections,
        orientation_lengths_px=found.network.directions.tolist(),
    )
    if gsd is not None:
        summary.total_length_mm = found.network.length * gsd
        summary.density_m_per_m2 = found.network.density / gsd * 1000
        if found.findings:
            summary.max_width_mm = max(finding.crack.max_width for finding in found.findings) * gsd
    return summary


def _scale(found: Scale) -> image_inspect_pb2.Scale:
    return image_inspect_pb2.Scale(
        source=image_inspect_pb2.ScaleSource.Value(f"SCALE_SOURCE_{found.source}"),
        ground_sampling_distance_mm=found.mm_per_px,
        relative_uncertainty=found.relative_uncertainty,
    )


def _rules(rules: RuleSet) -> image_inspect_pb2.SeverityRules:
    return image_inspect_pb2.SeverityRules(
        rules_id=rules.id,
        title=rules.title.to_proto(),
        source=rules.source,
        note=rules.note.to_proto(),
    )


def _position(position: Position) -> image_inspect_pb2.Position:
    return image_inspect_pb2.Position(
        latitude_degrees=position.latitude,
        longitude_degrees=position.longitude,
        altitude_m=position.altitude_m,
        heading_degrees=position.heading_degrees,
        pitch_degrees=position.pitch_degrees,
    )
