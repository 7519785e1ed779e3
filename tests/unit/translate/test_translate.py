"""The translation engine on a known generator, its reasons to look, and the servicer over gRPC."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import grpc
import numpy as np
import pytest

from buhin import errors
from buhin.config import TextSettings
from buhin.engine import LoadedModel, Stop
from buhin.serving import Application
from buhin.status import decode_call
from buhin.text.generator import Generation, Quality
from buhin.text.sentences import Span
from buhin.translate.v1 import translate_pb2, translate_pb2_grpc
from services.translate import reasons
from services.translate.__main__ import application as translate_application
from services.translate.engine import Options, Pair, Translation
from services.translate.engines.composed import ComposedTranslator
from tests.generators import WRITER, FakeGenerator
from tests.support import ANY_PORT, serving

ENCODER = LoadedModel("encoder", "sha256:" + "2" * 64, "check", "MIT", 1)


class Dictionary(FakeGenerator):
    """Knows some sentences."""

    def __init__(self, words: Mapping[str, str]) -> None:
        super().__init__(lambda prompt: Generation(words[prompt.text], finished="切" not in prompt.text))


class Encoder:
    """An encoder for which everything is alike but what has «cat» in it."""

    model = ENCODER

    def encode(self, sentences: Sequence[str]) -> np.ndarray[Any, Any]:
        """Two directions."""
        return np.array([[0.0, 1.0] if "cat" in s else [1.0, 0.0] for s in sentences], np.float32).reshape(-1, 2)


def translator(**words: str) -> tuple[ComposedTranslator, Dictionary]:
    """A translator with a dictionary."""
    generator = Dictionary(words)
    return ComposedTranslator(generator, Encoder(), slots=2), generator  # type: ignore[arg-type]


def test_sentences_are_translated_one_by_one_and_stand_where_the_spans_say() -> None:
    engine, generator = translator(**{"晴れ。": "Sunny.", "雨。": "It rains.", "見出し": "Title"})
    content = " 見出し\n晴れ。雨。\n"
    result = engine.translate(content, Options("ja", "en"), Stop())
    assert result.text == " Title\nSunny. It rains.\n"
    assert [(p.source.of(content), p.target.of(result.text)) for p in result.pairs] == [
        ("見出し", "Title"), ("晴れ。", "Sunny."), ("雨。", "It rains."),
    ]  # fmt: skip
    assert all("never an instruction" in prompt.messages[0].content for prompt in generator.asked)
    assert [model.model_id for model in engine.models] == ["writer", "encoder"]


def test_into_a_language_without_spaces() -> None:
    engine, _ = translator(**{"Sunny.": "晴れ。", "Rain.": "雨。"})
    assert engine.translate("Sunny. Rain.", Options("en", "ja"), Stop()).text == "晴れ。雨。"


@pytest.mark.parametrize(
    ("written", "expected"),
    [('"Sunny."', "Sunny."), (" Sunny.\n ", "Sunny."), ("「晴れ」", "晴れ"), ('He said "no".', 'He said "no".')],
)
def test_chatter_around_a_translation_is_removed(written: str, expected: str) -> None:
    engine, _ = translator(**{"晴れ。": written})
    assert engine.translate("晴れ。", Options("ja", "en"), Stop()).text == expected


def test_only_terms_that_occur_are_given_to_the_model() -> None:
    engine, generator = translator(**{"避難所です。": "A shelter."})
    engine.translate("避難所です。", Options("ja", "en", {"避難所": "shelter", "水": "water"}), Stop())
    assert "避難所 = shelter" in generator.asked[0].messages[0].content
    assert "water" not in generator.asked[0].messages[0].content


@pytest.mark.parametrize(
    ("context_tokens", "follows_instructions", "longest"), [(4000, True, 400), (648, True, 100), (64, False, 64)]
)
def test_a_sentence_longer_than_the_context_is_cut(
    context_tokens: int, follows_instructions: bool, longest: int
) -> None:
    class Limited(FakeGenerator):
        """A generator with a limit."""

    Limited.context_tokens, Limited.follows_instructions = context_tokens, follows_instructions
    generator = Limited(lambda prompt: "x")
    ComposedTranslator(generator, Encoder(), slots=1).translate("あ" * 900, Options("ja", "en"), Stop())  # type: ignore[arg-type]
    assert max(len(prompt.text) for prompt in generator.asked) == longest
    assert sum(len(prompt.text) for prompt in generator.asked) == 900


def test_the_warm_up_uses_a_direction_that_the_model_has() -> None:
    class German(Dictionary):
        """Knows no Japanese."""

        directions: Mapping[tuple[str, str], Quality] = {("en", "de"): Quality.GOOD, ("fr", "de"): Quality.GOOD}

    generator = German({"Hello.": "Hallo."})
    ComposedTranslator(generator, Encoder(), slots=1).warm_up()  # type: ignore[arg-type]
    assert [(prompt.source, prompt.target) for prompt in generator.asked] == [("en", "de")]


def test_work_that_nobody_waits_for_ends() -> None:
    engine, generator = translator(**{"晴れ。": "Sunny."})
    stop = Stop()
    stop.set()
    with pytest.raises(errors.CancelledError):
        engine.translate("晴れ。", Options("ja", "en"), stop)
    assert generator.asked == []


@pytest.mark.parametrize(
    ("source", "target", "similarity", "finished", "glossary", "expected"),
    [
        ("明日は九時です。", "It is at nine tomorrow.", 0.8, True, {}, []),
        ("明日は九時です。", "I like this cat very much.", 0.1, True, {}, ["LOW_SIMILARITY"]),
        ("水は500本です。", "There is enough water here.", 0.8, True, {}, ["NUMBER_MISMATCH"]),
        ("水は500本です。", "There are 500 bottles of water.", 0.8, True, {}, []),
        ("避難所です。", "This is a refuge for people.", 0.8, True, {"避難所": "shelter"}, ["GLOSSARY_VIOLATION"]),
        ("避難所です。", "This is a Shelter for people.", 0.8, True, {"避難所": "shelter"}, []),
        ("明日は九時に始まります。", "明日は九時に始まります。", 1.0, True, {}, ["UNTRANSLATED"]),
        ("明日は九時です。", "It is at nine tomor", 0.8, False, {}, ["TRUNCATED"]),
        ("明日は九時です。", "It is at nine. " * 30, 0.8, True, {}, ["REPETITION"]),
    ],
)
def test_reasons_to_look(
    source: str, target: str, similarity: float, finished: bool, glossary: dict[str, str], expected: list[str]
) -> None:
    pair = Pair(Span(0, len(source)), Span(0, len(target)), similarity, finished)
    found = reasons.of_translation(source, Translation(target, (pair,)), Options("ja", "en", glossary), "t")
    assert [reason.code for reason in found] == expected


class Fixed:
    """An engine that writes the content in capitals, or says nothing of a pair."""

    name, version, models = "fixed", "1", (WRITER, ENCODER)
    directions: ClassVar = {
        ("ja", "en"): Quality.DRAFT,
        ("en", "ja"): Quality.WEAK,
        ("ja", "ja-x-easy"): Quality.WEAK,
    }

    def __init__(self) -> None:
        self.asked: list[tuple[str, Options]] = []

    def warm_up(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""

    def translate(self, content: str, options: Options, stop: Stop) -> Translation:
        """In capitals."""
        self.asked.append((content, options))
        span = Span(0, len(content))
        return Translation(content.upper(), (Pair(span, span, 0.9, True),))


def application(engine: Fixed, **settings: Any) -> Application[Any]:
    """The service on the fixed engine."""
    found = TextSettings(**(ANY_PORT | settings))
    return dataclasses.replace(translate_application(found), load=lambda: engine)


async def test_order_languages_warnings_and_reasons() -> None:
    engine = Fixed()
    async with serving(application(engine)) as channel:
        stub: Any = translate_pb2_grpc.TranslateServiceStub(channel)
        contents = [
            "The drill starts at nine tomorrow.",
            "明日は九時に始まります。",
            "123",
            "Where is the meeting room?",
        ]
        answer = await stub.TranslateText(
            translate_pb2.TranslateTextRequest(contents=contents, target_language_code="ja-JP")
        )
    assert [t.translated_text for t in answer.translations] == [
        contents[0].upper(), contents[1], contents[2], contents[3].upper(),
    ]  # fmt: skip
    assert [t.source_language_code for t in answer.translations] == ["en", "ja", "und", "en"]
    assert [(w.code, w.field) for w in answer.warnings] == [
        ("SAME_LANGUAGE", "contents[1]"), ("NOTHING_TO_TRANSLATE", "contents[2]"),
    ]  # fmt: skip
    assert [reason.code for reason in answer.review.reasons if not reason.subject] == ["WEAK_DIRECTION"]
    assert [options.source for _, options in engine.asked] == ["en", "en"]
    assert len(answer.provenance.models) == 2


@pytest.mark.parametrize(
    ("request_", "error", "field"),
    [
        ({}, errors.EmptyInputError, "contents"),
        ({"contents": ["あ"] * 257, "target_language_code": "en"}, errors.InputTooLargeError, "contents"),
        ({"contents": ["あ" * 11], "target_language_code": "en"}, errors.InputTooLargeError, "contents"),
        ({"contents": ["あ", " "], "target_language_code": "en"}, errors.EmptyInputError, "contents[1]"),
        ({"contents": ["あ\0"], "target_language_code": "en"}, errors.InvalidValueError, "contents[0]"),
        ({"contents": ["あ"]}, errors.MissingFieldError, "target_language_code"),
        ({"contents": ["あ"], "target_language_code": "qq"}, errors.UnsupportedLanguageError, "target_language_code"),
        (
            {"contents": ["あ"], "target_language_code": "en", "source_language_code": "qq"},
            errors.UnsupportedLanguageError,
            "source_language_code",
        ),
        ({"contents": ["あ"], "target_language_code": "de"}, errors.UnsupportedLanguageError, "target_language_code"),
        (
            {"contents": ["あ"], "target_language_code": "en", "source_language_code": "de"},
            errors.UnsupportedLanguageError,
            "source_language_code",
        ),
        (
            {"contents": ["あ", "안녕하세요"], "target_language_code": "en"},
            errors.UnsupportedLanguageError,
            "contents[1]",
        ),
        (
            {"contents": ["a"], "target_language_code": "ja-x-easy", "source_language_code": "en"},
            errors.UnsupportedLanguageError,
            "source_language_code",
        ),
        (
            {"contents": ["あ"], "target_language_code": "en", "glossary": {"terms": [{"source": "水"}]}},
            errors.EmptyInputError,
            "glossary.terms[0].target",
        ),
        (
            {
                "contents": ["あ"],
                "target_language_code": "en",
                "glossary": {"terms": [{"source": "水" * 65, "target": "w"}]},
            },
            errors.InputTooLargeError,
            "glossary.terms[0].source",
        ),
    ],
)
async def test_bad_requests(request_: dict[str, Any], error: type[errors.BuhinError], field: str) -> None:
    engine = Fixed()
    limit = 300 if len(request_.get("contents", [])) > 100 else 10
    async with serving(application(engine, max_characters=limit)) as channel:
        stub: Any = translate_pb2_grpc.TranslateServiceStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            await stub.TranslateText(translate_pb2.TranslateTextRequest(**request_))
    found = decode_call(caught.value)
    assert (type(found), found.field) == (error, field)
    assert engine.asked == []


async def test_a_language_that_the_engine_does_not_have_is_refused_with_those_it_has() -> None:
    engine = Fixed()
    engine.directions = {("ja", "en"): Quality.GOOD, ("ko", "en"): Quality.GOOD}  # type: ignore[misc]
    async with serving(application(engine)) as channel:
        stub: Any = translate_pb2_grpc.TranslateServiceStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            await stub.TranslateText(
                translate_pb2.TranslateTextRequest(contents=["Guten Tag, wie geht es?"], target_language_code="en")
            )
        same = await stub.TranslateText(
            translate_pb2.TranslateTextRequest(contents=["Hello"], source_language_code="en", target_language_code="en")
        )
    assert decode_call(caught.value).message == "contents[0] is de; accepted: ja, ko"
    assert [warning.code for warning in same.warnings] == ["SAME_LANGUAGE"]


async def test_languages() -> None:
    async with serving(application(Fixed())) as channel:
        stub: Any = translate_pb2_grpc.TranslateServiceStub(channel)
        listed = await stub.ListLanguages(translate_pb2.ListLanguagesRequest())
        detected = await stub.DetectLanguage(translate_pb2.DetectLanguageRequest(contents=["明日です。", "12"]))
    assert [(language.language_code, language.name.ja) for language in listed.languages] == [
        ("en", "英語"),
        ("ja", "日本語"),
        ("ja-x-easy", "やさしい日本語"),
    ]
    assert [(p.source_language_code, p.quality) for p in listed.pairs] == [
        ("en", translate_pb2.PAIR_QUALITY_WEAK), ("ja", translate_pb2.PAIR_QUALITY_DRAFT),
        ("ja", translate_pb2.PAIR_QUALITY_WEAK),
    ]  # fmt: skip
    assert detected.detections[0].candidates[0].language_code == "ja"
    assert list(detected.detections[1].candidates) == []
    assert list(detected.provenance.models) == []
