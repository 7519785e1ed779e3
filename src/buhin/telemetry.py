"""Traces (OpenTelemetry) through SDK, service and engine, by the names of its semantic conventions for RPC.

Nothing is traced until ``configure`` is given an endpoint, or the program sets up OpenTelemetry itself. Attributes name
methods, codes and request ids, never content.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from opentelemetry import context, propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, ProxyTracer, ProxyTracerProvider, Span, SpanKind, StatusCode

EXPORT_S = 2
"""Longest that spans are sent, also at the end of a program whose endpoint does not answer."""

_tracer = trace.get_tracer("buhin")


def configure(service_name: str, endpoint: str) -> None:
    """Send the spans of this process to ``endpoint``, by OTLP over gRPC; nowhere where it is empty.

    It is encrypted unless the endpoint begins with ``http://``. The usual environment variables of OpenTelemetry apply,
    for example ``OTEL_TRACES_SAMPLER``.
    """
    if not endpoint:
        return
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": service_name}))
    exporter = OTLPSpanExporter(endpoint=endpoint, insecure=endpoint.startswith("http://"), timeout=EXPORT_S)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)


@contextmanager
def client_span(method: str, request_id: str) -> Iterator[list[tuple[str, str]]]:
    """A call that this program makes; gives what to send with it so that the service continues the trace (W3C trace
    context). Not the current span, since a stream is read while other things are done.
    """
    made = _tracer.start_span(method, kind=SpanKind.CLIENT, attributes=_attributes(method, request_id))
    carrier: dict[str, str] = {}
    propagate.inject(carrier, trace.set_span_in_context(made))
    try:
        yield list(carrier.items())
    except Exception as error:
        made.set_status(StatusCode.ERROR, type(error).__name__)
        raise
    finally:
        made.end()


@contextmanager
def server_span(method: str, metadata: Iterable[tuple[str, str | bytes]], request_id: str) -> Iterator[Span]:
    """A call that this program answers, as a part of the caller's trace where there is one."""
    if _nowhere():
        yield INVALID_SPAN
        return
    carrier = {key: value for key, value in metadata if isinstance(value, str)}
    with _tracer.start_as_current_span(
        method,
        context=propagate.extract(carrier),
        kind=SpanKind.SERVER,
        attributes=_attributes(method, request_id),
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        yield span


def ended(span: Span, code: str, number: int) -> None:
    """Note the gRPC code of a call that was answered."""
    span.set_attribute("rpc.grpc.status_code", number)
    if number:
        span.set_status(StatusCode.ERROR, code)


def current() -> Context:
    """What is traced now, for ``within`` in another thread."""
    return context.get_current()


@contextmanager
def within(outer: Context) -> Iterator[None]:
    """Trace as a part of what another thread traces."""
    token = context.attach(outer)
    try:
        yield
    finally:
        context.detach(token)


@contextmanager
def span(name: str, **attributes: str | int | float) -> Iterator[Span]:
    """A part of what is done."""
    if _nowhere():
        yield INVALID_SPAN
        return
    with _tracer.start_as_current_span(
        name, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as made:
        yield made


def _nowhere() -> bool:
    """Whether nobody has set up OpenTelemetry in this process."""
    return isinstance(_tracer, ProxyTracer) and isinstance(trace.get_tracer_provider(), ProxyTracerProvider)


def _attributes(method: str, request_id: str) -> dict[str, str]:
    service, _, name = method.lstrip("/").partition("/")
    return {"rpc.system": "grpc", "rpc.service": service, "rpc.method": name, "buhin.request_id": request_id}
