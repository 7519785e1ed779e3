"""Every request message of every method, as odd as can be: an answer or an error of the house, never INTERNAL.

``BUHIN_FUZZ_SECONDS`` is how long all methods together are tried, 30 by default.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from buhin.image_inspect.v1 import image_inspect_pb2
from buhin.speech.v1 import speech_pb2
from buhin.summarize.v1 import summarize_pb2
from buhin.translate.v1 import translate_pb2
from tests.fuzz.services import served
from tests.fuzz.strategies import messages

METHODS: list[MethodDescriptor] = [
    method
    for module in (speech_pb2, summarize_pb2, translate_pb2, image_inspect_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
]
SECONDS = float(os.environ.get("BUHIN_FUZZ_SECONDS", "30")) / len(METHODS)


class TimeIsUpError(Exception):
    """Enough was tried."""


@pytest.fixture(scope="module")
def channels() -> Iterator[dict[str, grpc.Channel]]:
    """A connection to each service."""
    with served() as addresses:
        opened = {function: grpc.insecure_channel(address) for function, address in addresses.items()}
        yield opened
        for channel in opened.values():
            channel.close()


def call(channel: grpc.Channel, method: MethodDescriptor, requests: list[Any]) -> None:
    """Send the requests and take all answers. Raises grpc.RpcError."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    write = [request.SerializeToString() for request in requests]
    if method.client_streaming:
        list(channel.stream_stream(path)(iter(write), timeout=20))
    elif method.server_streaming:
        list(channel.unary_stream(path)(write[0], timeout=20))
    else:
        channel.unary_unary(path)(write[0], timeout=20)


@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_no_request_is_a_fault_of_the_service(channels: dict[str, grpc.Channel], method: MethodDescriptor) -> None:
    channel = channels[method.full_name.split(".")[1]]
    until = time.monotonic() + SECONDS
    tried = answered = 0

    @settings(
        max_examples=1_000_000,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(messages(method.input_type), min_size=1, max_size=4 if method.client_streaming else 1))
    def attempt(requests: list[Any]) -> None:
        nonlocal tried, answered
        if time.monotonic() > until:
            raise TimeIsUpError
        tried += 1
        try:
            call(channel, method, requests)
            answered += 1
        except grpc.RpcError as error:
            code = error.code()
            assert code not in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN), (error.details(), requests)
            info = error_details_pb2.ErrorInfo()
            status = rpc_status.from_call(error)
            assert status and any(detail.Unpack(info) for detail in status.details), (error, requests)

    with contextlib.suppress(TimeIsUpError):
        attempt()
    assert tried, answered
    stub: Any = health_pb2_grpc.HealthStub(channel)
    assert stub.Check(health_pb2.HealthCheckRequest(), timeout=5).status == health_pb2.HealthCheckResponse.SERVING
