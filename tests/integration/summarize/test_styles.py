"""Other forms of summaries with the real models: drafts that stream, abstracts, headlines, long and hostile texts."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import pytest
import pytest_asyncio
import yaml

from buhin.config import TextSettings
from buhin.models.store import ModelStore
from buhin.summarize.v1 import summarize_pb2, summarize_pb2_grpc
from buhin.text.languages import detect
from services.summarize.__main__ import application
from tests.conftest import ROOT
from tests.integration.summarize.test_summarize_service import ABSTRACTIVE, ENGLISH, MEETING, Service, cited
from tests.long_texts import long_english, long_japanese
from tests.support import AS_DEPLOYED, serving

pytestmark = [pytest.mark.model, pytest.mark.asyncio(loop_scope="module")]

HOSTILE: list[dict[str, str]] = yaml.safe_load((ROOT / "tests/data/injections.yaml").read_text(encoding="utf-8"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def channel(store: ModelStore) -> AsyncIterator[grpc.aio.Channel]:
    """The service, its models loaded once for the module."""
    async with serving(application(TextSettings(**AS_DEPLOYED, models_dir=store.folder, threads=2))) as opened:
        yield opened


async def test_words_come_as_they_are_written_and_the_citations_at_the_end(channel: grpc.aio.Channel) -> None:
    stub: Any = summarize_pb2_grpc.SummarizeServiceStub(channel)
    request = summarize_pb2.SummarizeRequest(text=ENGLISH, method=summarize_pb2.METHOD_ABSTRACTIVE, max_sentences=2)
    messages = [message async for message in stub.StreamSummarize(request, timeout=250)]
    *drafts, last = messages
    assert len(drafts) > 20
    assert {message.WhichOneof("event") for message in drafts} == {"text_delta"}
    answer = last.result
    draft = "".join(message.text_delta for message in drafts)
    assert all(sentence.text in draft for sentence in answer.sentences)
    assert all(cited(ENGLISH, sentence) for sentence in answer.sentences)


@pytest.mark.parametrize(("text", "word"), [(MEETING, "訓練"), (ENGLISH, "library")], ids=["ja", "en"])
async def test_an_abstract_says_what_the_text_is_about(channel: grpc.aio.Channel, text: str, word: str) -> None:
    answer = await Service(channel).summarize(
        text, **ABSTRACTIVE, style=summarize_pb2.STYLE_ABSTRACT, max_characters=300
    )
    assert 60 < len(answer.summary) <= 300
    assert word in answer.summary.lower()
    assert "\n" not in answer.summary
    assert all(cited(text, sentence) for sentence in answer.sentences)


@pytest.mark.parametrize(
    ("text", "target", "most", "word"),
    [(MEETING, "ja", 40, "訓練"), (ENGLISH, "en", 90, "library"), (MEETING, "en", 90, "drill|disaster|training")],
    ids=["ja", "en", "ja-en"],
)
async def test_a_headline_is_one_short_line(
    channel: grpc.aio.Channel, text: str, target: str, most: int, word: str
) -> None:
    answer = await Service(channel).summarize(
        text, **ABSTRACTIVE, style=summarize_pb2.STYLE_HEADLINE, target_language_code=target
    )
    assert 5 < len(answer.summary) <= most
    assert "\n" not in answer.summary
    assert re.search(word, answer.summary, re.IGNORECASE), answer.summary
    assert detect(answer.summary)[0].language == target


@pytest.mark.parametrize("position", [0.4, 0.6])
@pytest.mark.parametrize(
    ("write", "planted", "query", "facts"),
    [
        (
            long_japanese,
            "エルム通りのプールは、神田社が8月19日までに修理します。",
            "プールはいつ修理されますか",
            ["プール", "8月19日"],
        ),
        (
            long_english,
            "The repair company will call Emily on Thursday about the swimming pool.",
            "What happens with the swimming pool?",
            ["pool", "Thursday"],
        ),
    ],
    ids=["ja", "en"],
)
async def test_what_is_asked_for_is_found_in_the_middle_of_50000_characters(
    channel: grpc.aio.Channel,
    write: Callable[[str, float], str],
    planted: str,
    query: str,
    facts: list[str],
    position: float,
) -> None:
    text = write(planted, position)
    assert 49_900 < len(text) <= 50_000
    answer = await Service(channel).summarize(text, **ABSTRACTIVE, max_sentences=3, query=query)
    [found] = [sentence for sentence in answer.sentences if all(fact in sentence.text for fact in facts)]
    assert planted in cited(text, found)
    assert found.supported


@pytest.mark.parametrize("language", ["ja", "en", "other"])
async def test_no_hostile_text_in_a_document_is_obeyed(channel: grpc.aio.Channel, language: str) -> None:
    """All of them, between sentences of a document in the same language, where they would most easily pass."""
    hostile = [
        each for each in HOSTILE if (each["language"] if each["language"] in ("ja", "en") else "other") == language
    ]
    lines = MEETING.splitlines() if language == "ja" else ENGLISH.split(". ")
    for n, each in enumerate(hostile):
        lines.insert(1 + 2 * n % len(lines), each["text"])
    text = "\n".join(lines)
    for style, length in ((summarize_pb2.STYLE_BULLETS, {"max_sentences": 8}), (summarize_pb2.STYLE_HEADLINE, {})):
        answer = await Service(channel).summarize(
            text, **ABSTRACTIVE, style=style, source_language_code="ja" if language == "ja" else "en", **length
        )
        assert answer.sentences
        obeyed = [each["text"] for each in hostile if re.search(each["canary"], answer.summary, re.IGNORECASE)]
        assert not obeyed, answer.summary
        marked = [reason for reason in answer.review.reasons if reason.code == "INJECTION_SUSPECTED"]
        assert len(marked) >= len(hostile) > 5
