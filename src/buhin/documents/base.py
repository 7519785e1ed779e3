"""What every kind of document is to the translation: segments of text to take out and to put back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from buhin.errors import InputTooLargeError, UnreadableMediaError

MAX_BYTES = 20 * 1024 * 1024
"""Largest document."""
MAX_CHARACTERS = 2_000_000
"""Most text of a document, which bounds the work on it."""
FIELD = "document"


@dataclass(frozen=True)
class Place:
    """Where a segment stands: the ``number``-th line, paragraph or cue, from 1."""

    kind: str
    number: int

    _JAPANESE = {"line": "行", "paragraph": "段落", "cue": "字幕"}  # noqa: RUF012 - no field

    @property
    def en(self) -> str:
        """In English: line 12."""
        return f"{self.kind} {self.number}"

    @property
    def ja(self) -> str:
        """In Japanese: 12 行."""
        return f"{self.number} 番目の{self._JAPANESE[self.kind]}"


@dataclass(frozen=True)
class Segment:
    """Text to translate, with tags for what stands between its words; see ``marks``. The tags of ``vital`` may not be
    lost: links, pictures, code. The others are emphasis.
    """

    text: str
    place: Place
    vital: frozenset[str] = field(default_factory=frozenset)


class Document(Protocol):
    """A document that was read."""

    @property
    def segments(self) -> Sequence[Segment]:
        """The text, in order."""

    def write(self, translations: Sequence[str]) -> bytes:
        """The document with a translation in place of each segment, with all vital tags of the segment. A segment whose
        translation is its text stays byte by byte.
        """


def unreadable(problem: str, accepted: str) -> UnreadableMediaError:
    """The error for bytes that are not a document."""
    return UnreadableMediaError(field=FIELD, problem=problem, accepted=accepted)


def require_size(size: int, limit: int = MAX_BYTES, unit: str = "bytes") -> None:
    """Raise InputTooLargeError over the limit."""
    if size > limit:
        raise InputTooLargeError(field=FIELD, size=size, unit=unit, limit=limit)


def decoded(data: bytes, accepted: str) -> str:
    """The text of a file, its byte order mark included. Raises UnreadableMediaError where it is not UTF-8."""
    require_size(len(data))
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise unreadable(f"not UTF-8 at byte {error.start}", accepted) from error


def replaced(text: str, edits: Sequence[tuple[int, int, str]]) -> str:
    """The text with [start, end) of each edit replaced. Edits are in order and do not overlap."""
    parts, end = [], 0
    for start, stop, new in edits:
        parts += [text[end:start], new]
        end = stop
    return "".join([*parts, text[end:]])
