"""What goes into a bundle, kind by kind, from where it lies on this machine."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import yaml

from buhin.bundle import chart, images
from buhin.bundle.archive import Piece
from buhin.bundle.manifest import BLOBS, FOLDERS, Kind, Member
from buhin.bundle.wheels import Wheel, gather_wheels, locked
from buhin.errors import BundleInputError, ModelMissingError
from buhin.models.files import sha256
from buhin.models.manifest import Manifest
from buhin.models.store import ModelStore

WORKER = "worker"
"""What runs pipelines on a cluster: an image, a lock and a bill of materials, and no service."""
MODELS = "models/manifest.yaml"
INDEX = "images/index.json"
_UNUSUAL = re.compile(r"[^\w./+-]")


@dataclass(frozen=True)
class Inputs:
    """What a bundle is made of."""

    version: str
    """Of buhin, and of images whose layout gives no tag."""
    services: tuple[str, ...]
    whole: bool
    """Whether these are all services: then what runs pipelines comes too, where it is there."""
    store: ModelStore
    models: tuple[str, ...]
    chart: Path
    images: Path
    wheels: Path
    requirements: Path
    sbom: Path
    licence: Path
    without: frozenset[Kind] = frozenset()

    def wants(self, part: str) -> bool:
        """Whether what is of this service comes along."""
        return part in self.services or (self.whole and part == WORKER)

    @cached_property
    def found_wheels(self) -> list[Wheel]:
        """The wheels, hashed once. Raises BundleInputError."""
        locks = [lock for lock in sorted(self.requirements.glob("*.txt")) if self.wants(lock.stem)]
        return gather_wheels(self.wheels, locked(locks), ("buhin", self.version))


def gather(inputs: Inputs) -> list[Piece]:
    """Everything, in the order of the archive. Raises BundleInputError that names all kinds with something missing."""
    kinds: dict[Kind, Callable[[Inputs], Iterable[Piece]]] = {
        "chart": _chart, "licence": _licences, "sbom": _sboms, "wheel": _wheels, "image": _images, "model": _models
    }  # fmt: skip
    found: list[Piece] = []
    problems: dict[Kind, BundleInputError] = {}
    for kind, gathered in kinds.items():
        if kind in inputs.without:
            continue
        try:
            found += sorted(gathered(inputs), key=lambda piece: piece.member.path)
        except BundleInputError as error:
            problems[kind] = error
    if problems:
        raise _all_of(problems)
    return found


def _all_of(problems: dict[Kind, BundleInputError]) -> BundleInputError:
    first, *more = {error.message: error for error in problems.values()}.values()
    if not more:
        return first
    names = ", ".join(FOLDERS[kind] for kind in problems)
    several = BundleInputError(
        problem=f"{names} are missing or not whole", problem_ja=f"{names} が揃っていないか不完全です"
    )
    several.causes = (first, *more)
    return several


def _of_bytes(path: str, data: bytes, kind: Kind, name: str, **said: str) -> Piece:
    digest = hashlib.sha256(data).hexdigest()
    return Piece(
        Member(path=path, size=len(data), sha256=digest, kind=kind, name=name, **said), lambda: io.BytesIO(data)
    )


def _of_file(path: str, file: Path, digest: str, kind: Kind, name: str, **said: str) -> Piece:
    size = file.stat().st_size
    return Piece(Member(path=path, size=size, sha256=digest, kind=kind, name=name, **said), lambda: file.open("rb"))


def _chart(inputs: Inputs) -> Iterable[Piece]:
    if not inputs.chart.is_dir():
        raise _lacking("chart", inputs.chart, "it is no folder of a chart", "チャートのフォルダがありません")
    packed = chart.pack(inputs.chart)
    path = f"{FOLDERS['chart']}/{packed.file}"
    said = {"version": packed.version, "media_type": "application/gzip", "licence": "Apache-2.0"}
    yield _of_bytes(path, packed.data, "chart", packed.name, **said)
    for values in sorted((inputs.chart / "ci").glob("*.yaml")):
        path = f"{FOLDERS['chart']}/values/{values.name}"
        yield _of_bytes(path, values.read_bytes(), "chart", "example values", media_type="application/yaml")


def _licences(inputs: Inputs) -> Iterable[Piece]:
    folder = FOLDERS["licence"]
    said = {"media_type": "text/plain", "licence": "Apache-2.0"}
    yield _of_bytes(f"{folder}/LICENSE", inputs.licence.read_bytes(), "licence", "buhin", **said)
    for wheel in [] if "wheel" in inputs.without else inputs.found_wheels:
        for name, text in wheel.texts():
            path = f"{folder}/{wheel.name}-{wheel.version}/{_UNUSUAL.sub('_', name)}"
            said = {"version": wheel.version, "media_type": "text/plain", "licence": wheel.licence}
            yield _of_bytes(path, text, "licence", wheel.name, **said)


def _sboms(inputs: Inputs) -> Iterable[Piece]:
    found = {path.name.removesuffix(".cdx.json"): path for path in inputs.sbom.glob("*.cdx.json")}
    if missing := sorted(set(inputs.services) - set(found)):
        names = ", ".join(missing)
        raise _lacking("sbom", inputs.sbom, f"no bill of materials of {names}; run: make sbom",
                       f"{names} の部品表がありません。実行してください: make sbom")  # fmt: skip
    for part, path in found.items():
        if inputs.wants(part):
            media = "application/vnd.cyclonedx+json"
            yield _of_file(f"sbom/{path.name}", path, sha256(path), "sbom", part, media_type=media)


def _wheels(inputs: Inputs) -> Iterable[Piece]:
    for wheel in inputs.found_wheels:
        said = {"version": wheel.version, "licence": wheel.licence, "media_type": "application/zip"}
        yield _of_file(f"wheels/{wheel.path.name}", wheel.path, wheel.sha256, "wheel", wheel.name, **said)


def _images(inputs: Inputs) -> Iterable[Piece]:
    def wanted(name: str) -> bool:
        return inputs.wants(name.removeprefix("buhin-").removesuffix("-gpu").replace("-", "_"))

    merged = images.merge(inputs.images, wanted, inputs.version)
    there = {name.partition(":")[0] for name in merged.names}
    needed = {f"buhin-{service.replace('_', '-')}" for service in inputs.services}
    if missing := sorted(needed - there):
        names = ", ".join(missing)
        raise _lacking("image", inputs.images, f"no image {names}; run: make images",
                       f"イメージ {names} がありません。実行してください: make images")  # fmt: skip
    every = ", ".join(merged.names)
    yield _of_bytes("images/oci-layout", images.LAYOUT, "image", every, media_type="application/json")
    yield _of_bytes(INDEX, merged.index, "image", every, media_type=images.INDEX_TYPE)
    for digest, blob in merged.blobs.items():
        name = ", ".join(sorted(blob.images))
        said = {"media_type": blob.descriptor.mediaType, "licence": blob.licence}
        yield _of_file(BLOBS + digest, blob.path, digest, "image", name, **said)


def _models(inputs: Inputs) -> Iterable[Piece]:
    entries = [inputs.store.entry(model_id) for model_id in inputs.models]
    written = {"models": [entry.model_dump(mode="json", exclude_defaults=True) for entry in entries]}
    data = yaml.safe_dump(written, sort_keys=False, allow_unicode=True, width=1000).encode()
    yield _of_bytes(MODELS, data, "model", "manifest", media_type="application/yaml")
    for entry in entries:
        folder = inputs.store.path(entry.id)
        if not folder.is_dir():
            raise ModelMissingError(model=entry.id)
        for file in entry.files:
            path = f"models/{entry.id}/{file.name}"
            said = {"version": entry.digest[7:19], "licence": entry.licence}
            yield _of_file(path, folder / file.name, file.sha256, "model", entry.id, **said)


def models_of(data: bytes) -> Manifest:
    """The manifest of the models of a bundle. Raises pydantic.ValidationError."""
    return Manifest.model_validate(yaml.safe_load(data))


def _lacking(kind: Kind, place: Path, en: str, ja: str) -> BundleInputError:
    option = f"--without {FOLDERS[kind]}"
    return BundleInputError(problem=f"{place}: {en} (or {option})", problem_ja=f"{place}: {ja}（または {option}）")
