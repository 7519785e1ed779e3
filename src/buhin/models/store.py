"""The model store: a folder a model, placed all or nothing, always checked by SHA-256."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from buhin.config import Settings
from buhin.engine import LoadedModel
from buhin.errors import DigestMismatchError, ModelMissingError, OfflineError, SourceError, UnknownModelError
from buhin.models import sources
from buhin.models.files import sha256
from buhin.models.manifest import Manifest, ModelEntry, ModelFile

Progress = Callable[[int, int, str], None]
"""Told bytes done, bytes in all, and the name of the file at work."""

_SPARE_BYTES = 256 << 20


@dataclass(frozen=True)
class Model:
    """A model in the store, verified. ``directions`` are those of its entry in the manifest."""

    id: str
    path: Path
    main: Path
    digest: str
    licence: str
    size_bytes: int
    directions: Mapping[str, str] = field(default_factory=dict)

    def loaded(self, role: str) -> LoadedModel:
        """The same, as an engine reports it."""
        return LoadedModel(self.id, self.digest, role, self.licence, self.size_bytes)


class ModelStore:
    """Models of a manifest in a folder. Safe to use from several processes at once."""

    def __init__(self, folder: Path, manifest: Manifest, *, offline: bool = False) -> None:
        self.folder = folder
        self._entries = {entry.id: entry for entry in manifest.models}
        self._offline = offline

    @classmethod
    def from_settings(cls, settings: Settings) -> ModelStore:
        """The store that the settings name."""
        return cls(settings.models_dir, Manifest.load(settings.manifest), offline=settings.offline)

    @property
    def ids(self) -> list[str]:
        """The models of the manifest."""
        return list(self._entries)

    def entry(self, model_id: str) -> ModelEntry:
        """What the manifest says of a model. Raises UnknownModelError."""
        if model_id not in self._entries:
            raise UnknownModelError(model=model_id, accepted=", ".join(self._entries))
        return self._entries[model_id]

    def path(self, model_id: str) -> Path:
        """The folder of a model, there or not; named by its digest, so a new version never replaces files in use."""
        entry = self.entry(model_id)
        return self.folder / f"{entry.id}-{entry.digest.removeprefix('sha256:')[:12]}"

    def present(self, model_id: str) -> bool:
        """Whether the model was placed. Says nothing of its digests; ``open`` does."""
        return self.path(model_id).is_dir()

    def open(self, model_id: str) -> Model:
        """The model, every file verified. Raises UnknownModelError, ModelMissingError or DigestMismatchError."""
        entry, path = self.entry(model_id), self.path(model_id)
        if not path.is_dir():
            raise ModelMissingError(model=model_id)
        for file in entry.files:
            self._verify(entry, file, path / file.name)
        return Model(entry.id, path, path / entry.main, entry.digest, entry.licence, entry.size, entry.directions)

    def pull(
        self,
        model_id: str,
        *,
        progress: Progress | None = None,
        directory: Path | None = None,
        source: sources.Source | None = None,
        force: bool = False,
    ) -> Model:
        """Place a model from its sources in order, ``source`` or ``directory`` before them all; nothing to do when it
        is there.

        Raises UnknownModelError, OfflineError, SourceError (with what each source said) or DigestMismatchError; the
        store is then as it was. What was fetched and is right is kept for the next try.
        """
        entry = self.entry(model_id)
        with self._lock(model_id):
            if self.present(model_id) and not force:
                return self.open(model_id)
            partial = self.folder / ".partial" / self.path(model_id).name
            partial.mkdir(parents=True, exist_ok=True)
            self._check_space(entry, partial)
            places: list[sources.Source] = [sources.of(name) for name in entry.sources]
            if directory is not None:
                places.insert(0, sources.Directory(directory))
            if source is not None:
                places.insert(0, source)
            done = 0
            for file in entry.files:
                tell = _teller(progress, done, entry.size, file.name)
                self._obtain(entry, file, partial / file.name, places, tell)
                done += file.size
                if progress:
                    progress(done, entry.size, file.name)
            self._place(partial, self.path(model_id))
            return self.open(model_id)

    def _obtain(
        self, entry: ModelEntry, file: ModelFile, target: Path, places: Sequence[sources.Source], tell: sources.Progress
    ) -> None:
        if target.is_file() and target.stat().st_size == file.size and sha256(target) == file.sha256:
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        allowed = [place for place in places if not (self._offline and place.fetches)]
        said: list[str] = []
        for place in allowed:
            try:
                place.deliver(entry, file, target, tell)
                self._verify(entry, file, target)
            except sources.SourceFailedError as error:
                said.append(f"{place.name}: {error}")
            except DigestMismatchError:
                target.unlink(missing_ok=True)
                raise
            except OSError as error:
                target.unlink(missing_ok=True)
                raise SourceError(model=entry.id, problem=f"{self.folder}: {error.strerror}") from error
            else:
                return
        if len(allowed) < len(places):
            raise OfflineError(model=entry.id)
        raise SourceError(model=entry.id, problem="; ".join(said))

    def _verify(self, entry: ModelEntry, file: ModelFile, path: Path) -> None:
        actual = sha256(path) if path.is_file() else "missing"
        if actual != file.sha256:
            raise DigestMismatchError(model=entry.id, file=file.name, actual=actual, expected=file.sha256)

    def _place(self, partial: Path, path: Path) -> None:
        old = path.with_name(path.name + ".old")
        shutil.rmtree(old, ignore_errors=True)
        if path.exists():
            path.rename(old)
        partial.rename(path)
        shutil.rmtree(old, ignore_errors=True)

    def _check_space(self, entry: ModelEntry, partial: Path) -> None:
        have = sum(file.stat().st_size for file in partial.rglob("*") if file.is_file())
        # The pieces of the largest file stand beside it while it is put together.
        need = entry.size + max(file.size for file in entry.files) - have + _SPARE_BYTES
        free = shutil.disk_usage(partial).free
        if free < need:
            raise SourceError(
                model=entry.id,
                problem=f"{need / 1e9:.1f} GB of disk are needed in {self.folder}, {free / 1e9:.1f} GB are free",
            )

    @contextmanager
    def _lock(self, model_id: str) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / f".{model_id}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _teller(progress: Progress | None, done: int, total: int, label: str) -> sources.Progress:
    count = done

    def tell(more: int) -> None:
        nonlocal count
        count += more
        if progress:
            progress(count, total, label)

    return tell
