"""Placing a bundle: everything is verified first, then each piece is put where it belongs, or left if it is right."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import yaml
from pydantic import ValidationError

from buhin.bundle import images
from buhin.bundle.archive import Archive, Progress
from buhin.bundle.contents import INDEX, MODELS, models_of
from buhin.bundle.manifest import BLOBS, MANIFEST, SIGNATURE, Kind, Member
from buhin.bundle.registry import Registry
from buhin.errors import (
    BundleTargetError,
    BundleUnreadableError,
    DigestMismatchError,
    ModelMissingError,
)
from buhin.models import sources
from buhin.models.files import matches
from buhin.models.manifest import ModelEntry, ModelFile
from buhin.models.store import ModelStore

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Stage = Literal["verify", "models", "files", "push"]
Stages = Callable[[Stage], Progress]
"""Gives the progress of each stage."""

RECEIPT = "import.json"
_SPARE_BYTES = 64 << 20


@dataclass(frozen=True)
class Target:
    """Where a bundle goes. Images go to the registry, or without one into the folder."""

    folder: Path
    models: Path
    registry: Registry | None = None
    without: frozenset[Kind] = frozenset()


@dataclass
class Placed:
    """What an import has done; also the receipt that it leaves in the folder."""

    bundle: str
    """Digest of the manifest."""
    version: str
    key: str
    written: list[str] = field(default_factory=list)
    """Members that were written now."""
    kept: list[str] = field(default_factory=list)
    """Members that were there already, and right."""
    models: dict[str, str] = field(default_factory=dict)
    """Where each model lies."""
    pushed: dict[str, str] = field(default_factory=dict)
    """Images in the registry: digests by reference."""


def place(bundle: Path, key: Ed25519PublicKey, target: Target, stages: Stages) -> Placed:
    """Verify the whole bundle, then place it. After an interruption the same call goes on.

    Raises BundleUnreadableError, BundleSignatureError or BundleCorruptError before anything is written;
    BundleTargetError, RegistryError, SourceError or OSError while it is placed.
    """
    with Archive(bundle) as archive:
        archive.check_signature(key)
        archive.verify(stages("verify"))
        manifest = archive.manifest
        done = Placed(archive.digest, manifest.version, manifest.key)
        with _locked(target.folder):
            _own(archive, target)
            members = [m for m in manifest.members if m.kind not in target.without]
            files = [
                member
                for member in members
                if (member.kind != "model" or member.path == MODELS)
                and not (member.kind == "image" and target.registry)
            ]
            _check_space(archive, files, target.folder)
            if "model" not in target.without and manifest.of("model"):
                _place_models(archive, target, done, stages("models"))
            _place_files(archive, files, target, done, stages("files"))
            if target.registry and "image" not in target.without and manifest.of("image"):
                _push(archive, target.registry, done, stages("push"))
            _write(target.folder / RECEIPT, json.dumps(asdict(done), indent=1).encode() + b"\n")
    return done


def _own(archive: Archive, target: Target) -> None:
    """Take the folder for this bundle, or go on in it; never mix two."""
    mark = target.folder / MANIFEST
    if mark.exists() and mark.read_bytes() != archive.signed:
        raise BundleTargetError(
            folder=target.folder,
            problem="another bundle was imported here; give a folder of its own to each, --to FOLDER",
            problem_ja="別のバンドルがインポート済みです。バンドルごとに別のフォルダを --to で指定してください",
        )
    if not mark.exists():
        _write(mark, archive.signed)
    _write(target.folder / SIGNATURE, archive.signature)


def _check_space(archive: Archive, files: list[Member], folder: Path) -> None:
    need = sum(member.size for member in files if not (folder / member.path).exists()) + _SPARE_BYTES
    free = shutil.disk_usage(folder).free
    if free < need:
        said = f"{need / 1e9:.1f} GB", f"{free / 1e9:.1f} GB"
        raise BundleTargetError(
            folder=folder,
            problem=f"{said[0]} of disk are needed, {said[1]} are free",
            problem_ja=f"{said[0]} の空き容量が必要ですが、{said[1]} しかありません",
        )


def _place_files(archive: Archive, files: list[Member], target: Target, done: Placed, progress: Progress) -> None:
    total, before = sum(member.size for member in files), 0
    for member in files:
        path = target.folder / member.path
        if path.is_file() and path.stat().st_size == member.size and matches(path, member.sha256):
            done.kept.append(member.path)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f".{path.name}.part")
            with part.open("wb") as out:
                archive.copy(member, out, _counting(progress, before, total, member.path))
            part.replace(path)
            done.written.append(member.path)
        before += member.size
        progress(before, total, member.path)


def _place_models(archive: Archive, target: Target, done: Placed, progress: Progress) -> None:
    data = archive.read(archive.manifest.member(MODELS))
    try:
        manifest = models_of(data)
    except (ValueError, yaml.YAMLError) as error:
        raise _wrong_inside(archive, MODELS) from error
    source = _InBundle(archive)
    store = ModelStore(target.models, manifest, offline=True)
    total, before = sum(entry.size for entry in manifest.models), 0
    for entry in manifest.models:
        try:
            model = store.open(entry.id)
            done.kept.append(f"models/{entry.id}")
        except (ModelMissingError, DigestMismatchError):
            model = store.pull(
                entry.id,
                source=source,
                force=True,
                progress=lambda now, _, name, at=before: progress(at + now, total, name),  # type: ignore[misc]
            )
            done.written.append(f"models/{entry.id}")
        done.models[entry.id] = str(model.path)
        before += entry.size
        progress(before, total, entry.id)


def _push(archive: Archive, registry: Registry, done: Placed, progress: Progress) -> None:
    members = {member.sha256: member for member in archive.manifest.of("image") if member.path.startswith(BLOBS)}

    def read(found: images.Descriptor) -> bytes:
        return archive.read(members[found.sha256])

    try:
        index = images.Index.model_validate_json(archive.read(archive.manifest.member(INDEX)))
        needed = {each.annotations[images.REF_NAME]: list(images.walk(each, read)) for each in index.manifests}
        total = sum(each.size for blobs in needed.values() for each in blobs)
        before = 0
        for name, blobs in needed.items():
            repository, _, tag = name.partition(":")
            for each in blobs:
                last = each is blobs[-1]
                if each.mediaType in images.INDEXES | images.MANIFESTS:
                    registry.put_manifest(repository, tag if last else each.digest, each.mediaType, read(each))
                else:
                    member = members[each.sha256]
                    told = _counting(progress, before, total, f"{name} {each.digest[:19]}")
                    registry.put_blob(repository, each.digest, each.size, lambda m=member: archive.open(m), told)  # type: ignore[misc]
                before += each.size
                progress(before, total, name)
            done.pushed[registry.reference(repository, tag)] = blobs[-1].digest
    except (ValidationError, LookupError, RecursionError) as error:
        raise _wrong_inside(archive, INDEX) from error


class _InBundle:
    """The models of a bundle, as a source of the store."""

    name = "bundle"
    fetches = False

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def deliver(self, entry: ModelEntry, file: ModelFile, target: Path, progress: sources.Progress) -> None:
        """Copy the file out of the archive."""
        path = f"models/{entry.id}/{file.name}"
        try:
            member = self._archive.manifest.member(path)
        except KeyError as error:
            raise _wrong_inside(self._archive, path) from error
        with target.open("wb") as out:
            self._archive.copy(member, out, progress)


def _counting(progress: Progress, before: int, total: int, name: str) -> Callable[[int], None]:
    done = before

    def more(count: int) -> None:
        nonlocal done
        done += count
        progress(done, total, name)

    return more


def _write(path: Path, data: bytes) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(data)
    part.replace(path)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".import.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BundleTargetError(
                folder=folder,
                problem="another import is at work here",
                problem_ja="別のインポートが実行中です",
            ) from error
        yield


def _wrong_inside(archive: Archive, member: str) -> BundleUnreadableError:
    return BundleUnreadableError(
        bundle=archive.path,
        problem=f"{member} does not fit what is beside it; the bundle was made wrongly",
        problem_ja=f"{member} がバンドルの内容と一致しません。作成時の誤りです",
    )
