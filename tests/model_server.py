"""A server with OpenAI's interface that says what a test tells it."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable
from typing import Any

Handler = http.server.BaseHTTPRequestHandler


class ModelServer:
    """A server on loopback that answers by path with what the test says, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Callable[[Handler], None]] = {
            "/v1/models": gives({"data": [{"id": "large"}, {"id": "other"}]}),
            "/v1/chat/completions": streams(chunk("雨が"), chunk("降る"), chunk(None, "stop"), "[DONE]"),
        }
        self.asked: list[tuple[str, dict[str, Any], str]] = []
        served = self

        class Answering(Handler):
            def do_GET(self) -> None:
                self.do_POST()

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
                served.asked.append((self.path, body, self.headers.get("Authorization", "")))
                served.answers.get(self.path, refuses(404))(self)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        self.url = f"http://127.0.0.1:{self._http.server_port}/v1"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        """End, with every answer."""
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


def gives(answer: Any) -> Callable[[Handler], None]:
    """JSON."""
    return refuses(200, answer)


def refuses(status: int, answer: Any = None, **headers: str) -> Callable[[Handler], None]:
    """A status, and what is said of it."""

    def respond(handler: Handler) -> None:
        data = json.dumps(answer).encode()
        handler.send_response(status)
        for name, value in {**headers, "Content-Type": "application/json", "Content-Length": str(len(data))}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(data)

    return respond


def chunk(text: str | None, reason: str | None = None) -> dict[str, Any]:
    """A piece of a chat completion."""
    return {"choices": [{"delta": {} if text is None else {"content": text}, "finish_reason": reason}]}


def streams(*events: dict[str, Any] | str, broken: bool = False) -> Callable[[Handler], None]:
    """Events, one after the other; a broken answer promises more than it gives."""

    def respond(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Connection", "close")
        if broken:
            handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        for event in events:
            data = event if isinstance(event, str) else json.dumps(event)
            handler.wfile.write(f"data: {data}\n\n".encode())

    return respond
