"""The client of a model's server: what it asks, what it makes of every answer, and when it hangs up."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from buhin import errors
from buhin.engine import Stop
from buhin.text.generator import Message, Prompt, Quality, Task
from buhin.text.openai import OpenAIGenerator
from tests.generators import ask
from tests.model_server import Handler, ModelServer, chunk, gives, refuses, streams

WAIT_S = 10


@pytest.fixture
def server() -> Iterator[ModelServer]:
    """A server that has the models «large» and «other»."""
    running = ModelServer()
    yield running
    running.close()


@pytest.fixture
def generator(server: ModelServer) -> Iterator[OpenAIGenerator]:
    """The generator on it."""
    made = OpenAIGenerator("large", url=server.url, api_key="s3cret", extra={"top_k": 1, "seed": 7})
    yield made
    made.close()


def test_it_asks_for_the_most_likely_tokens_and_hears_them_as_they_come(
    server: ModelServer, generator: OpenAIGenerator, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[str] = []
    messages = [Message("system", "rule"), Message("user", "a<|im_end|>")]
    prompt = Prompt(Task.SUMMARIZE, "t", "ja", "ja", messages, 50, {"type": "object"})
    with caplog.at_level(logging.DEBUG):
        written = generator.generate(prompt, stop=Stop(), on_text=heard.append)
    assert (written.text, written.finished, heard) == ("雨が降る", True, ["雨が", "降る"])
    path, body, key = server.asked[-1]
    assert path == "/v1/chat/completions"
    assert key == "Bearer s3cret"
    assert body == {
        "model": "large", "max_tokens": 50, "temperature": 0, "seed": 0, "stream": True, "top_k": 1,
        "messages": [{"role": "system", "content": "rule"}, {"role": "user", "content": "a< |im_end|>"}],
        "response_format": {
            "type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object"}, "strict": True},
        },
    }  # fmt: skip
    assert "s3cret" not in caplog.text + repr(vars(generator))


def test_what_it_says_of_itself(generator: OpenAIGenerator) -> None:
    assert generator.model.model_id == "large"
    assert generator.model.digest == ""
    assert generator.directions["ja", "en"] is Quality.UNMEASURED
    assert generator.follows_instructions


@pytest.mark.parametrize(("finish_reason", "finished"), [("stop", True), ("length", False), ("content_filter", False)])
def test_a_cut_answer_is_not_finished(
    server: ModelServer, generator: OpenAIGenerator, finish_reason: str, finished: bool
) -> None:
    server.answers["/v1/chat/completions"] = streams(
        chunk("a"), chunk(None, finish_reason), {"usage": {}, "choices": []}
    )
    assert generator.generate(ask("x", max_tokens=5), stop=Stop()).finished is finished


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (refuses(401), errors.ModelServerRefusedError, "BUHIN_OPENAI_API_KEY"),
        (refuses(403), errors.ModelServerRefusedError, "does not allow"),
        (refuses(404), errors.ModelServerRefusedError, "HTTP 404, POST /v1/chat/completions"),
        (refuses(400, {"error": {"message": "bad: x"}}), errors.ModelServerRefusedError, "HTTP 400"),
        (refuses(400, {"error": {"type": "exceed_context_size_error"}}), errors.InputTooLargeError, "tokens"),
        (refuses(400, {"message": "This model's maximum context length is 9"}), errors.InputTooLargeError, "tokens"),
        (refuses(429, Retry_After="7"), errors.ModelServerBusyError, "try again"),
        (refuses(500), errors.ModelServerError, "HTTP 500"),
        (refuses(503), errors.ModelServerError, "HTTP 503"),
        (gives({}), errors.ModelServerError, "broke off"),
        (streams(chunk("a"), broken=True), errors.ModelServerError, "broke off"),
        (streams(chunk("a")), errors.ModelServerError, "no end"),
        (streams(chunk("a"), {"error": {"message": "out of memory"}}), errors.ModelServerError, "broke the answer off"),
    ],
)  # fmt: skip
def test_errors_are_those_of_the_house(
    server: ModelServer,
    generator: OpenAIGenerator,
    answer: Callable[[Handler], None],
    error: type[errors.BuhinError],
    message: str,
) -> None:
    server.answers["/v1/chat/completions"] = answer
    with pytest.raises(error, match=message) as caught:
        generator.generate(ask("x", max_tokens=5), stop=Stop())
    assert type(caught.value) is error
    assert caught.value.retry_after_s == (7 if error is errors.ModelServerBusyError else caught.value.retry_after_s)


def test_a_server_that_is_silent_for_too_long(server: ModelServer) -> None:
    silence = threading.Event()
    made = OpenAIGenerator("large", url=server.url, timeout_s=0.2)

    def respond(handler: Handler) -> None:
        silence.wait(WAIT_S)

    server.answers["/v1/chat/completions"] = respond
    with pytest.raises(errors.ModelServerError, match="time is up"):
        made.generate(ask("x", max_tokens=5), stop=Stop())
    silence.set()
    made.close()


def test_no_server_at_all() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
    with pytest.raises(errors.ModelServerError, match="no connection"):
        OpenAIGenerator("large", url=url)
    assert not [thread for thread in threading.enumerate() if thread.name == "model-server"]


def test_a_server_that_is_still_loading_is_waited_for(server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("buhin.text.openai._RETRY_S", 0)
    ready = server.answers["/v1/models"]
    loading = iter([refuses(503), refuses(503), ready])
    server.answers["/v1/models"] = lambda handler: next(loading)(handler)
    OpenAIGenerator("large", url=server.url, wait_s=WAIT_S).close()
    assert [path for path, _, _ in server.asked].count("/v1/models") == 3


def test_a_model_that_the_server_does_not_have(server: ModelServer) -> None:
    with pytest.raises(errors.ModelServerRefusedError, match="it has: large, other"):
        OpenAIGenerator("huge", url=server.url)


def test_what_is_no_such_server(server: ModelServer) -> None:
    server.answers["/v1/models"] = gives(["<html>"])
    with pytest.raises(errors.ModelServerRefusedError, match="is not OpenAI's interface"):
        OpenAIGenerator("large", url=server.url)


@pytest.mark.parametrize(
    ("answers", "context", "version"),
    [
        ({}, 777, "unknown"),
        ({"/props": {"default_generation_settings": {"n_ctx": 1024}, "build_info": "b1"}}, 1024, "b1"),
        ({"/v1/models": {"data": [{"id": "large", "max_model_len": 20}]}, "/version": {"version": "0.1"}}, 20, "0.1"),
    ],
)  # fmt: skip
def test_the_context_is_the_servers(server: ModelServer, answers: dict[str, Any], context: int, version: str) -> None:
    server.answers |= {path: gives(answer) for path, answer in answers.items()}
    made = OpenAIGenerator("large", url=server.url, context_tokens=777)
    assert (made.context_tokens, made.version) == (context, version)
    made.close()


@pytest.mark.parametrize(
    ("answer", "expected"), [({"tokens": [5, 6]}, 2), ({"count": 3, "max_model_len": 9, "tokens": [1, 2, 3]}, 3)]
)
def test_the_server_counts(server: ModelServer, generator: OpenAIGenerator, answer: Any, expected: int) -> None:
    server.answers["/tokenize"] = gives(answer)
    assert generator.count_tokens("雨が") == expected
    assert server.asked[-1][1] == {"model": "large", "content": "雨が", "prompt": "雨が"}


def test_without_its_tokenizer_no_count_is_too_low(server: ModelServer, generator: OpenAIGenerator) -> None:
    assert generator.count_tokens("雨") == 4
    asked = len(server.asked)
    assert generator.count_tokens("a") == 2
    assert len(server.asked) == asked
    with pytest.raises(errors.InputTooLargeError, match="more than the limit of 4096"):
        generator.generate(ask("雨" * 1400, max_tokens=5), stop=Stop())


def test_requests_of_several_callers_are_open_at_the_same_time(server: ModelServer, generator: OpenAIGenerator) -> None:
    together = threading.Barrier(4)
    answer = server.answers["/v1/chat/completions"]

    def respond(handler: Handler) -> None:
        together.wait(WAIT_S)
        answer(handler)

    server.answers["/v1/chat/completions"] = respond
    with ThreadPoolExecutor(4) as pool:
        written = list(pool.map(lambda _: generator.generate(ask("x", max_tokens=5), stop=Stop()), range(4)))
    assert [each.text for each in written] == ["雨が降る"] * 4


@pytest.mark.parametrize("says_something_first", [True, False])
def test_hanging_up_ends_the_work_of_the_server(
    server: ModelServer, generator: OpenAIGenerator, says_something_first: bool
) -> None:
    began, ended = threading.Event(), threading.Event()

    def respond(handler: Handler) -> None:
        streams(*[chunk("a")] * says_something_first)(handler)
        handler.wfile.flush()
        began.set()
        handler.connection.settimeout(WAIT_S)
        if handler.connection.recv(1) == b"":
            ended.set()

    server.answers["/v1/chat/completions"] = respond
    stop = Stop()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(generator.generate, ask("x", max_tokens=5), stop=stop)
        assert began.wait(WAIT_S)
        stop.set()
        with pytest.raises(errors.CancelledError):
            future.result(WAIT_S)
    assert ended.wait(WAIT_S)


def test_closing_ends_what_is_open(server: ModelServer, generator: OpenAIGenerator) -> None:
    began, over = threading.Event(), threading.Event()

    def respond(handler: Handler) -> None:
        began.set()
        over.wait(WAIT_S)

    server.answers["/v1/chat/completions"] = respond
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(generator.generate, ask("x", max_tokens=5), stop=Stop())
        assert began.wait(WAIT_S)
        generator.close()
        with pytest.raises(errors.CancelledError):
            future.result(WAIT_S)
    over.set()
