"""How many characters a request has, whatever its message."""

from __future__ import annotations

from google.protobuf.message import Message

_TEXTS = ("text", "contents")


def characters(message: Message) -> float:
    """The characters of the text to work on."""
    total = 0
    for name in _TEXTS:
        if name in message.DESCRIPTOR.fields_by_name:
            value = getattr(message, name)
            total += len(value) if isinstance(value, str) else sum(map(len, value))
    return float(total)
