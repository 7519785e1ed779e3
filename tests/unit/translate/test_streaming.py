"""Sentences out of portions of text, and StreamTranslateText over gRPC."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from buhin import errors
from buhin.client import AsyncTranslateClient, TranslateClient
from buhin.engine import Stop
from buhin.serving import Server
from buhin.status import decode_call
from buhin.text.sentences import split
from buhin.translate.v1 import translate_pb2, translate_pb2_grpc
from services.translate.engine import Options, Translation
from services.translate.streaming import Sentences
from tests.support import serving
from tests.unit.translate.test_translate import Fixed, application

Request = translate_pb2.StreamTranslateTextRequest
CONFIG = Request(
    config=translate_pb2.StreamTranslateTextConfig(source_language_code="en", target_language_code="ja-JP")
)


def configured(**config: str) -> Request:
    """The first message."""
    return Request(config=translate_pb2.StreamTranslateTextConfig(**config))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("portions", "expected"),
    [
        (["本日は", "晴れ。明日", "は雨。"], [[], ["本日は晴れ。"], ["明日は雨。"]]),
        (["It is 3.", "5 metres. Then"], [[], ["It is 3.5 metres."]]),
        (["no end", "\n", "next\n"], [[], ["no end"], ["next"]]),
        (["", " ", "\n"], [[], [], []]),
        (["「晴れ。", "雨。」と言った。"], [[], ["「晴れ。雨。」と言った。"]]),
        (["「閉じない。", "次。\n"], [[], ["「閉じない。", "次。"]]),
        (["「" + "長い。" * 150], [["「長い。"] + ["長い。"] * 149]),
        (["See https://a.jp/b?", "c=1 now. ", "Dr. ", "Who?"], [[], ["See https://a.jp/b?c=1 now."], [], ["Dr. Who?"]]),
        (["あ" * 401], [["あ" * 400]]),
        ([" " * 1000, "\r\n" * 1000, "a\u2028"], [[], [], ["a"]]),
    ],
)
def test_a_sentence_comes_as_soon_as_it_is_complete(portions: list[str], expected: list[list[str]]) -> None:
    sentences = Sentences()
    assert [sentences.add(portion) for portion in portions] == expected


@given(st.text(alphabet="あいa1。！？.?「」/ \n", max_size=60), st.lists(st.integers(1, 9), max_size=60))
def test_nothing_is_lost_or_said_twice(text: str, sizes: list[int]) -> None:
    sentences, rest, found = Sentences(), text, list[str]()
    for size in sizes:
        found += sentences.add(rest[:size])
        rest = rest[size:]
    found += sentences.add(rest) + sentences.end()
    assert "".join("".join(found).split()) == "".join("".join(span.of(text) for span in split(text)).split())


async def stream(requests: list[Request], engine: Fixed | None = None, **settings: Any) -> list[Any]:
    """The answers to the requests."""
    async with serving(application(engine or Fixed(), **settings)) as channel:
        stub: Any = translate_pb2_grpc.TranslateServiceStub(channel)
        return [answer async for answer in stub.StreamTranslateText(iter(requests))]


async def test_sentences_come_back_in_order_with_their_checks() -> None:
    answers = await stream([CONFIG, Request(text="Hello th"), Request(text="ere. See {name}!\nlast")])
    assert [answer.source_text for answer in answers] == ["Hello there.", "See {name}!", "last"]
    assert [answer.translated_text for answer in answers] == ["HELLO THERE.", "SEE {NAME}!", "LAST"]
    assert all(answer.similarity == pytest.approx(0.9) for answer in answers)
    codes = [[(reason.code, reason.subject) for reason in answer.review.reasons] for answer in answers]
    assert codes == [
        [("WEAK_DIRECTION", ""), ("UNTRANSLATED", "")],
        [("WEAK_DIRECTION", ""), ("EXACT_TEXT_LOST", "")],
        [("WEAK_DIRECTION", "")],
    ]
    assert all(answer.provenance.service == "buhin.translate.v1.TranslateService" for answer in answers)


async def test_a_text_in_the_target_language_comes_back_as_it_is() -> None:
    config = translate_pb2.StreamTranslateTextConfig(source_language_code="ja", target_language_code="ja")
    (answer,) = await stream([Request(config=config), Request(text="そのまま。")])
    assert (answer.translated_text, answer.HasField("similarity")) == ("そのまま。", False)


@pytest.mark.parametrize(
    ("requests", "error", "field"),
    [
        ([], errors.MissingFieldError, "config"),
        ([Request(text="a")], errors.MissingFieldError, "config"),
        ([configured(target_language_code="ja")],
         errors.MissingFieldError, "config.source_language_code"),
        ([configured(source_language_code="ja")],
         errors.MissingFieldError, "config.target_language_code"),
        ([configured(source_language_code="qq", target_language_code="ja")],
         errors.UnsupportedLanguageError, "config.source_language_code"),
        ([configured(source_language_code="en", target_language_code="ja-x-easy")],
         errors.UnsupportedLanguageError, "config.source_language_code"),
        ([CONFIG, CONFIG], errors.InvalidValueError, "config"),
        ([CONFIG, Request()], errors.MissingFieldError, "text"),
        ([CONFIG, Request(text="a\0")], errors.InvalidValueError, "text"),
        ([CONFIG, Request(text="a" * 101)], errors.InputTooLargeError, "text"),
    ],
)  # fmt: skip
async def test_bad_streams(requests: list[Request], error: type[errors.BuhinError], field: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        await stream(requests, max_characters=100)
    found = decode_call(caught.value)
    assert (type(found), found.field) == (error, field)


async def test_a_silent_stream_ends() -> None:
    async def silent() -> AsyncIterator[Request]:
        yield CONFIG
        await asyncio.sleep(60)

    async with serving(application(Fixed(), stream_idle_s=0.2)) as channel:
        stub: Any = translate_pb2_grpc.TranslateServiceStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            async for _ in stub.StreamTranslateText(silent()):
                raise AssertionError("an answer came")
    assert type(decode_call(caught.value)) is errors.StreamIdleError


class Waiting(Fixed):
    """Works until it is stopped."""

    def __init__(self) -> None:
        super().__init__()
        self.started, self.stopped = threading.Event(), threading.Event()

    def translate(self, content: str, options: Options, stop: Stop) -> Translation:
        """Never ends by itself."""
        self.started.set()
        try:
            while True:
                stop.check()
        except errors.CancelledError:
            self.stopped.set()
            raise


async def test_a_caller_that_leaves_stops_the_work() -> None:
    engine = Waiting()
    async with serving(application(engine)) as channel:
        stub: Any = translate_pb2_grpc.TranslateServiceStub(channel)
        call = stub.StreamTranslateText(iter([CONFIG, Request(text="Hello.\n")]))
        reading = asyncio.ensure_future(anext(aiter(call)))
        assert await asyncio.to_thread(engine.started.wait, 10)
        call.cancel()
        assert await asyncio.to_thread(engine.stopped.wait, 10)
        with pytest.raises(asyncio.CancelledError):
            await reading


async def test_a_sentence_comes_before_the_next_is_sent() -> None:
    answered = asyncio.Event()

    async def talk() -> AsyncIterator[Request]:
        yield CONFIG
        yield Request(text="First one!")
        await answered.wait()
        yield Request(text=" Second one!")

    async with serving(application(Fixed())) as channel:
        stub: Any = translate_pb2_grpc.TranslateServiceStub(channel)
        found = []
        async for answer in stub.StreamTranslateText(talk()):
            found.append(answer.source_text)
            answered.set()
    assert found == ["First one!", "Second one!"]


async def test_one_stream_too_many_is_refused() -> None:
    async with serving(application(Fixed(), max_streams=1)) as channel:
        stub: Any = translate_pb2_grpc.TranslateServiceStub(channel)
        first = stub.StreamTranslateText()
        await first.write(CONFIG)
        await first.write(Request(text="Held.\n"))
        assert (await first.read()).translated_text == "HELD."
        with pytest.raises(grpc.RpcError) as caught:
            await stub.StreamTranslateText(iter([CONFIG])).read()
        await first.done_writing()
    assert type(decode_call(caught.value)) is errors.TooManyStreamsError


async def test_the_clients_stream() -> None:
    portions = ["One. Tw", "o.\n"]
    given: dict[str, Any] = {"source": "en", "target": "ja", "do_not_translate": ["One"]}

    def sync(address: str) -> list[str]:
        with TranslateClient(address) as client:
            return [answer.translated_text for answer in client.stream_translate_text(portions, **given)]

    engine = Fixed()
    async with Server(application(engine)) as server:
        await server.started()
        assert await asyncio.to_thread(sync, server.address) == ["ONE.", "TWO."]
        async with AsyncTranslateClient(server.address) as client:
            answers = client.stream_translate_text(portions, **given)
            assert [answer.translated_text async for answer in answers] == ["ONE.", "TWO."]
    assert engine.asked[0][1].glossary == {"One": "One"}
