"""What a text generator does, whatever runs it."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from buhin.engine import LoadedModel, Stop


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
    """Writes texts. Deterministic: the most likely token each time. Safe to use from several threads, whose requests it
    works on together.
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
