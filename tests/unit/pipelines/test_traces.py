"""A run of a pipeline is one trace, through its steps, the services and their engines; it asks as batch."""

from __future__ import annotations

from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from buhin import telemetry
from buhin.pipelines.checker import load
from buhin.serving.admission import Admission, Priority
from tests.fleet import Fleet
from tests.unit.pipelines.test_runner import MINUTES, start


def test_one_run_is_one_trace_and_its_calls_are_batch(
    fleet: Fleet, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(telemetry, "_tracer", provider.get_tracer("buhin"))
    priorities: list[Priority] = []
    enter = Admission.enter

    def noted(self: Admission, caller: str, priority: Priority, units: float | None, **given: float | None) -> object:
        priorities.append(priority)
        return enter(self, caller, priority, units, **given)

    monkeypatch.setattr(Admission, "enter", noted)
    start(fleet, MINUTES, recording)
    spans = exporter.get_finished_spans()
    provider.shutdown()
    (root,) = [span for span in spans if span.name == "pipeline"]
    assert root.context
    inside = [span for span in spans if span.context and span.context.trace_id == root.context.trace_id]
    names = [span.name for span in inside]
    assert names.count("step") == names.count("engine") == len(load(MINUTES).steps)
    assert {"/buhin.speech.v1.SpeechService/Recognize", "/buhin.summarize.v1.SummarizeService/Summarize"} <= set(names)
    assert set(priorities) == {Priority.BATCH}
