"""One photograph from bytes to findings: decoded, inspected, measured, scaled, judged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from buhin.engine import Stop
from buhin.review import Notice, Reason
from services.image_inspect import metadata, photo, quality, reasons, scale
from services.image_inspect.engine import InspectEngine, Mask, Photo
from services.image_inspect.measure import Crack, Network, measure, network
from services.image_inspect.metadata import Position
from services.image_inspect.scale import Scale, ScaleSource
from services.image_inspect.severity import Judgement, Measured, RuleSet


@dataclass(frozen=True)
class Options:
    """What a caller asks for, checked. ``gsd`` is the ground sampling distance in millimetres a pixel."""

    rules: RuleSet
    min_length: float
    gsd: float | None = None
    gsd_uncertainty: float | None = None
    marker_mm: float | None = None
    distance_m: float | None = None
    min_width_mm: float | None = None
    position: bool = False
    profiles: bool = False
    mask: bool = False
    overlay: bool = False


@dataclass(frozen=True)
class Finding:
    """A crack, and by the scale its widths with their uncertainties in millimetres and what the rules say of it."""

    name: str
    crack: Crack
    judgement: Judgement | None = None
    mean_width_mm: Measured | None = None
    max_width_mm: Measured | None = None


@dataclass(frozen=True)
class Inspection:
    """All that was found in a photograph."""

    photo: Photo
    mask: Mask
    findings: tuple[Finding, ...]
    network: Network
    scale: Scale | None
    position: Position | None
    rules: RuleSet
    reasons: tuple[Reason, ...]
    notices: tuple[Notice, ...]


def inspect(engine: InspectEngine, header: photo.Header, options: Options, stop: Stop) -> Inspection:
    """Inspect one photograph. Raises UnreadableMediaError, or CancelledError soon after ``stop`` is set."""
    pixels, notices = photo.decode(header)
    said = metadata.read(header.data)
    known = _scale(pixels, said, options)
    detection = engine.detect(pixels, stop)
    cracks = measure(detection, options.min_length, stop, pixels)
    findings = tuple(_finding(f"C{n}", crack, known, options.rules) for n, crack in enumerate(cracks, start=1))
    if known is None:
        notices.append(
            Notice(
                "NO_SCALE",
                "without a ground sampling distance, a marker or a distance there are no millimetres and no severity",
                "地上画素寸法、標識、距離のいずれもないため、ミリメートルの値と区分はありません",
                "config.ground_sampling_distance_mm",
            )
        )
    return Inspection(
        photo=pixels,
        mask=detection.mask,
        findings=findings,
        network=network(cracks, int(np.prod(pixels.shape[:2]))),
        scale=known,
        position=said.position if options.position else None,
        rules=options.rules,
        reasons=tuple(_reasons(pixels, findings, known, options)),
        notices=tuple(notices),
    )


def _scale(pixels: Photo, said: metadata.Metadata, options: Options) -> Scale | None:
    """By the request, else by markers, else by the lens and a distance."""
    if options.gsd is not None:
        return scale.from_request(options.gsd, options.gsd_uncertainty)
    marked = None if options.marker_mm is None else scale.from_marker(pixels, options.marker_mm)
    return marked or scale.from_exif(said, options.distance_m)


def _finding(name: str, crack: Crack, known: Scale | None, rules: RuleSet) -> Finding:
    if known is None:
        return Finding(name, crack)
    mean, widest = (scale.width_mm(width, known) for width in (crack.mean_width, crack.max_width))
    judgement = rules.judge(mean, widest, crack.length * known.mm_per_px)
    return Finding(name, crack, judgement, mean, widest)


def _reasons(pixels: Photo, findings: tuple[Finding, ...], known: Scale | None, options: Options) -> Iterator[Reason]:
    yield from quality.of_photo(pixels)
    if (
        options.marker_mm is not None
        and options.gsd is None
        and (known is None or known.source is not ScaleSource.MARKER)
    ):
        yield reasons.no_marker()
    if known is not None and options.min_width_mm is not None:
        yield from quality.of_scale(known.mm_per_px, options.min_width_mm)
    yield from reasons.of_cracks([finding.crack for finding in findings])
    yield from reasons.of_judgements([finding.judgement for finding in findings])
