"""Subtitles of a transcript: SubRip and WebVTT (https://www.w3.org/TR/webvtt1/).

A text is cut into phrases: at spaces and, where a script has none, where BudouX (https://github.com/google/budoux)
would let a line end. Phrases are put together into cues, and the phrases of a cue into lines, by the cheapest way there
is (the dynamic programming of Knuth and Plass 1981, https://doi.org/10.1002/spe.4380111102): few cues and lines that
end with sentences and clauses and are of like length. A character that is wide or full-width (Unicode Annex 11) takes
two columns.
"""

from __future__ import annotations

import functools
import math
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate, pairwise

import budoux

from buhin.review import Reason
from services.speech.engine import Segment

MIN_CUE_S = 1.0
"""A cue stays for at least this long where the pause after it lets it."""
MAX_CUE_S = 7.0
"""Longer cues are avoided: they are read twice."""
MAX_PAUSE_S = 1.5
"""A cue ends before a longer pause."""

_SENTENCE_END = tuple("。．.!?！？…")
_CLAUSE_END = tuple("、，,;；:：")
_CLOSING = '」』）)】〉》〕］]｝}”’"'
_NOT_FIRST = frozenset("、。，．・：；？！!?,.:;ー…々ゝゞぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮ" + _CLOSING)
"""No line begins with these (kinsoku, JIS X 4051)."""
_SPACELESS = (("ja", re.compile(r"[\u3040-\u30ff]")), ("th", re.compile(r"[\u0e00-\u0e7f]")),
              ("zh-hans", re.compile(r"[\u3400-\u9fff]")))  # fmt: skip
"""Scripts without spaces, in order: a text with kana is Japanese, one of Han characters only is read as Chinese."""


class Format(StrEnum):
    """Of subtitles."""

    SRT = "srt"
    WEBVTT = "webvtt"


@dataclass(frozen=True)
class Layout:
    """How subtitles look. A line has at most ``max_columns``, the label of an SRT's speaker included."""

    formats: tuple[Format, ...] = ()
    max_columns: int = 42
    max_lines: int = 2
    max_columns_per_second: float = 20.0


@dataclass(frozen=True)
class Cue:
    """Lines that stand on the screen together, in whole milliseconds; ``end_ms`` is after ``start_ms``."""

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]
    speaker: str = ""

    @property
    def columns_per_second(self) -> float:
        """How fast it has to be read."""
        return sum(map(columns, self.lines)) * 1000 / (self.end_ms - self.start_ms)


@dataclass(frozen=True)
class _Phrase:
    """What stays on one line: ``columns`` without, ``text`` with the space after it."""

    text: str
    columns: int
    start_s: float
    end_s: float


def columns(text: str) -> int:
    """Columns that a text takes: two for each wide character, none for a combining one."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )


def cues(segments: Sequence[Segment], layout: Layout, audio_s: float) -> list[Cue]:
    """The cues of segments that are in order; a segment has one speaker. They do not overlap, and time never goes back.

    A cue begins with its first word. It ends with its last, or later, until the next cue or the end of the audio, where
    there is more to read than time.
    """
    laid_out = [
        (phrases, segment.speaker)
        for segment in segments
        for phrases in _cues_of(segment, layout, _width(layout, segment.speaker))
    ]
    found: list[Cue] = []
    clock = 0
    starts = [round(phrases[0].start_s * 1000) for phrases, _ in laid_out[1:]] + [math.ceil(audio_s * 1000)]
    for (phrases, speaker), limit in zip(laid_out, starts, strict=False):
        lines = tuple(_text(line) for line in _lines(phrases, _width(layout, speaker)))
        read_s = max(sum(map(columns, lines)) / layout.max_columns_per_second, MIN_CUE_S)
        start = max(round(phrases[0].start_s * 1000), clock)
        wanted = max(round(phrases[-1].end_s * 1000), start + math.ceil(read_s * 1000))
        clock = max(min(wanted, limit), start + 1)
        found.append(Cue(start, clock, lines, speaker))
    return found


def too_fast(found: Sequence[Cue], layout: Layout) -> list[Reason]:
    """The reason to look at cues that must be read faster than the limit: one, about the fastest."""
    fast = [cue for cue in found if cue.columns_per_second > layout.max_columns_per_second * 1.001]
    if not fast:
        return []
    worst = max(fast, key=lambda cue: cue.columns_per_second)
    range_s = f"{worst.start_ms / 1000:.1f}–{worst.end_ms / 1000:.1f}"
    return [
        Reason(
            "READING_SPEED",
            f"{len(fast)} of {len(found)} subtitles must be read faster than asked for, most of all at {range_s} s",
            f"字幕 {len(found)} 件のうち {len(fast)} 件は、指定の速さでは読み切れません。最も速いのは {range_s} 秒です",
            subject="subtitles",
            value=worst.columns_per_second,
            threshold=layout.max_columns_per_second,
        )
    ]


def write(found: Sequence[Cue], form: Format) -> str:
    """A whole file, with a line feed at its end; the speaker is in `<v>` or before the text."""
    if form is Format.WEBVTT:
        return "\n".join(["WEBVTT\n", *map(_webvtt, found)])
    return "\n".join(_srt(number, cue) for number, cue in enumerate(found, 1))


def _webvtt(cue: Cue) -> str:
    text = "\n".join(cue.lines).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    voice = f"<v {cue.speaker}>" if cue.speaker else ""
    return f"{_clock(cue.start_ms, '.')} --> {_clock(cue.end_ms, '.')}\n{voice}{text}\n"


def _srt(number: int, cue: Cue) -> str:
    text = "\n".join(cue.lines)
    return f"{number}\n{_clock(cue.start_ms, ',')} --> {_clock(cue.end_ms, ',')}\n{_label(cue.speaker)}{text}\n"


def _clock(milliseconds: int, point: str) -> str:
    seconds, thousandths = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{point}{thousandths:03}"


def _label(speaker: str) -> str:
    return f"{speaker}: " if speaker else ""


def _width(layout: Layout, speaker: str) -> int:
    """Columns for text; where a label would take more than half of a line, it stands beside."""
    left = layout.max_columns - columns(_label(speaker))
    return left if 2 * left >= layout.max_columns else layout.max_columns


def _cues_of(segment: Segment, layout: Layout, width: int) -> list[list[_Phrase]]:
    """The phrases of a segment, put together into cues."""
    phrases = _phrases(segment, width)

    def cost(start: int, end: int) -> float | None:
        cue = phrases[start:end]
        if any(after.start_s - before.end_s > MAX_PAUSE_S for before, after in pairwise(cue)):
            return None
        if _least_lines(cue, width) > layout.max_lines:
            return None
        taken, length_s = _columns(cue), cue[-1].end_s - cue[0].start_s
        slack = 1 - taken / (width * layout.max_lines)
        hurry = min(taken / layout.max_columns_per_second / max(length_s, 0.1), 4) - 1
        last = end == len(phrases)
        return (
            1
            + (0 if last else 2 * _badness(cue[-1]))
            + 0.5 * slack**2
            + max(hurry, 0) * 0.5
            + max(length_s - MAX_CUE_S, 0)
        )

    return _cheapest(phrases, cost)


def _lines(cue: Sequence[_Phrase], width: int) -> list[list[_Phrase]]:
    """The phrases of a cue, put together into as few lines as there can be, of like length."""
    least = _least_lines(cue, width)
    target = _columns(cue) / least

    def cost(start: int, end: int) -> float | None:
        line = cue[start:end]
        if len(line) > 1 and _columns(line) > width:
            return None
        uneven = ((_columns(line) - target) / width) ** 2
        return 1_000 + uneven + (0 if end == len(cue) else 0.1 * _badness(line[-1]))

    return _cheapest(cue, cost)


def _cheapest(phrases: Sequence[_Phrase], cost: Callable[[int, int], float | None]) -> list[list[_Phrase]]:
    """The way to cut phrases into groups whose costs sum up to the least. ``cost`` is None where a group cannot be,
    nor any longer one that begins there; a group of one can always be."""
    best: list[float] = [0.0, *[math.inf] * len(phrases)]
    came_from = [0] * (len(phrases) + 1)
    for start in range(len(phrases)):
        for end in range(start + 1, len(phrases) + 1):
            price = cost(start, end)
            if price is None:
                break
            if best[start] + price < best[end]:
                best[end], came_from[end] = best[start] + price, start
    groups: list[list[_Phrase]] = []
    end = len(phrases)
    while end:
        groups.append(list(phrases[came_from[end] : end]))
        end = came_from[end]
    return groups[::-1]


def _badness(phrase: _Phrase) -> float:
    """Of an end after a phrase: 0 where a sentence ends, 1 in the middle of a clause."""
    text = phrase.text.rstrip().rstrip(_CLOSING)
    return 0 if text.endswith(_SENTENCE_END) else 0.4 if text.endswith(_CLAUSE_END) else 1


def _least_lines(cue: Sequence[_Phrase], width: int) -> int:
    lines, line = 1, [cue[0]]
    for phrase in cue[1:]:
        line.append(phrase)
        if _columns(line) > width:
            lines, line = lines + 1, [phrase]
    return lines


def _columns(line: Sequence[_Phrase]) -> int:
    return sum(columns(phrase.text) for phrase in line[:-1]) + line[-1].columns


def _text(line: Sequence[_Phrase]) -> str:
    return "".join(phrase.text for phrase in line).strip()


def _phrases(segment: Segment, width: int) -> list[_Phrase]:
    """A segment, cut where a line may end. No phrase is wider than a line."""
    text = " ".join(segment.text.split())
    pieces = [part for piece in _breakable(text) for part in _fitting(piece, width)]
    ends = list(accumulate(map(len, pieces), initial=0))
    times = _times(segment, text)
    return [
        _Phrase(piece, columns(piece.rstrip()), times[start][0], times[start + len(piece.rstrip()) - 1][1])
        for piece, start in zip(pieces, ends, strict=False)
    ]


def _breakable(text: str) -> list[str]:
    """A text, cut behind spaces and where a script without spaces lets a line end."""
    words = re.findall(r"\S+ ?", text)
    return [phrase for word in words for phrase in _spaceless(word)]


def _spaceless(word: str) -> list[str]:
    script = next((name for name, letters in _SPACELESS if letters.search(word)), None)
    if script is None:
        return [word]
    phrases: list[str] = []
    for phrase in _parser(script).parse(word):
        if phrases and (phrase[0] in _NOT_FIRST or not phrase.strip()):
            phrases[-1] += phrase
        else:
            phrases.append(phrase)
    return phrases


@functools.cache
def _parser(script: str) -> budoux.Parser:
    return {
        "ja": budoux.load_default_japanese_parser,
        "th": budoux.load_default_thai_parser,
        "zh-hans": budoux.load_default_simplified_chinese_parser,
    }[script]()


def _fitting(phrase: str, width: int) -> list[str]:
    """A phrase, cut at the end of the line where it is wider than one."""
    parts: list[str] = []
    rest = phrase
    while columns(rest.rstrip()) > width:
        cut = next(n for n in range(1, len(rest)) if columns(rest[: n + 1]) > width)
        better = (
            n for n in range(cut, cut // 2, -1) if rest[n] not in _NOT_FIRST and not unicodedata.combining(rest[n])
        )
        cut = next(better, cut)
        parts.append(rest[:cut])
        rest = rest[cut:]
    return [*parts, rest]


def _times(segment: Segment, text: str) -> list[tuple[float, float]]:
    """When each character of a text begins and ends to be spoken: its part of the word that it belongs to."""
    times: list[tuple[float, float]] = []
    clock = segment.start_s
    for word in segment.words:
        said = " ".join(word.text.split())
        start = text.find(said, len(times))
        if start < 0:
            continue
        times += [(clock, clock)] * (start - len(times))
        step = (word.end_s - word.start_s) / max(len(said), 1)
        times += [(word.start_s + n * step, word.start_s + (n + 1) * step) for n in range(len(said))]
        clock = word.end_s
    rest = len(text) - len(times)
    step = (segment.end_s - clock) / max(rest, 1)
    return times + [(clock + n * step, clock + (n + 1) * step) for n in range(rest)]
