"""What a text generator does, whatever runs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from buhin.engine import LoadedModel, Stop


@dataclass(frozen=True)
class Message:
    """A message of a chat."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class Generation:
    """What was written. ``finished`` is False when it was cut at the limit of tokens."""

    text: str
    finished: bool


class Generator(Protocol):
    """Writes text after a chat. Deterministic: the most likely token each time. Safe to use from several threads."""

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

    def count_tokens(self, text: str) -> int:
        """Tokens of a text, never less than the true number."""

    def generate(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        stop: Stop,
        json_schema: dict[str, Any] | None = None,
    ) -> Generation:
        """Write at most ``max_tokens``; valid JSON of the schema when one is given and the answer is finished.

        Raises CancelledError soon after ``stop`` is set, InputTooLargeError when the prompt leaves no room.
        """

    def close(self) -> None:
        """Free the model."""
