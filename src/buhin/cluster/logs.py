"""What the end of a container's log says of a failure."""

from __future__ import annotations

import json
import re

_GRAVE = ("error", "critical")
_REASON = re.compile(r"\b(MODEL_MISSING|DIGEST_MISMATCH|OFFLINE|SOURCE_FAILED|UNUSABLE_MODEL|MODEL_UNAVAILABLE)\b")
_WORDS = (("has digest", "DIGEST_MISMATCH"), ("is not in the store", "MODEL_MISSING"))
"""How ``buhin models verify`` says it, which prints no reasons."""
_SHOWN = 300


def last_event(text: str) -> str:
    """The last grave event of the service's log (lines of JSON), else the last line; cut to 300 characters."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for line in reversed(lines):
        event = _event(line)
        if event.get("level") in _GRAVE:
            told = [str(event[key]) for key in ("detail", "problem", "error", "consequence") if event.get(key)]
            return _cut(": ".join([str(event.get("event", "")), *told]))
    return _cut(lines[-1]) if lines else ""


def model_reason(text: str) -> str:
    """Why a model cannot be used, as the error tree names it, where a log or a message says so; else empty."""
    for line in reversed(text.splitlines()):
        event = _event(line)
        if event and event.get("level") not in _GRAVE:
            continue
        if found := _REASON.search(line):
            return found[1]
        if told := next((reason for words, reason in _WORDS if words in line), ""):
            return told
    return ""


def _event(line: str) -> dict[str, object]:
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
