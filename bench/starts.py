"""From nothing to an answer: services against the load of their model, and the command line."""

from __future__ import annotations

import functools
import subprocess
import sys
import time
from collections.abc import Iterator
from statistics import median

from bench.measure import RUNS, Row, compare, seconds, service

_LOAD = """
import os
from buhin.config import {settings}
from services.{function}.loading import load
engine = load({settings}())
{then}
os._exit(0)
"""
_WARM = "import time; began = time.perf_counter(); engine.warm_up(); print(time.perf_counter() - began, flush=True)"
_SETTINGS = {"speech": "SpeechSettings", "translate": "TextSettings", "image_inspect": "ImageSettings"}
SPARE_S = 1.0


def rows() -> Iterator[Row]:
    """Cold starts, then the command line."""
    for function, settings in _SETTINGS.items():
        load, warm = (_LOAD.format(function=function, settings=settings, then=then) for then in ("", _WARM))
        warm_up = median(float(_python("-c", warm)) for _ in range(RUNS))
        importing = seconds(functools.partial(_python, "-c", f"import services.{function}.__main__"))
        imports = median(importing() for _ in range(RUNS))
        found = compare(
            f"{function}: cold start to SERVING against the load of the model alone",
            ("service", functools.partial(_start, function)),
            ("a process that loads the model", seconds(functools.partial(_python, "-c", load))),
            "s",
        )
        spare = found.values[0] - found.values[1]
        note = (
            f"{spare:.2f} s more; the warm-up call takes {warm_up:.2f} s of it, and what the service imports before it "
            f"starts its engine's process {imports:.2f} s"
        )
        yield Row(
            found.name, found.ours, found.theirs, "s", found.values, found.ratios,
            f"load + {SPARE_S:g} s", spare <= SPARE_S, note,
        )  # fmt: skip
    yield compare(
        "`buhin --version` against an empty program",
        ("buhin", seconds(lambda: _python("-m", "buhin.cli.main", "--version"))),
        ("python -c pass", seconds(lambda: _python("-c", "pass"))),
        "s",
    )


def _start(function: str) -> float:
    """Seconds until it serves."""
    began = time.perf_counter()
    with service(function):
        return time.perf_counter() - began


def _python(*arguments: str) -> str:
    return subprocess.run([sys.executable, *arguments], check=True, capture_output=True, text=True).stdout
