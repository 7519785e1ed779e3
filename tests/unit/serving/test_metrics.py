"""What the metrics of one server tell of each event, and the port that they are read on."""

from __future__ import annotations

import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from buhin.engine import LoadedModel
from buhin.serving.admission import Priority
from buhin.serving.metrics import Metrics, MetricsServer

METHOD = "/buhin.translate.v1.TranslateService/TranslateText"


@pytest.fixture
def metrics() -> Metrics:
    """Those of a service with one method."""
    return Metrics("translate", [METHOD], "characters")


@pytest.fixture
def server(metrics: Metrics) -> Iterator[MetricsServer]:
    """Where they are read."""
    opened = MetricsServer(metrics, "127.0.0.1", 0)
    yield opened
    opened.close()


def told(metrics: Metrics, name: str, **labels: str) -> float | None:
    """The value of ``buhin_<name>``; None where there is none."""
    return metrics.registry.get_sample_value(f"buhin_{name}", {"function": "translate", **labels})


def fetched(server: MetricsServer, method: str = "GET") -> str:
    """What is answered to a request for ``/metrics``."""
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}/metrics", method=method)
    with urllib.request.urlopen(request, timeout=5) as answer:
        return bytes(answer.read()).decode()


def test_a_call_is_counted_timed_and_no_longer_in_progress(metrics: Metrics) -> None:
    metrics.call_began(METHOD)
    assert told(metrics, "calls_in_progress", method=METHOD) == 1
    metrics.call_ended(METHOD, "bureau", "INTERNAL", "ENGINE_LOST", 0.25)
    assert told(metrics, "calls_in_progress", method=METHOD) == 0
    ended = {"method": METHOD, "group": "bureau", "code": "INTERNAL", "reason": "ENGINE_LOST"}
    assert told(metrics, "calls_total", **ended) == 1
    assert told(metrics, "call_seconds_sum", method=METHOD, group="bureau") == 0.25
    buckets = [told(metrics, "call_seconds_bucket", method=METHOD, group="bureau", le=le) for le in ("0.1", "0.25")]
    assert buckets == [0, 1]


def test_methods_that_the_service_does_not_have_are_one(metrics: Metrics) -> None:
    for number in range(100):
        metrics.call_began(f"/nobody.v1.X/Y{number}")
        metrics.call_ended(f"/nobody.v1.X/Y{number}", "", "UNIMPLEMENTED", "", 0.001)
    other = {"method": "other", "group": "", "code": "UNIMPLEMENTED", "reason": ""}
    assert told(metrics, "calls_total", **other) == 100
    assert told(metrics, "calls_in_progress", method="other") == 0
    methods = {
        sample.labels["method"]
        for metric in metrics.registry.collect()
        for sample in metric.samples
        if "method" in sample.labels
    }
    assert methods == {"other"}


def test_the_queue_is_asked_when_it_is_read(metrics: Metrics) -> None:
    queue = {Priority.INTERACTIVE: (2, 30.0), Priority.BATCH: (0, 0.0)}
    metrics.watch_queue(queue.__getitem__)
    queue[Priority.BATCH] = (5, 700.0)
    waiting = [told(metrics, "queue_waiting", priority=each) for each in ("interactive", "batch")]
    work = [told(metrics, "queue_work", priority=each) for each in ("interactive", "batch")]
    assert (waiting, work) == ([2, 5], [30, 700])


def test_waiting_and_refusing_are_told_by_priority_and_reason(metrics: Metrics) -> None:
    metrics.waited(Priority.BATCH, 3.0)
    metrics.refused("QUEUE_FULL")
    metrics.refused("QUEUE_FULL")
    assert told(metrics, "queue_wait_seconds_sum", priority="batch") == 3
    assert told(metrics, "queue_refused_total", reason="QUEUE_FULL") == 2


def test_work_is_counted_in_the_unit_of_the_service_and_never_less_than_nothing(metrics: Metrics) -> None:
    metrics.units("bureau", 120)
    metrics.units("bureau", -1)
    assert told(metrics, "work_units_total", group="bureau", unit="characters") == 120


def test_work_is_timed_and_its_batches_are_told_by_size(metrics: Metrics) -> None:
    metrics.worked(0.5, [1, 8, 256])
    metrics.worked(0.25, [])
    assert (told(metrics, "work_seconds_count"), told(metrics, "work_seconds_sum")) == (2, 0.75)
    assert [told(metrics, "batch_size_bucket", le=le) for le in ("1.0", "8.0", "128.0", "256.0")] == [1, 2, 2, 3]


def test_a_model_that_was_replaced_is_no_longer_in_memory(metrics: Metrics) -> None:
    digests = [f"sha256:{number}" for number in range(2)]
    for seconds, digest in enumerate(digests, start=1):
        metrics.loaded([LoadedModel("tiny", digest, "testing", "MIT", 12)], seconds)
    found = [told(metrics, "model_info", model_id="tiny", digest=digest, role="testing") for digest in digests]
    assert found == [0, 1]
    assert told(metrics, "model_load_seconds") == 2


def test_what_has_not_happened_yet_is_told_as_none(metrics: Metrics) -> None:
    """So that the first time is seen as an increase."""
    names = ("engine_restarts_total", "streams_open", "ready")
    assert [told(metrics, name) for name in names] == [0, 0, 0]
    assert [told(metrics, "engine_reloads_total", outcome=outcome) for outcome in ("ok", "failed")] == [0, 0]


def test_the_life_of_the_engine_is_told(metrics: Metrics) -> None:
    metrics.ready(True)
    metrics.streams(3)
    metrics.restarted()
    metrics.reloaded("failed")
    assert [told(metrics, name) for name in ("ready", "streams_open", "engine_restarts_total")] == [1, 3, 1]
    assert told(metrics, "engine_reloads_total", outcome="failed") == 1
    metrics.ready(False)
    assert told(metrics, "ready") == 0


def test_servers_of_one_process_do_not_share_their_metrics(metrics: Metrics) -> None:
    another = Metrics("translate", [METHOD], "characters")
    another.restarted()
    assert [told(each, "engine_restarts_total") for each in (metrics, another)] == [0, 1]


def test_they_are_read_on_a_port_of_their_own(metrics: Metrics, server: MetricsServer) -> None:
    metrics.ready(True)
    text = fetched(server)
    assert 'buhin_ready{function="translate"} 1.0' in text
    assert "process_resident_memory_bytes" in text


def test_they_are_only_read(server: MetricsServer) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        fetched(server, "POST")
    with refused.value as answer:
        assert answer.code == 405


def test_there_is_nothing_else_on_the_port(server: MetricsServer) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"http://127.0.0.1:{server.port}/", timeout=5)
    with refused.value as answer:
        assert answer.code == 404


def test_a_port_that_is_taken_is_told(metrics: Metrics, server: MetricsServer) -> None:
    with pytest.raises(OSError, match="in use"):
        MetricsServer(metrics, "127.0.0.1", server.port)


def test_closing_gives_back_the_port_and_the_thread(metrics: Metrics) -> None:
    before = threading.active_count()
    opened = MetricsServer(metrics, "127.0.0.1", 0)
    assert threading.active_count() == before + 1
    opened.close()
    assert threading.active_count() == before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", opened.port), timeout=5)
