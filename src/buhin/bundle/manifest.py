"""The manifest of a bundle: every member by size and SHA-256. It is what is signed."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from buhin.models.manifest import SafePath, Sha256

FORMAT: Literal["buhin-bundle/1"] = "buhin-bundle/1"
MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
BLOBS = "images/blobs/sha256/"

Kind = Literal["chart", "image", "model", "wheel", "licence", "sbom"]
FOLDERS: dict[Kind, str] = {
    "chart": "chart", "image": "images", "model": "models", "wheel": "wheels", "licence": "licences", "sbom": "sbom"
}  # fmt: skip
"""The folder of each kind of member."""


def _canonical(path: str) -> str:
    if str(PurePosixPath(path)) != path:
        raise ValueError(f"{path!r} is not written in its shortest form")
    return path


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError(f"{text!r} has characters that cannot be shown")
    return text


Text = Annotated[str, Field(max_length=1_000), AfterValidator(_printable)]
MemberPath = Annotated[SafePath, Field(max_length=400), AfterValidator(_canonical), AfterValidator(_printable)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Member(_Part):
    """A file of a bundle."""

    path: MemberPath
    size: int = Field(ge=0, le=1 << 50)
    sha256: Sha256
    kind: Kind
    name: Text
    """What it is, or is part of: a chart, images, a model, a package, a service."""
    version: Text = ""
    media_type: Text = "application/octet-stream"
    licence: Text = ""

    @model_validator(mode="after")
    def _in_its_place(self) -> Member:
        if not self.path.startswith(FOLDERS[self.kind] + "/"):
            raise ValueError(f"{self.path} is not in the folder {FOLDERS[self.kind]} of its kind")
        if self.path.startswith(BLOBS) and self.path != BLOBS + self.sha256:
            raise ValueError(f"{self.path} is not named by its digest")
        return self


class BundleManifest(_Part):
    """What a bundle holds, in the order of the archive."""

    format: Literal["buhin-bundle/1"] = FORMAT
    version: Text
    """The version of buhin that it holds."""
    created: AwareDatetime
    key: Sha256
    """Fingerprint of the key that signs it."""
    services: list[Text]
    without: list[Kind] = Field(default_factory=list)
    """Kinds that were left out on purpose."""
    members: list[Member] = Field(max_length=100_000)

    @model_validator(mode="after")
    def _apart(self) -> BundleManifest:
        paths = {member.path for member in self.members}
        if len(paths) < len(self.members):
            raise ValueError("a member is there twice")
        for path in paths:
            if inside := next((str(parent) for parent in PurePosixPath(path).parents if str(parent) in paths), None):
                raise ValueError(f"{inside} is a file and the folder of {path}")
        return self

    def of(self, *kinds: Kind) -> list[Member]:
        """The members of these kinds."""
        return [member for member in self.members if member.kind in kinds]

    def member(self, path: str) -> Member:
        """The member of this path. Raises KeyError."""
        for member in self.members:
            if member.path == path:
                return member
        raise KeyError(path)

    def to_bytes(self) -> bytes:
        """As it is signed and stored."""
        return self.model_dump_json(indent=1).encode() + b"\n"
