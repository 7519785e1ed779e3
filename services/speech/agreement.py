"""Which part of a text that is still being spoken will stay.

LocalAgreement-n: what n hypotheses in a row, each of more audio than the last, have in common from their beginning is
agreed (Liu, Spanakis & Niehues 2020, https://arxiv.org/abs/2005.11185; with Whisper: Macháček, Dabre & Bojar 2023,
https://arxiv.org/abs/2307.14743).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile

from services.speech.engine import Word


class LocalAgreement:
    """The policy for one window. What was agreed is never taken back.

    Hypotheses are compared by their letters, not by their words: recognizers cut the same Japanese into different
    words, and change their mind about case and punctuation.
    """

    def __init__(self, n: int = 2) -> None:
        self._latest: deque[str] = deque(maxlen=n)
        self.agreed: tuple[Word, ...] = ()

    def add(self, hypothesis: Sequence[Word]) -> tuple[Word, ...]:
        """Take the next hypothesis of the window, and return what of it comes after the words agreed by now."""
        self._latest.append(letters(hypothesis))
        rest = self._after_agreed(hypothesis)
        if len(self._latest) == self._latest.maxlen:
            common = sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, zip(*self._latest, strict=False)))
            count = len(leading(rest, common - (len(letters(hypothesis)) - len(letters(rest)))))
            self.agreed += rest[:count]
            rest = rest[count:]
        return rest

    def _after_agreed(self, hypothesis: Sequence[Word]) -> tuple[Word, ...]:
        """The words after those agreed: by their letters, or by their times where the beginning reads otherwise now."""
        known = letters(self.agreed)
        if letters(hypothesis).startswith(known):
            return _without(hypothesis, len(known))
        end_s = self.agreed[-1].end_s
        return tuple(word for word in hypothesis if (word.start_s + word.end_s) / 2 > end_s)


def letters(words: Sequence[Word]) -> str:
    """What is compared: letters and digits, without case."""
    return "".join(_letters(word.text) for word in words)


def leading(words: Sequence[Word], count: int) -> Sequence[Word]:
    """The first words, up to the last with a letter, that have no more than ``count`` letters together."""
    taken, left = 0, count
    for number, word in enumerate(words, 1):
        own = len(_letters(word.text))
        left -= own
        if left < 0:
            break
        taken = number if own else taken
    return words[:taken]


def _without(words: Sequence[Word], count: int) -> tuple[Word, ...]:
    """The words without their first ``count`` letters; where these end inside a word, what is left of it."""
    whole = leading(words, count)
    rest, left = words[len(whole) :], count - len(letters(whole))
    for number, word in enumerate(rest):
        for position, character in enumerate(word.text):
            if left <= 0:
                return replace(word, text=word.text[position:]), *rest[number + 1 :]
            left -= len(_letters(character))
    return ()


def _letters(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())
