"""A YAML file as nodes that know their lines, and the problems found in it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from buhin.errors import SpecError
from buhin.pipelines.references import suggest

MAX_BYTES = 256 * 1024
"""A longer file is refused."""

_KINDS = {yaml.ScalarNode: "a single value", yaml.SequenceNode: "a list", yaml.MappingNode: "a mapping"}


@dataclass(frozen=True)
class Entry:
    """A key and its value."""

    key: yaml.Node
    value: yaml.Node


@dataclass
class Document:
    """A file being checked. Each problem is kept with its line, so that one check reports them all."""

    path: Path
    problems: list[SpecError] = field(default_factory=list)

    def report(self, node: yaml.Node | int, problem: str) -> None:
        """Keep a problem at the line of a node, or at a line counted from 1."""
        line = node if isinstance(node, int) else node.start_mark.line + 1
        self.problems.append(SpecError(file=self.path, line=line, problem=problem))

    def read(self) -> tuple[str, yaml.Node | None]:
        """The text of the file and its root node; None where it is not YAML, with the problem kept."""
        try:
            data = self.path.read_bytes()
        except OSError as error:
            self.report(1, f"cannot be read: {error.strerror}")
            return "", None
        if len(data) > MAX_BYTES:
            self.report(1, f"has {len(data)} bytes, more than the limit of {MAX_BYTES}")
            return "", None
        try:
            text = data.decode("utf-8")
            if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader)):
                self.report(1, "uses aliases (*name); write the value out")
                return text, None
            return text, yaml.compose(text, Loader=yaml.SafeLoader)
        except UnicodeDecodeError:
            self.report(1, "is not UTF-8")
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            self.report(mark.line + 1 if mark else 1, f"is not YAML: {error.problem or error.context}")
        except (yaml.YAMLError, RecursionError) as error:
            self.report(1, f"is not YAML: {error}")
        return "", None

    def mapping(self, node: yaml.Node, what: str) -> dict[str, Entry]:
        """The entries of a mapping; empty, with the problem kept, where it is none. A key given twice is a problem."""
        if not isinstance(node, yaml.MappingNode):
            self.report(node, f"{what} must be a mapping, not {_KINDS[type(node)]}")
            return {}
        entries: dict[str, Entry] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else None
            if not isinstance(name, str):
                self.report(key, f"a key of {what} must be a name")
            elif name in entries:
                self.report(key, f"{name} is given twice")
            else:
                entries[name] = Entry(key, value)
        return entries

    def keys(
        self, node: yaml.Node, what: str, *, required: Iterable[str], optional: Iterable[str] = ()
    ) -> dict[str, Entry]:
        """The entries of a mapping with known keys; unknown and missing ones are problems."""
        entries = self.mapping(node, what)
        known = [*required, *optional]
        for name, entry in entries.items():
            if name not in known:
                self.report(entry.key, f"{what} has no key {name}{suggest(name, known)}")
        if isinstance(node, yaml.MappingNode):
            for name in required:
                if name not in entries:
                    self.report(node, f"{what} needs {name}")
        return {name: entry for name, entry in entries.items() if name in known}

    def sequence(self, node: yaml.Node, what: str) -> list[yaml.Node]:
        """The elements of a list; empty, with the problem kept, where it is none."""
        if isinstance(node, yaml.SequenceNode):
            return list(node.value)
        self.report(node, f"{what} must be a list, not {_KINDS[type(node)]}")
        return []

    def text(self, node: yaml.Node, what: str) -> str | None:
        """A text; None, with the problem kept, where it is none or empty."""
        value = scalar(node)
        if isinstance(value, str) and value.strip():
            return value
        self.report(node, f"{what} must be a text{_unquoted(node, value)}")
        return None


def scalar(node: yaml.Node) -> str | int | float | bool | None:
    """The value of a single value as YAML reads it; None for null and for anything else."""
    if not isinstance(node, yaml.ScalarNode):
        return None
    try:
        value = yaml.constructor.SafeConstructor().construct_object(node)
    except (yaml.YAMLError, ValueError):
        return None
    return value if isinstance(value, str | int | float | bool) else None


def describe(node: yaml.Node) -> str:
    """What a node is, for a message: its value as it is written, or ``a list``, ``a mapping``."""
    if isinstance(node, yaml.ScalarNode):
        return f"{node.value!r}" if node.style in ("'", '"') or isinstance(scalar(node), str) else node.value or "null"
    return _KINDS[type(node)]


def _unquoted(node: yaml.Node, value: object) -> str:
    if isinstance(node, yaml.ScalarNode) and node.value and value is not None:
        return f"; write it in quotes: '{node.value}'"
    return ""
