"""The call being answered: who it is and how long its parts took."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field

from buhin.engine import LoadedModel

REQUEST_ID_KEY = "x-request-id"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


@dataclass
class Call:
    """One RPC. Times are in seconds."""

    method: str
    request_id: str
    accepted_at: float = field(default_factory=time.time)
    started: float = field(default_factory=time.monotonic)
    queue_s: float = 0.0
    work_s: float = 0.0
    models: tuple[LoadedModel, ...] = ()

    @classmethod
    def begin(cls, method: str, metadata: Iterable[tuple[str, str | bytes]] | None) -> Call:
        """A call with the caller's request id, or a new one where that is absent or not harmless to log."""
        given = next((value for key, value in metadata or () if key == REQUEST_ID_KEY), "")
        harmless = isinstance(given, str) and _REQUEST_ID.fullmatch(given)
        return cls(method=method, request_id=str(given) if harmless else uuid.uuid4().hex)

    @property
    def elapsed_s(self) -> float:
        """Time since the call was accepted."""
        return time.monotonic() - self.started


current_call: ContextVar[Call] = ContextVar("current_call")
