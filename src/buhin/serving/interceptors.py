"""What happens around every call: who calls, what it costs, errors, provenance, log, metrics, traces."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any, TypeAlias

import grpc
import structlog
from google.protobuf.message import DecodeError, Message
from grpc_status import rpc_status

from buhin import telemetry
from buhin.common.v1 import common_pb2
from buhin.engine import Engine
from buhin.errors import (
    BuhinError,
    CancelledError,
    DeadlineExceededError,
    EngineLostError,
    InternalError,
    MalformedRequestError,
    MissingFieldError,
    NotImplementedMethodError,
    QueueFullError,
    StreamIdleError,
)
from buhin.serving.application import Application
from buhin.serving.auth.gate import Gate
from buhin.serving.auth.identity import ANONYMOUS, Caller
from buhin.serving.auth.tls import certificate_names
from buhin.serving.call import Call, current_call, priority, request_id
from buhin.serving.faults import described
from buhin.serving.metrics import Metrics
from buhin.serving.worker import Worker
from buhin.status import encode

_log = structlog.get_logger("buhin.access")

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"

_NOT_AGAIN = (("grpc-retry-pushback-ms", "-1"),)
"""Keeps a client from sending at once again what may have ended the engine (https://github.com/grpc/proposal A6)."""
_TELL_S = 1.0
"""A caller that takes nothing is not told why its stream ends: that would come after what it does not take."""
_SERVICE_INFO = "/buhin.catalogue.v1.ServiceInfoService/GetServiceInfo"
"""Asked by everyone who waits for a service, several times a second."""


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Surrounds calls of all four kinds. Health and reflection are for all where there is no policy, else for callers.

    The caller is identified before a byte of its request is read, so every method is served as one that takes a stream;
    on the wire the kinds are the same.
    """

    def __init__(self, application: Application[Any], worker: Worker[Any], gate: Gate, metrics: Metrics) -> None:
        card, settings = application.card, application.settings
        self._application = application
        self._worker = worker
        self._gate = gate
        self._metrics = metrics
        self._unimplemented = {f"/{card.service}/{m.method}" for m in card.methods if not m.implemented}
        self._open: Counter[str] = Counter()
        self._max_open = settings.concurrency + settings.queue_size + settings.max_streams

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Wrap the method's handler."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None:
            return handler
        if not method.startswith("/buhin."):
            return handler if self._gate.is_open else self._for_callers(handler)
        behaviour: Any = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream

        async def given(requests: AsyncIterator[bytes], context: Any, call: Call) -> Any:
            parse, units = handler.request_deserializer, self._application.units()
            if handler.request_streaming:
                return self._charged(requests, parse, units, call)
            return await self._only(context, parse, units, call)

        async def answer(requests: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Message:
            async with self._around(method, context) as call:
                response: Message = await behaviour(await given(requests, context, call), context)
                self._correct(call, response)
            return self._with_provenance(response, call)

        async def answer_stream(requests: Any, context: grpc.aio.ServicerContext[Any, Any]) -> None:
            async with (
                self._around(method, context) as call,
                aclosing(behaviour(await given(requests, context, call), context)) as responses,
            ):
                async for response in responses:
                    self._correct(call, response)
                    await self._send(context, self._with_provenance(response, call))

        write = handler.response_serializer
        if handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(answer_stream, response_serializer=write)
        return grpc.stream_unary_rpc_method_handler(answer, response_serializer=write)

    def _for_callers(self, handler: Handler) -> Handler:
        """Health and reflection, for whoever is in the policy: a stranger's message is not even read."""
        behaviour: Any = handler.unary_unary or handler.unary_stream or handler.stream_stream
        parse: Any = handler.request_deserializer

        async def given(requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            try:
                await self._identify(context, tuple(context.invocation_metadata() or ()))
                if handler.request_streaming:
                    return (_parsed(data, parse) async for data in requests)
                return _parsed(await anext(aiter(requests), b""), parse)
            except BuhinError as error:
                await _abort(context, error)

        async def answer(requests: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            return await behaviour(await given(requests, context), context)

        async def answer_stream(requests: Any, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:
            async for response in behaviour(await given(requests, context), context):
                yield response

        write = handler.response_serializer
        if handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(answer_stream, response_serializer=write)
        return grpc.stream_unary_rpc_method_handler(answer, response_serializer=write)

    async def _identify(
        self, context: grpc.aio.ServicerContext[Any, Any], metadata: tuple[tuple[str, str | bytes], ...]
    ) -> Caller:
        return await self._gate.identify(metadata, certificate_names(context.auth_context()))

    async def _send(self, context: grpc.aio.ServicerContext[Any, Any], response: Message) -> None:
        """Send a message of a stream. Raises StreamIdleError where the caller takes none."""
        idle_s = self._application.settings.stream_idle_s
        try:
            async with asyncio.timeout(idle_s):
                await context.write(response)
        except TimeoutError as error:
            raise StreamIdleError(limit_s=idle_s) from error

    def _charge(self, call: Call, units: float, *, requests: int) -> None:
        self._gate.charge(call.caller, call.method, units, requests=requests)
        call.units += units

    def _correct(self, call: Call, response: Message) -> None:
        """Charge also what only the answer tells."""
        more = self._application.done(response) - call.units
        if more > 0:
            self._gate.correct(call.caller, call.method, more)
            call.units += more

    async def _charged(
        self, requests: AsyncIterator[bytes], parse: Any, units: Callable[[Message], float], call: Call
    ) -> AsyncIterator[Message]:
        """The messages, each charged to the caller before anything is done with it."""
        first = 1
        async for data in requests:
            message = _parsed(data, parse)
            self._charge(call, units(message), requests=first)
            first = 0
            yield message

    async def _only(
        self, context: grpc.aio.ServicerContext[Any, Any], parse: Any, units: Callable[[Message], float], call: Call
    ) -> Message:
        """The message of a method that takes one, charged."""
        idle_s = self._application.settings.stream_idle_s
        try:
            async with asyncio.timeout(idle_s):
                data = await context.read()
        except TimeoutError as error:
            raise StreamIdleError(limit_s=idle_s) from error
        if not isinstance(data, bytes):
            raise MissingFieldError(field="request")
        message = _parsed(data, parse)
        self._charge(call, units(message), requests=1)
        return message

    @asynccontextmanager
    async def _around(self, method: str, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Call]:
        metadata = tuple(context.invocation_metadata() or ())
        call = Call(method, request_id(metadata))
        current_call.set(call)
        remaining = context.time_remaining()
        cap_s = self._application.settings.max_call_s if remaining is None else None
        call.deadline = call.started + (remaining or cap_s or 0.0)
        self._metrics.call_began(method)
        code = grpc.StatusCode.OK.name
        reason = ""
        with telemetry.server_span(method, metadata, call.request_id) as span:
            try:
                async with asyncio.timeout(cap_s), self._identified(call, context, metadata):
                    yield call
            except asyncio.CancelledError:
                in_time = time.monotonic() < call.deadline
                left = CancelledError() if in_time else DeadlineExceededError()
                code, reason = left.code.name, left.reason
                raise
            except Exception as raised:  # noqa: BLE001 - the one place where the unexpected becomes INTERNAL
                error = self._error(raised, call)
                code, reason = error.code.name, error.reason
                await _abort(context, error)
            finally:
                telemetry.ended(span, code, grpc.StatusCode[code].value[0])
                self._ended(call, code, reason)

    @asynccontextmanager
    async def _identified(
        self, call: Call, context: grpc.aio.ServicerContext[Any, Any], metadata: tuple[tuple[str, str | bytes], ...]
    ) -> AsyncIterator[None]:
        """Let the caller in, and no more of its calls than the service could ever hold."""
        if not self._gate.is_open:
            call.caller = await self._identify(context, metadata)
            self._gate.authorize(call.caller, call.method)
        if call.method in self._unimplemented:
            raise NotImplementedMethodError(method=call.method.removeprefix("/"))
        call.priority = priority(metadata, call.caller)
        call.queue_key = context.peer() if call.caller is ANONYMOUS else call.caller.name
        if self._open[call.queue_key] >= self._max_open:
            self._metrics.refused(QueueFullError.reason)
            raise QueueFullError(waiting=self._open[call.queue_key], retry_after_s=self._worker.retry_after_s())
        self._open[call.queue_key] += 1
        try:
            yield
        finally:
            self._open[call.queue_key] -= 1
            if not self._open[call.queue_key]:
                del self._open[call.queue_key]

    def _error(self, raised: Exception, call: Call) -> BuhinError:
        if isinstance(raised, TimeoutError) and time.monotonic() >= (call.deadline or 0.0):
            return DeadlineExceededError()
        if isinstance(raised, BuhinError):
            return raised
        _log.error("internal_error", method=call.method, request_id=call.request_id, **described(raised))
        return InternalError(error_id=call.request_id)

    def _ended(self, call: Call, code: str, reason: str) -> None:
        if code != "OK" and not call.work_s and call.units:
            self._gate.correct(call.caller, call.method, -call.units)
            call.units = 0.0
        self._metrics.units(call.caller.group, call.units)
        self._metrics.call_ended(call.method, call.caller.group, code, reason, call.elapsed_s)
        routine = code == "OK" and call.method == _SERVICE_INFO
        _log.log(
            logging.DEBUG if routine else logging.INFO,
            "call",
            method=call.method,
            request_id=call.request_id,
            caller=call.caller.name,
            priority=call.priority.name.lower(),
            units=round(call.units, 1),
            code=code,
            reason=reason,
            queue_ms=round(call.queue_s * 1000, 1),
            work_ms=round(call.work_s * 1000, 1),
            total_ms=round(call.elapsed_s * 1000, 1),
        )

    def _with_provenance(self, response: Message, call: Call) -> Message:
        target = _bearer(response)
        if target is None:
            return response
        provenance: common_pb2.Provenance = target.provenance  # type: ignore[attr-defined]  # _bearer checked it
        engine: Engine | None = call.engine or self._worker.engine
        provenance.service = self._application.card.service
        provenance.service_version = self._application.card.version
        if engine is not None:
            provenance.engine = engine.name
            provenance.engine_version = engine.version
        if not provenance.models and call.engine is not None:
            provenance.models.extend(
                common_pb2.ModelRef(model_id=model.model_id, digest=model.digest) for model in call.engine.models
            )
        provenance.request_id = call.request_id
        provenance.accept_time.FromMilliseconds(round(call.accepted_at * 1000))
        provenance.queue_duration.FromMicroseconds(round(call.queue_s * 1e6))
        provenance.processing_duration.FromMicroseconds(round(call.work_s * 1e6))
        return response


async def _abort(context: grpc.aio.ServicerContext[Any, Any], error: BuhinError) -> None:
    status = rpc_status.to_status(encode(error))
    again = _NOT_AGAIN if isinstance(error, EngineLostError) else ()
    try:
        async with asyncio.timeout(_TELL_S):
            await context.abort(status.code, status.details, (*status.trailing_metadata, *again))
    except TimeoutError:
        raise error from None


def _parsed(data: bytes, parse: Callable[[bytes], Message]) -> Message:
    try:
        return parse(data)
    except DecodeError as error:
        named = getattr(getattr(parse, "__self__", None), "DESCRIPTOR", None)
        raise MalformedRequestError(message=named.full_name if named else "message") from error


def _bearer(response: Message) -> Message | None:
    """The message that carries the provenance: the response, or the answer inside a stream's response."""
    if "provenance" in response.DESCRIPTOR.fields_by_name:
        return response
    for descriptor, value in response.ListFields():
        if descriptor.message_type is not None and "provenance" in descriptor.message_type.fields_by_name:
            return value  # type: ignore[no-any-return]  # a singular message field
    return None
