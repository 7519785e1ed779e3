"""The translate service with its real models."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
import pytest_asyncio

from buhin import errors
from buhin.config import TextSettings
from buhin.models.store import ModelStore
from buhin.status import decode_call
from buhin.text.embeddings import SentenceEncoder
from buhin.translate.v1 import translate_pb2, translate_pb2_grpc
from services.translate.__main__ import application
from services.translate.engines.plain import PlainJapanese
from services.translate.reasons import MIN_SIMILARITY
from tests.support import AS_DEPLOYED, serving

pytestmark = [pytest.mark.model, pytest.mark.asyncio(loop_scope="module")]

JAPANESE = [
    "避難所は小学校の体育館です。",
    "図書館は月曜日に休みます。",
    "ごみは朝八時までに出してください。",
    "新しい橋は来年の春に完成します。",
]


class Service:
    """What tests ask of the running service."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.stub: Any = translate_pb2_grpc.TranslateServiceStub(channel)

    async def translate(
        self, *contents: str, target: str = "en", deadline_s: float = 200, **request: Any
    ) -> translate_pb2.TranslateTextResponse:
        """One call."""
        answer: translate_pb2.TranslateTextResponse = await self.stub.TranslateText(
            translate_pb2.TranslateTextRequest(contents=contents, target_language_code=target, **request),
            timeout=deadline_s,
        )
        return answer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(store: ModelStore) -> AsyncIterator[Service]:
    """The service, its models loaded once for the module."""
    settings = TextSettings(**AS_DEPLOYED, models_dir=store.folder, threads=2)
    async with serving(application(settings)) as channel:
        yield Service(channel)


async def test_each_text_is_translated_and_the_order_is_kept(service: Service, store: ModelStore) -> None:
    answer = await service.translate(*JAPANESE)
    written = [translation.translated_text for translation in answer.translations]
    encoder = SentenceEncoder(store.open("use-multilingual-v3"))
    similarity = encoder.encode(JAPANESE) @ encoder.encode(written).T
    assert similarity.argmax(axis=1).tolist() == [0, 1, 2, 3], written
    for translation, text, alike in zip(answer.translations, JAPANESE, similarity.diagonal(), strict=True):
        (pair,) = translation.sentences
        assert pair.similarity == pytest.approx(float(alike), abs=0.01)
        assert (pair.source_span.start_char, pair.source_span.end_char) == (0, len(text))
        assert translation.source_language_code == "ja"
    assert re.search("school|gym", written[0], re.IGNORECASE)
    assert re.search("library.*Monday|Monday.*library", written[1], re.IGNORECASE)
    assert answer.provenance.models[0].model_id.startswith("qwen")


async def test_lines_stay_lines_and_every_sentence_is_checked(service: Service) -> None:
    answer = await service.translate("図書館は休みです。\n\nごみは朝に出します。橋は新しいです。\n")
    (translation,) = answer.translations
    assert re.fullmatch(r"[^\n]+\n\n[^\n]+\n", translation.translated_text)
    assert len(translation.sentences) == 3
    for pair in translation.sentences:
        span = translation.translated_text[pair.target_span.start_char : pair.target_span.end_char]
        assert span == span.strip() != ""


async def test_a_number_that_is_lost_is_reported_and_one_that_is_kept_is_not(service: Service) -> None:
    answer = await service.translate("参加者は300人で、水は500本あります。", "予算は4,875円です。")
    lost = {reason.subject.partition(".")[0] for reason in answer.review.reasons if reason.code == "NUMBER_MISMATCH"}
    for number, needed in enumerate((("300", "500"), ("4875",))):
        text = answer.translations[number].translated_text.replace(",", "")
        assert (f"translations[{number}]" in lost) is not all(each in text for each in needed), text


async def test_the_weak_direction_says_so_every_time(service: Service) -> None:
    answer = await service.translate("The library is closed on Mondays.", target="ja")
    assert re.search("月曜", answer.translations[0].translated_text)
    assert "WEAK_DIRECTION" in {reason.code for reason in answer.review.reasons}
    listed = await service.stub.ListLanguages(translate_pb2.ListLanguagesRequest())
    quality = {(p.source_language_code, p.target_language_code): p.quality for p in listed.pairs}
    assert quality["en", "ja"] == translate_pb2.PAIR_QUALITY_WEAK
    assert quality["ja", "en"] == translate_pb2.PAIR_QUALITY_DRAFT


async def test_a_text_in_the_target_language_or_without_letters_is_returned_as_it_is(service: Service) -> None:
    contents = ["The library is closed on Mondays.", "2026-11-15 / 300", "図書館は月曜日に休みます。"]
    answer = await service.translate(*contents)
    assert [translation.translated_text for translation in answer.translations[:2]] == contents[:2]
    assert [warning.code for warning in answer.warnings] == ["SAME_LANGUAGE", "NOTHING_TO_TRANSLATE"]
    assert answer.translations[2].translated_text != contents[2]


@pytest.mark.parametrize(
    ("text", "exact"),
    [
        ("詳しくは https://example.jp/a?b=1 をご覧ください。", ["https://example.jp/a?b=1"]),
        ("{name}様、ご予約は{date}です。", ["{name}", "{date}"]),
        ("<b>重要</b>: 締切は3月31日です。", ["<b>", "</b>", "31"]),
        ("問い合わせは info@city.example.jp まで。", ["info@city.example.jp"]),
        ("予算は4,875千円、参加者は312名でした。", ["4,875", "312"]),
    ],
)
async def test_addresses_placeholders_and_numbers_survive(service: Service, text: str, exact: list[str]) -> None:
    answer = await service.translate(text)
    written = answer.translations[0].translated_text
    reported = any(reason.code in ("EXACT_TEXT_LOST", "NUMBER_MISMATCH") for reason in answer.review.reasons)
    assert all(each in written for each in exact), written
    assert not reported


async def test_a_term_of_the_glossary_is_used_or_reported(service: Service) -> None:
    terms = translate_pb2.Glossary(terms=[translate_pb2.GlossaryTerm(source="区役所", target="Ward Office")])
    answer = await service.translate("書類は区役所に出してください。", glossary=terms)
    used = "Ward Office" in answer.translations[0].translated_text
    assert used is ("GLOSSARY_VIOLATION" not in {reason.code for reason in answer.review.reasons})


async def test_sentences_of_a_stream_come_in_order_with_their_checks(service: Service) -> None:
    request = translate_pb2.StreamTranslateTextRequest
    config = translate_pb2.StreamTranslateTextConfig(source_language_code="ja", target_language_code="en")
    portions = ["図書館は月曜", "日に休みます。参加者は", "300人です。\n"]
    requests = [request(config=config), *(request(text=portion) for portion in portions)]
    answers = [answer async for answer in service.stub.StreamTranslateText(iter(requests), timeout=100)]
    assert [answer.source_text for answer in answers] == ["図書館は月曜日に休みます。", "参加者は300人です。"]
    assert re.search("Monday", answers[0].translated_text)
    assert "300" in answers[1].translated_text
    assert all(answer.similarity > MIN_SIMILARITY for answer in answers)
    assert all(answer.provenance.models[0].model_id.startswith("qwen") for answer in answers)


HARD = [
    "避難所においては土足厳禁とし、職員の誘導に従って速やかに行動してください。",
    "粗大ごみの収集をご希望の方は、3月31日までに横浜市の受付センターへお申し込みください。",
    "図書館の臨時休館に伴い、返却期限は5月20日まで延長されます。",
]


async def test_plain_japanese_is_plainer_or_says_that_it_is_not(service: Service) -> None:
    plain = PlainJapanese()
    answer = await service.translate(*HARD, target="ja-x-easy", source_language_code="ja")
    kept = {reason.subject.partition(".")[0] for reason in answer.review.reasons if reason.code == "NOT_SIMPLIFIED"}
    for number, (translation, text) in enumerate(zip(answer.translations, HARD, strict=True)):
        if f"translations[{number}]" in kept:
            assert translation.translated_text == text
            continue
        check = translation.plain_language
        assert check.easy_word_share > plain.measure(text).easy_share
        assert all(word in translation.translated_text for word in re.findall(r"\d+|横浜市", text))
    assert len(kept) < len(HARD)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("図書館は月曜日に休みます。", "ja"),
        ("图书馆星期一不开放，请注意开放时间。", "zh"),
        ("도서관은 월요일에 쉽니다.", "ko"),
        ("Die Bibliothek ist am Montag geschlossen.", "de"),
        ("La bibliothèque est fermée le lundi.", "fr"),
        ("La biblioteca está cerrada los lunes.", "es"),
    ],
)
async def test_languages_are_told(service: Service, text: str, language: str) -> None:
    answer = await service.stub.DetectLanguage(translate_pb2.DetectLanguageRequest(contents=[text]))
    assert answer.detections[0].candidates[0].language_code == language


async def test_a_deadline_stops_the_model_and_the_next_call_is_served(service: Service) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await service.translate(*["図書館は月曜日に休みます。" * 40] * 5, deadline_s=1.0)
    assert isinstance(decode_call(caught.value), errors.DeadlineExceededError)
    answer = await service.translate("図書館は休みです。", deadline_s=30)
    assert answer.provenance.queue_duration.ToTimedelta().total_seconds() < 10
    assert min(s.similarity for s in answer.translations[0].sentences) > MIN_SIMILARITY
