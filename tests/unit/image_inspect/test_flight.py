"""A flight over gRPC: answers with the caller's ids, faults of one photograph alone, places, back-pressure, cancel."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
import numpy as np
import pytest

from buhin import errors
from buhin.config import ImageSettings
from buhin.engine import Stop
from buhin.image_inspect.v1 import image_inspect_pb2, image_inspect_pb2_grpc
from buhin.status import decode, decode_call
from services.image_inspect.__main__ import application
from services.image_inspect.engine import Detection, Photo
from tests.support import ANY_PORT, serving
from tests.unit.image_inspect.drawings import encoded
from tests.unit.image_inspect.test_servicer import FakeEngine
from training.crack.generator import sample

WALL = sample(11, 800, kind="rough", cracked=True).photo
OTHER = sample(12, 800, kind="rough", cracked=True).photo
PHOTOS = {
    "a": encoded(WALL[:400, :400], "JPEG"),
    "again": encoded(WALL[40:440, 20:420], "JPEG"),
    "b": encoded(OTHER[:400, :400], "JPEG"),
}


def request(photo_id: str, image: bytes) -> image_inspect_pb2.StreamInspectRequest:
    """A message with a photograph."""
    return image_inspect_pb2.StreamInspectRequest(photo=image_inspect_pb2.Photo(photo_id=photo_id, image=image))


def config(**fields: Any) -> image_inspect_pb2.StreamInspectRequest:
    """The first message."""
    return image_inspect_pb2.StreamInspectRequest(config=image_inspect_pb2.InspectConfig(**fields))


async def fly(
    requests: Sequence[image_inspect_pb2.StreamInspectRequest], engine: FakeEngine | None = None, **settings: Any
) -> list[image_inspect_pb2.StreamInspectResponse]:
    """All responses to a stream."""

    async def sent() -> AsyncIterator[image_inspect_pb2.StreamInspectRequest]:
        for message in requests:
            yield message

    running = dataclasses.replace(
        application(ImageSettings(**ANY_PORT, **settings)), load=lambda: engine or FakeEngine()
    )
    async with serving(running) as channel:
        stub: Any = image_inspect_pb2_grpc.ImageInspectServiceStub(channel)
        return [response async for response in stub.StreamInspect(sent(), timeout=30)]


async def test_each_photograph_is_answered_by_its_id_and_the_summary_comes_last() -> None:
    answers = await fly([config(ground_sampling_distance_mm=0.5), *(request(*pair) for pair in PHOTOS.items())])
    *results, last = answers
    assert [answer.photo_id for answer in results] == list(PHOTOS)
    assert all(len(answer.result.cracks) == 2 for answer in results)
    assert all(answer.result.provenance.models[0].model_id == "tiny" for answer in results)
    assert [(answer.received_count, answer.completed_count) for answer in answers] == [(1, 1), (2, 2), (3, 3), (3, 3)]
    summary = last.flight_summary
    assert (summary.inspected_count, summary.failed_count) == (3, 0)
    assert [list(group.photo_ids) for group in summary.groups] == [["a", "again"]]
    assert summary.distinct_crack_count == 4
    assert summary.distinct_length_px == pytest.approx(2 * results[0].result.summary.total_length_px)
    assert summary.distinct_length_mm == pytest.approx(0.5 * summary.distinct_length_px)


async def test_a_fault_is_of_one_photograph_alone() -> None:
    bad = [
        request("empty", b""),
        request("odd", b"no picture at all"),
        request("cut", PHOTOS["a"][: len(PHOTOS["a"]) // 2]),
        request("", PHOTOS["a"]),
        request("a", PHOTOS["b"]),
        request("x" * 129, PHOTOS["b"]),
    ]
    answers = await fly([config(), request("a", PHOTOS["a"]), *bad, request("b", PHOTOS["b"])])
    found = {answer.photo_id: answer for answer in answers[:-1] if answer.WhichOneof("outcome") == "error"}
    assert {photo_id: type(decode(answer.error)) for photo_id, answer in found.items()} == {
        "empty": errors.EmptyInputError,
        "odd": errors.UnreadableMediaError,
        "cut": errors.UnreadableMediaError,
        "": errors.MissingFieldError,
        "a": errors.InvalidValueError,
        "x" * 129: errors.InputTooLargeError,
    }
    assert [answer.photo_id for answer in answers if answer.WhichOneof("outcome") == "result"] == ["a", "b"]
    assert (answers[-1].flight_summary.inspected_count, answers[-1].flight_summary.failed_count) == (2, 6)


async def test_a_flight_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.image_inspect.flight.MAX_PHOTOS", 2)
    *answers, last = await fly([config(), *(request(*pair) for pair in PHOTOS.items())])
    assert [answer.WhichOneof("outcome") for answer in answers] == ["result", "result", "error"]
    assert type(decode(answers[2].error)) is errors.InputTooLargeError
    assert (last.flight_summary.inspected_count, last.flight_summary.failed_count) == (2, 1)


async def test_a_flight_without_photographs_has_a_summary() -> None:
    [last] = await fly([config()])
    assert last.flight_summary == image_inspect_pb2.FlightSummary()


@pytest.mark.parametrize(
    ("requests", "error"),
    [
        ([], errors.MissingFieldError),
        ([request("a", PHOTOS["a"])], errors.MissingFieldError),
        ([config(min_length_px=-1)], errors.OutOfRangeError),
        ([config(severity_rules="mine")], errors.InvalidValueError),
        ([config(), config()], errors.InvalidValueError),
    ],
)
async def test_a_wrong_start_ends_the_stream(
    requests: list[image_inspect_pb2.StreamInspectRequest], error: type[errors.BuhinError]
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await fly(requests)
    assert type(decode_call(caught.value)) is error


class SlowEngine(FakeEngine):
    """Waits until it is told, or stopped."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()
        self.working = threading.Event()
        self.stopped = threading.Event()

    def detect(self, photo: Photo, stop: Stop) -> Detection:
        """The answer, when it may."""
        self.working.set()
        while not self.go.wait(0.01):
            if stop.is_set():
                self.stopped.set()
                stop.check()
        return super().detect(photo, stop)


async def test_no_photograph_is_read_before_there_is_room_and_leaving_stops_the_work() -> None:
    engine, taken = SlowEngine(), []

    async def sent() -> AsyncIterator[image_inspect_pb2.StreamInspectRequest]:
        yield config()
        for number in range(100):
            taken.append(number)
            yield request(str(number), np.random.default_rng(number).bytes(1_000_000))

    running = dataclasses.replace(application(ImageSettings(**ANY_PORT)), load=lambda: engine)
    async with serving(running) as channel:
        stub: Any = image_inspect_pb2_grpc.ImageInspectServiceStub(channel)

        async def first() -> AsyncIterator[image_inspect_pb2.StreamInspectRequest]:
            yield config()
            yield request("a", PHOTOS["a"])
            async for message in sent():
                if message.HasField("photo"):
                    yield message

        call = stub.StreamInspect(first())
        await asyncio.to_thread(engine.working.wait, 10)
        before = -1
        while before != len(taken):
            before = len(taken)
            await asyncio.sleep(0.2)
        assert len(taken) < 30, "the caller is held back"
        call.cancel()
        assert await asyncio.to_thread(engine.stopped.wait, 10)


async def test_photographs_are_inspected_side_by_side_where_there_is_room() -> None:
    both = threading.Barrier(2, timeout=10)

    class Meeting(FakeEngine):
        def detect(self, photo: Photo, stop: Stop) -> Detection:
            both.wait()
            return super().detect(photo, stop)

    answers = await fly([config(), request("a", PHOTOS["a"]), request("b", PHOTOS["b"])], Meeting(), concurrency=2)
    assert {answer.photo_id for answer in answers if answer.HasField("result")} == {"a", "b"}
