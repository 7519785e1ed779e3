"""Two photographs of the same place: both inspected, one laid upon the other, their cracks compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from buhin.engine import Stop
from buhin.errors import NotTheSamePlaceError
from buhin.image_inspect.v1 import image_inspect_pb2
from buhin.review import Reason, review
from services.image_inspect import answers, overlay, photo
from services.image_inspect.compare import Change, ChangeKind, compare
from services.image_inspect.engine import InspectEngine
from services.image_inspect.inspection import Inspection, Options, inspect
from services.image_inspect.registration import Registration, features, register, transform

MIN_OVERLAP = 0.3
ORDER = (ChangeKind.NEW, ChangeKind.GROWN, ChangeKind.NOT_FOUND, ChangeKind.UNCHANGED, ChangeKind.OUT_OF_VIEW)
"""What needs attention comes first."""
_COLOURS: dict[ChangeKind, overlay.Colour] = {
    ChangeKind.NEW: (220, 0, 60),
    ChangeKind.GROWN: (235, 110, 0),
    ChangeKind.NOT_FOUND: (120, 40, 200),
    ChangeKind.UNCHANGED: (0, 120, 70),
    ChangeKind.OUT_OF_VIEW: (90, 90, 90),
}


def compared(
    engine: InspectEngine, before: photo.Header, after: photo.Header, options: Options, stop: Stop
) -> image_inspect_pb2.CompareResponse:
    """Compare. Raises NotTheSamePlaceError, or what ``inspect`` raises."""
    earlier_photo, _ = photo.decode(before)
    later = inspect(engine, after, options, stop)
    found = register(features(earlier_photo), features(later.photo))
    if found is None:
        raise NotTheSamePlaceError(field="before_image")
    stop.check()
    gsd = later.scale.mm_per_px * found.size if later.scale else None
    earlier = inspect(engine, before, replace(options, gsd=gsd, marker_mm=None), stop)
    old, new = ([finding.crack for finding in each.findings] for each in (earlier, later))
    changes = compare(old, new, found, earlier.photo.shape[:2], later.photo.shape[:2])
    changes.sort(key=lambda change: ORDER.index(change.kind))
    plain = replace(options, overlay=False)
    response = image_inspect_pb2.CompareResponse(
        before=answers.inspection(earlier, plain),
        after=answers.inspection(later, plain),
        registration=answers.registration(found),
        changes=[_change(change, earlier, later) for change in changes],
        review=review(_reasons(found, changes)),
    )
    if options.overlay:
        response.overlay_png = overlay.png(overlay.drawn(later.photo, list(_drawn(changes, earlier, later, found))))
    return response


def _change(change: Change, earlier: Inspection, later: Inspection) -> image_inspect_pb2.CrackChange:
    gsd = later.scale.mm_per_px if later.scale else None
    message = image_inspect_pb2.CrackChange(
        kind=image_inspect_pb2.ChangeKind.Value(f"CHANGE_KIND_{change.kind}"),
        before_crack_ids=[earlier.findings[n].name for n in change.before],
        after_crack_id="" if change.after is None else later.findings[change.after].name,
        length_growth_px=change.length_growth,
        width_growth_px=change.width_growth,
    )
    if gsd is not None and change.length_growth is not None and change.width_growth is not None:
        message.length_growth_mm, message.width_growth_mm = change.length_growth * gsd, change.width_growth * gsd
    return message


def _reasons(found: Registration, changes: Sequence[Change]) -> Iterator[Reason]:
    if found.overlap < MIN_OVERLAP:
        yield Reason(
            "LITTLE_OVERLAP",
            "the photographs show little of the same place",
            "二枚の写真の重なりがわずかです",
            "registration",
            round(found.overlap, 3),
            MIN_OVERLAP,
        )
    lost = [n for n, change in enumerate(changes) if change.kind is ChangeKind.NOT_FOUND]
    for n in lost:
        yield Reason(
            "CRACK_NOT_FOUND_AGAIN",
            "a crack of the earlier photograph is not found in the later one: repaired, hidden or missed",
            "以前の写真のひび割れが、後の写真では見つかりません。補修、遮蔽、見落としのいずれかです",
            f"changes[{n}]",
        )


def _drawn(
    changes: Sequence[Change], earlier: Inspection, later: Inspection, found: Registration
) -> Iterator[overlay.Drawn]:
    """Each change on the later photograph; what is not found again where it was."""
    for change in changes:
        colour, word = _COLOURS[change.kind], change.kind.lower().replace("_", " ")
        if change.after is not None:
            finding = later.findings[change.after]
            yield overlay.Drawn(finding.crack.branches, f"{finding.name} {word}", colour)
        elif change.kind is ChangeKind.NOT_FOUND:
            for finding in (earlier.findings[n] for n in change.before):
                lines = [transform(line, found.matrix) for line in finding.crack.branches]
                yield overlay.Drawn(lines, f"{finding.name} {word}", colour)
