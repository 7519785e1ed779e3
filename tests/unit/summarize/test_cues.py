"""Who speaks, what a sentence does, who does it by when, what is a topic and what a name."""

from __future__ import annotations

import numpy as np
import pytest

from services.summarize.engines import commitments
from services.summarize.engines.cues import Kind, find
from services.summarize.engines.names import foreign_names
from services.summarize.engines.segments import segments
from services.summarize.engines.speakers import utterances
from tests.encoders import Words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("佐藤：水がある。次は十時です。", [("佐藤", "水がある。"), ("佐藤", "次は十時です。")]),
        ("佐藤:水がある。\n誰かの話。", [("佐藤", "水がある。"), ("", "誰かの話。")]),
        ("speaker-1: Hello. Bye.", [("speaker-1", "Hello."), ("speaker-1", "Bye.")]),
        ("Mr. Sato: Hello.", [("Mr. Sato", "Hello.")]),
        ("  山本 花子 ： 水がある。", [("山本 花子", "水がある。")]),
        ("佐藤：\n水がある。\n時刻は10:30です。", [("佐藤", "水がある。"), ("", "時刻は10:30です。")]),
        ("日時：十月五日\nDate: 5 October", [("", "日時：十月五日"), ("", "Date: 5 October")]),
        ("https://example.org/a is there.", [("", "https://example.org/a is there.")]),
        ("10:30 に始めます。", [("", "10:30 に始めます。")]),
        ("There is one thing to say here: water.", [("", "There is one thing to say here: water.")]),
    ],
)
def test_a_label_before_a_line_says_who_speaks(text: str, expected: list[tuple[str, str]]) -> None:
    assert [(said.speaker, said.span.of(text)) for said in utterances(text)] == expected


@pytest.mark.parametrize(
    ("sentence", "kind"),
    [
        ("会場は公園とすることにします。", Kind.DECISION),
        ("食料を買うことが決まりました。", Kind.DECISION),
        ("次の会議は10月5日に行います。", Kind.DECISION),
        ("We decided to buy food.", Kind.DECISION),
        ("The next meeting will be held on 5 October.", Kind.DECISION),
        ("資料を金曜日までに送ります。", Kind.ACTION),
        ("会場の予約をお願いします。", Kind.ACTION),
        ("英語の案内も用意します。", Kind.ACTION),
        ("I will send it by Friday.", Kind.ACTION),
        ("Could you book the room?", Kind.ACTION),
        ("予算は未定です。", Kind.QUESTION),
        ("誰が払うかはまだ決まっていません。", Kind.QUESTION),
        ("次の会議で決めましょう。", Kind.QUESTION),
        ("駐車場は足りるでしょうか。", Kind.QUESTION),
        ("Who will pay for it?", Kind.QUESTION),
        ("It has not been decided who will pay.", Kind.QUESTION),
        ("水は500本あります。", None),
        ("資料は送りませんでした。", None),
        ("There are 500 bottles.", None),
        ("次に、分担を確認します。", None),
    ],
)
def test_phrases_tell_what_a_sentence_does(sentence: str, kind: Kind | None) -> None:
    found = find([sentence], Words().encode([sentence]), Words())  # type: ignore[arg-type]
    assert [each.kind for each in found] == ([] if kind is None else [kind])


def test_a_question_is_open_unless_what_follows_answers_it() -> None:
    texts = ["ポスターは誰が作りますか。", "ポスターは佐藤です。", "駐車場はどこでしょうか。"]
    found = find(texts, Words().encode(texts), Words())  # type: ignore[arg-type]
    assert [(each.place, each.kind) for each in found] == [(2, Kind.QUESTION)]


def test_what_no_phrase_tells_is_known_by_its_likeness() -> None:
    sentence = "The committee approves the proposals."
    (found,) = find([sentence], Words().encode([sentence]), Words())  # type: ignore[arg-type]
    assert (found.kind, found.score < 1) == (Kind.DECISION, True)


LABELS = frozenset({"国際担当", "課長", "Sato"})


@pytest.mark.parametrize(
    ("sentence", "speaker", "owner", "due"),
    [
        ("ポスターは、国際担当が10月25日までに作ります。", "", "国際担当", "10月25日"),
        ("警察には、私が明日までに連絡します。", "防災担当", "防災担当", "明日"),
        ("警察には、私が明日までに連絡します。", "", "", "明日"),
        ("英語の案内も用意します。", "国際担当", "国際担当", ""),
        ("佐藤さん、来週の金曜日までに連絡してください。", "課長", "佐藤さん", "来週の金曜日"),
        ("総務課には11月3日（月）午後5時までに出していただけますか。", "課長", "", "11月3日（月）午後5時"),
        ("水道課の佐藤が三日以内に手配します。", "", "佐藤", "三日以内"),
        ("今年度中に設計を終えます。", "建築課", "建築課", "今年度中"),
        ("警察と相談しましょう。", "課長", "", ""),
        ("I will make the posters by 25 October.", "Sato", "Sato", "25 October"),
        ("I will call the police by tomorrow.", "", "", "tomorrow"),
        ("The safety team will order it by the end of the month.", "Safety", "The safety team", "the end of the month"),
        ("Could you book the room, Ms. Tanaka?", "Chair", "Ms. Tanaka", ""),
        ("Sato to send the minutes by Friday, 3 March.", "Chair", "Sato", "Friday, 3 March"),
        ("Please send the files before next Monday.", "Chair", "", "before next Monday"),
    ],
)
def test_owner_and_due_are_words_of_the_text(sentence: str, speaker: str, owner: str, due: str) -> None:
    assert (commitments.owner(sentence, speaker, LABELS), commitments.due(sentence)) == (owner, due)


def test_neighbours_about_one_thing_are_a_topic() -> None:
    vectors = np.array([[1, 0, 0], [1, 0.1, 0], [0, 1, 0], [0, 1, 0.1], [0, 0, 1]], np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert segments(vectors, 3) == [range(0, 2), range(2, 4), range(4, 5)]
    assert segments(vectors[:1], 3) == [range(0, 1)]
    many = segments(np.repeat(vectors, 400, axis=0), 3)
    assert [abs(each.start - start) < 5 for each, start in zip(many, (0, 800, 1600), strict=True)] == [True] * 3
    assert [each.stop for each in many[:-1]] == [each.start for each in many[1:]]
    assert many[-1].stop == 2000


def test_names_of_people_are_known_by_their_form() -> None:
    labels = frozenset({"佐藤"})
    assert foreign_names("佐藤が鈴木さんに話す。", "鈴木へ話す。", labels, same_language=True) == {"佐藤"}
    assert foreign_names("The report by Suzuki is here.", "Sato: here", labels, same_language=True) == {"Suzuki"}
    assert foreign_names("Suzuki is here.", "いる。", labels, same_language=False) == frozenset()
