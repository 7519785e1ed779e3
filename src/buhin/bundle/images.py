"""Images in the OCI layout: several layouts become one, in which a blob that images share is there once."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from buhin.errors import BundleInputError

MAX_DOCUMENT_BYTES = 4 << 20
"""Largest index, manifest or configuration, as registries have it."""
LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
REF_NAME = "org.opencontainers.image.ref.name"
LICENCES = "org.opencontainers.image.licenses"
INDEXES = {INDEX_TYPE, "application/vnd.docker.distribution.manifest.list.v2+json"}
MANIFESTS = {"application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"}
_NAME = re.compile(r"^[a-z0-9]+(?:[._-]+[a-z0-9]+)*:\w[\w.-]{0,127}$", re.ASCII)

Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class Descriptor(BaseModel):
    """A blob by digest; what else is said of it is kept."""

    model_config = ConfigDict(extra="allow", frozen=True)

    mediaType: str  # noqa: N815 - as the OCI names it
    digest: Digest
    size: int = Field(ge=0)
    annotations: dict[str, str] = Field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """The digest without its prefix."""
        return self.digest.removeprefix("sha256:")


class Index(BaseModel):
    """The images of a layout, or of an index inside it."""

    manifests: list[Descriptor]


class ImageManifest(BaseModel):
    """The configuration and the layers of an image."""

    config: Descriptor
    layers: list[Descriptor]


@dataclass
class Blob:
    """A blob of the merged layout."""

    descriptor: Descriptor
    path: Path
    images: set[str] = field(default_factory=set)
    licence: str = ""


@dataclass(frozen=True)
class Merged:
    """One layout of all images: its index and its blobs by digest."""

    index: bytes
    names: tuple[str, ...]
    blobs: dict[str, Blob]


def walk(descriptor: Descriptor, read: Callable[[Descriptor], bytes]) -> Iterator[Descriptor]:
    """The blobs that an image needs, those that name others after them. Raises pydantic.ValidationError."""
    if descriptor.mediaType in INDEXES:
        for child in Index.model_validate_json(read(descriptor)).manifests:
            yield from walk(child, read)
    elif descriptor.mediaType in MANIFESTS:
        image = ImageManifest.model_validate_json(read(descriptor))
        yield from (image.config, *image.layers)
    yield descriptor


def merge(folder: Path, wanted: Callable[[str], bool], version: str) -> Merged:
    """The layouts in a folder as one, for images whose name is wanted: ``buhin-speech`` of ``buhin-speech:0.1.0``.

    Raises BundleInputError where a layout is not whole, or two images have the same name.
    """
    named: dict[str, Descriptor] = {}
    blobs: dict[str, Blob] = {}
    for layout in sorted(path.parent for path in folder.glob("*/oci-layout")):
        for descriptor in _parsed(layout / "index.json", layout).manifests:
            name = _name(layout, descriptor, version)
            if not wanted(name.partition(":")[0]):
                continue
            if name in named and named[name].digest != descriptor.digest:
                raise BundleInputError(
                    problem=f"{folder} has two images {name}",
                    problem_ja=f"{folder} に {name} というイメージが二つあります",
                )
            if not _NAME.match(name) or descriptor.mediaType not in INDEXES | MANIFESTS:
                raise _broken(layout, f"{name}, {descriptor.mediaType}: no image that a registry takes")
            named[name] = descriptor
            _collect(layout, name, descriptor, blobs)
    entries = [_entry(name, named[name]) for name in sorted(named)]
    index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": entries}
    return Merged(json.dumps(index, indent=1).encode() + b"\n", tuple(sorted(named)), blobs)


def _collect(layout: Path, name: str, descriptor: Descriptor, blobs: dict[str, Blob]) -> None:
    def read(found: Descriptor) -> bytes:
        return _document(_path(layout, found))

    try:
        for each in walk(descriptor, read):
            path = _path(layout, each)
            if not path.is_file() or path.stat().st_size != each.size:
                raise _broken(layout, f"{name}: the blob {each.digest} is missing or not whole")
            blobs.setdefault(each.sha256, Blob(each, path)).images.add(name)
            if each.mediaType in MANIFESTS:
                config = ImageManifest.model_validate_json(read(each)).config
                blobs[each.sha256].licence = _licence(_document(_path(layout, config)))
    except ValidationError as error:
        raise _broken(layout, f"{name}: {error.errors()[0]['msg']}") from error
    except RecursionError as error:
        raise _broken(layout, f"{name}: indexes of indexes without end") from error


def _parsed(path: Path, layout: Path) -> Index:
    try:
        return Index.model_validate_json(_document(path))
    except (ValidationError, FileNotFoundError) as error:
        raise _broken(layout, "index.json cannot be read") from error


def _document(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(MAX_DOCUMENT_BYTES + 1)
    if len(data) > MAX_DOCUMENT_BYTES:
        raise _broken(path, f"more than {MAX_DOCUMENT_BYTES} bytes")
    return data


def _path(layout: Path, descriptor: Descriptor) -> Path:
    return layout / "blobs" / "sha256" / descriptor.sha256


def _name(layout: Path, descriptor: Descriptor, version: str) -> str:
    """The last part of what the layout calls it; a tag alone belongs to the name of the folder."""
    said = descriptor.annotations.get(REF_NAME, "").rpartition("/")[2]
    return said if ":" in said else f"{layout.name}:{said or version}"


def _entry(name: str, descriptor: Descriptor) -> dict[str, Any]:
    annotations = descriptor.annotations | {REF_NAME: name}
    return descriptor.model_copy(update={"annotations": annotations}).model_dump(mode="json", exclude_none=True)


def _licence(config: bytes) -> str:
    try:
        return str(json.loads(config)["config"]["Labels"][LICENCES])
    except (ValueError, LookupError, TypeError):
        return ""


def _broken(place: Path, what: str) -> BundleInputError:
    return BundleInputError(
        problem=f"{place} is not a whole OCI image layout: {what}",
        problem_ja=f"{place} は完全な OCI イメージレイアウトではありません: {what}",
    )
