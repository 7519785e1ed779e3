"""Peak memory of a photograph of 48 megapixels: the service against decoding and onnxruntime in another process."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.image import CRACKED, wall
from bench.measure import Row, compare, service_processes
from buhin.client import ImageInspectClient

_BARE = """
import resource, sys
from pathlib import Path
from buhin.config import ImageSettings
from buhin.engine import Stop
from services.image_inspect import photo
from services.image_inspect.loading import load
settings = ImageSettings()
pixels, _ = photo.decode(photo.check(Path(sys.argv[1]).read_bytes(), settings))
load(settings).detect(pixels, Stop())
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def rows() -> Iterator[Row]:
    """One row."""
    with tempfile.NamedTemporaryFile(suffix=".jpg") as file:
        file.write(data := wall(CRACKED, 8))
        file.flush()

        def bare() -> float:
            command = [sys.executable, "-c", _BARE, file.name]
            return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

        yield compare(
            "inspection, 48 megapixels, peak of resident memory",
            ("service, both processes", lambda: _of_service(data)),
            ("decoding and onnxruntime", bare),
            "MiB",
        )


def _of_service(data: bytes) -> float:
    with service_processes("image_inspect") as (address, processes), ImageInspectClient(address) as client:
        client.inspect(data)
        return sum(_peak_mib(process.pid) for process in processes)


def _peak_mib(process_id: int) -> float:
    lines = Path(f"/proc/{process_id}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))
