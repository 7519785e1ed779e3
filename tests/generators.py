"""A text generator that writes what a test tells it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping

from buhin.engine import LoadedModel, Stop
from buhin.text.generator import Generation, Message, Prompt, Quality, Task
from buhin.text.languages import NAMES

WRITER = LoadedModel("writer", "sha256:" + "1" * 64, "writing", "MIT", 1)


class FakeGenerator:
    """Answers with ``answer`` and remembers what it was asked. Counts a token a character."""

    name, version, model, context_tokens = "fake", "1", WRITER, 4000
    tasks = frozenset(Task)
    follows_instructions = True
    directions: Mapping[tuple[str, str], Quality] = {
        pair: {("ja", "en"): Quality.DRAFT, ("en", "ja"): Quality.WEAK}.get(pair, Quality.UNMEASURED)
        for pair in itertools.permutations(NAMES, 2)
    }

    def __init__(self, answer: Callable[[Prompt], str | Generation]) -> None:
        self.answer = answer
        self.asked: list[Prompt] = []

    def count_tokens(self, text: str) -> int:
        """One a character."""
        return len(text)

    def generate(self, prompt: Prompt, *, stop: Stop, on_text: Callable[[str], None] | None = None) -> Generation:
        """The answer, two characters at a time for who listens."""
        stop.check()
        self.asked.append(prompt)
        answer = self.answer(prompt)
        written = Generation(answer, finished=True) if isinstance(answer, str) else answer
        if on_text is not None:
            for start in range(0, len(written.text), 2):
                on_text(written.text[start : start + 2])
        return written

    def close(self) -> None:
        """Nothing to free."""


def ask(text: str, *, max_tokens: int) -> Prompt:
    """A prompt of one message."""
    return Prompt(Task.SUMMARIZE, text, "en", "en", [Message("user", text)], max_tokens)
