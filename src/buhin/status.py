"""Errors as ``google.rpc.Status`` and back: the one place where the two meet."""

from __future__ import annotations

from typing import TypeVar

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from buhin import errors

DOMAIN = "buhin"

M = TypeVar("M", bound=Message)

_BY_REASON = {error.reason: error for error in errors.all_errors()}
_BY_CODE: dict[grpc.StatusCode, type[errors.BuhinError]] = {
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.DeadlineExceededError,
    grpc.StatusCode.CANCELLED: errors.CancelledError,
}


def encode(error: errors.BuhinError) -> status_pb2.Status:
    """The status of an error: its reason and values, the field at fault, when to retry, its text in two languages."""
    details: list[Message] = [
        error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.metadata),
        error_details_pb2.LocalizedMessage(locale="en", message=error.message),
        error_details_pb2.LocalizedMessage(locale="ja", message=error.message_ja),
    ]
    if error.field:
        violation = error_details_pb2.BadRequest.FieldViolation(field=error.field, reason=error.reason)
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    if error.retry_after_s is not None:
        delay = Duration()
        delay.FromMilliseconds(round(error.retry_after_s * 1000))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    status = status_pb2.Status(code=error.code.value[0], message=error.message)
    for detail in details:
        status.details.add().Pack(detail)
    return status


def decode(status: status_pb2.Status) -> errors.BuhinError:
    """The error of a status; a plain BuhinError where the status is not one of the house's."""
    info = _unpack(status, error_details_pb2.ErrorInfo())
    if info is None or info.domain != DOMAIN or info.reason not in _BY_REASON:
        return errors.BuhinError(message=status.message)
    bad_request = _unpack(status, error_details_pb2.BadRequest())
    retry = _unpack(status, error_details_pb2.RetryInfo())
    return _BY_REASON[info.reason](
        field=bad_request.field_violations[0].field if bad_request and bad_request.field_violations else "",
        retry_after_s=retry.retry_delay.ToMilliseconds() / 1000 if retry else None,
        **dict(info.metadata),
    )


def decode_call(call: grpc.RpcError, address: str = "") -> errors.BuhinError:
    """The error of a failed call, sync or async."""
    status = rpc_status.from_call(call)
    if status is not None:
        return decode(status)
    code, problem = call.code(), call.details() or "no details"
    if code is grpc.StatusCode.UNAVAILABLE:
        return errors.UnavailableError(address=address, problem=problem)
    known = _BY_CODE.get(code)
    return known() if known else errors.BuhinError(message=f"{code.name}: {problem}")


def _unpack(status: status_pb2.Status, into: M) -> M | None:
    for detail in status.details:
        if detail.Unpack(into):
            return into
    return None
