"""Minutes with the real models: what a reader of the meeting knows is found, cited, and owned by who said it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
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
from tests.support import AS_DEPLOYED, serving

pytestmark = [pytest.mark.model, pytest.mark.asyncio(loop_scope="module")]

SCRIPT = yaml.safe_load((ROOT / "samples" / "meeting" / "script.yaml").read_text(encoding="utf-8"))
UNKNOWN = "\n".join(turn["text"] for turn in SCRIPT["turns"])
KNOWN = "\n".join(f"{SCRIPT['speakers'][turn['speaker']]['name']}：{turn['text']}" for turn in SCRIPT["turns"])
ENGLISH = """Chair: Let's begin. The drill will take place on Sunday, 15 November at 9 a.m. in Central Park.
Safety: We expect about 300 people.
Chair: Who will make the posters?
International: I will make the posters by 25 October.
Chair: We have decided to buy food for 100 people.
International: It has not been decided who will guide the elderly to the site.
Safety: I will call the police by tomorrow.
Chair: Thank you all."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def channel(store: ModelStore) -> AsyncIterator[grpc.aio.Channel]:
    """The service, its models loaded once for the module."""
    async with serving(application(TextSettings(**AS_DEPLOYED, models_dir=store.folder, threads=2))) as opened:
        yield opened


async def minutes(channel: grpc.aio.Channel, text: str, target: str = "") -> summarize_pb2.SummarizeResponse:
    """The minutes of a text, with what holds for all minutes."""
    stub: Any = summarize_pb2_grpc.SummarizeServiceStub(channel)
    request = summarize_pb2.SummarizeRequest(
        text=text,
        method=summarize_pb2.METHOD_ABSTRACTIVE,
        style=summarize_pb2.STYLE_MINUTES,
        target_language_code=target,
    )
    answer: summarize_pb2.SummarizeResponse = await stub.Summarize(request, timeout=280)
    found = answer.minutes
    items = [item for topic in found.topics for item in topic.items]
    parts: list[Any] = [*items, *found.decisions, *found.actions, *found.open_questions]
    assert [item.sentence_index for item in parts] == list(range(len(answer.sentences)))
    assert all(0 < len(topic.title) <= 80 for topic in found.topics)
    for sentence in answer.sentences:
        assert sentence.citations
        assert sentence.text in answer.summary
    for action in found.actions:
        cited = "".join(
            text[text.rfind("\n", 0, citation.span.start_char) + 1 : citation.span.end_char]
            for citation in answer.sentences[action.sentence_index].citations
        )
        assert action.owner in cited
        assert action.due in cited
    return answer


def texts(answer: summarize_pb2.SummarizeResponse, items: Any) -> str:
    """The sentences of a part, one a line."""
    return "\n".join(answer.sentences[item.sentence_index].text for item in items)


def has(text: str, *facts: str) -> list[str]:
    """The facts, as regular expressions, that stand in a text."""
    return [fact for fact in facts if re.search(fact, text)]


@pytest.mark.parametrize(("text", "speakers"), [(KNOWN, True), (UNKNOWN, False)], ids=["speakers", "unknown"])
async def test_the_meeting_of_the_sample(channel: grpc.aio.Channel, text: str, speakers: bool) -> None:
    answer = await minutes(channel, text)
    found = answer.minutes
    decided = has(texts(answer, found.decisions), "11月15日", "体育館", "食料.*100人|100人.*食料", "10月5日")
    assert len(decided) >= 3, answer.summary
    assert len(has(texts(answer, found.actions), "ポスター", "英語.*中国語", "注文", "警察")) >= 3, answer.summary
    assert has(texts(answer, found.open_questions), "高齢者"), answer.summary
    assert has(answer.summary, "300") == ["300"]
    owners = {(action.owner, action.due) for action in found.actions}
    assert {("国際担当", "10月25日"), ("防災担当", "今月の終わり")} <= owners
    assert (("防災担当" if speakers else ""), "明日") in owners
    assert {item.speaker for topic in found.topics for item in topic.items} <= (
        {"課長", "防災担当", "国際担当"} if speakers else {""}
    )
    supported = sum(sentence.supported for sentence in answer.sentences)
    assert supported >= 0.8 * len(answer.sentences), answer.review
    assert re.findall("(?m)^## (.*)$", answer.summary) == ["議題", "決定事項", "実施事項", "未決事項"]


async def test_a_meeting_in_english(channel: grpc.aio.Channel) -> None:
    answer = await minutes(channel, ENGLISH)
    found = answer.minutes
    assert len(has(texts(answer, found.decisions), "15 November|November 15", "food")) == 2, answer.summary
    assert len(has(texts(answer, found.actions), "posters", "police")) == 2, answer.summary
    assert has(texts(answer, found.open_questions), "elderly"), answer.summary
    assert {(action.owner, action.due) for action in found.actions} == {
        ("International", "25 October"),
        ("Safety", "tomorrow"),
    }


async def test_the_minutes_of_an_english_meeting_in_japanese(channel: grpc.aio.Channel) -> None:
    japanese = await minutes(channel, ENGLISH, "ja")
    assert re.findall("(?m)^## (.*)$", japanese.summary)[-3:] == ["決定事項", "実施事項", "未決事項"]
    written = [sentence.text for sentence in japanese.sentences]
    assert sum(detect(text)[0].language == "ja" for text in written) >= 0.8 * len(written)
