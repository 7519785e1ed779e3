"""Which texts are invented, case by case."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from services.speech import guards
from services.speech.engine import Segment, Span
from services.speech.guards import Phrase, is_invented, known_phrase, loops, rare_sentence, repeated
from tests.unit.speech.fakes import segment

THANKS = "ご視聴ありがとうございました。"
VOICE = [Span(1.0, 2.0)]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (segment(1.5, 2.5, "に voice"), False),
        (segment(2.0, 3.0, "after the voice"), True),
        (segment(0.0, 1.0, "before the voice"), True),
        (segment(1.5, 2.0, "sure", confidence=0.1, no_speech_probability=0.5), False),
        (segment(1.5, 2.0, "sure", confidence=0.2, no_speech_probability=0.9), False),
        (segment(1.5, 2.0, "You", confidence=0.19, no_speech_probability=0.51), True),
        (segment(1.5, 2.0, "I am a real man!", confidence=0.19, compression_ratio=2.41), True),
        (segment(1.5, 2.0, "I am a real man!", confidence=0.19, compression_ratio=2.4), False),
        (segment(1.5, 2.0, "I am a real man!", confidence=0.2, compression_ratio=15.8), False),
    ],
)
def test_what_nobody_said_is_found_out(found: Segment, expected: bool) -> None:
    assert is_invented(found, [Span(1.0, 2.0)]) is expected


@pytest.mark.parametrize(
    ("text", "signs", "expected"),
    [
        (THANKS, {}, False),
        (THANKS, {"no_speech_probability": 0.6}, True),
        (THANKS, {"confidence": 0.39}, True),
        (THANKS, {"end_s": 4.5}, True),
        (THANKS, {"end_s": 4.0}, False),
        ("Thank you.", {}, False),
        ("Thank you.", {"no_speech_probability": 0.6}, True),
        ("Thank you for the report.", {"no_speech_probability": 0.6}, False),
        ("いいえ、" * 20, {}, False),
        ("いいえ、" * 20, {"confidence": 0.39}, True),
        ("会議を始めます。", {"confidence": 0.3, "no_speech_probability": 0.4}, False),
    ],
)
def test_a_suspicious_text_is_left_out_where_the_sound_is_doubtful(
    text: str, signs: dict[str, Any], expected: bool
) -> None:
    times = {"start_s": 1.0, "end_s": 2.0} | {name: signs.pop(name) for name in list(signs) if name.endswith("_s")}
    assert is_invented(segment(**times, text=text, **signs), VOICE) is expected


def test_a_segment_without_length_is_judged_by_where_it_lies() -> None:
    assert not is_invented(segment(1.5, 1.5, "はい"), VOICE)
    assert is_invented(segment(2.5, 2.5, "はい"), VOICE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (THANKS, Phrase.RARE),
        (THANKS * 3, Phrase.RARE),
        ("THANKS FOR WATCHING!!", Phrase.RARE),
        ("Thanks for watching, everybody who came today.", None),
        ("Untertitel der Amara.org-Community", Phrase.RARE),
        ("Untertitel im Auftrag des ZDF für funk, 2017", Phrase.RARE),
        ("Untertitel sind wichtig.", None),
        ("Sous-titres réalisés par la communauté d'Amara.org", Phrase.RARE),
        ("Subtítulos realizados por la comunidad de Amara.org", Phrase.RARE),
        ("Sottotitoli e revisione a cura di QTSS", Phrase.RARE),
        ("Legendas pela comunidade Amara.org", Phrase.RARE),
        ("字幕由Amara.org社区提供", Phrase.RARE),
        ("시청해주셔서 감사합니다.", Phrase.RARE),
        ("Субтитры сделал DimaTorzok", Phrase.RARE),
        ("you", Phrase.EVERYDAY),
        ("Thank you. Thank you.", Phrase.EVERYDAY),
        ("your", None),
        ("", None),
        ("…", None),
    ],
)
def test_known_phrases(text: str, expected: Phrase | None) -> None:
    assert known_phrase(text) is expected


def test_every_phrase_of_the_file_is_known_by_itself_and_of_one_kind() -> None:
    file = yaml.safe_load((Path(guards.__file__).with_name("phrases.yaml")).read_text(encoding="utf-8"))
    assert {"ja", "en", "de", "fr", "es", "it", "pt", "zh", "ko", "ru"} <= file["rare"].keys()
    for kind in Phrase:
        for phrase in (phrase for phrases in file[kind.value].values() for phrase in phrases):
            assert known_phrase(phrase) is kind, phrase


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("以上です。ご視聴ありがとうございました。", True),
        ("That is all. Thanks for watching! Good night.", True),
        ("That is all. Thank you. Good night.", False),
        ("水は500本あります。", False),
    ],
)
def test_a_rare_phrase_in_a_longer_text(text: str, expected: bool) -> None:
    assert rare_sentence(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("はい、はい、はい、はい", False),
        ("そうです、" * 4, True),
        ("そうです、" * 3, False),
        ("a" * 12, True),
        ("a" * 11, False),
        ("I think that I think that I think that I think that", True),
        ("1,000,000,000,000", False),
        ("番号は 0000-0000-0000-0000 ababababababab です", True),
        ("水は500本あります。食料は100人分足りません。", False),
        ("", False),
    ],
)
def test_loops(text: str, expected: bool) -> None:
    assert loops(text) is expected


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ("AAA", [2]),
        ("AAAAAA", [2]),
        ("AA", []),
        ("BAAAB", [3]),
        ("ABABAB", [4]),
        ("ABCABCABC", [6]),
        ("ABAB", []),
        ("AAABBB", [2, 5]),
        ("", []),
    ],
)
def test_the_same_segments_again_and_again(texts: str, expected: list[int]) -> None:
    assert repeated([segment(n, n + 1, text) for n, text in enumerate(texts)]) == expected
