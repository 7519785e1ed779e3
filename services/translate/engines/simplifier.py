"""Japanese sentences in plain Japanese, kept only where they are plainer and lost nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from buhin.engine import Stop
from buhin.text.generator import Generator
from services.translate.engine import Options, Plainness
from services.translate.engines.plain import PlainJapanese
from services.translate.engines.prompts import to_simplify
from services.translate.kept import lost
from services.translate.reasons import MAX_KANJI_GRADE, MAX_SENTENCE_CHARACTERS, MIN_EASY_SHARE

MIN_PLAIN_SIMILARITY = 0.5
"""A sentence in plain words that is less like its source says something else."""


@dataclass(frozen=True)
class Written:
    """What was written for a sentence. ``kept``: nothing acceptable was, and this is the sentence itself."""

    text: str
    finished: bool = True
    kept: bool = False


class Simplifier:
    """Rewrites sentences with a generator that follows instructions. ``similarity`` compares two sentences."""

    def __init__(self, generator: Generator, plain: PlainJapanese, similarity: Callable[[str, str], float]) -> None:
        self._generator = generator
        self._plain = plain
        self._similarity = similarity

    def simplify(self, sentence: str, options: Options, stop: Stop, *, guarded: bool) -> Written:
        """Rewrite a sentence; once more, told what is missing, where it lost a number, a name or a term.

        The sentence itself is returned where it is plain already, where no rewriting is plainer and whole, and where it
        is ``guarded``, since it may be an order to the model.
        """
        if guarded:
            return Written(sentence, kept=True)
        before = self._plain.measure(sentence)
        if _difficulty(before) == 0:
            return Written(sentence)
        missing: list[str] = []
        for _ in range(2):
            generation = self._generator.generate(to_simplify(sentence, options, needed=missing), stop=stop)
            text = clean(sentence, "".join(line.strip() for line in generation.text.splitlines()))
            missing = lost(sentence, text, options).needed
            missing += [name for name in self._plain.names(sentence) if name not in text]
            if not missing:
                break
        plainer = _difficulty(self._plain.measure(text)) < _difficulty(before)
        if missing or not generation.finished or not plainer or self._similarity(sentence, text) < MIN_PLAIN_SIMILARITY:
            return Written(sentence, kept=True)
        return Written(text)


def clean(sentence: str, written: str) -> str:
    """One line, without quotation marks that the sentence does not have."""
    line = " ".join(written.split())
    for opening, closing in ('""', "「」", "“”"):
        if line.startswith(opening) and line.endswith(closing) and len(line) > 1 and sentence[:1] not in '"「“':
            line = line[1:-1].strip()
    return line


def _difficulty(plainness: Plainness) -> float:
    """How far a sentence is from plain: 0 where every limit is kept."""
    return (
        max(0, plainness.longest - MAX_SENTENCE_CHARACTERS) / MAX_SENTENCE_CHARACTERS
        + max(0, plainness.highest_grade - MAX_KANJI_GRADE) / 4
        + max(0.0, MIN_EASY_SHARE - plainness.easy_share)
    )
