"""When a person should look at the findings, for what they are. What lies in the photograph is in quality.py."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from buhin.review import Reason
from services.image_inspect.measure import Crack
from services.image_inspect.severity import Judgement

MIN_CONFIDENCE = 0.6
MAX_CRACKS = 30
MAX_UNCERTAIN = 0.3
"""Of a crack whose centre line is near the threshold over a larger share, half may be none."""


def of_cracks(cracks: Sequence[Crack]) -> Iterator[Reason]:
    """Reasons that lie in the findings."""
    if len(cracks) > MAX_CRACKS:
        yield Reason(
            "MANY_FINDINGS",
            "so many findings are more likely a texture than cracks",
            "検出数が多く、ひび割れではなく表面の模様の可能性があります",
            value=len(cracks),
            threshold=MAX_CRACKS,
        )
    for number, crack in enumerate(cracks):
        if crack.confidence < MIN_CONFIDENCE:
            yield Reason(
                "LOW_CONFIDENCE",
                f"crack C{number + 1} is uncertain",
                f"ひび割れ C{number + 1} は確実ではありません",
                f"cracks[{number}]",
                round(crack.confidence, 3),
                MIN_CONFIDENCE,
            )
        elif crack.uncertain > MAX_UNCERTAIN:
            yield Reason(
                "SPLIT_CONFIDENCE",
                f"parts of crack C{number + 1} are uncertain",
                f"ひび割れ C{number + 1} の一部は確実ではありません",
                f"cracks[{number}]",
                round(crack.uncertain, 3),
                MAX_UNCERTAIN,
            )


def of_judgements(judgements: Sequence[Judgement | None]) -> Iterator[Reason]:
    """Reasons that lie in the classes of severity."""
    for number, judgement in enumerate(judgements):
        if judgement is not None and judgement.borderline:
            yield Reason(
                "SEVERITY_BORDERLINE",
                f"the uncertainty of the width of C{number + 1} reaches another class of severity",
                f"C{number + 1} の幅は、誤差を考えると別の区分になる可能性があります",
                f"cracks[{number}]",
            )


def no_marker() -> Reason:
    """A marker was to be there."""
    return Reason(
        "MARKER_NOT_FOUND",
        "no marker of the size given was found in the photograph",
        "指定された大きさの標識が写真に見つかりません",
    )
