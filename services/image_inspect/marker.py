"""A marker to print, which gives photographs a scale: ``python -m services.image_inspect.marker 50 -o marker.svg``."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from services.image_inspect.scale import marker

CELLS = 6
NUMBERS = 50


def drawing(number: int, side_mm: float) -> str:
    """An SVG of a marker with black sides of ``side_mm`` millimetres, a white zone around it and its size below.

    Print it at 100 % and measure a side; ``number`` is 0 to 49.
    """
    black = marker(number, CELLS)[1:-1, 1:-1]
    quiet, cell = side_mm / 4, side_mm / CELLS
    parts = [
        f'<rect x="{quiet + x * cell:g}" y="{quiet + y * cell:g}" width="{cell:g}" height="{cell:g}"/>'
        for y, x in np.argwhere(black == 0)
    ]
    width, height = side_mm + 2 * quiet, side_mm + 2 * quiet + 5
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}mm" height="{height:g}mm" '
        f'viewBox="0 0 {width:g} {height:g}" shape-rendering="crispEdges">'
        f'<rect width="100%" height="100%" fill="#fff"/>'
        f'{"".join(parts)}<text x="{width / 2:g}" y="{height - 2:g}" font-size="3.2" font-family="sans-serif" '
        f'text-anchor="middle">ArUco 4x4_50 #{number}, {side_mm:g} mm</text></svg>\n'
    )


def main() -> None:
    """Read the arguments and write the marker."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("side_mm", type=float, help="side of the black square in millimetres, 1 to 10000")
    parser.add_argument("-n", "--number", type=int, default=0, choices=range(NUMBERS), metavar="0..49")
    parser.add_argument("-o", "--output", type=Path, default=Path("marker.svg"))
    given = parser.parse_args()
    if not 1 <= given.side_mm <= 10_000:
        parser.error("the side is 1 to 10000 mm")
    given.output.write_text(drawing(given.number, given.side_mm), encoding="utf-8")


if __name__ == "__main__":
    main()
