"""What makes a person look, case by case."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from buhin.config import SpeechSettings
from services.speech.__main__ import application
from services.speech.engine import Options, Span, Transcription
from services.speech.reasons import notices, reasons
from tests.unit.speech.fakes import NOTHING, SENTENCES, segment

REMOVED = segment(3.0, 4.0, "はい", no_speech_probability=0.75)
THANKS = segment(3.0, 4.0, "ご視聴ありがとうございました", no_speech_probability=0.75)
LOOP = segment(3.0, 4.0, "いいえ" * 20, no_speech_probability=0.75)
WINDOW = tuple(segment(n, n + 1, f"{n}", compression_ratio=2.5) for n in range(3))
AGAIN = tuple(segment(n, n + 1, "The food is sold.") for n in range(4))
CASES: list[tuple[Transcription, Options, list[tuple[Any, ...]]]] = [
    (SENTENCES, Options(), []),
    (NOTHING, Options(), []),
    (replace(SENTENCES, unheard=(Span(3.0, 5.5),)), Options(), [("VOICE_WITHOUT_TEXT", "", 2.5, None)]),
    (replace(SENTENCES, removed=(REMOVED,)), Options(), [("TEXT_REMOVED", "", 0.75, None)]),
    (replace(SENTENCES, removed=(THANKS,)), Options(), [("KNOWN_PHRASE", "", 0.75, None)]),
    (replace(SENTENCES, removed=(LOOP,)), Options(), [("REPETITION", "", 0.75, None)]),
    (replace(SENTENCES, segments=(THANKS,)), Options(), [("KNOWN_PHRASE", "segments[0]", None, None)]),
    (replace(SENTENCES, segments=(LOOP,)), Options(), [("REPETITION", "segments[0]", None, None)]),
    (replace(SENTENCES, segments=WINDOW), Options(), [("REPETITION", "segments[0]", 2.5, 2.4)]),
    (replace(SENTENCES, segments=AGAIN), Options(), [("REPETITION", "segments[2]", None, None)]),
    (replace(SENTENCES, segments=AGAIN[:2]), Options(), []),
    (replace(SENTENCES, language_probability=0.69), Options(), [("LANGUAGE_UNCERTAIN", "language_code", 0.69, 0.7)]),
    (replace(SENTENCES, language_probability=0.7), Options(), []),
    (replace(SENTENCES, language_probability=0.5), Options(language="ja"), []),
    (replace(NOTHING, language="en", language_probability=0.5), Options(), []),
    (
        replace(SENTENCES, segments=(segment(0, 1, "a"), segment(1, 2, "b", confidence=0.59))),
        Options(),
        [("LOW_CONFIDENCE", "segments[1]", 0.59, 0.6)],
    ),
]


@pytest.mark.parametrize(("result", "options", "expected"), CASES)
def test_reasons(result: Transcription, options: Options, expected: list[tuple[object, ...]]) -> None:
    found = [(reason.code, reason.subject, reason.value, reason.threshold) for reason in reasons(result, options)]
    assert found == expected


@pytest.mark.parametrize(
    ("result", "options", "expected"),
    [
        (SENTENCES, Options(), []),
        (NOTHING, Options(), ["NO_SPEECH"]),
        (NOTHING, Options(hotwords=("a",)), ["NO_SPEECH"]),
        (replace(NOTHING, unheard=(Span(0, 2),)), Options(), []),
        (replace(SENTENCES, hotwords_used=2), Options(hotwords=("a", "b")), []),
        (replace(SENTENCES, hotwords_used=1, hotwords_cut=1), Options(hotwords=("a", "b")), ["HOTWORDS_CUT"]),
        (replace(SENTENCES, hotwords_used=1, hotwords_cut=1), Options(terms={"ja": ("a", "b")}), ["HOTWORDS_CUT"]),
        (replace(SENTENCES, hotwords_used=1), Options(hotwords=("a",), terms={"ja": ("b", "c")}), []),
    ],
)
def test_notices(result: Transcription, options: Options, expected: list[str]) -> None:
    assert [notice.code for notice in notices(result, options)] == expected


def test_the_card_lists_exactly_the_codes_that_occur() -> None:
    card = application(SpeechSettings()).card
    assert {code for _, _, expected in CASES for code, *_ in expected} | {"READING_SPEED"} == set(card.review_codes)
    assert set(card.warning_codes) == {"NO_SPEECH", "HOTWORDS_CUT"}
