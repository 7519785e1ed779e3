"""Writers make files of results. Each names what it needs with its type, so a spec is checked before it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from buhin.pipelines.results import Job
from buhin.pipelines.types import Type


@dataclass(frozen=True)
class Need:
    """The answer of a step that a writer works on."""

    name: str
    type: Type
    optional: bool = False


@dataclass(frozen=True)
class Writer:
    """A writer. ``write`` returns the bytes of the file; of a folder, the names and bytes of its files one by one."""

    name: str
    needs: tuple[Need, ...]
    write: Callable[[Job], Any]
    folder: bool = False


def file_writer(name: str, *needs: Need) -> Callable[[Callable[[Job], bytes]], Writer]:
    """Make a function into a writer of one file."""
    return lambda write: Writer(name, needs, write)


def folder_writer(name: str, *needs: Need) -> Callable[[Callable[[Job], Iterator[tuple[str, bytes]]]], Writer]:
    """Make a function into a writer of a folder."""
    return lambda write: Writer(name, needs, write, folder=True)
