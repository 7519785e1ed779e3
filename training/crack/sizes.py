"""How long an inspection takes and how much memory it needs, by the size of the photograph.

``python -m training.crack.sizes MEGAPIXELS`` inspects one photograph in this process and prints what it took as JSON;
``measured`` does that for several sizes, each in a process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np

from buhin.config import ImageSettings
from buhin.engine import Stop
from services.image_inspect import photo
from services.image_inspect.evaluate import engines
from services.image_inspect.inspection import Options, inspect
from services.image_inspect.severity import DEFAULT, rule_sets
from training.crack.generator import sample

MEGAPIXELS = (12, 48, 100)
RUNS = 3


def photograph(megapixels: float) -> bytes:
    """A JPEG of 4:3 of so many megapixels: a surface with cracks, beside itself until it is large enough."""
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    width = round(height * 4 / 3)
    part = sample(5, 768, kind="rough", cracked=True).photo
    pair = np.concatenate([part, part[:, ::-1]], axis=1)
    four = np.concatenate([pair, pair[::-1]])
    whole = np.tile(four, (-(-height // len(four)), -(-width // len(four)), 1))[:height, :width]
    done, data = cv2.imencode(".jpg", whole[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])
    if not done:
        raise RuntimeError("the photograph could not be written")
    return data.tobytes()


def once(megapixels: float) -> dict[str, float]:
    """Inspect one photograph; seconds, and mebibytes before it and at the peak."""
    settings = ImageSettings()
    engine = next(engines(settings))[0]
    engine.warm_up()
    data = photograph(megapixels)
    before = _mib("VmRSS")
    began = time.monotonic()
    found = inspect(engine, photo.check(data, settings), Options(rule_sets()[DEFAULT], 40.0), Stop())
    seconds = time.monotonic() - began
    return {
        "megapixels": found.photo.shape[0] * found.photo.shape[1] / 1e6,
        "cracks": len(found.findings),
        "seconds": seconds,
        "before_mib": before,
        "peak_mib": _mib("VmHWM"),
    }


def measured(sizes: Sequence[float] = MEGAPIXELS, runs: int = RUNS) -> list[dict[str, Any]]:
    """Of each size the medians of several runs."""
    found = []
    for size in sizes:
        results = [
            json.loads(subprocess.check_output([sys.executable, "-m", "training.crack.sizes", str(size)]))  # noqa: S603
            for _ in range(runs)
        ]
        found.append({"runs": runs, "threads": os.cpu_count()} | {k: median(r[k] for r in results) for k in results[0]})
    return found


def _mib(name: str) -> float:
    """A figure of this process alone; ``getrusage`` counts what its parent had before it began (proc(5))."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    print(json.dumps(once(float(sys.argv[1]))))  # noqa: T201
