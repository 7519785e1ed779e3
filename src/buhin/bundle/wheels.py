"""Wheels, checked against the locks of the images, and the licences that they carry."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from email.parser import BytesParser
from pathlib import Path

from buhin.errors import BundleInputError
from buhin.models.files import sha256

_PIN = re.compile(
    r"^(?P<pin>[\w.-]+==[^\s\\;]+)[^\n]*(?P<hashes>(?:\\\n\s+--hash=sha256:[0-9a-f]{64}\s*)+)$", re.MULTILINE
)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_LICENCE = re.compile(
    r"^[^/]+\.dist-info/(?P<name>licenses/.+|(?:LICEN[CS]E|COPYING|NOTICE|AUTHORS)[^/]*)$", re.IGNORECASE
)
_MAX_TEXT_BYTES = 4 << 20


@dataclass(frozen=True)
class Wheel:
    """A wheel of the folder."""

    path: Path
    name: str
    version: str
    sha256: str
    licence: str

    def texts(self) -> Iterator[tuple[str, bytes]]:
        """The licences in it: their names and their bytes."""
        with zipfile.ZipFile(self.path) as archive:
            for entry in sorted(archive.infolist(), key=lambda each: each.filename):
                found = _LICENCE.match(entry.filename)
                if found and not entry.is_dir() and entry.file_size <= _MAX_TEXT_BYTES and ".." not in found["name"]:
                    yield found["name"], archive.read(entry)


def locked(locks: list[Path]) -> dict[str, str]:
    """The digests that locks of pip (``--require-hashes``) accept, and what each is of."""
    return {
        digest: pin["pin"]
        for lock in locks
        for pin in _PIN.finditer(lock.read_text(encoding="utf-8"))
        for digest in _HASH.findall(pin["hashes"])
    }


def gather_wheels(folder: Path, needed: dict[str, str], project: tuple[str, str]) -> list[Wheel]:
    """The wheels of a folder whose digests are needed, and the project's own. Others stay where they are.

    Raises BundleInputError where one is missing.
    """
    found = {sha256(path): path for path in sorted(folder.glob("*.whl"))}
    own = list(folder.glob(f"{project[0]}-{project[1]}-*.whl"))
    right = [digest for digest in needed if digest in found]
    missing = sorted(set(needed.values()) - {needed[digest] for digest in right})
    missing += [] if len(own) == 1 else ["==".join(project)]
    if missing:
        raise BundleInputError(
            problem=f"{folder} lacks {len(missing)} wheels by the digests of the locks, {missing[0]} first; "
            "run: make wheels (or --without wheels)",
            problem_ja=f"{folder} にロックファイルのダイジェストと一致する wheel が {len(missing)} 個足りません"
            f"（{missing[0]} など）。実行してください: make wheels（または --without wheels）",
        )
    return [_wheel(path) for path in sorted([*own, *(found[digest] for digest in right)])]


def _wheel(path: Path) -> Wheel:
    try:
        with zipfile.ZipFile(path) as archive:
            (entry,) = [name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name)]
            said = BytesParser().parsebytes(archive.read(entry), headersonly=True)
    except (zipfile.BadZipFile, ValueError) as error:
        raise BundleInputError(problem=f"{path} is no wheel", problem_ja=f"{path} は wheel ではありません") from error
    classifiers = [each.rpartition(" :: ")[2] for each in said.get_all("Classifier") or () if "License ::" in each]
    licence = said["License-Expression"] or ", ".join(classifiers) or str(said["License"] or "").partition("\n")[0]
    return Wheel(path, str(said["Name"]), str(said["Version"]), sha256(path), str(licence)[:200])
