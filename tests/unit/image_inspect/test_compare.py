"""Cracks of two dates: new, longer, wider, as they were, not there any more, out of view."""

from __future__ import annotations

import numpy as np
import pytest

from buhin.engine import Stop
from services.image_inspect.compare import Change, ChangeKind, compare
from services.image_inspect.engine import Mask
from services.image_inspect.measure import Crack, measure
from services.image_inspect.registration import Registration
from tests.unit.image_inspect.drawings import bar, detection

SHAPE = (400, 400)
LONG = bar(200, 4, 20)
OTHER = bar(90, 4, 90, centre=(60, 300))


def cracks(*masks: Mask) -> list[Crack]:
    """As they are measured."""
    return measure(detection(np.logical_or.reduce(masks)), 30, Stop()) if masks else []


def moved(x: float = 0, y: float = 0, size: float = 1) -> Registration:
    """The later photograph is shifted, or shows everything larger."""
    return Registration(np.array([[size, 0, x], [0, size, y], [0, 0, 1.0]]), 100, 0.5, 1, 1, size)


@pytest.mark.parametrize(
    ("before", "after", "kinds"),
    [
        ([LONG], [LONG], ["UNCHANGED (0,) 0"]),
        ([], [LONG], ["NEW () 0"]),
        ([LONG], [LONG, OTHER], ["UNCHANGED (0,) 0", "NEW () 1"]),
        ([LONG, OTHER], [LONG], ["UNCHANGED (0,) 0", "NOT_FOUND (1,) None"]),
        ([LONG], [], ["NOT_FOUND (0,) None"]),
        ([bar(140, 4, 20)], [LONG], ["GROWN (0,) 0"]),
        ([LONG], [bar(200, 7, 20)], ["GROWN (0,) 0"]),
        ([bar(45, 4, 20)], [bar(330, 4, 20)], ["GROWN (0,) 0"]),
        ([bar(40, 3, 90, centre=(200, 222))], [bar(300, 40, 0)], ["NEW () 0", "NOT_FOUND (0,) None"]),
        ([bar(80, 4, 0, centre=(140, 200)), bar(80, 4, 0, centre=(260, 200))], [bar(220, 4, 0)], ["GROWN (0, 1) 0"]),
        ([], [], []),
    ],
)
def test_what_became_of_cracks(before: list[Mask], after: list[Mask], kinds: list[str]) -> None:
    changes = compare(cracks(*before), cracks(*after), moved(), SHAPE, SHAPE)
    assert [f"{change.kind} {change.before} {change.after}" for change in changes] == kinds


@pytest.mark.parametrize(
    ("before", "after", "longer", "wider"),
    [
        (bar(140, 4, 20), bar(200, 4, 20), 60, 0),
        (bar(200, 4, 20), bar(200, 7, 20), 0, 3),
        (bar(200, 4, 20), bar(160, 4, 20), -40, 0),
    ],
)
def test_growth_is_measured(before: Mask, after: Mask, longer: float, wider: float) -> None:
    [change] = compare(cracks(before), cracks(after), moved(), SHAPE, SHAPE)
    assert change.length_growth == pytest.approx(longer, abs=10)
    assert change.width_growth == pytest.approx(wider, abs=0.4)


def test_growth_counts_in_the_scale_of_the_later_photograph() -> None:
    [change] = compare(cracks(bar(100, 4, 0)), cracks(bar(200, 8, 0)), moved(-200, -200, 2.0), SHAPE, SHAPE)
    assert change.kind is ChangeKind.UNCHANGED
    assert change.width_growth == pytest.approx(0, abs=0.4)


def test_what_the_earlier_photograph_did_not_show_is_not_new() -> None:
    changes = compare([], cracks(OTHER), moved(150, 0), SHAPE, SHAPE)
    assert changes == [Change(ChangeKind.OUT_OF_VIEW, after=0)]


def test_what_the_later_photograph_does_not_show_is_not_gone() -> None:
    changes = compare(cracks(OTHER), [], moved(-150, 0), SHAPE, SHAPE)
    assert changes == [Change(ChangeKind.OUT_OF_VIEW, before=(0,))]
