"""A method of a service, called with a request in JSON."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from buhin.client.connection import Connection
from buhin.errors import InvalidInputError, InvalidValueError


def method_of(function: str, name: str) -> MethodDescriptor:
    """A method of a function's service. Raises InvalidValueError with the names that there are."""
    try:
        module = importlib.import_module(f"buhin.{function}.v1.{function}_pb2")
    except ModuleNotFoundError as error:
        accepted = "speech, summarize, translate, image_inspect"
        raise InvalidValueError(field="FUNCTION", value=function, accepted=accepted) from error
    methods: dict[str, MethodDescriptor] = {
        method.name: method for service in module.DESCRIPTOR.services_by_name.values() for method in service.methods
    }
    catalogue = importlib.import_module("buhin.catalogue.v1.catalogue_pb2").DESCRIPTOR
    methods |= catalogue.services_by_name["ServiceInfoService"].methods_by_name
    if name not in methods:
        raise InvalidValueError(field="METHOD", value=name, accepted=", ".join(methods))
    return methods[name]


def requests_of(method: MethodDescriptor, text: str, files: Mapping[str, Path]) -> list[Message]:
    """The requests that a text holds: one object, or for a stream of requests one a line or a list of them. ``files``
    are bytes of the first one's fields. Raises InvalidInputError for what is not the method's request.
    """
    kind = message_factory.GetMessageClass(method.input_type)
    try:
        values = _values(text)
        found = [json_format.ParseDict(value, kind()) for value in values] or [kind()]
        for field, path in files.items():
            *way, last = field.split(".")
            owner = found[0]
            for step in way:
                owner = getattr(owner, step)
            setattr(owner, last, path.read_bytes())
    except (json_format.ParseError, ValueError, AttributeError, TypeError) as error:
        said = " ".join(str(error).split())
        raise InvalidInputError(message=f"no {method.input_type.name}: {said}") from error
    if len(found) > 1 and not method.client_streaming:
        raise InvalidInputError(message=f"{method.name} takes one {method.input_type.name}, not {len(found)}")
    return found


def answers(
    connection: Connection, method: MethodDescriptor, requests: list[Message], timeout_s: float | None
) -> Iterator[Message]:
    """Call it. Raises what Connection raises."""
    if not method.server_streaming:
        yield connection.unary(method, requests[0], timeout_s=timeout_s)
        return
    yield from connection.stream(method, requests if method.client_streaming else requests[0], timeout_s=timeout_s)


def _values(text: str) -> list[dict[str, Any]]:
    if not text.strip():
        return []
    try:
        value = json.loads(text)
    except ValueError:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) < 2:
            raise
        return [json.loads(line) for line in lines]
    return value if isinstance(value, list) else [value]
