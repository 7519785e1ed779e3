"""Hypothesis strategies for any protobuf message, by its descriptor."""

from __future__ import annotations

import math
from typing import Any

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from hypothesis import strategies as st

from tests.e2e.fault_inputs import AUDIO, IMAGES

MAX_REPEATED, MAX_DEPTH = 3, 4
_ODD_TEXTS = (
    "", " ", "\0", "\u202e", "\ufeff", "\u0301", "\U0001f469\u200d\U0001f469", "../../etc/passwd", "${jndi:x}",
    "{{7*7}}", "<|im_end|>", "'; --", "%s%n", "ja", "en-US", "zh-Hant-TW", "ja-x-easy", "qq", "-", "𠮷野家",
    "あ" * 2_000, "a" * 2_000,
    "窓口は二階です。受付は九時からです。", "The drill starts at nine. Please come by bus.",
)  # fmt: skip
_ODD_NUMBERS = (0.0, -0.0, 1.0, -1.0, 0.5, math.nan, math.inf, -math.inf, 1e-300, 1e300, 2.0**31, 16_000.0)
_TOO_LARGE = {"too long", "a bomb of 144 megapixels", "a text of 20 MB in its metadata"}
"""Slow to make; they stand in the table of faults."""
_MEDIA = [make() for table in (AUDIO, IMAGES) for name, make in table.items() if name not in _TOO_LARGE]
_INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}


@st.composite
def media(draw: st.DrawFn) -> bytes:
    """Nothing, noise, a file, or a file with some bytes changed, cut or added."""
    if draw(st.booleans()):
        return draw(st.binary(max_size=200))
    data = bytearray(draw(st.sampled_from(_MEDIA)))
    for _ in range(draw(st.integers(0, 3)) if data else 0):
        data[draw(st.integers(0, min(len(data), 400) - 1))] = draw(st.integers(0, 255))
    if draw(st.integers(0, 3)) == 0:
        del data[draw(st.integers(0, len(data))) :]
    return bytes(data)


def texts() -> st.SearchStrategy[str]:
    """Odd ones, and any."""
    return st.one_of(st.sampled_from(_ODD_TEXTS), st.text(st.characters(exclude_categories=["Cs"]), max_size=40))


@st.composite
def messages(draw: st.DrawFn, descriptor: Descriptor, depth: int = 0) -> Message:
    """A message with some of its fields."""
    message: Message = message_factory.GetMessageClass(descriptor)()
    for field in descriptor.fields:
        if not draw(st.integers(0, 3)):
            continue
        inner = field.message_type
        if inner and depth >= MAX_DEPTH:
            continue
        if field.is_repeated:
            for _ in range(draw(st.integers(0, MAX_REPEATED))):
                if inner and inner.GetOptions().map_entry:
                    continue
                if inner:
                    getattr(message, field.name).add().CopyFrom(draw(messages(inner, depth + 1)))
                else:
                    getattr(message, field.name).append(draw(scalars(field)))
        elif inner:
            getattr(message, field.name).CopyFrom(draw(messages(inner, depth + 1)))
        else:
            setattr(message, field.name, draw(scalars(field)))
    return message


def scalars(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    """A value of a field, odd ones often."""
    kind = field.cpp_type
    if field.type == FieldDescriptor.TYPE_BYTES:
        return media()
    if kind == FieldDescriptor.CPPTYPE_STRING:
        return texts()
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return st.booleans()
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        known = [value.number for value in field.enum_type.values] if field.enum_type else [0]
        return st.one_of(st.sampled_from(known), st.sampled_from((-1, 77, 2**31 - 1)))
    if kind == FieldDescriptor.CPPTYPE_FLOAT:
        return st.one_of(st.sampled_from(_ODD_NUMBERS).map(_as_float), st.floats(width=32))
    if kind == FieldDescriptor.CPPTYPE_DOUBLE:
        return st.one_of(st.sampled_from(_ODD_NUMBERS), st.floats())
    low, high = _INTEGERS[kind]
    small = [number for number in (0, 1, 2, 3, 16_000, low, high) if low <= number <= high]
    return st.one_of(st.sampled_from(small), st.integers(low, high))


def _as_float(value: float) -> float:
    return math.inf if value > 3.4e38 else value
