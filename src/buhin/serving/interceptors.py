"""What happens around every call of the house's services: request id, access log, errors, provenance."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any, TypeAlias

import grpc
import structlog
from google.protobuf.message import Message
from grpc_status import rpc_status

from buhin.catalogue.card import ServiceCard
from buhin.common.v1 import common_pb2
from buhin.engine import Engine
from buhin.errors import BuhinError, CancelledError, DeadlineExceededError, InternalError, NotImplementedMethodError
from buhin.serving.call import Call, current_call
from buhin.serving.worker import Worker
from buhin.status import encode

_log = structlog.get_logger("buhin.access")

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"

_SERVICE_INFO = "/buhin.catalogue.v1.ServiceInfoService/GetServiceInfo"
"""Asked by everyone who waits for a service, several times a second."""

_KINDS = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Surrounds calls of all four kinds. Health and reflection pass untouched."""

    def __init__(self, card: ServiceCard, worker: Worker[Any]) -> None:
        self._card = card
        self._worker = worker
        self._unimplemented = {f"/{card.service}/{m.method}" for m in card.methods if not m.implemented}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Wrap the method's handler."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or not method.startswith("/buhin."):
            return handler
        kind = (handler.request_streaming, handler.response_streaming)
        behaviour: Any = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream

        async def answer(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Message:
            async with self._around(method, context) as call:
                response: Message = await behaviour(request, context)
            return self._with_provenance(response, call)

        async def answer_stream(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Message]:
            async with self._around(method, context) as call, aclosing(behaviour(request, context)) as responses:
                async for response in responses:
                    yield self._with_provenance(response, call)

        return _KINDS[kind](
            answer_stream if handler.response_streaming else answer,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    @asynccontextmanager
    async def _around(self, method: str, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Call]:
        call = Call.begin(method, context.invocation_metadata())
        current_call.set(call)
        code = grpc.StatusCode.OK.name
        reason = ""
        try:
            if method in self._unimplemented:
                raise NotImplementedMethodError(method=method.removeprefix("/"))
            yield call
        except asyncio.CancelledError:
            remaining = context.time_remaining()
            left = DeadlineExceededError() if remaining is not None and remaining <= 0 else CancelledError()
            code, reason = left.code.name, left.reason
            raise
        except Exception as raised:  # noqa: BLE001 - the one place where the unexpected becomes INTERNAL
            error = raised if isinstance(raised, BuhinError) else InternalError(error_id=call.request_id)
            if error is not raised:
                _log.exception("internal_error", method=method, request_id=call.request_id)
            code, reason = error.code.name, error.reason
            await context.abort_with_status(rpc_status.to_status(encode(error)))
        finally:
            routine = code == "OK" and method == _SERVICE_INFO
            _log.log(
                logging.DEBUG if routine else logging.INFO,
                "call",
                method=method,
                request_id=call.request_id,
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
        engine: Engine | None = self._worker.engine
        provenance.service = self._card.service
        provenance.service_version = self._card.version
        if engine is not None:
            provenance.engine = engine.name
            provenance.engine_version = engine.version
        if not provenance.models:
            provenance.models.extend(
                common_pb2.ModelRef(model_id=model.model_id, digest=model.digest) for model in call.models
            )
        provenance.request_id = call.request_id
        provenance.accept_time.FromMilliseconds(round(call.accepted_at * 1000))
        provenance.queue_duration.FromMicroseconds(round(call.queue_s * 1e6))
        provenance.processing_duration.FromMicroseconds(round(call.work_s * 1e6))
        return response


def _bearer(response: Message) -> Message | None:
    """The message that carries the provenance: the response, or the answer inside a stream's response."""
    if "provenance" in response.DESCRIPTOR.fields_by_name:
        return response
    for descriptor, value in response.ListFields():
        if descriptor.message_type is not None and "provenance" in descriptor.message_type.fields_by_name:
            return value  # type: ignore[no-any-return]  # a singular message field
    return None
