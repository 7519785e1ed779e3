"""References: ``${step.field}`` names a value that an earlier step, the input or a parameter gives.

That is the whole language: names joined by dots, and ``[]`` after a repeated name to go on with each of its
elements: ``${minutes.sentences[].text}``. A reference is a whole value; it is never a part of a longer text.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from buhin.pipelines.types import UNKNOWN, Type

_NAME = r"[a-z][a-z0-9_]*"
_REFERENCE = re.compile(rf"\$\{{({_NAME}(?:\[\])?(?:\.{_NAME}(?:\[\])?)*)\}}")


class BadReferenceError(Exception):
    """What is wrong with a reference, for the person who wrote it."""


class Unset:
    """Stands for an optional field that has no value: the field that refers to it stays unset too."""


UNSET = Unset()


@dataclass(frozen=True)
class Part:
    """One name of a reference; ``each``: the rest is taken of each of its elements."""

    name: str
    each: bool


@dataclass(frozen=True)
class Reference:
    """A parsed reference."""

    text: str
    parts: tuple[Part, ...]

    @property
    def root(self) -> str:
        """The step, ``input``, ``parameters`` or ``item``."""
        return self.parts[0].name


def looks_like(text: str) -> bool:
    """Whether a text is meant as a reference."""
    return "${" in text


def parse(text: str) -> Reference:
    """Parse ``${…}``; raises BadReferenceError."""
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise BadReferenceError(f"{text!r} is not a reference; write for example ${{step.field}} as the whole value")
    parts = tuple(Part(name.removesuffix("[]"), name.endswith("[]")) for name in match[1].split("."))
    return Reference(text, parts)


def suggest(name: str, known: Iterable[str]) -> str:
    """``; did you mean …?`` where something known is close, else what is known."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; known: {', '.join(known)}" if known else ""


def type_of(reference: Reference, scope: Mapping[str, Type]) -> Type:
    """The type of what a reference names; raises BadReferenceError where it names nothing."""
    current = Type("", members=scope)
    repeated = False
    for position, part in enumerate(reference.parts):
        found = current.member(part.name)
        if found is None:
            of = f"{current.name} has no field {part.name}" if position else f"there is no {part.name} before this step"
            raise BadReferenceError(f"{reference.text}: {of}{suggest(part.name, current.names())}")
        if found.name == UNKNOWN:
            return found
        last = position == len(reference.parts) - 1
        if part.each and last:
            raise BadReferenceError(f"{reference.text}: nothing follows []; leave it out to refer to the whole list")
        if part.each and not found.repeated:
            raise BadReferenceError(f"{reference.text}: {part.name} is not repeated; write it without []")
        if found.repeated and not part.each and not last:
            raise BadReferenceError(f"{reference.text}: {part.name} is repeated; write {part.name}[]")
        if found.repeated and repeated:
            raise BadReferenceError(f"{reference.text}: a list of lists cannot be used")
        repeated = repeated or found.repeated
        current = found.one()
    return current.list() if repeated else current


def value_of(reference: Reference, scope: Mapping[str, Any]) -> Any:
    """The value that a reference names: a value, a list of the values that are set, or UNSET.

    The reference must have been checked with ``type_of``.
    """
    return _walk(scope, reference.parts)


def _walk(value: Any, parts: tuple[Part, ...]) -> Any:
    if not parts:
        return value
    found = _member(value, parts[0].name)
    if parts[0].each:
        values = [_walk(element, parts[1:]) for element in found]
        return [value for value in values if value is not UNSET]
    return found if found is UNSET else _walk(found, parts[1:])


def _member(value: Any, name: str) -> Any:
    if isinstance(value, Mapping):
        return value[name]
    if isinstance(value, Message):
        field = value.DESCRIPTOR.fields_by_name[name]
        if field.has_presence and not value.HasField(name):
            return UNSET
    return getattr(value, name)
