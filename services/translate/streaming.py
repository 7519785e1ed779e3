"""A text that arrives in portions, sentence by sentence."""

from __future__ import annotations

import re

from buhin.text.sentences import MAX_SENTENCE_CHARACTERS, Span, split

_NEXT = "あ"
"""Stands for what comes next: a letter, before which a . is not an end and any other mark is."""
_ADDRESS = re.compile(r"\S*[/@.]\S*[!?]$")
_LINE_END = re.compile(r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_BRACKETS = dict(zip("「『（(【《〈“", "」』）)】》〉”", strict=True))


class Sentences:
    """Collects text and gives every sentence once, in order, as soon as it is complete.

    A sentence is complete when another one, a line end or one of 。！？!?… follows, and no bracket is open in it; at .
    one has to wait for what comes, which may belong to a number. No more than a sentence of bounded length is kept.
    """

    def __init__(self) -> None:
        self._text = ""

    def add(self, text: str) -> list[str]:
        """Take the next characters; the sentences that they complete."""
        self._text += text
        *spans, rest = split(self._text + _NEXT)
        complete = self._complete(spans)
        sentences = [span.of(self._text) for span in spans[:complete]]
        self._text = self._text[spans[complete].start if complete < len(spans) else rest.start :]
        return sentences

    def end(self) -> list[str]:
        """What is left when nothing more comes."""
        sentences = [span.of(self._text) for span in split(self._text)]
        self._text = ""
        return sentences

    def _complete(self, spans: list[Span]) -> int:
        """How many sentences nothing can change any more."""
        line = max((found.end() for found in _LINE_END.finditer(self._text)), default=0)
        for n, span in enumerate(spans):
            sentence = span.of(self._text)
            waits = _is_open(sentence) and len(self._text) - span.start <= MAX_SENTENCE_CHARACTERS
            if span.start >= line and (waits or (span.end == len(self._text) and _ADDRESS.search(sentence))):
                return n
        return len(spans)


def _is_open(sentence: str) -> bool:
    return any(sentence.count(opening) > sentence.count(closing) for opening, closing in _BRACKETS.items())
