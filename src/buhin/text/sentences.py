"""Where the sentences of a text are."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_SENTENCE_CHARACTERS = 400
"""A longer run without an end is cut at a comma, a space, or just there, so that work on one sentence is bounded."""

_OPEN, _CLOSE, _QUOTES = "「『（(【《〈“", "」』）)】》〉”", "’\"'"
_AFTER = re.compile(rf"[{re.escape(_CLOSE + _QUOTES)}]*")
_TOKEN = re.compile(
    rf"(?P<open>[{re.escape(_OPEN)}])|(?P<close>[{re.escape(_CLOSE)}])"
    r"|(?P<end>[。！？…][。！？!?…]*|(?<![A-Za-z0-9/])[!?]+|[!?]+(?![A-Za-z0-9/=&_%])"
    rf"|\.(?=[{re.escape(_CLOSE + _QUOTES)}]*(?:\s|$)))"
)
_ABBREVIATION = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|Sr|Jr|St|No|vs|etc|approx|Inc|Ltd|Co|Fig|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sep|Sept|Oct|Nov|Dec"
    r"|e\.g|i\.e|a\.m|p\.m|z\.B|M|Mme)|\b[A-Z])$"
)
_SOFT = re.compile(r"[、,;；\s]")


@dataclass(frozen=True)
class Span:
    """The code points [start, end) of a text."""

    start: int
    end: int

    def of(self, text: str) -> str:
        """The part of the text."""
        return text[self.start : self.end]


def split(text: str, *, max_characters: int = MAX_SENTENCE_CHARACTERS) -> list[Span]:
    """The sentences of a text in order, without the white space around them.

    A sentence ends at 。！？…, at . before white space, at !? outside of addresses, and at a line end; not inside 「」
    and other brackets (unless they stay open to the end of the line), not after an abbreviation or an initial. A
    sentence longer than ``max_characters`` is cut. Together the spans cover everything but white space.
    """
    spans = []
    start = 0
    for end in [*_ends(text), len(text)]:
        spans.extend(_bounded(text, _trim(text, Span(start, end)), max_characters))
        start = end
    return spans


def _ends(text: str) -> list[int]:
    ends = []
    start = 0
    for line in text.splitlines(keepends=True):
        depth = 0
        for token in _TOKEN.finditer(line):
            if token["open"]:
                depth += any(closer in line[token.end() :] for closer in _CLOSE)
            elif token["close"]:
                depth = max(0, depth - 1)
            elif depth == 0 and not _abbreviated(line, token):
                ends.append(start + _AFTER.match(line, token.end()).end())  # type: ignore[union-attr]  # matches nothing too
        start += len(line)
        ends.append(start)
    return ends


def _abbreviated(line: str, token: re.Match[str]) -> bool:
    before = line[max(0, token.start() - 8) : token.start()]
    return token.group() == "." and _ABBREVIATION.search(before) is not None


def _trim(text: str, span: Span) -> Span:
    inside = span.of(text)
    start = span.start + len(inside) - len(inside.lstrip())
    return Span(start, max(start, span.start + len(inside.rstrip())))


def _bounded(text: str, span: Span, most: int) -> list[Span]:
    spans = []
    while span.end - span.start > most:
        cuts = [m.end() for m in _SOFT.finditer(text, span.start + most // 2, span.start + most)]
        cut = cuts[-1] if cuts else span.start + most
        spans.append(_trim(text, Span(span.start, cut)))
        span = _trim(text, Span(cut, span.end))
    return [each for each in [*spans, span] if each.end > each.start]
