"""The soak and the load test see what they are there to see."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import grpc
import psutil
import pytest

from bench import load, soak
from bench.work import Call
from buhin.translate.v1 import translate_pb2, translate_pb2_grpc
from tests.processes import running

SMALL = "tests.unit.cli.small_service"
CALLS, SETTLED = 3_000, 1_000


def calls(channel: grpc.Channel) -> Iterator[Call]:
    """Good ones, faults and streams."""
    stub: Any = translate_pb2_grpc.TranslateServiceStub(channel)
    texts = itertools.cycle(["a", "b", "raise"])
    request = translate_pb2.TranslateTextRequest
    piece = translate_pb2.StreamTranslateTextRequest(text="a")
    for number in itertools.count():
        if number % 50 == 0:
            yield lambda: list(stub.StreamTranslateText(iter([piece])))
        else:
            yield lambda: stub.TranslateText(request(contents=[next(texts)]))


@pytest.mark.parametrize("leak", ["none", "memory", "files", "threads"])
def test_what_grows_is_seen_and_nothing_else(leak: str) -> None:
    with running(SMALL, leak=leak) as process, grpc.insecure_channel(process.address) as channel:
        processes = [psutil.Process(process.process_id), psutil.Process(process.engine_id)]
        found = soak.soak(processes, calls(channel), CALLS, SETTLED)
    assert 0 < found.failed < CALLS
    grown = {"memory": "resident memory", "files": "files more", "threads": "threads more"}
    if leak == "none":
        assert found.problems == []
    else:
        assert any(grown[leak] in problem for problem in found.problems), found


async def test_every_request_of_a_load_is_accounted_for() -> None:
    with running(SMALL) as process:
        async with grpc.aio.insecure_channel(process.address) as channel:
            stub: Any = translate_pb2_grpc.TranslateServiceStub(channel)

            async def request(deadline_s: float) -> object:
                return await stub.TranslateText(
                    translate_pb2.TranslateTextRequest(contents=["nap"]), timeout=deadline_s
                )

            found = await load.measure(request, phase_s=1.5)
    assert [level["level"] for level in found["levels"]] == list(load.LEVELS)
    for level in found["levels"]:
        for loop in ("open", "closed"):
            figures = level[loop]
            parts = ("answered", "refused", "late", "other_errors")
            assert figures["sent"] == sum(figures[part] for part in parts) > 0
            assert figures["other_errors"] == 0
    assert found["levels"][-1]["open"]["refused"] > 0
