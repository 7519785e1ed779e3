"""`buhin call`: any method of a service, its request and its answer as JSON."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from buhin.cli import output

if TYPE_CHECKING:
    from google.protobuf.descriptor import MethodDescriptor
    from google.protobuf.message import Message

    from buhin.client.connection import Connection


Function = Annotated[str, typer.Argument(help="speech, summarize, translate, image_inspect.")]
Method = Annotated[str, typer.Argument(help="A method of its service, as TranslateText, or GetServiceInfo.")]
Request = Annotated[
    str, typer.Argument(help="The request in protobuf's JSON, bytes in base64; @FILE: from a file; -: standard input.")
]
Files = Annotated[
    list[str] | None, typer.Option("--file", metavar="FIELD=FILE", help="Bytes of a field, as audio=a.wav.")
]
Timeout = Annotated[float | None, typer.Option(min=0.001, help="Deadline in seconds.")]


def call(
    function: Function,
    method: Method,
    request: Request = "{}",
    files: Files = None,
    address: Annotated[str | None, typer.Option(help="Where the service is, in place of the setting.")] = None,
    timeout: Timeout = None,
) -> None:
    """Call a method and print its answer as JSON; of a stream, a line for each message."""
    from buhin.client.connection import Connection

    with output.reported():
        function = function.replace("-", "_")
        chosen = named(function, method)
        message = written(chosen, request, files or [])
        with Connection(function, address=address) as connection:
            print_answers(connection, chosen, message, timeout)


def print_answers(connection: Connection, method: MethodDescriptor, message: Message, timeout_s: float | None) -> None:
    """Call, and print what comes."""
    if not method.server_streaming:
        output.print_json(output.message_dict(connection.unary(method, message, timeout_s=timeout_s)))
        return
    for answer in connection.stream(method, message, timeout_s=timeout_s):
        output.print_json_line(output.message_dict(answer))


def named(function: str, name: str) -> MethodDescriptor:
    """A method of a function's service. Raises InvalidValueError with what there is."""
    from buhin.client.catalogue import GET_SERVICE_INFO
    from buhin.errors import InvalidValueError
    from buhin.pipelines.types import function_of, services

    found: dict[str, dict[str, MethodDescriptor]] = {}
    for service in services().values():
        methods = [method for method in (*service.methods, GET_SERVICE_INFO) if not method.client_streaming]
        found[function_of(service.methods[0])] = {method.name: method for method in methods}
    if function not in found:
        raise InvalidValueError(field="FUNCTION", value=function, accepted=", ".join(found))
    if name not in found[function]:
        raise InvalidValueError(field="METHOD", value=name, accepted=", ".join(found[function]))
    return found[function][name]


def written(method: MethodDescriptor, text: str, files: Sequence[str] = ()) -> Message:
    """The request that the JSON says, with what is in files as its fields of bytes.

    Raises UnreadableMediaError where the text is none, InvalidValueError for another field, OSError where there is no
    file.
    """
    from google.protobuf import json_format, message_factory
    from google.protobuf.descriptor import FieldDescriptor

    from buhin.errors import InvalidValueError, UnreadableMediaError

    if text == "-":
        text = sys.stdin.read()
    elif text.startswith("@"):
        text = Path(text[1:]).read_text(encoding="utf-8")
    message: Any = message_factory.GetMessageClass(method.input_type)()
    try:
        json_format.Parse(text, message)
    except json_format.ParseError as error:
        problem = " ".join(str(error).split())
        accepted = f"{method.input_type.full_name} / JSON"
        raise UnreadableMediaError(field="REQUEST", problem=problem, accepted=accepted) from error
    fields = [field.name for field in method.input_type.fields if field.type == FieldDescriptor.TYPE_BYTES]
    for given in files:
        field, _, path = given.partition("=")
        if field not in fields or not path:
            raise InvalidValueError(field="--file", value=given, accepted=", ".join(f"{name}=FILE" for name in fields))
        setattr(message, field, Path(path).read_bytes())
    return message  # type: ignore[no-any-return]
