"""How many characters a request has."""

from __future__ import annotations

import pytest
from google.protobuf.message import Message

from buhin.summarize.v1 import summarize_pb2
from buhin.text.units import characters
from buhin.translate.v1 import translate_pb2


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (summarize_pb2.SummarizeRequest(text="窓口は二階です。"), 8),
        (translate_pb2.TranslateTextRequest(contents=["ab", "窓口"]), 4),
        (translate_pb2.DetectLanguageRequest(contents=["ab"]), 2),
        (translate_pb2.StreamTranslateTextRequest(text="abc"), 3),
        (translate_pb2.ListLanguagesRequest(), 0),
    ],
)
def test_characters(message: Message, expected: float) -> None:
    assert characters(message) == expected
