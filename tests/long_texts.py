"""Long texts whose sentences all differ, with one sentence planted at a share of the way."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count


def long_japanese(planted: str, position: float, characters: int = 50_000) -> str:
    """Reports of repairs in Japanese, of almost ``characters``."""
    places, things = "駅東西南北港川山寺橋池森町村丘", "道灯堀柵塀門窓棚箱鍵鐘旗幕縄樽"
    sentences = (
        f"{places[n % 15]}{places[n * 7 % 13]}の{things[n % 14]}{things[n * 5 % 15]}は{n % 28 + 1}日に直した。"
        for n in count()
    )
    return _with(planted, position, sentences, "", characters)


def long_english(planted: str, position: float, characters: int = 50_000) -> str:
    """The same in English."""
    places = ["station", "harbour", "river", "hill", "temple", "bridge", "pond", "forest", "town", "market", "park"]
    things = ["road", "lamp", "moat", "fence", "wall", "gate", "window", "shelf", "box", "lock", "bell", "curtain"]
    sentences = (
        f"The {things[n % 12]} and {things[n * 5 % 11]} near the {places[n % 11]} were repaired on day {n % 28 + 1}."
        for n in count()
    )
    return _with(planted, position, sentences, " ", characters)


def _with(planted: str, position: float, sentences: Iterator[str], separator: str, characters: int) -> str:
    kept: list[str] = []
    left = characters - len(planted)
    while (left := left - len(separator) - len(sentence := next(sentences))) >= 0:
        kept.append(sentence)
    kept.insert(int(len(kept) * position), planted)
    return separator.join(kept)
