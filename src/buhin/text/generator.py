"""What a text generator does, whatever runs it."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from buhin.engine import LoadedModel, Stop
from buhin.errors import InputTooLargeError, UnsupportedLanguageError, UnsupportedTaskError

_MARK = re.compile(r"<(?=[|｜]|/?(?:s|bos|eos|start_of_turn|end_of_turn|start_of_image)>)|\[(?=/?INST\])")
TEMPLATE_TOKENS = 32
"""Tokens that a chat template may add to a message."""


class Quality(enum.Enum):
    """How far a direction of translation can be relied on with a model."""

    UNMEASURED = enum.auto()
    WEAK = enum.auto()
    DRAFT = enum.auto()
    GOOD = enum.auto()


class Task(enum.Enum):
    """What a text is written for."""

    TRANSLATE = enum.auto()
    SUMMARIZE = enum.auto()


@dataclass(frozen=True)
class Message:
    """A message of a chat."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class Prompt:
    """What to write. A model that follows instructions reads ``messages``; one that was made for a task reads ``text``,
    in the language ``source``, and writes in ``target``. At most ``max_tokens`` are written; with ``json_schema``, JSON
    of it, which only models that follow instructions can.
    """

    task: Task
    text: str
    source: str
    target: str
    messages: Sequence[Message]
    max_tokens: int
    json_schema: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Generation:
    """What was written. ``finished`` is False when it was cut at the limit of tokens."""

    text: str
    finished: bool


class Generator(Protocol):
    """Writes texts, the most likely token each time. Safe to use from several threads, whose requests it works on
    together. Where two tokens are as likely but for rounding, what is computed with them, or was kept of a prompt
    before, may decide.
    """

    @property
    def name(self) -> str:
        """Name of the engine."""

    @property
    def version(self) -> str:
        """Version of its library."""

    @property
    def model(self) -> LoadedModel:
        """The model in memory."""

    @property
    def context_tokens(self) -> int:
        """Most tokens of a prompt and its answer together."""

    @property
    def tasks(self) -> frozenset[Task]:
        """What it can write."""

    @property
    def directions(self) -> Mapping[tuple[str, str], Quality]:
        """The directions (source, target) that it translates, with what was measured of them."""

    @property
    def follows_instructions(self) -> bool:
        """Whether it reads messages, so that it can be told terms, styles and a JSON schema."""

    def count_tokens(self, text: str) -> int:
        """Tokens of a text, never less than the true number."""

    def generate(
        self,
        prompt: Prompt,
        *,
        stop: Stop,
        on_text: Callable[[str], None] | None = None,
    ) -> Generation:
        """Write; ``on_text`` gets the characters as they come, in this thread. JSON is whole when it is finished.

        Raises CancelledError soon after ``stop`` is set, InputTooLargeError when the prompt leaves no room.
        """

    def close(self) -> None:
        """Free the model."""


def plain(text: str) -> str:
    """The text without the marks between messages (``<|im_end|>`` and the like), which only the template may set."""
    return _MARK.sub(lambda mark: f"{mark.group()} ", text)


def qualities(pairs: Iterable[tuple[str, str]], measured: Mapping[str, str]) -> dict[tuple[str, str], Quality]:
    """Each direction with what the manifest says of it, by ``source-target``."""
    return {pair: Quality[measured.get("-".join(pair), "unmeasured").upper()] for pair in pairs}


def require_ability(generator: Generator, prompt: Prompt) -> None:
    """Raise UnsupportedTaskError or UnsupportedLanguageError for what the model cannot write.

    A model that follows instructions also rewrites a text in its own language.
    """
    if prompt.task not in generator.tasks:
        accepted = ", ".join(sorted(task.name for task in generator.tasks))
        raise UnsupportedTaskError(value=prompt.task.name, accepted=accepted)
    if prompt.json_schema is not None and not generator.follows_instructions:
        raise UnsupportedTaskError(value="JSON", accepted="plain text")
    rewrites = prompt.source == prompt.target and generator.follows_instructions
    if prompt.task is Task.TRANSLATE and not rewrites and (prompt.source, prompt.target) not in generator.directions:
        raise UnsupportedLanguageError(
            field="target_language_code",
            value=f"{prompt.source}-{prompt.target}",
            accepted=", ".join("-".join(pair) for pair in sorted(generator.directions)),
        )


def require_room(size: int, limit: int) -> None:
    """Raise InputTooLargeError for a prompt that, with its answer, has more tokens than the model takes."""
    if size > limit:
        raise InputTooLargeError(field="text", size=size, unit="tokens", limit=limit)
