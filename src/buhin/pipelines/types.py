"""What a reference or a request field can hold, read from the proto descriptors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from types import MappingProxyType

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, MethodDescriptor, ServiceDescriptor

from buhin.config import PORTS

SCALARS = {
    FieldDescriptor.TYPE_DOUBLE: "double",
    FieldDescriptor.TYPE_FLOAT: "float",
    FieldDescriptor.TYPE_INT64: "int64",
    FieldDescriptor.TYPE_UINT64: "uint64",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_UINT32: "uint32",
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_BYTES: "bytes",
}
"""Names of the scalar types, as in a proto file."""

INTEGER_RANGES = {
    "int32": (-(2**31), 2**31 - 1),
    "uint32": (0, 2**32 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint64": (0, 2**64 - 1),
}
"""Smallest and greatest value of each integer type."""

UNKNOWN = "unknown"
"""Name of the type of what could not be checked; it is a problem already, so nothing more is said about it."""

ANY = "answer of a step"
"""Name of the type that every answer fits."""

_WIDER = {"float": {"double"}, "int32": {"int64", "double"}, "uint32": {"uint64", "int64", "double"}}


@dataclass(frozen=True)
class Type:
    """A type: a scalar by its proto name, an enum or a message by its full name, or a group of named members."""

    name: str
    repeated: bool = False
    message: Descriptor | None = None
    enum: EnumDescriptor | None = None
    members: Mapping[str, Type] = field(default_factory=lambda: MappingProxyType({}))

    def __str__(self) -> str:
        return f"repeated {self.name}" if self.repeated else self.name

    def names(self) -> list[str]:
        """The members that a reference may name after a dot."""
        return [f.name for f in self.message.fields] if self.message is not None else list(self.members)

    def member(self, name: str) -> Type | None:
        """The type of a member; None where there is none of that name."""
        if self.message is None:
            return self.members.get(name)
        found = self.message.fields_by_name.get(name)
        return of_field(found) if found is not None else None

    def one(self) -> Type:
        """The type of one element."""
        return Type(self.name, False, self.message, self.enum, self.members)

    def list(self) -> Type:
        """A list of it."""
        return Type(self.name, True, self.message, self.enum, self.members)

    def fits(self, target: Type) -> bool:
        """Whether a value of this type may be put into a field of another; a number may get wider, never narrower."""
        same = self.name == target.name or target.name in _WIDER.get(self.name, ())
        return same and self.repeated == target.repeated


FILE = Type("file", members={"bytes": Type("bytes"), "name": Type("string")})
"""An input file: its bytes and its name."""


def of_message(descriptor: Descriptor) -> Type:
    """The type of a message."""
    return Type(descriptor.full_name, message=descriptor)


def of_field(descriptor: FieldDescriptor) -> Type:
    """The type of a field."""
    repeated = bool(descriptor.is_repeated)
    if descriptor.message_type is not None:
        return Type(descriptor.message_type.full_name, repeated, message=descriptor.message_type)
    if descriptor.enum_type is not None:
        return Type(descriptor.enum_type.full_name, repeated, enum=descriptor.enum_type)
    return Type(SCALARS[descriptor.type], repeated)


def required_fields(descriptor: Descriptor) -> list[str]:
    """Fields that the proto marks with field_behavior REQUIRED."""
    behaviours = field_behavior_pb2.field_behavior
    return [f.name for f in descriptor.fields if field_behavior_pb2.REQUIRED in f.GetOptions().Extensions[behaviours]]


@cache
def services() -> Mapping[str, ServiceDescriptor]:
    """The services of all functions, by full name."""
    found = {}
    for function in PORTS:
        module = import_module(f"buhin.{function}.v1.{function}_pb2")
        found.update({s.full_name: s for s in module.DESCRIPTOR.services_by_name.values()})
    return MappingProxyType(found)


def function_of(method: MethodDescriptor) -> str:
    """Short name of the function that a method belongs to: ``speech`` of ``buhin.speech.v1.SpeechService``."""
    return str(method.containing_service.full_name.split(".")[1])
