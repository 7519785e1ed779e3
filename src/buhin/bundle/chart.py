"""A chart as `helm package` packs it, the same bytes each time."""

from __future__ import annotations

import fnmatch
import gzip
import io
import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import yaml

from buhin.errors import BundleInputError

MAX_BYTES = 5 << 20
"""Largest file of a chart, as helm has it."""


@dataclass(frozen=True)
class Chart:
    """A packed chart."""

    name: str
    version: str
    data: bytes

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.name}-{self.version}.tgz"


def pack(folder: Path) -> Chart:
    """Pack the folder of a chart, ``Chart.yaml`` first, without what ``.helmignore`` names.

    Raises BundleInputError where it is no chart, or has a link or a file over 5 MiB.
    """
    try:
        said = yaml.safe_load((folder / "Chart.yaml").read_text(encoding="utf-8"))
        name, version = str(said["name"]), str(said["version"])
    except (OSError, LookupError, TypeError, ValueError, yaml.YAMLError) as error:
        raise _wrong(folder, "no chart: Chart.yaml with name and version is needed") from error
    if len(PurePosixPath(name).parts) != 1 or len(PurePosixPath(version).parts) != 1:
        raise _wrong(folder, "the name and the version in Chart.yaml must not be paths")
    ignored = _Ignored(folder / ".helmignore")
    files = [path for path in _files(folder, folder, ignored) if path != folder / "Chart.yaml"]
    out = io.BytesIO()
    with (
        gzip.GzipFile(filename="", fileobj=out, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path in (folder / "Chart.yaml", *files):
            if path.is_symlink() or not path.is_file() or path.stat().st_size > MAX_BYTES:
                raise _wrong(folder, f"{path.relative_to(folder)} is no plain file of at most {MAX_BYTES >> 20} MiB")
            data = path.read_bytes()
            info = tarfile.TarInfo(f"{name}/{path.relative_to(folder).as_posix()}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return Chart(name, version, out.getvalue())


def _files(folder: Path, root: Path, ignored: _Ignored) -> list[Path]:
    found: list[Path] = []
    for path in sorted(folder.iterdir()):
        if ignored(path.relative_to(root).as_posix(), folder=path.is_dir()):
            continue
        found += _files(path, root, ignored) if path.is_dir() and not path.is_symlink() else [path]
    return found


class _Ignored:
    """The rules of a ``.helmignore``: shell patterns, of names or (with a slash) of paths; a last slash means folders,
    a first ``!`` what is kept all the same. The last rule that matches decides.
    """

    def __init__(self, path: Path) -> None:
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        self._rules = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        self._rules.insert(0, "templates/.?*")

    def __call__(self, path: str, *, folder: bool) -> bool:
        ignored = False
        for rule in self._rules:
            pattern = rule.removeprefix("!")
            if pattern.endswith("/") and not folder:
                continue
            anchored = "/" in pattern.rstrip("/")
            subject = path if anchored else PurePosixPath(path).name
            if fnmatch.fnmatchcase(subject, pattern.strip("/")):
                ignored = not rule.startswith("!")
        return ignored


def _wrong(folder: Path, problem: str) -> BundleInputError:
    return BundleInputError(
        problem=f"{folder}: {problem}", problem_ja=f"{folder} をチャートとしてまとめられません: {problem}"
    )
