"""The marker that is printed is the one that is found, at its size."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from services.image_inspect import marker
from services.image_inspect.scale import from_marker

RECT = re.compile(r'<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"/>')


@pytest.mark.parametrize(("number", "side"), [(0, 50.0), (7, 80.0), (49, 120.0)])
def test_what_is_printed_is_found_at_its_size(number: int, side: float) -> None:
    drawn = marker.drawing(number, side)
    assert f'width="{1.5 * side:g}mm"' in drawn
    photo = np.full((900, 900, 3), 255, np.uint8)
    for x, y, width, height in (map(float, found) for found in RECT.findall(drawn)):
        photo[round(4 * y) : round(4 * (y + height)), round(4 * x) : round(4 * (x + width))] = 0
    found = from_marker(photo, side)
    assert found is not None
    assert found.mm_per_px == pytest.approx(0.25, rel=0.01)


@pytest.mark.parametrize(("arguments", "status"), [(["50"], None), (["0.5"], 2), (["50", "-n", "50"], 2), ([], 2)])
def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], status: int | None) -> None:
    monkeypatch.setattr(sys, "argv", ["marker", *arguments, *(["-o", str(tmp_path / "m.svg")] if arguments else [])])
    if status is None:
        marker.main()
        assert (tmp_path / "m.svg").read_text(encoding="utf-8") == marker.drawing(0, 50)
        return
    with pytest.raises(SystemExit) as caught:
        marker.main()
    assert caught.value.code == status
