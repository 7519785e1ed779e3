"""What the log says of an exception: where it happened, never what it said, since that may be a caller's content."""

from __future__ import annotations

from typing import Any

import structlog

from buhin.isolation.child import told
from buhin.isolation.host import EngineError

_log = structlog.get_logger("buhin.faults")


def described(error: BaseException) -> dict[str, Any]:
    """The type of an exception and the places in the code that it came through; its text only at level DEBUG."""
    kind, text, frames = (error.kind, str(error), error.frames) if isinstance(error, EngineError) else told(error)
    _log.debug("fault", text=text)
    return {"error": kind, "frames": frames}
