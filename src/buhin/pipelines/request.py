"""Requests: the ``with`` of a step, checked against the request message and later filled with values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeGuard

import yaml
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from buhin.pipelines import types
from buhin.pipelines.document import Document, describe, scalar
from buhin.pipelines.references import (
    UNSET,
    BadReferenceError,
    Reference,
    looks_like,
    parse,
    suggest,
    type_of,
    value_of,
)
from buhin.pipelines.types import INTEGER_RANGES, UNKNOWN, Type


@dataclass(frozen=True)
class Constant:
    """A value written in the file; an enum as its number."""

    value: str | int | float | bool


@dataclass(frozen=True)
class Fields:
    """A message: its fields by name."""

    fields: Mapping[str, Node]


@dataclass(frozen=True)
class Items:
    """A list."""

    items: tuple[Node, ...]


Node: TypeAlias = "Constant | Reference | Fields | Items"


def fill(request: Message, node: Fields, scope: Mapping[str, Any]) -> None:
    """Set the fields of a request from a checked node and the values in scope."""
    for name, child in node.fields.items():
        field = request.DESCRIPTOR.fields_by_name[name]
        if isinstance(child, Fields):
            target = getattr(request, name)
            target.SetInParent()
            fill(target, child, scope)
        elif isinstance(child, Items):
            for item in child.items:
                _append(request, field, item, scope)
        else:
            value = child.value if isinstance(child, Constant) else value_of(child, scope)
            _set(request, field, value)


def _set(request: Message, field: Any, value: Any) -> None:
    if value is UNSET or value is None:
        return
    if field.is_repeated:
        getattr(request, field.name).extend(value)
    elif field.message_type is not None:
        getattr(request, field.name).CopyFrom(value)
    else:
        setattr(request, field.name, value)


def _append(request: Message, field: Any, item: Node, scope: Mapping[str, Any]) -> None:
    target = getattr(request, field.name)
    if isinstance(item, Fields):
        fill(target.add(), item, scope)
    elif isinstance(item, Constant):
        target.append(item.value)
    elif isinstance(item, Reference) and (value := value_of(item, scope)) is not UNSET:
        target.append(value)


class RequestChecker:
    """Checks nodes against message types and turns them into what ``fill`` takes."""

    def __init__(self, document: Document, scope: Mapping[str, Type]) -> None:
        self._document = document
        self._scope = scope

    def message(self, node: yaml.Node | None, descriptor: Descriptor, *, at: yaml.Node) -> Fields:
        """Check a mapping against a message; ``at`` is where a missing field is reported."""
        entries = self._document.mapping(node, descriptor.name) if node is not None else {}
        names = [field.name for field in descriptor.fields]
        found: dict[str, Node] = {}
        oneofs: dict[str, str] = {}
        for name, entry in entries.items():
            field = descriptor.fields_by_name.get(name)
            if field is None:
                self._document.report(entry.key, f"{descriptor.name} has no field {name}{suggest(name, names)}")
                continue
            oneof = field.containing_oneof
            if oneof is not None and oneofs.setdefault(oneof.name, name) != name:
                self._document.report(entry.key, f"{oneofs[oneof.name]} and {name} exclude each other; give one")
            checked = self._field(entry.value, field, at=entry.key)
            if checked is not None:
                found[name] = checked
        for name in types.required_fields(descriptor):
            if name not in entries:
                self._document.report(
                    at, f"{descriptor.name} needs {name}: a {types.of_field(descriptor.fields_by_name[name])}"
                )
        return Fields(found)

    def _field(self, node: yaml.Node, field: Any, *, at: yaml.Node) -> Node | None:
        target = types.of_field(field)
        if _is_reference(node):
            return self._reference(node, field.name, target)
        if not target.repeated:
            return self._one(node, field, at=at)
        if not isinstance(node, yaml.SequenceNode):
            self._document.report(node, f"{field.name} is a {target}; write a list or a reference to one")
            return None
        if not node.value and field.name in types.required_fields(field.containing_type):
            self._document.report(node, f"{field.name} is required; the list is empty")
        items = [self._element(element, field) for element in node.value]
        return Items(tuple(item for item in items if item is not None))

    def _element(self, node: yaml.Node, field: Any) -> Node | None:
        if _is_reference(node):
            return self._reference(node, f"an element of {field.name}", types.of_field(field).one())
        return self._one(node, field, at=node)

    def _one(self, node: yaml.Node, field: Any, *, at: yaml.Node) -> Node | None:
        if field.message_type is None:
            return self._constant(node, field)
        if isinstance(node, yaml.MappingNode):
            return self.message(node, field.message_type, at=at)
        self._document.report(node, f"{field.name} is a {field.message_type.name}, a mapping, not {describe(node)}")
        return None

    def _reference(self, node: yaml.ScalarNode, what: str, target: Type) -> Reference | None:
        try:
            reference = parse(node.value)
            found = type_of(reference, self._scope)
        except BadReferenceError as problem:
            self._document.report(node, str(problem))
            return None
        if found.name != UNKNOWN and not found.fits(target):
            hint = f"; write [{node.value}] for a list of one" if found.list().fits(target) else ""
            self._document.report(node, f"{what} is a {target}; {node.value} is a {found}{hint}")
            return None
        return reference

    def _constant(self, node: yaml.Node, field: Any) -> Constant | None:
        value = scalar(node)
        if field.enum_type is not None:
            return self._enum(node, field)
        kind = types.SCALARS[field.type]
        problem = f"{field.name} is a {kind}, not {describe(node)}"
        if kind == "bytes":
            problem += "; give a reference to a file, for example ${input.bytes}"
        elif kind == "string":
            if isinstance(value, str):
                return Constant(value)
            if isinstance(node, yaml.ScalarNode) and value is not None:
                problem += f"; write it in quotes: '{node.value}'"
        elif kind == "bool":
            if isinstance(value, bool):
                return Constant(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            if kind in ("double", "float") and math.isfinite(value):
                return Constant(float(value))
            if kind in INTEGER_RANGES and isinstance(value, int):
                low, high = INTEGER_RANGES[kind]
                if low <= value <= high:
                    return Constant(value)
                problem = f"{field.name} is {value}; a {kind} is from {low} to {high}"
        self._document.report(node, problem)
        return None

    def _enum(self, node: yaml.Node, field: Any) -> Constant | None:
        numbers = {value.name: value.number for value in field.enum_type.values}
        text = describe(node).strip("'")
        if text in numbers:
            return Constant(numbers[text])
        ending = next((name for name in numbers if name.endswith(f"_{text.upper()}")), None)
        hint = f"; did you mean {ending}?" if ending else suggest(text, numbers)
        self._document.report(node, f"{field.name} is a {field.enum_type.name}, which has no {text}{hint}")
        return None


def _is_reference(node: yaml.Node) -> TypeGuard[yaml.ScalarNode]:
    return isinstance(node, yaml.ScalarNode) and looks_like(node.value)
