"""One trace through client, service and engine, and nothing of what was asked in it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from buhin import errors, telemetry
from buhin.client import AsyncTranslateClient
from buhin.serving import Server
from tests.unit.serving.fakes import FakeEngine, application


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """The spans of this process."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(telemetry, "_tracer", provider.get_tracer("buhin"))
    yield exporter
    provider.shutdown()


def named(exporter: InMemorySpanExporter) -> dict[tuple[str, SpanKind], ReadableSpan]:
    """The spans by name and kind."""
    return {(span.name, span.kind): span for span in exporter.get_finished_spans()}


METHOD = "/buhin.translate.v1.TranslateService/TranslateText"


async def test_client_service_and_engine_are_one_trace(exported: InMemorySpanExporter) -> None:
    async with Server(application(FakeEngine)) as server:
        await server.started()
        async with AsyncTranslateClient(server.address) as client:
            with telemetry.span("pipeline", pipeline="test"):
                await client.translate_text(["himitsu"], target="en")
    spans = named(exported)
    outer = spans["pipeline", SpanKind.INTERNAL]
    called = spans[METHOD, SpanKind.CLIENT]
    served = spans[METHOD, SpanKind.SERVER]
    worked = spans["engine", SpanKind.INTERNAL]
    for child, parent in ((called, outer), (served, called), (worked, served)):
        assert child.parent
        assert parent.context
        assert child.parent.span_id == parent.context.span_id
    assert len({span.context.trace_id for span in spans.values() if span.context}) == 1
    attributes = dict(served.attributes or {})
    assert attributes["rpc.system"] == "grpc"
    assert attributes["rpc.service"] == "buhin.translate.v1.TranslateService"
    assert attributes["rpc.method"] == "TranslateText"
    assert attributes["rpc.grpc.status_code"] == 0
    assert attributes["buhin.request_id"] == (called.attributes or {})["buhin.request_id"]
    assert "himitsu" not in "".join(span.to_json() for span in spans.values()).lower()


async def test_a_stream_is_traced_too_and_an_error_is_marked(exported: InMemorySpanExporter) -> None:
    async with Server(application(FakeEngine, max_streams=1)) as server:
        await server.started()
        async with AsyncTranslateClient(server.address) as client:
            assert [answer async for answer in client.stream_translate_text(["a"], target="en", source="ja")]
            with pytest.raises(errors.NotImplementedMethodError):
                await client.detect_language(["a"])
    spans = named(exported)
    assert spans["/buhin.translate.v1.TranslateService/StreamTranslateText", SpanKind.SERVER]
    refused = spans["/buhin.translate.v1.TranslateService/DetectLanguage", SpanKind.SERVER]
    assert refused.status.status_code is StatusCode.ERROR
    assert (refused.attributes or {})["rpc.grpc.status_code"] == 12
    caller = spans["/buhin.translate.v1.TranslateService/DetectLanguage", SpanKind.CLIENT]
    assert caller.status.description == "NotImplementedMethodError"


def test_another_thread_goes_on_with_a_trace(exported: InMemorySpanExporter) -> None:
    def step(outer: Context) -> None:
        with telemetry.within(outer), telemetry.span("step"):
            pass

    with telemetry.span("pipeline"):
        thread = threading.Thread(target=step, args=[telemetry.current()])
        thread.start()
        thread.join()
    spans = named(exported)
    parent = spans["step", SpanKind.INTERNAL].parent
    outer = spans["pipeline", SpanKind.INTERNAL].context
    assert parent
    assert outer
    assert parent.span_id == outer.span_id


def test_without_an_endpoint_nothing_is_set_up() -> None:
    before = trace.get_tracer_provider()
    telemetry.configure("buhin-test", "")
    assert trace.get_tracer_provider() is before
    with telemetry.client_span("/a.B/C", "r1") as metadata:
        assert metadata == []
