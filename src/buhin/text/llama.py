"""Text generation by llama.cpp in this process, with continuous batching over its slots."""

from __future__ import annotations

import itertools
import json
import secrets
import urllib.request
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import xllamacpp

from buhin.engine import LoadedModel, Stop
from buhin.isolation.batches import Busy
from buhin.models.store import Model
from buhin.text.generator import (
    TEMPLATE_TOKENS,
    Generation,
    Prompt,
    Task,
    plain,
    qualities,
    require_ability,
    require_room,
)
from buhin.text.languages import NAMES


class LlamaGenerator:
    """A Generator on a GGUF model. ``context_tokens`` are shared out to ``slots`` requests at a time."""

    name = "llama.cpp"
    tasks = frozenset(Task)
    follows_instructions = True

    def __init__(
        self,
        model: Model,
        *,
        context_tokens: int,
        slots: int,
        threads: int,
        gpu: bool = True,
        role: str = "text generation",
    ) -> None:
        params = xllamacpp.CommonParams()
        params.model.path = str(model.main)
        params.n_ctx = context_tokens
        params.n_parallel = slots
        params.kv_unified = False
        params.cpuparams.n_threads = threads
        params.cpuparams_batch.n_threads = threads
        if not gpu:
            params.n_gpu_layers = 0
        params.offline = True
        # Else it keeps the state of every prompt, up to 8 GiB of what callers sent, after they have left.
        params.cache_ram_mib = 0
        params.ui = False
        # The library opens a port on loopback; a key that only this object knows closes it to others.
        self._key = secrets.token_hex(32)
        params.api_keys = [self._key]
        params.verbosity = 0
        self._server = xllamacpp.Server(params)
        self._busy = Busy()
        self.context_tokens = context_tokens // slots
        self.directions = qualities(itertools.permutations(NAMES, 2), model.directions)
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
        require_ability(self, prompt)
        prompt_tokens = sum(self.count_tokens(message.content) + TEMPLATE_TOKENS for message in prompt.messages)
        require_room(prompt_tokens + prompt.max_tokens, self.context_tokens)
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
        with self._busy:
            self._server.handle_chat_completions(request, _collect(parts, reasons, stop, on_text))
        stop.check()
        return Generation("".join(parts), finished=reasons[-1:] == ["stop"])

    def close(self) -> None:
        """Free the model."""
        del self._server


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
