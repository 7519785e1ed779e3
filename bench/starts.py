"""From nothing to an answer: services against the load of their model, and the command line."""

from __future__ import annotations

import functools
import subprocess
import sys
import time
from collections.abc import Iterator

from bench.measure import Row, compare, seconds, service

_LOAD = """
import os
from buhin.config import {settings}
from services.{function}.loading import load
load({settings}())
os._exit(0)
"""
_SETTINGS = {"speech": "SpeechSettings", "translate": "TextSettings", "image_inspect": "ImageSettings"}
SPARE_S = 1.0


def rows() -> Iterator[Row]:
    """Cold starts, then the command line."""
    for function, settings in _SETTINGS.items():
        load = _LOAD.format(function=function, settings=settings)
        found = compare(
            f"{function}: cold start to SERVING against the load of the model alone",
            ("service", functools.partial(_start, function)),
            ("a process that loads the model", seconds(functools.partial(_python, "-c", load))),
            "s",
        )
        spare = found.values[0] - found.values[1]
        note = f"{spare:.2f} s more than the load, which includes the warm-up call"
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


def _python(*arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
