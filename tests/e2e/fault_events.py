"""Scenarios of faults.yaml about the wire, time and load. Each gives what its caller was told, and checks the rest."""

from __future__ import annotations

import concurrent.futures
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from buhin.image_inspect.v1 import image_inspect_pb2, image_inspect_pb2_grpc
from tests.e2e.fault_calling import (
    INSPECT,
    LARGE_PX,
    SMALL,
    TRANSLATE_TEXT,
    Told,
    calling,
    healthy,
    inspect,
    shout,
    told,
    told_by,
)
from tests.e2e.fault_inputs import png
from tests.processes import running


def raw(data: bytes, folder: Path) -> Told:
    """Send bytes that a client would not."""
    with running(SMALL) as process, calling(process) as channel:
        send: Any = channel.unary_unary(TRANSLATE_TEXT)
        found = told(lambda: send(data))
        assert process.metric("buhin_work_seconds_count") == 0
        assert shout(channel, "a")
    return found


def invalid_utf8(folder: Path) -> Told:
    """A string field with bytes that are not UTF-8."""
    return raw(b"\x0a\x02\xff\xfe", folder)


def no_message(folder: Path) -> Told:
    """A field whose length is longer than what follows."""
    return raw(b"\x0a\x7fab", folder)


def unknown_method(folder: Path) -> Told:
    """A method that the proto does not have."""
    with running(SMALL) as process, calling(process) as channel:
        drop: Any = channel.unary_unary("/buhin.translate.v1.TranslateService/Drop")
        return told(lambda: drop(b""))


def oversized_metadata(folder: Path) -> Told:
    """Much more metadata than a call needs."""
    with running(SMALL) as process, calling(process) as channel:
        found = told(lambda: shout(channel, "a", metadata=(("x-much", "a" * 65_536),)))
        assert shout(channel, "a")
    return found


def oversized_message(folder: Path) -> Told:
    """A message over the limit."""
    with running(SMALL) as process, calling(process) as channel:
        found = told(lambda: shout(channel, "a" * 65 * 2**20))
        assert shout(channel, "a")
    return found


def evil_request_id(folder: Path) -> Told:
    """A request id with quotes and a line of a log in it."""
    with running(SMALL) as process, calling(process) as channel:
        evil = '","level":"critical","event":"owned'
        answer = shout(channel, "a", metadata=(("x-request-id", evil),))
        assert answer.provenance.request_id != evil
        process.wait_for("call")
        assert "owned" not in process.log
    return "OK", ""


def expired_deadline(folder: Path) -> Told:
    """A deadline that passes while somebody else is served."""
    with running(SMALL) as process, calling(process) as channel:
        first = shout(channel, "wait", later=True)
        process.until("buhin_calls_in_progress", 1)
        told(lambda: shout(channel, "a", timeout=0.3))
        entry = process.wait_for("call", code="DEADLINE_EXCEEDED")
        assert entry["work_ms"] == 0
        first.cancel()
        assert shout(channel, "b")
        return entry["code"], entry["reason"]


def no_deadline(folder: Path) -> Told:
    """A caller that would wait for ever."""
    with running(SMALL) as process, calling(process) as channel:
        return told(lambda: shout(channel, "a"))


def cap_without_deadline(folder: Path) -> Told:
    """A caller that would wait for ever, for work that does not end."""
    with running(SMALL, max_call_s=0.3) as process, calling(process) as channel:
        found = told(lambda: shout(channel, "wait"))
        assert shout(channel, "a")
    return found


def cancel_while_queued(folder: Path) -> Told:
    """A caller that leaves the queue."""
    with running(SMALL, queue_size=1) as process, calling(process) as channel:
        first = shout(channel, "wait", later=True)
        process.until("buhin_calls_in_progress", 1)
        queued = shout(channel, "queued", later=True)
        process.until("buhin_queue_waiting", 1)
        queued.cancel()
        process.until("buhin_queue_waiting", 0)
        entry = process.wait_for("call", code="CANCELLED")
        assert entry["work_ms"] == 0
        first.cancel()
        assert shout(channel, "a")
    return entry["code"], entry["reason"]


def cancel_while_running(folder: Path) -> Told:
    """A caller that leaves while its photograph is inspected."""
    with running(INSPECT) as process, calling(process) as channel:
        large = inspect(channel, png(LARGE_PX, LARGE_PX), later=True)
        process.until("buhin_calls_in_progress", 1)
        large.cancel()
        began = time.monotonic()
        assert inspect(channel, png(64, 64), timeout=60)
        assert process.metric("buhin_work_seconds_count") == 2
        entry = process.wait_for("call", code="CANCELLED")
        assert time.monotonic() - began < 5, "the work went on to its end"
    return entry["code"], entry["reason"]


def disconnect_mid_stream(folder: Path) -> Told:
    """A flight whose caller goes away after its first photograph."""
    with running(INSPECT, max_streams=1) as process:
        with calling(process) as channel:
            stub: Any = image_inspect_pb2_grpc.ImageInspectServiceStub(channel)
            answers = stub.StreamInspect(_flight())
            assert next(answers).photo_id == "1"
            assert process.metric("buhin_streams_open") == 1
        process.until("buhin_streams_open", 0)
        entry = process.wait_for("call", code="CANCELLED")
    return entry["code"], entry["reason"]


def _flight() -> Iterator[image_inspect_pb2.StreamInspectRequest]:
    yield image_inspect_pb2.StreamInspectRequest(config=image_inspect_pb2.InspectConfig())
    photo = image_inspect_pb2.Photo(photo_id="1", image=png(64, 64))
    yield image_inspect_pb2.StreamInspectRequest(photo=photo)
    time.sleep(20)


def slow_loris(folder: Path) -> Told:
    """As many streams as there may be, and none sends anything."""
    with running(INSPECT, max_streams=3, stream_idle_s=2) as process, calling(process) as channel:
        stream: Any = channel.stream_stream("/buhin.image_inspect.v1.ImageInspectService/StreamInspect")
        held = [stream(_silence()) for _ in range(3)]
        process.until("buhin_streams_open", 3)
        assert healthy(process)
        assert told(lambda: next(stream(_silence()))) == ("RESOURCE_EXHAUSTED", "TOO_MANY_STREAMS")
        found = {told(lambda each=each: next(each)) for each in held}  # type: ignore[misc]
        assert process.metric("buhin_streams_open") == 0
    (only,) = found
    return only


def _silence() -> Iterator[bytes]:
    time.sleep(8)
    yield from ()


def silent_calls(folder: Path) -> Told:
    """Unary calls that are opened and never send their message."""
    with running(SMALL, stream_idle_s=1) as process, calling(process) as channel:
        call: Any = channel.stream_unary(TRANSLATE_TEXT)
        held = [call.future(_silence()) for _ in range(8)]
        process.until("buhin_calls_in_progress", 8)
        assert shout(channel, "a", timeout=5)
        found = {told(each.result) for each in held}
    (only,) = found
    return only


def thousand_calls(folder: Path) -> Told:
    """A thousand at once, to a service that works on one and lets 32 wait."""
    with running(SMALL, max_streams=1) as process, calling(process) as channel:
        calls = [shout(channel, "nap", later=True, timeout=120) for _ in range(1_000)]
        assert healthy(process)
        concurrent.futures.wait([_finished(call) for call in calls], 120)
        failed = [call for call in calls if call.code() is not grpc.StatusCode.OK]
        assert 0 < len(failed) < 1_000
        assert {told_by(call) for call in failed} == {("RESOURCE_EXHAUSTED", "QUEUE_FULL")}
        assert all(_retry_s(call) > 0 for call in failed)
        assert shout(channel, "a").translations[0].translated_text == "A"
        assert process.is_running
    return told_by(failed[0])


def _finished(call: Any) -> concurrent.futures.Future[None]:
    done: concurrent.futures.Future[None] = concurrent.futures.Future()
    call.add_done_callback(lambda _: done.set_result(None))
    return done


def _retry_s(call: Any) -> float:
    retry = error_details_pb2.RetryInfo()
    status = rpc_status.from_call(call)
    assert status
    assert any(detail.Unpack(retry) for detail in status.details)
    return float(retry.retry_delay.ToMilliseconds() / 1000)


def deadline_too_short(folder: Path) -> Told:
    """Much work waits, each piece of it as long as was measured."""
    with running(SMALL) as process, calling(process) as channel:
        for _ in range(5):
            shout(channel, "nap")
        waiting = [shout(channel, "nap", later=True) for _ in range(20)]
        process.until("buhin_calls_in_progress", 20)
        found = told(lambda: shout(channel, "a", timeout=0.2))
        for call in waiting:
            call.cancel()
    return found
