"""A real llama-server in a process of its own: what it tells of itself, writes, counts, and stops."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from buhin import errors
from buhin.engine import Stop
from buhin.models.store import ModelStore
from buhin.text.generator import Message, Prompt, Task
from buhin.text.openai import OpenAIGenerator
from tests.conftest import ROOT
from tests.generators import ask
from tests.integration.text.llama_server import CONTEXT, SLOTS

pytestmark = pytest.mark.model

NAME = "qwen"
WAIT_S = 60


class LlamaServer:
    """The process, its address and its key."""

    def __init__(self, model: str) -> None:
        self.key = secrets.token_hex(16)
        command = [sys.executable, "-m", "tests.integration.text.llama_server", model, NAME, self.key]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout is not None
        self.address = next(line.split()[1] for line in self._process.stdout if line.startswith("address "))

    def ask(self, path: str) -> Any:
        """What it answers to a GET."""
        request = urllib.request.Request(f"{self.address}{path}", headers={"Authorization": f"Bearer {self.key}"})
        with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
            return json.load(answer)

    def close(self) -> None:
        """End the process."""
        self._process.communicate("", timeout=WAIT_S)


@pytest.fixture(scope="module")
def server(store: ModelStore) -> Iterator[LlamaServer]:
    """The server with the model of the house."""
    running = LlamaServer(str(store.open("qwen2.5-coder-1.5b-instruct-q4_k_m").main))
    yield running
    running.close()


@pytest.fixture(scope="module")
def generator(server: LlamaServer) -> Iterator[OpenAIGenerator]:
    """The generator on it."""
    made = OpenAIGenerator(NAME, url=f"{server.address}/v1", api_key=server.key)
    yield made
    made.close()


def test_it_takes_the_context_and_the_tokens_from_the_server(generator: OpenAIGenerator) -> None:
    assert generator.context_tokens == CONTEXT // SLOTS
    assert generator.version not in ("", "unknown")
    assert generator.model.model_id == NAME
    assert generator.model.size_bytes > 10**9
    assert generator.count_tokens("hello world") == 2
    with pytest.raises(errors.InputTooLargeError, match=f"limit of {CONTEXT // SLOTS}"):
        generator.generate(ask("word " * 1000, max_tokens=100), stop=Stop())


def test_it_writes_and_says_when_it_was_cut(generator: OpenAIGenerator) -> None:
    heard: list[str] = []
    count = ask("Count from 1 to 50, separated by commas.", max_tokens=16)
    cut = generator.generate(count, stop=Stop(), on_text=heard.append)
    assert cut.text.startswith("1, 2, 3")
    assert "".join(heard) == cut.text
    assert len(heard) > 5
    assert not cut.finished
    short = generator.generate(ask("Answer with one word: what colour is snow?", max_tokens=16), stop=Stop())
    assert "white" in short.text.lower()
    assert short.finished


def test_json_is_of_the_schema(generator: OpenAIGenerator) -> None:
    schema = {
        "type": "object", "properties": {"town": {"type": "string"}, "people": {"type": "integer"}},
        "required": ["town", "people"], "additionalProperties": False,
    }  # fmt: skip
    text = "The town of Aoyama has 5200 people."
    prompt = Prompt(Task.SUMMARIZE, text, "en", "en", [Message("user", text)], 60, schema)
    written = generator.generate(prompt, stop=Stop())
    assert written.finished
    assert json.loads(written.text)["people"] == 5200


def test_two_callers_are_written_for_at_the_same_time(generator: OpenAIGenerator) -> None:
    order: list[int] = []
    both = threading.Barrier(2)

    def write(caller: int) -> None:
        prompt = ask("Count from 1 to 50, separated by commas.", max_tokens=40)
        both.wait(WAIT_S)
        generator.generate(prompt, stop=Stop(), on_text=lambda text: order.append(caller))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, (0, 1)))
    assert order.index(1) < len(order) - 1 - order[::-1].index(0)
    assert order.index(0) < len(order) - 1 - order[::-1].index(1)


def test_hanging_up_frees_the_slot_of_the_server(server: LlamaServer, generator: OpenAIGenerator) -> None:
    stop, heard = Stop(), 0

    def hear(text: str) -> None:
        nonlocal heard
        heard += 1
        if heard == 3:
            assert any(slot["is_processing"] for slot in server.ask("/slots"))
            stop.set()

    with pytest.raises(errors.CancelledError):
        generator.generate(ask("Write a story of 600 words.", max_tokens=800), stop=stop, on_text=hear)
    until = time.monotonic() + WAIT_S / 6  # the story would take several times as long
    while any(slot["is_processing"] for slot in server.ask("/slots")):
        assert time.monotonic() < until


def test_a_wrong_key_and_a_wrong_name_are_refused(server: LlamaServer) -> None:
    with pytest.raises(errors.ModelServerRefusedError, match="BUHIN_OPENAI_API_KEY"):
        OpenAIGenerator(NAME, url=f"{server.address}/v1", api_key="wrong")
    with pytest.raises(errors.ModelServerRefusedError, match="it has: qwen"):
        OpenAIGenerator("other", url=f"{server.address}/v1", api_key=server.key)
