"""What all errors share, and those that any call can meet."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, ClassVar

import grpc

MAX_VALUE_BYTES = 400
"""A longer value is cut, in UTF-8, so that the details of an error stay below 4 KiB."""


class BuhinError(Exception):
    """Any error of the house. ``field`` names the request field at fault, ``retry_after_s`` when a retry may help."""

    code: ClassVar[grpc.StatusCode] = grpc.StatusCode.UNKNOWN
    reason: ClassVar[str] = "UNKNOWN"
    text: ClassVar[str] = "{message}"
    text_ja: ClassVar[str] = "{message}"

    def __init__(self, *, field: str = "", retry_after_s: float | None = None, **values: object) -> None:
        self.field = field
        self.retry_after_s = retry_after_s
        self.metadata = {key: _shorten(str(value)) for key, value in values.items()}
        super().__init__(self.message)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (type(self), self.field, self.retry_after_s, self.metadata)

    @property
    def message(self) -> str:
        """The text in English."""
        return self._fill(self.text)

    @property
    def message_ja(self) -> str:
        """The text in Japanese."""
        return self._fill(self.text_ja)

    def _fill(self, template: str) -> str:
        return template.format_map(defaultdict(lambda: "?", self.metadata, field=self.field))


class CancelledError(BuhinError):
    """The caller went away."""

    code = grpc.StatusCode.CANCELLED
    reason = "CANCELLED"
    text = "the call was cancelled"
    text_ja = "呼び出しは取り消されました"


class NotImplementedMethodError(BuhinError):
    """The method is declared and not implemented yet."""

    code = grpc.StatusCode.UNIMPLEMENTED
    reason = "NOT_IMPLEMENTED"
    text = "{method} is not implemented in this version; the service card lists the methods that are"
    text_ja = "{method} はこの版では実装されていません。実装済みのメソッドはサービスカードにあります"


class InternalError(BuhinError):
    """A fault of the service. What happened is in its log under the same id, and nowhere else."""

    code = grpc.StatusCode.INTERNAL
    reason = "INTERNAL"
    text = "internal error {error_id}; give this id to the operator"
    text_ja = "内部エラー {error_id} が発生しました。この番号を運用担当者に伝えてください"


def all_errors(base: type[BuhinError] = BuhinError) -> list[type[BuhinError]]:
    """The class and all its descendants, depth first."""
    return [base, *(found for child in base.__subclasses__() for found in all_errors(child))]


def _rebuilt(kind: type[BuhinError], field: str, retry_after_s: float | None, metadata: dict[str, str]) -> BuhinError:
    return kind(field=field, retry_after_s=retry_after_s, **metadata)


def _shorten(text: str) -> str:
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= MAX_VALUE_BYTES:
        return encoded.decode()
    return encoded[: MAX_VALUE_BYTES - 3].decode("utf-8", "ignore") + "…"
