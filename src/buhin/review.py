"""Reasons for a person to look, and warnings: what services find, as the protos say it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from buhin.common.v1 import common_pb2


@dataclass(frozen=True)
class Reason:
    """One reason to look. ``value`` crossed ``threshold``, both in the unit that the card gives for ``code``."""

    code: str
    message: str
    message_ja: str
    subject: str = ""
    value: float | None = None
    threshold: float | None = None


@dataclass(frozen=True)
class Notice:
    """Something to know about how the request was read."""

    code: str
    message: str
    message_ja: str
    field: str = ""


def review(reasons: Iterable[Reason]) -> common_pb2.Review:
    """The review of an answer: recommended when there is any reason."""
    found = [
        common_pb2.ReviewReason(
            code=reason.code,
            message=reason.message,
            message_ja=reason.message_ja,
            subject=reason.subject,
            value=reason.value,
            threshold=reason.threshold,
        )
        for reason in reasons
    ]
    return common_pb2.Review(recommended=bool(found), reasons=found)


def warnings(notices: Iterable[Notice]) -> list[common_pb2.Warning]:
    """The warnings of an answer."""
    return [
        common_pb2.Warning(code=notice.code, message=notice.message, message_ja=notice.message_ja, field=notice.field)
        for notice in notices
    ]
