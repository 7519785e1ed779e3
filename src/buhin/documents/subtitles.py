"""SubRip (SRT) and WebVTT: a segment a sentence, which may run over several cues.

Times, settings, identifiers, notes and styles stay byte by byte. A sentence that runs over cues is translated whole and
cut again between phrases, in proportion to the cues of the source.
"""

from __future__ import annotations

import functools
import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from buhin.documents import marks
from buhin.documents.base import MAX_CHARACTERS, Place, Segment, decoded, replaced, require_size, unreadable

ACCEPTED = "SRT or WebVTT in UTF-8"
_TIME = r"(?:\d+:)?\d{1,2}:\d{2}[.,]\d{1,3}"
_LINE = r"[^\r\n]*\S[^\r\n]*(?:\r\n|\r|\n|\Z)"
_CUE = re.compile(
    rf"^[ \t]*({_TIME})[ \t]*-->[ \t]*({_TIME})[^\r\n]*(?:\r\n|\r|\n)(?P<text>(?:{_LINE})+)", re.MULTILINE
)
_TAG = re.compile(r"(<[^<>\r\n]*>|\{\\[^{}\r\n]*\})")
_KEPT = re.compile(r"<(/?)([A-Za-z]*)")
_EMPHASIS = {"b", "c", "font", "i", "lang", "rt", "ruby", "u"}
_END = re.compile(r"[.。!！?？…♪:：][\"'’”」』）)\]]*\Z")
_WIDE = re.compile(r"[\u3000-\u9fff\uff00-\uffef\u0e00-\u0e7f]")
_MAX_PIECES = 50
"""Cues with more tags are not looked at for tags around all of their words."""
_MAX_CUES, _MAX_PAUSE_S = 6, 2.0
"""A sentence runs over at most so many cues, with at most such pauses between them."""


@dataclass(frozen=True)
class _Cue:
    """Words of a cue: where they stand in the file, the times of the cue in seconds, the words in one line with tags,
    what the tags stand for, and in how many lines the words stood. ``alone``: no sentence runs on from or to them.
    """

    number: int
    start: int
    end: int
    begins_s: float
    ends_s: float
    words: str
    stand: Mapping[str, str]
    lines: int
    alone: bool


class SubtitleDocument:
    """Subtitles in UTF-8. The kind follows from the content."""

    def __init__(self, data: bytes) -> None:
        self._source = decoded(data, ACCEPTED)
        require_size(len(self._source), MAX_CHARACTERS, "characters")
        self._escapes = self._source.lstrip("\ufeff").startswith("WEBVTT")
        self._newline = "\r\n" if "\r\n" in self._source else "\n"
        matches = list(_CUE.finditer(self._source))
        if not matches and not self._escapes:
            raise unreadable("no cue was found", ACCEPTED)
        cues = [cue for number, match in enumerate(matches, start=1) for cue in _cues(number, match) if cue.words]
        self._groups = _grouped(cues)
        self.segments = []
        for group in self._groups:
            words = _joined([cue.words for cue in group])
            vital = frozenset(name for name, raw in group[0].stand.items() if _kind(raw) not in _EMPHASIS)
            self.segments.append(Segment(html.unescape(words) if self._escapes else words, _place(group), vital))

    def write(self, translations: Sequence[str]) -> bytes:
        """See Document."""
        edits = []
        for group, segment, text in zip(self._groups, self.segments, translations, strict=True):
            if text != segment.text:
                shares = [len(cue.words) for cue in group]
                for cue, part in zip(group, divided(" ".join(text.split()), shares), strict=True):
                    lines = divided(part, [1] * cue.lines) if cue.lines > 1 and not cue.stand else [part]
                    written = self._newline.join(dict.fromkeys(map(self._escaped, lines)))
                    edits.append((cue.start, cue.end, marks.TAG.sub(functools.partial(_raw, cue), written)))
        return replaced(self._source, edits).encode("utf-8")

    def _escaped(self, line: str) -> str:
        if not self._escapes:
            return line
        parts = marks.pieces(line)
        parts[::2] = [html.escape(part, quote=False) for part in parts[::2]]
        return "".join(parts)


def divided(text: str, shares: Sequence[int]) -> list[str]:
    """The text in as many parts as there are shares, in proportion to them, cut between phrases. Where there are fewer
    phrases than shares, the last parts are the same.
    """
    phrases = _phrases(text)
    parts: list[str] = []
    used, total, goal = 0, sum(map(len, phrases)), 0.0
    for number, share in enumerate(shares):
        goal += total * share / sum(shares)
        left = len(shares) - number - 1
        taken = ""
        while phrases and (not taken or (len(phrases) > left and used + len(phrases[0]) / 2 <= goal)):
            used += len(phrases[0])
            taken += phrases.pop(0)
        if not left:
            taken += "".join(phrases)
        parts.append(taken.strip() or (parts[-1] if parts else ""))
    return parts


def _phrases(text: str) -> list[str]:
    """What is not cut: words with the space after them or, in Japanese, Chinese and Thai, phrases."""
    if " " in text.strip() or not _WIDE.search(text):
        return re.findall(r"\s*\S+\s*", text)
    return list(_budoux(text).parse(text))


@functools.cache
def _parser(language: str) -> Any:
    import budoux

    return {"th": budoux.load_default_thai_parser, "zh": budoux.load_default_simplified_chinese_parser}.get(
        language, budoux.load_default_japanese_parser
    )()


def _budoux(text: str) -> Any:
    if re.search(r"[\u0e00-\u0e7f]", text):
        return _parser("th")
    return _parser("ja" if re.search(r"[\u3040-\u30ff]", text) else "zh")


def _cues(number: int, match: re.Match[str]) -> list[_Cue]:
    """The words of a cue: all of them or, in a dialogue, those of each speaker."""
    block, begin = match["text"], match.start("text")
    lines = list(re.finditer(r"[^\r\n]+", block))
    speakers = [re.match(r"\s*[-–—]\s*(?=\S)", line.group()) for line in lines]
    if len(lines) > 1 and all(speakers):
        parts = [(begin + line.start() + said.end(), line.group()[said.end() :]) for line, said in
                 zip(lines, speakers, strict=True) if said]  # fmt: skip
    else:
        parts = [(begin, block)]
    found = []
    for start, part in parts:
        before, words = _stripped(part)
        tagged, stand = _tagged(words)
        place = start + len(before)
        alone = len(parts) > 1 or bool(stand)
        found.append(
            _Cue(
                number, place, place + len(words), _seconds(match[1]), _seconds(match[2]),
                _joined(tagged.splitlines()), stand, len(words.splitlines()), alone,
            )
        )  # fmt: skip
    return found


def _stripped(part: str) -> tuple[str, str]:
    """What stands before the words, and the words, without tags around all of them where those inside are in pairs."""
    pieces = _TAG.split(part)
    first, last = 0, len(pieces)
    while first < last and (first % 2 or not pieces[first].strip()):
        first += 1
    while last > first and ((last - 1) % 2 or not pieces[last - 1].strip()):
        last -= 1
    ends = [(first, last), *((n, last) for n in range(first, -1, -1)), *((first, n) for n in range(last, len(pieces)))]
    whole = (0, len(pieces))
    few = ends if len(pieces) < _MAX_PIECES else []
    first, last = next((each for each in few if _in_pairs("".join(pieces[slice(*each)]))), whole)
    before, inner = "".join(pieces[:first]), "".join(pieces[first:last])
    space = len(inner) - len(inner.lstrip())
    return before + inner[:space], inner.strip()


def _in_pairs(words: str) -> bool:
    return not any(name[0] == "x" and _kind(raw) for name, raw in _tagged(words)[1].items())


def _tagged(words: str) -> tuple[str, dict[str, str]]:
    """The words with our tags in place of those of the subtitles, and what they stand for."""
    parts, stand, opened = _TAG.split(words), dict[str, str](), list[tuple[str, int]]()
    for n in range(1, len(parts), 2):
        kind = _KEPT.match(parts[n])
        if kind and kind[2] and not kind[1]:
            opened.append((kind[2], n))
        elif kind and kind[1] and opened and opened[-1][0] == kind[2]:
            begin = opened.pop()[1]
            name = f"g{len(stand) + 1}"
            stand[name] = f"{parts[begin]}\n{parts[n]}"
            parts[begin], parts[n] = f"<{name}>", f"</{name}>"
            continue
    for n in range(1, len(parts), 2):
        if not marks.TAG.fullmatch(parts[n]) or parts[n].strip("</>") not in stand:
            name = f"x{len(stand) + 1}"
            stand[name] = parts[n]
            parts[n] = f"<{name}/>"
    return "".join(parts), stand


def _raw(cue: _Cue, tag: re.Match[str]) -> str:
    opening, _, closing = cue.stand[tag[2]].partition("\n")
    return closing if tag[1] else opening


def _kind(raw: str) -> str:
    found = _KEPT.match(raw)
    return found[2] if found else ""


def _place(group: Sequence[_Cue]) -> Place:
    return Place("cue", group[0].number)


def _grouped(cues: Sequence[_Cue]) -> list[list[_Cue]]:
    """Cues whose sentence goes on in the next one, together."""
    groups: list[list[_Cue]] = []
    for cue in cues:
        before = groups[-1][-1] if groups else None
        goes_on = (
            before is not None
            and not (before.alone or cue.alone or _END.search(before.words))
            and 0 <= cue.begins_s - before.ends_s <= _MAX_PAUSE_S
            and len(groups[-1]) < _MAX_CUES
        )
        if goes_on:
            groups[-1].append(cue)
        else:
            groups.append([cue])
    return groups


def _joined(parts: Sequence[str]) -> str:
    """Parts of a sentence in one line; without a space between wide characters."""
    text = ""
    for part in map(str.strip, parts):
        wide = text and part and _WIDE.match(text[-1]) and _WIDE.match(part[0])
        text += part if wide or not text else f" {part}"
    return text


def _seconds(time: str) -> float:
    seconds = 0.0
    for part in time.replace(",", ".").split(":"):
        seconds = seconds * 60 + float(part)
    return seconds
