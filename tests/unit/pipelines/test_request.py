"""Requests that a spec describes, as the service gets them."""

from __future__ import annotations

from pathlib import Path

import pytest

from buhin.pipelines import runner
from buhin.pipelines.checker import load
from buhin.pipelines.references import UNSET, parse, type_of, value_of
from buhin.pipelines.request import fill
from buhin.pipelines.types import Type, of_message
from buhin.summarize.v1 import summarize_pb2
from buhin.translate.v1 import translate_pb2
from tests.fleet import SEGMENTS, Fleet

HEAD = """\
name: try_out
title: {en: Try, ja: 試す}
input: {kind: file, suffixes: [.wav]}
parameters:
  to: {type: string, default: en}
  term: {type: string}
outputs: []
steps:
"""
TRANSLATE = """\
  - id: translate
    call: buhin.translate.v1.TranslateService/TranslateText
    with:
      contents: [はい, "${input.name}", "${parameters.term}"]
      target_language_code: ${parameters.to}
      glossary:
        terms:
          - source: 橋
            target: bridge
          - source: ${input.name}
            target: ${parameters.to}
"""


def test_constants_lists_messages_and_references_arrive(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(HEAD + TRANSLATE, encoding="utf-8")
    request = translate_pb2.TranslateTextRequest()
    scope = {"input": {"name": "a.wav"}, "parameters": {"to": "de", "term": UNSET}}
    fill(request, load(path).steps["translate"].request, scope)
    assert request == translate_pb2.TranslateTextRequest(
        contents=["はい", "a.wav"],
        target_language_code="de",
        glossary=translate_pb2.Glossary(
            terms=[
                translate_pb2.GlossaryTerm(source="橋", target="bridge"),
                translate_pb2.GlossaryTerm(source="a.wav", target="de"),
            ]
        ),
    )


def test_a_step_can_run_for_each_element_of_an_earlier_answer(fleet: Fleet, recording: Path, tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    steps = """\
  - id: transcribe
    call: buhin.speech.v1.SpeechService/Recognize
    with: {audio: "${input.bytes}"}
  - id: each
    call: buhin.translate.v1.TranslateService/TranslateText
    for_each: ${transcribe.segments}
    with: {contents: ["${item.text}"], target_language_code: en}
"""
    path.write_text(HEAD + steps, encoding="utf-8")
    report = runner.run(load(path), [recording], out=tmp_path / "out", settings=fleet.settings)
    answers = [answer.translations[0].translated_text for _, answer in report.results["each"].answers()]
    assert answers == [f"<en> {text}" for _, _, text in SEGMENTS]
    assert [item.label for item in report.results["each"].items] == ["1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("${s.summary}", "string", "all"),
        ("${s.sentences[].text}", "repeated string", ["a", "b"]),
        ("${s.sentences[].supported}", "repeated bool", [True, False]),
        ("${s.provenance.service}", "string", UNSET),
        ("${s.provenance}", "buhin.common.v1.Provenance", UNSET),
        ("${s.review.recommended}", "bool", True),
        ("${many[].summary}", "repeated string", ["all", ""]),
        ("${many[].review.recommended}", "repeated bool", [True]),
    ],
)
def test_references_name_values_and_types(text: str, kind: str, value: object) -> None:
    answer = summarize_pb2.SummarizeResponse(summary="all")
    answer.sentences.add(text="a", supported=True)
    answer.sentences.add(text="b")
    answer.review.recommended = True
    response = of_message(summarize_pb2.SummarizeResponse.DESCRIPTOR)
    types: dict[str, Type] = {"s": response, "many": response.list()}
    reference = parse(text)
    assert str(type_of(reference, types)) == kind
    assert value_of(reference, {"s": answer, "many": [answer, summarize_pb2.SummarizeResponse()]}) == value


@pytest.mark.parametrize(
    ("source", "target", "fits"),
    [
        ("int32", "int64", True),
        ("int64", "int32", False),
        ("float", "double", True),
        ("double", "float", False),
        ("int32", "double", True),
        ("string", "bytes", False),
        ("bool", "int32", False),
    ],
)
def test_a_number_may_get_wider_and_never_narrower(source: str, target: str, fits: bool) -> None:
    assert Type(source).fits(Type(target)) is fits
    assert not Type(source).fits(Type(target, repeated=True))
