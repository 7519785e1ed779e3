"""Text generation by llama.cpp in this process, with continuous batching over its slots."""

from __future__ import annotations

import itertools
import json
import secrets
import urllib.request
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

import xllamacpp

from buhin.engine import LoadedModel, Stop
from buhin.errors import InputTooLargeError
from buhin.models.store import Model
from buhin.text.generator import Generation, Prompt, Quality, Task
from buhin.text.languages import NAMES

_MEASURED = {("ja", "en"): Quality.DRAFT, ("en", "ja"): Quality.WEAK}
_TEMPLATE_TOKENS = 32
"""Tokens that the chat template may add to a message."""


class LlamaGenerator:
    """A Generator on a GGUF model. ``context_tokens`` are shared out to ``slots`` requests at a time."""

    name = "llama.cpp"
    tasks = frozenset(Task)
    directions: Mapping[tuple[str, str], Quality] = {
        pair: _MEASURED.get(pair, Quality.UNMEASURED) for pair in itertools.permutations(NAMES, 2)
    }
    follows_instructions = True

    def __init__(
        self, model: Model, *, context_tokens: int, slots: int, threads: int, role: str = "text generation"
    ) -> None:
        params = xllamacpp.CommonParams()
        params.model.path = str(model.main)
        params.n_ctx = context_tokens
        params.n_parallel = slots
        params.kv_unified = False
        params.cpuparams.n_threads = threads
        params.cpuparams_batch.n_threads = threads
        params.offline = True
        params.ui = False
        # The library opens a port on loopback; a key that only this object knows closes it to others.
        self._key = secrets.token_hex(32)
        params.api_keys = [self._key]
        params.verbosity = 0
        self._server = xllamacpp.Server(params)
        self.context_tokens = context_tokens // slots
        self.version = version("xllamacpp")
        self.model: LoadedModel = model.loaded(role)

    def count_tokens(self, text: str) -> int:
        """Tokens of a text. Asks the library's own port, since its binding has no call for it."""
        request = urllib.request.Request(  # noqa: S310 - our own server on loopback
            f"{self._server.listening_address}/tokenize",
            data=json.dumps({"content": text}).encode(),
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {self._key}"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - as above
            return len(json.load(answer)["tokens"])

    def generate(self, prompt: Prompt, *, stop: Stop, on_text: Callable[[str], None] | None = None) -> Generation:
        """Write with temperature 0. See Generator.generate."""
        stop.check()
        prompt_tokens = sum(self.count_tokens(message.content) + _TEMPLATE_TOKENS for message in prompt.messages)
        if prompt_tokens + prompt.max_tokens > self.context_tokens:
            raise InputTooLargeError(
                field="text", size=prompt_tokens + prompt.max_tokens, unit="tokens", limit=self.context_tokens
            )
        request: dict[str, Any] = {
            "messages": [{"role": message.role, "content": plain(message.content)} for message in prompt.messages],
            "max_tokens": prompt.max_tokens,
            "temperature": 0,
            "stream": True,
        }
        if prompt.json_schema is not None:
            request["response_format"] = {"type": "json_schema", "json_schema": {"schema": prompt.json_schema}}
        parts: list[str] = []
        reasons: list[str] = []
        self._server.handle_chat_completions(request, _collect(parts, reasons, stop, on_text))
        stop.check()
        return Generation("".join(parts), finished=reasons[-1:] == ["stop"])

    def close(self) -> None:
        """Free the model."""
        del self._server


def plain(text: str) -> str:
    """The text without the marks between messages (``<|im_end|>`` and the like), which only the template may set."""
    return text.replace("<|", "< |")


def _collect(
    parts: list[str], reasons: list[str], stop: Stop, on_text: Callable[[str], None] | None
) -> Callable[[dict[str, Any]], bool]:
    def on_chunk(chunk: dict[str, Any]) -> bool:
        """Take the next characters; True ends the generation."""
        for choice in chunk.get("choices", []):
            if text := choice["delta"].get("content"):
                parts.append(text)
                if on_text is not None:
                    on_text(text)
            if choice["finish_reason"]:
                reasons.append(choice["finish_reason"])
        return stop.is_set()

    return on_chunk
