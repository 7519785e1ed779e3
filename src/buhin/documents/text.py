"""Plain text: a segment a line. Everything but the words of the lines stays."""

from __future__ import annotations

import re
from collections.abc import Sequence

from buhin.documents.base import Place, Segment, decoded, replaced

ACCEPTED = "text in UTF-8"
_LINE = re.compile(r"[^\r\n]+")


class TextDocument:
    """Plain text in UTF-8."""

    def __init__(self, data: bytes) -> None:
        self._text = decoded(data, ACCEPTED)
        self._spans = []
        self.segments: list[Segment] = []
        for found in _LINE.finditer(self._text):
            words = found.group().strip("\ufeff \t\u3000")
            if words:
                start = found.start() + found.group().index(words)
                self._spans.append((start, start + len(words)))
                line = len(re.findall(r"\r\n|\r|\n", self._text[: found.start()])) + 1
                self.segments.append(Segment(words, Place("line", line)))

    def write(self, translations: Sequence[str]) -> bytes:
        """See Document."""
        edits = [(start, end, text) for (start, end), text in zip(self._spans, translations, strict=True)]
        return replaced(self._text, edits).encode("utf-8")
