"""Text generation by a server with OpenAI's interface: vLLM, llama-server and others.

Chat completions, streamed (https://platform.openai.com/docs/api-reference/chat). What a server knows of itself beyond
that interface is used where it is there: its tokenizer and its context, under the paths of llama-server and vLLM.
"""

from __future__ import annotations

import asyncio
import itertools
import queue
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from concurrent.futures import CancelledError as FutureCancelledError
from typing import Any, TypeVar

import httpx2

from buhin.engine import LoadedModel, Stop
from buhin.errors import (
    CancelledError,
    InputTooLargeError,
    ModelServerBusyError,
    ModelServerError,
    ModelServerRefusedError,
)
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

_POLL_S = 0.05
"""How often a caller that waits for the server looks whether it is still wanted."""
_RETRY_S = 1.0
_CONNECT_S = 10.0
_TOO_LONG = ("exceed_context_size", "context_length_exceeded", "maximum context length")
"""What llama-server, OpenAI and vLLM say of a prompt that is too long."""

R = TypeVar("R")


class OpenAIGenerator:
    """A Generator on a server. Requests of all callers are open at the same time; the server batches them.

    The server does not say which weights it runs, so the model's ``digest`` and licence are empty.
    """

    name = "openai"
    tasks = frozenset(Task)
    follows_instructions = True

    def __init__(
        self,
        model: str,
        *,
        url: str,
        api_key: str | None = None,
        timeout_s: float = 120,
        wait_s: float = 0,
        context_tokens: int = 4096,
        extra: Mapping[str, Any] | None = None,
        role: str = "text generation",
    ) -> None:
        self._model = model
        self._extra = dict(extra or {})
        self._counts_tokens = True
        base = httpx2.URL(url.rstrip("/") + "/")
        self._chat, self._list = base.join("chat/completions"), base.join("models")
        root = base.join("..") if base.path.endswith("/v1/") else base
        self._tokenize, self._props, self._version = root.join("tokenize"), root.join("props"), root.join("version")
        self._client = httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            timeout=httpx2.Timeout(timeout_s, connect=min(_CONNECT_S, timeout_s), pool=None),
            limits=httpx2.Limits(max_connections=None),
            trust_env=False,
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="model-server", daemon=True)
        self._thread.start()
        try:
            entry = self._entry(time.monotonic() + wait_s)
            self.context_tokens, self.version = self._call(self._limits(entry, context_tokens))
        except BaseException:
            self.close()
            raise
        self.directions = qualities(itertools.permutations(NAMES, 2), {})
        size = (entry.get("meta") or {}).get("size", 0)
        self.model = LoadedModel(model, "", role, "", size)

    def count_tokens(self, text: str) -> int:
        """Tokens of a text, as the server counts; where it does not, the bytes of the text, which are never fewer."""
        return self._call(self._count(text))

    def generate(self, prompt: Prompt, *, stop: Stop, on_text: Callable[[str], None] | None = None) -> Generation:
        """Write with temperature 0. See Generator.generate.

        Raises ModelServerError, ModelServerBusyError or ModelServerRefusedError where the server does not write.
        """
        stop.check()
        require_ability(self, prompt)
        given = [plain(message.content) for message in prompt.messages]
        counts = self._call(self._counts(given))
        require_room(sum(counts) + TEMPLATE_TOKENS * len(counts) + prompt.max_tokens, self.context_tokens)
        request: dict[str, Any] = {
            **self._extra,
            "model": self._model,
            "messages": [
                {"role": message.role, "content": content}
                for message, content in zip(prompt.messages, given, strict=True)
            ],
            "max_tokens": prompt.max_tokens,
            "temperature": 0,
            "seed": 0,
            "stream": True,
        }
        if prompt.json_schema is not None:
            schema = {"name": "answer", "schema": prompt.json_schema, "strict": True}
            request["response_format"] = {"type": "json_schema", "json_schema": schema}
        return self._written(request, stop, on_text)

    def close(self) -> None:
        """Leave the server; requests that are open end."""
        if self._thread.is_alive():
            self._call(self._leave())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def _written(self, request: dict[str, Any], stop: Stop, on_text: Callable[[str], None] | None) -> Generation:
        """Send the request, and hear it in this thread. Cancelling closes the connection, on which the server stops."""
        heard: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        future = asyncio.run_coroutine_threadsafe(self._stream(request, heard.put), self._loop)
        future.add_done_callback(lambda done: heard.put(None))
        parts: list[str] = []
        try:
            while True:
                stop.check()
                try:
                    text = heard.get(timeout=_POLL_S)
                except queue.Empty:
                    continue
                if text is None:
                    return Generation("".join(parts), finished=future.result() == "stop")
                parts.append(text)
                if on_text is not None:
                    on_text(text)
        except FutureCancelledError as error:
            raise CancelledError from error
        finally:
            future.cancel()

    async def _stream(self, request: dict[str, Any], put: Callable[[str], None]) -> str:
        """The reason why the server ended; ``put`` gets the characters as they come."""
        reason = ""
        try:
            async with self._client.stream("POST", self._chat, json=request) as response:
                await self._check(response)
                async for chunk in _chunks(response):
                    if "error" in chunk:
                        raise ModelServerError(model=self._model, problem="it broke the answer off")
                    for choice in chunk.get("choices", []):
                        if text := (choice.get("delta") or {}).get("content"):
                            put(text)
                        reason = choice.get("finish_reason") or reason
        except httpx2.TransportError as error:
            raise self._silent(error) from error
        if not reason:
            raise ModelServerError(model=self._model, problem="the answer has no end")
        return reason

    async def _counts(self, texts: list[str]) -> list[int]:
        return await asyncio.gather(*(self._count(text) for text in texts))

    async def _count(self, text: str) -> int:
        """The fields are those of llama-server (``content``, ``tokens``) and of vLLM (``prompt``, ``count``)."""
        if self._counts_tokens:
            asked = {"model": self._model, "content": text, "prompt": text}
            answer = await self._optional("POST", self._tokenize, asked)
            if "tokens" in answer or "count" in answer:
                return int(answer.get("count") or len(answer["tokens"]))
            self._counts_tokens = False
        return len(text.encode()) + 1

    def _entry(self, until: float) -> dict[str, Any]:
        """What the server's list says of the model; waits for a server that does not answer yet."""
        while True:
            try:
                listed = self._call(self._json("GET", self._list)).get("data", [])
                break
            except (ModelServerError, ModelServerBusyError):
                if time.monotonic() >= until:
                    raise
                time.sleep(_RETRY_S)
        found: dict[str, Any] | None = next((entry for entry in listed if entry["id"] == self._model), None)
        if found is None:
            names = ", ".join(entry["id"] for entry in listed)
            raise ModelServerRefusedError(model=self._model, problem=f"it has: {names}")
        return found

    async def _limits(self, entry: dict[str, Any], otherwise: int) -> tuple[int, str]:
        """Tokens of a request, and the version of the server."""
        props = await self._optional("GET", self._props)
        settings = props.get("default_generation_settings") or {}
        release = props.get("build_info") or (await self._optional("GET", self._version)).get("version")
        return settings.get("n_ctx") or entry.get("max_model_len") or otherwise, str(release or "unknown")

    async def _json(self, method: str, url: httpx2.URL, body: dict[str, Any] | None = None) -> dict[str, Any]:
        try:
            response = await self._client.request(method, url, json=body)
            await self._check(response)
            answer = response.json()
        except httpx2.TransportError as error:
            raise self._silent(error) from error
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise ModelServerRefusedError(model=self._model, problem=f"{url.path} is not OpenAI's interface")
        return answer

    async def _optional(self, method: str, url: httpx2.URL, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """The answer; nothing where the server does not have the path."""
        try:
            return await self._json(method, url, body)
        except ModelServerRefusedError:
            return {}

    async def _check(self, response: httpx2.Response) -> None:
        """Raise the error that a status stands for. What the server says is not passed on: it may quote a text."""
        status = response.status_code
        if status < 400:
            return
        said = (await response.aread()).decode(errors="replace")
        if status in (400, 413, 422) and any(mark in said for mark in _TOO_LONG):
            raise InputTooLargeError(
                field="text", size=f"more than {self.context_tokens}", unit="tokens", limit=self.context_tokens
            )
        if status == 429:
            after = response.headers.get("retry-after", "")
            raise ModelServerBusyError(model=self._model, retry_after_s=float(after) if after.isdecimal() else 1.0)
        if status >= 500:
            raise ModelServerError(model=self._model, problem=f"HTTP {status}", retry_after_s=_RETRY_S)
        keys = {401: "it wants another BUHIN_OPENAI_API_KEY", 403: "BUHIN_OPENAI_API_KEY does not allow it"}
        problem = keys.get(status, f"{response.request.method} {response.request.url.path}")
        raise ModelServerRefusedError(model=self._model, problem=f"HTTP {status}, {problem}")

    async def _leave(self) -> None:
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await self._client.aclose()

    def _silent(self, error: Exception) -> ModelServerError:
        kinds = {httpx2.TimeoutException: "time is up", httpx2.ConnectError: "no connection"}
        problem = next((text for kind, text in kinds.items() if isinstance(error, kind)), "the connection broke off")
        return ModelServerError(model=self._model, problem=problem, retry_after_s=_RETRY_S)

    def _call(self, work: Coroutine[Any, Any, R]) -> R:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


async def _chunks(response: httpx2.Response) -> AsyncIterator[dict[str, Any]]:
    async for event in httpx2.EventSource(response):
        if event.data == "[DONE]":
            return
        chunk = event.json()
        if isinstance(chunk, dict):
            yield chunk
