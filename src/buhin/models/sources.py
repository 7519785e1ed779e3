"""Where the files of a model come from. Each source puts files, unverified, where the store asks; the store checks."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from buhin import paths
from buhin.errors import DigestMismatchError
from buhin.models.files import CHUNK, matches, sha256
from buhin.models.manifest import ModelEntry, ModelFile

Progress = Callable[[int], None]
"""Told how many more bytes of the model are there."""


class SourceFailedError(Exception):
    """A source could not deliver; the next one is tried."""


class Source(Protocol):
    """Delivers files of a model."""

    name: str
    fetches: bool
    """Whether it needs a network, which BUHIN_OFFLINE forbids."""

    def deliver(self, entry: ModelEntry, file: ModelFile, target: Path, progress: Progress) -> None:
        """Write a file to ``target``; may keep pieces beside it for a later try.

        Raises SourceFailedError, or DigestMismatchError for a piece that is not the manifest's.
        """


class Directory:
    """A folder that has the files of the model by name, or a folder of that id with them."""

    name = "directory"
    fetches = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def deliver(self, entry: ModelEntry, file: ModelFile, target: Path, progress: Progress) -> None:
        """Copy the file."""
        found = next((p for p in (self._folder / entry.id / file.name, self._folder / file.name) if p.is_file()), None)
        if found is None:
            raise SourceFailedError(f"{self._folder} has no {file.name}")
        shutil.copyfile(found, target)
        progress(file.size)


class Installed:
    """A Python package of this environment that carries the files. It is located, not imported."""

    name = "installed package"
    fetches = False

    def deliver(self, entry: ModelEntry, file: ModelFile, target: Path, progress: Progress) -> None:
        """Copy the pieces out of the package."""
        with target.open("wb") as out:
            for _, member, _ in file.each():
                package, _, rest = member.partition("/")
                spec = importlib.util.find_spec(package)
                folders = spec.submodule_search_locations if spec else None
                found = Path(folders[0]) / rest if folders else None
                if found is None or not found.is_file():
                    raise SourceFailedError(f"the package {package} with {member} is not installed")
                with found.open("rb") as piece:
                    shutil.copyfileobj(piece, out, CHUNK)
        progress(file.size)


class Index:
    """The package index that pip is set up for, mirrors and proxies too. Packages are unpacked, never installed."""

    name = "package index"
    fetches = True

    def deliver(self, entry: ModelEntry, file: ModelFile, target: Path, progress: Progress) -> None:
        """Concatenate the pieces; those that an earlier try left and that are right are not fetched again."""
        pieces = file.each()
        paths = [_piece(target, number) for number in range(1, len(pieces) + 1)]
        for (requirement, member, digest), path in zip(pieces, paths, strict=True):
            if not matches(path, digest):
                self._fetch(entry, requirement, target.parent)
                if not matches(path, digest):
                    actual = sha256(path)
                    path.unlink()
                    raise DigestMismatchError(model=entry.id, file=member, actual=actual, expected=digest)
            progress(path.stat().st_size)
        with target.open("wb") as out:
            for path in paths:
                with path.open("rb") as piece:
                    shutil.copyfileobj(piece, out, CHUNK)
                path.unlink()

    def _fetch(self, entry: ModelEntry, wanted: str, folder: Path) -> None:
        """Unpack every piece of the model that the package has, so that no package is fetched twice."""
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            ran = subprocess.run(  # noqa: S603 - the requirement comes from the manifest
                [sys.executable, "-m", "pip", "download", "--progress-bar=off", "--no-deps", "--no-cache-dir",
                 "--only-binary=:all:", "--dest", scratch, wanted],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            wheels = list(Path(scratch).glob("*.whl"))
            if ran.returncode or len(wheels) != 1:
                refused = [line for line in ran.stdout.splitlines() if line.startswith("Could not fetch URL")]
                said = refused or [line for line in ran.stderr.splitlines() if "ERROR" in line] or ["no wheel came"]
                raise SourceFailedError(f"pip download {wanted}: {said[-1].removeprefix('ERROR: ')}")
            for file in entry.files:
                for number, (requirement, member, _) in enumerate(file.each(), start=1):
                    if requirement == wanted:
                        _extract(wheels[0], member, Path(scratch) / "piece").replace(_piece(folder / file.name, number))


def _piece(target: Path, number: int) -> Path:
    return target.with_name(f"{target.name}.piece{number}")


def _extract(wheel: Path, member: str, target: Path) -> Path:
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as inside, target.open("wb") as out:
            shutil.copyfileobj(inside, out, CHUNK)
    except (KeyError, zipfile.BadZipFile) as error:
        raise SourceFailedError(f"{wheel.name} has no {member}") from error
    return target


class HubSource:
    """A model hub that serves ``{endpoint}/{repo}/resolve/{revision}/{file}``; ``HF_ENDPOINT`` names another one."""

    name = "hub"
    fetches = True

    def __init__(self, endpoint: str | None = None) -> None:
        self._endpoint = (endpoint or os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")

    def deliver(self, entry: ModelEntry, file: ModelFile, target: Path, progress: Progress) -> None:
        """Download the file, going on where an earlier try stopped."""
        if entry.hub is None:
            raise SourceFailedError("the manifest names no repository")
        url = f"{self._endpoint}/{entry.hub.repo}/resolve/{entry.hub.revision}/{file.name}"
        if not url.startswith(("https://", "http://127.0.0.1:", "http://localhost:")):
            raise SourceFailedError(f"{url} is not https")
        part = target.with_name(target.name + ".part")
        have = part.stat().st_size if part.exists() else 0
        request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310 - checked above
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - checked above
                resumed = answer.status == 206
                progress(have if resumed else 0)
                with part.open("ab" if resumed else "wb") as out:
                    while chunk := answer.read(CHUNK):
                        out.write(chunk)
                        progress(len(chunk))
        except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
            raise SourceFailedError(f"{url}: {error}") from error
        part.replace(target)


def of(name: str) -> Source:
    """The source that a manifest calls by this name. ``shipped`` is the folder of the models that come with buhin."""
    known: dict[str, Callable[[], Source]] = {
        "shipped": lambda: Directory(paths.data("models")), "installed": Installed, "index": Index, "hub": HubSource
    }  # fmt: skip
    return known[name]()
