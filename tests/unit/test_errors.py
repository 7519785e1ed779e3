"""The error tree: every class is mapped, documented and travels unchanged."""

from __future__ import annotations

import pickle
import re
import string

import grpc
import pytest
from google.rpc import error_details_pb2

from buhin import errors
from buhin.errors import BuhinError, all_errors
from buhin.status import decode, encode

ALL = all_errors()
LEAVES = [error for error in ALL if not error.__subclasses__()]


def sample(error: type[BuhinError]) -> BuhinError:
    """An error of the class with every value that its texts name."""
    names = {
        name
        for text in (error.text, error.text_ja)
        for _, name, _, _ in string.Formatter().parse(text)
        if name and name != "field"
    }
    return error(field="config.x", retry_after_s=1.5, **{name: f"<{name}>" for name in sorted(names)})


@pytest.mark.parametrize("error", ALL, ids=lambda e: e.__name__)
def test_every_class_stands_in_the_drawn_tree_with_its_reason(error: type[BuhinError]) -> None:
    tree = errors.__doc__ or ""
    assert re.search(rf"\b{error.__name__}\b", tree)
    if error in LEAVES:
        assert re.search(rf"\b{error.__name__}\b.*\b{error.reason}$", tree, re.MULTILINE)


def test_reasons_are_unique() -> None:
    assert len({error.reason for error in ALL}) == len(ALL)


@pytest.mark.parametrize("error", LEAVES, ids=lambda e: e.__name__)
def test_every_leaf_has_a_code_and_texts_without_gaps(error: type[BuhinError]) -> None:
    made = sample(error)
    assert error.code is not grpc.StatusCode.UNKNOWN
    assert re.fullmatch(r"[A-Z]+(_[A-Z]+)*", error.reason)
    assert "?" not in made.message + made.message_ja
    assert not made.message_ja.isascii() or error is errors.SpecError


@pytest.mark.parametrize("error", ALL, ids=lambda e: e.__name__)
def test_an_error_survives_the_wire(error: type[BuhinError]) -> None:
    made = sample(error)
    again = decode(encode(made))
    pickled = pickle.loads(pickle.dumps(made))
    assert type(again) is type(pickled) is error
    assert (pickled.message, pickled.field, pickled.retry_after_s) == (made.message, "config.x", 1.5)
    assert (again.message, again.message_ja) == (made.message, made.message_ja)
    assert (again.field, again.retry_after_s, again.metadata) == (made.field, 1.5, made.metadata)


def test_details_say_field_retry_and_both_languages() -> None:
    error = errors.OutOfRangeError(field="config.x", retry_after_s=2, value=9, minimum=1, maximum=3)
    status = encode(error)
    found = {detail.TypeName() for detail in status.details}
    assert found == {f"google.rpc.{n}" for n in ("ErrorInfo", "LocalizedMessage", "BadRequest", "RetryInfo")}
    texts = []
    for detail in status.details:
        message = error_details_pb2.LocalizedMessage()
        if detail.Unpack(message):
            texts.append((message.locale, message.message))
    assert texts == [
        ("en", "config.x is 9; accepted: 1 to 3"),
        ("ja", "config.x の値 9 は範囲外です。範囲: 1 から 3"),
    ]


def test_details_stay_below_four_kib_whatever_the_values() -> None:
    error = errors.InvalidValueError(field="f", value="あ" * 10_000, accepted="い" * 10_000)
    assert error.metadata["value"].endswith("あ…")
    assert len(error.metadata["value"].encode()) <= errors.MAX_VALUE_BYTES
    assert encode(error).ByteSize() < 4 * 1024


def test_a_lone_surrogate_does_not_break_an_error() -> None:
    assert decode(encode(errors.EmptyInputError(field="x", value="\ud800"))).reason == "EMPTY_INPUT"


def test_a_status_of_someone_else_becomes_a_plain_error() -> None:
    status = encode(errors.EmptyInputError(field="audio"))
    status.ClearField("details")
    again = decode(status)
    assert type(again) is BuhinError
    assert again.message == "audio is empty"
