"""Runs on disk: one folder each, ``<state>/runs/<run>/``, with all that is needed to go on after a crash.

    run.json       what is run on what, when it began and whether it finished
    steps.sqlite   what DBOS knows: the steps that are done, each with the path and the SHA-256 of its result
    results/       the answers, serialized; written whole or not at all
    lock           held by the process that works on the run

Deleting the folder forgets the run.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from buhin.errors import RunError
from buhin.pipelines.inputs import InputFile, Value
from buhin.pipelines.spec import Spec

FORMAT = 1
"""Version of the folder's layout and of what DBOS keeps; part of the run's digest, so no run is read by another."""


@dataclass
class RunRecord:
    """What ``run.json`` says."""

    run: str
    pipeline: str
    spec: str
    inputs: list[dict[str, str]]
    parameters: dict[str, Value | None]
    began: str
    finished: str = ""
    outputs: list[str] = field(default_factory=list)
    failed: int = 0


@dataclass(frozen=True)
class Stored:
    """A result in the run's folder: its path there and its SHA-256."""

    path: str
    sha256: str


class Run:
    """A run's folder."""

    def __init__(self, folder: Path, record: RunRecord) -> None:
        self.folder = folder
        self.record = record

    @property
    def id(self) -> str:
        """Name of the run: the pipeline's name, its digest, its number."""
        return self.record.run

    @property
    def files(self) -> list[InputFile]:
        """Its input, as it was when the run began."""
        return [InputFile(Path(file["path"]), file["name"], file["sha256"]) for file in self.record.inputs]

    @property
    def database_url(self) -> str:
        """Where DBOS keeps what it knows."""
        return f"sqlite:///{self.folder.resolve() / 'steps.sqlite'}"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only process that works on the run; raises RunError where another one does."""
        with (self.folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RunError(run=self.id, problem="another process is working on it") from None
            yield

    def store(self, step: str, index: int, data: bytes) -> Stored:
        """Keep a result, beside what another worker may have kept in its place."""
        digest = hashlib.sha256(data).hexdigest()
        path = f"results/{step}/{index}-{digest[:16]}.binpb"
        write_whole(self.folder / path, data)
        return Stored(path, digest)

    def load(self, stored: Stored) -> bytes:
        """A result that was kept; raises RunError where it is not there or not the same."""
        try:
            data = (self.folder / stored.path).read_bytes()
        except OSError:
            data = b""
        if hashlib.sha256(data).hexdigest() != stored.sha256:
            raise RunError(run=self.id, problem=f"{stored.path} is missing or damaged; start anew with --fresh")
        return data

    def finish(self, outputs: Iterable[Path], failed: int) -> None:
        """Mark the run as finished."""
        self.record.finished = _now()
        self.record.outputs = [str(path) for path in outputs]
        self.record.failed = failed
        self.save()

    def save(self) -> None:
        """Write ``run.json``."""
        write_whole(self.folder / "run.json", json.dumps(asdict(self.record), ensure_ascii=False, indent=1).encode())


def find_or_create(
    state_dir: Path, spec: Spec, files: list[InputFile], parameters: Mapping[str, Value | None], *, fresh: bool
) -> Run:
    """The unfinished run of the same spec, input and parameters, else a new one; always a new one when ``fresh``."""
    name = _name(spec, files, parameters)
    same = [run for run in runs(state_dir) if run.id.rpartition("-")[0] == name]
    latest = max(same, key=lambda run: int(run.id.rpartition("-")[2]), default=None)
    if latest is not None and not latest.record.finished and not fresh:
        return latest
    number = int(latest.id.rpartition("-")[2]) + 1 if latest is not None else 1
    return _create(state_dir, f"{name}-{number}", spec, files, parameters)


def open_or_create(state_dir: Path, spec: Spec, files: list[InputFile], parameters: Mapping[str, Value | None]) -> Run:
    """The only run of the same spec, input and parameters in a folder of its submission, as the first one there is."""
    name = f"{_name(spec, files, parameters)}-1"
    return _read(state_dir / "runs" / name / "run.json") or _create(state_dir, name, spec, files, parameters)


def open_run(state_dir: Path, name: str) -> Run:
    """A run that there is. Raises RunError where there is none."""
    run = _read(state_dir / "runs" / name / "run.json")
    if run is None:
        raise RunError(run=name, problem=f"its record in {state_dir} is missing or damaged")
    return run


def runs(state_dir: Path) -> list[Run]:
    """All runs, oldest first."""
    found = [_read(path) for path in (state_dir / "runs").glob("*/run.json")]
    return sorted((run for run in found if run is not None), key=lambda run: run.record.began)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".buhin-")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _name(spec: Spec, files: list[InputFile], parameters: Mapping[str, Value | None]) -> str:
    """The pipeline's name and the digest of all that the results depend on."""
    identity = [FORMAT, spec.text, [[file.name, file.digest] for file in files], dict(parameters)]
    digest = hashlib.sha256(json.dumps(identity, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{spec.name}-{digest}"


def _create(
    state_dir: Path, name: str, spec: Spec, files: list[InputFile], parameters: Mapping[str, Value | None]
) -> Run:
    record = RunRecord(
        run=name,
        pipeline=spec.name,
        spec=str(spec.path),
        inputs=[{"name": file.name, "path": str(file.path), "sha256": file.digest} for file in files],
        parameters=dict(parameters),
        began=_now(),
    )
    run = Run(state_dir / "runs" / name, record)
    run.folder.parent.mkdir(parents=True, exist_ok=True)
    run.folder.mkdir(mode=0o700, exist_ok=True)  # it holds what was said and seen
    run.save()
    return run


def _read(path: Path) -> Run | None:
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return Run(path.parent, RunRecord(**values))
    except (OSError, ValueError, TypeError):
        return None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
