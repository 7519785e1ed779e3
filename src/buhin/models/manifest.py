"""The manifest of models: every file of every model by size and SHA-256, and where it can come from."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from buhin.models.files import sha256


def _inside(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or not path.parts:
        raise ValueError(f"{name!r} is not a relative path that stays inside its folder")
    return name


Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
SafePath = Annotated[str, AfterValidator(_inside)]
Direction = Annotated[str, Field(pattern=r"^[a-z]{2,3}-[a-z]{2,3}$")]
Measured = Literal["unmeasured", "weak", "draft", "good"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Pieces(_Part):
    """A file as members of packages, to be concatenated. ``{n}`` counts the pieces from 1."""

    package: str
    """Requirement with an exact version, for example ``name-part{n}==1.0``."""
    member: str
    """Path inside the package, for example ``name_part{n}/data/part{n:02}.bin``."""
    sha256: list[Sha256] = Field(min_length=1)
    """Digest of each piece."""

    def each(self) -> list[tuple[str, str, str]]:
        """Requirement, member and digest of every piece, in order."""
        return [
            (self.package.format(n=n), _inside(self.member.format(n=n)), digest)
            for n, digest in enumerate(self.sha256, start=1)
        ]


class ModelFile(_Part):
    """A file of a model."""

    name: SafePath
    size: int = Field(gt=0)
    sha256: Sha256
    pieces: Pieces | None = None

    def each(self) -> list[tuple[str, str, str]]:
        """Requirement, member and digest of every piece, in order; none where no package has it."""
        return self.pieces.each() if self.pieces else []


class Hub(_Part):
    """A repository of a model hub that serves files by name."""

    repo: str = Field(pattern=r"^[\w.-]+/[\w.-]+$")
    revision: str = "main"


class ModelEntry(_Part):
    """A model: what it is for, its licence, its files and its sources in order."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    task: str
    licence: str
    origin: str
    main: str
    files: list[ModelFile] = Field(min_length=1)
    sources: list[Literal["shipped", "installed", "index", "hub"]] = Field(default_factory=list)
    """Where it is looked for, in order; none for a model that only comes from a folder that the operator names."""
    hub: Hub | None = None
    directions: dict[Direction, Measured] = Field(default_factory=dict)
    """Of a model that translates: what was measured of a direction, ``source-target``. One that is not here was not
    measured; a model made for one direction whose files do not name it needs it here."""

    @classmethod
    def of_folder(cls, folder: Path, main: str, **said: str) -> ModelEntry:
        """An entry for the files of a folder, by their sizes and digests; what else is said of it is given.

        Raises pydantic.ValidationError where the main file is not there.
        """
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        files = [
            ModelFile(name=path.relative_to(folder).as_posix(), size=path.stat().st_size, sha256=sha256(path))
            for path in paths
        ]
        return cls.model_validate({**said, "main": main, "files": files})

    @model_validator(mode="after")
    def _consistent(self) -> ModelEntry:
        if self.main not in {file.name for file in self.files}:
            raise ValueError(f"{self.id}: the main file {self.main} is not one of its files")
        if "hub" in self.sources and self.hub is None:
            raise ValueError(f"{self.id}: the source hub needs a repository")
        if {"installed", "index"} & set(self.sources) and not all(file.pieces for file in self.files):
            raise ValueError(f"{self.id}: the sources installed and index need the pieces of every file")
        return self

    @property
    def size(self) -> int:
        """Size of all files in bytes."""
        return sum(file.size for file in self.files)

    @property
    def digest(self) -> str:
        """``sha256:`` and the digest of the main file."""
        return "sha256:" + next(file.sha256 for file in self.files if file.name == self.main)


class Manifest(_Part):
    """All models of the house."""

    models: list[ModelEntry]

    @classmethod
    def load(cls, path: Path) -> Manifest:
        """Read a manifest; raises OSError or pydantic.ValidationError where it is wrong."""
        return cls.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
