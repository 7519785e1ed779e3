"""How the scenarios of faults.yaml start services and ask them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import grpc
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from buhin.image_inspect.v1 import image_inspect_pb2, image_inspect_pb2_grpc
from buhin.translate.v1 import translate_pb2, translate_pb2_grpc
from tests.processes import Process

SMALL, INSPECT = "tests.unit.cli.small_service", "services.image_inspect"
TRANSLATE_TEXT = "/buhin.translate.v1.TranslateService/TranslateText"
LARGE_PX = 6_000
"""Side of a photograph that takes long enough to be interrupted."""

Told = tuple[str, str]
"""The gRPC code and the reason of ErrorInfo."""


def told(call: Callable[[], Any]) -> Told:
    """What a caller is told."""
    try:
        call()
    except grpc.RpcError as error:
        return told_by(error)
    return "OK", ""


def told_by(error: grpc.RpcError) -> Told:
    """The same of a failed call. What the client's own library says has no reason."""
    status = rpc_status.from_call(error)
    info = error_details_pb2.ErrorInfo()
    reasons = [info.reason for detail in (status.details if status else ()) if detail.Unpack(info)]
    return error.code().name, next(iter(reasons), "")


@contextlib.contextmanager
def calling(process: Process) -> Iterator[grpc.Channel]:
    """A connection to it."""
    with grpc.insecure_channel(process.address, options=[("grpc.max_send_message_length", -1)]) as channel:
        yield channel


def shout(channel: grpc.Channel, text: str, *, later: bool = False, **options: Any) -> Any:
    """Ask the small service; ``later`` gives the call instead of its answer."""
    stub: Any = translate_pb2_grpc.TranslateServiceStub(channel)
    request = translate_pb2.TranslateTextRequest(contents=[text])
    return stub.TranslateText.future(request, **options) if later else stub.TranslateText(request, **options)


def inspect(channel: grpc.Channel, data: bytes, *, later: bool = False, **options: Any) -> Any:
    """Ask the inspection service."""
    stub: Any = image_inspect_pb2_grpc.ImageInspectServiceStub(channel)
    request = image_inspect_pb2.InspectRequest(image=data)
    return stub.Inspect.future(request, **options) if later else stub.Inspect(request, **options)


def healthy(process: Process) -> bool:
    """What its health port says, soon."""
    with grpc.insecure_channel(process.health_address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        return bool(stub.Check(health_pb2.HealthCheckRequest(), timeout=5).status == 1)
