"""The input files of a run and the values of its parameters."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from buhin.errors import EmptyInputError, InputFileError, InvalidValueError, OutOfRangeError
from buhin.pipelines.types import INTEGER_RANGES

Value = str | int | float | bool

MAX_FILES = 10_000
"""Most files of one run."""

PARAMETER_TYPES: dict[str, type] = {"string": str, "int32": int, "double": float, "bool": bool}
"""Types that a parameter may have, as in a proto file."""


@dataclass(frozen=True)
class InputRule:
    """What a run takes: one file, or many. ``suffixes`` are lower-case with their dot."""

    kind: Literal["file", "files"] = "file"
    suffixes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Parameter:
    """A value that the caller may set. Without a default and unset, the fields that refer to it stay unset."""

    name: str
    type: str
    default: str | int | float | bool | None
    description: str


@dataclass(frozen=True)
class InputFile:
    """A file of the input: its name is unique in the run; ``digest`` is the SHA-256 of its bytes."""

    path: Path
    name: str
    digest: str

    @classmethod
    def at(cls, path: Path) -> InputFile:
        """The file at a path, as it is now. Raises InputFileError where it cannot be read."""
        try:
            with path.open("rb") as stream:
                return cls(path, path.name, hashlib.file_digest(stream, "sha256").hexdigest())
        except OSError as error:
            raise _unreadable(path.name, error) from error

    @property
    def bytes(self) -> bytes:
        """What the file holds; raises InputFileError where it is not what it was when the run began."""
        try:
            data = self.path.read_bytes()
        except OSError as error:
            raise _unreadable(self.name, error) from error
        if hashlib.sha256(data).hexdigest() != self.digest:
            raise InputFileError(
                run=self.name,
                problem="the input was changed while the run was going on; run again",
                problem_ja="実行中に入力が変更されました。もう一度実行してください",
            )
        return data


def _unreadable(name: str, error: OSError) -> InputFileError:
    return InputFileError(
        run=name,
        problem=f"the input cannot be read: {error.strerror}",
        problem_ja=f"入力を読めません: {error.strerror}",
    )


def collect(paths: Iterable[Path], rule: InputRule) -> list[InputFile]:
    """The files that ``find`` finds, read."""
    return [InputFile.at(path) for path in find(paths, rule)]


def find(paths: Iterable[Path], rule: InputRule) -> list[Path]:
    """The files at the paths, and those with an accepted suffix in the folders, by name.

    Raises InvalidValueError for a path that is not there, a file with another suffix and two files of one name, and
    EmptyInputError where a folder holds nothing of use.
    """
    accepted = ", ".join(rule.suffixes)
    found: dict[str, Path] = {}
    for path in paths:
        if path.is_dir():
            files = sorted(file for file in path.iterdir() if file.is_file() and _accepts(file, rule))
            if not files:
                raise EmptyInputError(field=f"{path} ({accepted})")
        elif not path.is_file():
            raise InvalidValueError(field="INPUT", value=path, accepted="a file or a folder that exists")
        elif not _accepts(path, rule):
            raise InvalidValueError(field="INPUT", value=path, accepted=accepted)
        else:
            files = [path]
        for file in files:
            if found.setdefault(file.name, file) != file:
                raise InvalidValueError(field="INPUT", value=file, accepted="one file of each name")
    if not found:
        raise EmptyInputError(field="INPUT")
    if len(found) > MAX_FILES:
        raise OutOfRangeError(field="INPUT", value=f"{len(found)} files", minimum=1, maximum=MAX_FILES)
    return list(found.values())


def folders(paths: Sequence[Path], out: Path) -> list[Path]:
    """Where the outputs of each file go, in a pipeline that runs once for each: below ``out``, but those of one alone
    into it.
    """
    if len(paths) == 1:
        return [out]
    stems = [path.stem for path in paths]
    return [out / (path.stem if stems.count(path.stem) == 1 else path.name) for path in paths]


def parameters(known: Mapping[str, Parameter], given: Mapping[str, str]) -> dict[str, Value | None]:
    """The values of the known parameters: the given ones, read as their types, else the defaults, else None.

    Raises InvalidValueError and OutOfRangeError.
    """
    for name, text in given.items():
        if name not in known:
            raise InvalidValueError(field="--set", value=f"{name}={text}", accepted=", ".join(known) or "none")
    return {
        name: _read(parameter, given[name]) if name in given else parameter.default for name, parameter in known.items()
    }


def _read(parameter: Parameter, text: str) -> Value:
    field = f"--set {parameter.name}"
    if parameter.type == "string":
        return text
    if parameter.type == "bool":
        if text not in ("true", "false"):
            raise InvalidValueError(field=field, value=text, accepted="true, false")
        return text == "true"
    try:
        value = int(text) if parameter.type == "int32" else float(text)
    except ValueError:
        raise InvalidValueError(field=field, value=text, accepted=f"a number ({parameter.type})") from None
    low, high = INTEGER_RANGES["int32"]
    if not math.isfinite(value) or (parameter.type == "int32" and not low <= value <= high):
        raise OutOfRangeError(field=field, value=text, minimum=low, maximum=high)
    return value


def _accepts(path: Path, rule: InputRule) -> bool:
    return path.suffix.lower() in rule.suffixes and not path.name.startswith(".")
