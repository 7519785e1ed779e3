"""`buhin call`: any method of a service, its request and its answer as JSON."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from buhin.cli import output

if TYPE_CHECKING:
    from google.protobuf.descriptor import MethodDescriptor
    from google.protobuf.message import Message

    from buhin.client.connection import Connection


def call(
    method: Annotated[
        str, typer.Argument(help="The method: TranslateText, translate/TranslateText, or with its service's full name.")
    ],
    request: Annotated[
        str,
        typer.Argument(help="The request in protobuf's JSON, bytes in base64; @FILE: from a file; -: standard input."),
    ] = "{}",
    address: Annotated[str | None, typer.Option(help="Where the service is, in place of the setting.")] = None,
    timeout: Annotated[float | None, typer.Option(min=0.001, help="Deadline in seconds.")] = None,
) -> None:
    """Call a method and print its answer as JSON; of a stream, a line for each message."""
    from buhin.client.connection import Connection
    from buhin.pipelines.types import function_of

    with output.reported():
        chosen = named(method)
        message = written(chosen, request)
        with Connection(function_of(chosen), address=address) as connection:
            print_answers(connection, chosen, message, timeout)


def print_answers(connection: Connection, method: MethodDescriptor, message: Message, timeout_s: float | None) -> None:
    """Call, and print what comes."""
    if not method.server_streaming:
        output.print_json(output.message_dict(connection.unary(method, message, timeout_s=timeout_s)))
        return
    for answer in connection.stream(method, message, timeout_s=timeout_s):
        output.print_json_line(output.message_dict(answer))


def named(name: str) -> MethodDescriptor:
    """The method of this name. Raises InvalidValueError."""
    from buhin.errors import InvalidValueError
    from buhin.pipelines.types import function_of, services

    methods = [method for service in services().values() for method in service.methods if not method.client_streaming]
    for method in methods:
        service = method.containing_service.full_name
        if name in (method.name, f"{function_of(method)}/{method.name}", f"{service}/{method.name}"):
            return method
    accepted = ", ".join(f"{function_of(method)}/{method.name}" for method in methods)
    raise InvalidValueError(field="METHOD", value=name, accepted=accepted)


def written(method: MethodDescriptor, text: str) -> Message:
    """The request that the JSON says. Raises UnreadableMediaError where it is none, OSError where there is no file."""
    from google.protobuf import json_format, message_factory

    from buhin.errors import UnreadableMediaError

    if text == "-":
        text = sys.stdin.read()
    elif text.startswith("@"):
        text = Path(text[1:]).read_text(encoding="utf-8")
    message: Any = message_factory.GetMessageClass(method.input_type)()
    try:
        json_format.Parse(text, message)
    except json_format.ParseError as error:
        accepted = f"{method.input_type.full_name} / JSON"
        problem = " ".join(str(error).split())
        raise UnreadableMediaError(field="REQUEST", problem=problem, accepted=accepted) from error
    return message  # type: ignore[no-any-return]
