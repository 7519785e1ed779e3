"""The call being answered: whose it is, what it may cost and how long its parts took."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field

from buhin.engine import Engine
from buhin.errors import InvalidValueError
from buhin.serving.admission import Priority
from buhin.serving.auth.identity import ANONYMOUS, Caller

REQUEST_ID_KEY = "x-request-id"
PRIORITY_KEY = "x-buhin-priority"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


@dataclass
class Call:
    """One RPC. Times are in seconds, ``units`` those of the service's work."""

    method: str
    request_id: str
    caller: Caller = ANONYMOUS
    queue_key: str = ""
    """Whose turn it is in the queue: the caller's, or the connection's where callers have no names."""
    priority: Priority = Priority.INTERACTIVE
    units: float = 0.0
    """Those of all its messages so far."""
    deadline: float | None = None
    """By the monotonic clock."""
    accepted_at: float = field(default_factory=time.time)
    started: float = field(default_factory=time.monotonic)
    queue_s: float = 0.0
    work_s: float = 0.0
    engine: Engine | None = None
    """What worked on it."""

    @property
    def elapsed_s(self) -> float:
        """Time since the call was accepted."""
        return time.monotonic() - self.started

    @property
    def left_s(self) -> float | None:
        """Time to the deadline; None without one."""
        return None if self.deadline is None else self.deadline - time.monotonic()


def request_id(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    """The caller's request id, or a new one where that is absent or not harmless to log."""
    given = _first(metadata, REQUEST_ID_KEY)
    return given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def priority(metadata: Iterable[tuple[str, str | bytes]], caller: Caller) -> Priority:
    """What the caller asks for and may have. Raises InvalidValueError."""
    given = _first(metadata, PRIORITY_KEY) or Priority.INTERACTIVE.name
    accepted = [each.name.lower() for each in Priority]
    if given.lower() not in accepted:
        raise InvalidValueError(field=PRIORITY_KEY, value=given, accepted=", ".join(accepted))
    return Priority.BATCH if caller.batch_only else Priority[given.upper()]


def _first(metadata: Iterable[tuple[str, str | bytes]], key: str) -> str:
    value = next((value for name, value in metadata if name == key), "")
    return value if isinstance(value, str) else ""


current_call: ContextVar[Call] = ContextVar("current_call")
