"""Builds the images without a container engine: ``python -m scripts.images base|wheels|build|check``.

Debian's buildah builds from a base made here by mmdebstrap, or from any other with Python 3.11, and wheels fetched here
by the locks. Each image becomes an OCI layout, out/images/<name>. Needs root.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from buhin import __version__
from scripts.lock import BUILD, FOLDER, IMAGES, ROOT

OUT = ROOT / "out" / "images"
WHEELS = ROOT / "out" / "wheels"
STORAGE = ROOT / "out" / "buildah"
BUDGET_MB = {"speech": 720, "summarize": 550, "translate": 550, "image_inspect": 650, "worker": 150}
"""Most that an image may add to its base, unpacked, in MB."""
EPOCH = 1_577_836_800
"""The time of every file and layer: the same content has the same digest."""
BASE = "buhin-base"
SUITE = "bookworm"
"""The Debian that has Python 3.11."""
PACKAGES = "python3.11,ca-certificates,libstdc++6,libgomp1"
"""What a base has beside Debian's essential packages: grpcio and llama.cpp link the two libraries."""
INPUTS = (
    "Dockerfile", "LICENSE", "README.md", "pyproject.toml", "models", "pipelines", "requirements", "scripts/lock.py",
    "scripts/sbom.py", "services", "src",
)  # fmt: skip
"""What an image is made of, beside wheels and base."""

console = Console(stderr=True)


@dataclass(frozen=True)
class Layout:
    """An OCI layout with one image."""

    folder: Path

    @property
    def digest(self) -> str:
        """Of the manifest, as ``sha256:…``."""
        return str(json.loads((self.folder / "index.json").read_text(encoding="utf-8"))["manifests"][0]["digest"])

    def read(self, digest: str) -> Any:
        """A blob that is JSON."""
        return json.loads(self.blob(digest).read_text(encoding="utf-8"))

    def blob(self, digest: str) -> Path:
        """The file of a blob."""
        return self.folder / "blobs" / digest.replace(":", "/")

    @property
    def manifest(self) -> Any:
        """The image's manifest."""
        return self.read(self.digest)

    @property
    def config(self) -> Any:
        """What the image runs, as whom, and its labels."""
        return self.read(self.manifest["config"]["digest"])

    @property
    def layers(self) -> list[Path]:
        """The files of the layers, the base's first."""
        return [self.blob(layer["digest"]) for layer in self.manifest["layers"]]


def name_of(service: str) -> str:
    """The name of an image: ``buhin-image-inspect``."""
    return f"buhin-{service.replace('_', '-')}"


def layout(service: str) -> Layout:
    """The image of a service, as it was built."""
    return Layout(OUT / name_of(service))


@functools.cache
def contents(layer: Path) -> tuple[float, bool]:
    """Megabytes of the files in a layer, and whether what is locked is among them."""
    with tarfile.open(layer) as archive:
        members = archive.getmembers()
    return sum(member.size for member in members) / 1e6, any(member.name == "opt/buhin" for member in members)


def need(*programs: str) -> None:
    """Install what is missing from Debian's packages; SystemExit where that cannot be."""
    missing = [program for program in programs if shutil.which(program) is None]
    if os.geteuid() != 0:
        sys.exit("images are built by root (buildah in a chroot): run this with sudo, or build with docker or podman")
    if not missing:
        return
    if shutil.which("apt-get") is None:
        sys.exit(f"not installed: {', '.join(missing)}; install them, or build with docker or podman (docs/images.md)")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update", "--quiet"], told=f"apt-get update, for {', '.join(missing)}", env=environment)
    command = ["apt-get", "install", "--quiet", "--yes", "--no-install-recommends", *missing]
    run(command, told=f"installing {', '.join(missing)}", env=environment)


def run(command: Sequence[str | Path], *, told: str, env: dict[str, str] | None = None) -> str:
    """Run a program and show that it runs; its output, or SystemExit with the end of what it said."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        progress.add_task(told, total=None)
        ran = subprocess.run(command, capture_output=True, text=True, env=env, cwd=ROOT)
    if ran.returncode:
        said = "\n".join((ran.stdout + ran.stderr).splitlines()[-30:])
        sys.exit(f"{told} failed ({command[0]} ended with {ran.returncode}):\n{said}")
    return ran.stdout.strip()


def buildah(*arguments: str | Path, told: str) -> str:
    """Run buildah with a storage of the project's own."""
    return run([*_storage(), *arguments], told=told)


def _storage() -> list[str | Path]:
    command: list[str | Path] = ["buildah", "--root", STORAGE, "--runroot", STORAGE / "run"]
    command += ["--storage-opt", "overlay.skip_mount_home=true", "--storage-driver"]
    if not (driver := STORAGE / "driver").exists():
        STORAGE.mkdir(parents=True, exist_ok=True)
        overlay = subprocess.run([*command, "overlay", "info"], capture_output=True).returncode == 0
        driver.write_text("overlay" if overlay else "vfs", encoding="utf-8")
    return [*command, driver.read_text(encoding="utf-8")]


def base(sources: Path | None = None) -> str:
    """Make the base, of Debian's packages that Python 3.11 needs; its name with its digest."""
    need("buildah", "mmdebstrap")
    sources = sources or _debian()
    OUT.mkdir(parents=True, exist_ok=True)
    archive = OUT / f"{BASE}.tar"
    command = ["mmdebstrap", "--quiet", "--mode=root", "--variant=essential", f"--include={PACKAGES}"]
    command += [f"--dpkgopt=path-exclude=/usr/share/{each}/*" for each in ("man", "locale", "info")]
    command += ["--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-include=/usr/share/doc/*/copyright"]
    # where this machine fetches its packages is nobody else's business
    left = "etc/apt/sources.list* etc/hostname etc/resolv.conf var/log/*.log var/cache/debconf/*"
    command.append(f'--customize-hook=cd "$1" && rm -rf {left}')
    run([*command, SUITE, archive, sources], told="making the base", env=os.environ | {"SOURCE_DATE_EPOCH": str(EPOCH)})
    container = buildah("from", "scratch", told="packing the base")
    buildah("add", container, archive, "/", told="packing the base")
    buildah("commit", "--rm", "--timestamp", str(EPOCH), container, BASE, told="packing the base")
    archive.unlink()
    _write(BASE)
    return _pinned()


def _debian() -> Path:
    """This machine's own source of Debian's packages."""
    folder = Path("/etc/apt")
    for path in (folder / "sources.list.d" / "debian.sources", folder / "sources.list"):
        if path.exists() and SUITE in path.read_text(encoding="utf-8"):
            return path
    return sys.exit(f"this machine's apt has no source of Debian {SUITE}: name a file with one by --sources, or a BASE")


def _pinned() -> str:
    digest = buildah("inspect", "--type", "image", "--format", "{{.FromImageDigest}}", BASE, told="looking at the base")
    return f"localhost/{BASE}@{digest}"


def _have(image: str) -> bool:
    return subprocess.run([*_storage(), "inspect", "--type", "image", image], capture_output=True).returncode == 0


def _write(image: str) -> None:
    """Write an image of the storage as an OCI layout, whole or not at all."""
    target, part = OUT / image, OUT / f"{image}.part"
    for folder in (target, part):
        shutil.rmtree(folder, ignore_errors=True)
    buildah("push", "--quiet", image, f"oci:{part}:{__version__}", told=f"writing {os.path.relpath(target)}")
    part.rename(target)


def wheels(services: Sequence[str]) -> None:
    """Fetch what the locks of services name, and what builds the project, into out/wheels."""
    WHEELS.mkdir(parents=True, exist_ok=True)
    for lock in (BUILD, *services):
        content = (FOLDER / f"{lock}.txt").read_bytes().partition(b"\n")[2]
        stamp = WHEELS / f".{hashlib.sha256(content).hexdigest()}"
        if not stamp.exists():
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--require-hashes", "--no-deps"]
            command += ["--only-binary", ":all:", "--dest", str(WHEELS), "--requirement", str(FOLDER / f"{lock}.txt")]
            run(command, told=f"fetching what requirements/{lock}.txt locks")
            stamp.touch()


def build(services: Sequence[str], *, base_image: str | None = None, source: str = "", fresh: bool = False) -> None:
    """Build images; one whose inputs are those of last time is left as it is, unless ``fresh``."""
    need("buildah", "mmdebstrap")
    wheels(services)
    if base_image is None:
        base_image = _pinned() if _have(BASE) else base()
    revision = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=ROOT).stdout.strip()
    values = {"BASE": base_image, "VERSION": __version__, "REVISION": revision, "SOURCE": source}
    for service in services:
        name, key = name_of(service), inputs(values)
        stamp = OUT / f"{name}.key"
        if not fresh and stamp.exists() and stamp.read_text(encoding="utf-8") == key and _have(name):
            continue
        stamp.unlink(missing_ok=True)
        arguments = [f"--build-arg={argument}={value}" for argument, value in (values | {"SERVICE": service}).items()]
        buildah(
            "bud", "--isolation=chroot", "--http-proxy=false", "--pull-never", f"--timestamp={EPOCH}",
            *arguments, f"--target={service}", f"--tag={name}", f"--file={ROOT / 'Dockerfile'}", ROOT,
            told=f"building {name}",
        )  # fmt: skip
        subprocess.run([*_storage(), "rmi", "--prune"], capture_output=True)  # stages, which fill the disk
        _write(name)
        stamp.write_text(key, encoding="utf-8")


def inputs(values: dict[str, str]) -> str:
    """Stands for all that an image is made of."""
    found = hashlib.sha256(json.dumps(values).encode())
    for name in INPUTS:
        top = ROOT / name
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file() and path.suffix != ".pyc":
                found.update(f"{path.relative_to(ROOT)} {path.stat().st_size}\n".encode() + path.read_bytes())
    return found.hexdigest()


@contextmanager
def root_of(service: str) -> Iterator[Path]:
    """The root file system of a built image, mounted."""
    container = buildah("from", "--pull-never", name_of(service), told=f"opening {name_of(service)}")
    try:
        yield Path(buildah("mount", container, told=f"opening {name_of(service)}"))
    finally:
        buildah("rm", container, told=f"closing {name_of(service)}")


@dataclass(frozen=True)
class Size:
    """Megabytes of an image."""

    base: float
    """Of the base, unpacked."""
    added: float
    """Of what the image adds to it, unpacked."""
    packed: float
    """Of all layers as they travel, compressed."""


def size(service: str) -> Size:
    """Measure an image. Those layers are its own that do not come before what is locked."""
    layers = layout(service).layers
    measured = [contents(layer) for layer in layers]
    first = [own for _, own in measured].index(True)
    base, added = (sum(megabytes for megabytes, _ in part) for part in (measured[:first], measured[first:]))
    return Size(base, added, sum(layer.stat().st_size for layer in layers) / 1e6)


def check(services: Sequence[str]) -> list[str]:
    """Print the table of sizes; the images over their budget."""
    print("| image | budget, MB | adds to its base, MB | with the base | all, compressed |")
    print("|---|---|---|---|---|")
    over = []
    for service in services:
        name, found, budget = name_of(service), size(service), BUDGET_MB[service]
        whole = found.base + found.added
        print(f"| {name} | {budget} | {found.added:.0f} | {whole:.0f} | {found.packed:.0f} |", flush=True)
        if found.added > budget:
            over.append(f"{name} adds {found.added:.0f} MB to its base; its budget is {budget} MB")
    return over


def main() -> None:
    """Do what is asked."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("task", choices=("base", "wheels", "build", "check"))
    options.add_argument(
        "services", nargs="*", metavar="SERVICE", help=f"of {', '.join(IMAGES)}; all when none is named"
    )
    options.add_argument("--base", help="image to build on instead of one made here, pinned: name@sha256:…")
    options.add_argument("--sources", type=Path, help="file with apt's sources for the base (default: this machine's)")
    options.add_argument("--source", default="", help="URL of the source code, for the label")
    options.add_argument("--fresh", action="store_true", help="build although nothing changed")
    asked = options.parse_args()
    services: list[str] = asked.services or list(IMAGES)
    if unknown := set(services) - set(IMAGES):
        options.error(f"no such image: {', '.join(sorted(unknown))}; known: {', '.join(IMAGES)}")
    match asked.task:
        case "base":
            print(base(asked.sources))
        case "wheels":
            wheels(services)
        case "build":
            build(services, base_image=asked.base, source=asked.source, fresh=asked.fresh)
            for service in services:
                print(f"{os.path.relpath(layout(service).folder)} {layout(service).digest}")
        case "check":
            sys.exit("\n".join(check(services)) or 0)


if __name__ == "__main__":
    main()
