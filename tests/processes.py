"""Services as processes of their own, as they are run, for tests: started, watched by their log, ended."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psutil

from tests.conftest import ROOT


class Process:
    """A running service."""

    def __init__(self, module: str, **settings: object) -> None:
        given = {f"BUHIN_{name.upper()}": str(value) for name, value in settings.items()}
        environment = os.environ | {"BUHIN_PORT": "0", "BUHIN_DRAIN_S": "20"} | given
        self._start([sys.executable, "-m", module], environment)

    def _start(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._log: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        assert self._process.stderr
        for line in self._process.stderr:
            with contextlib.suppress(ValueError), self._changed:
                self._log.append(json.loads(line))
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def wait_for(self, event: str, *, count: int = 1, **fields: object) -> dict[str, Any]:
        """The entry of the log with this event and these fields, the ``count``-th, as soon as it is there."""

        def found() -> list[dict[str, Any]]:
            return [e for e in self._log if e["event"] == event and e.items() >= fields.items()]

        with self._changed:
            came = self._changed.wait_for(lambda: len(found()) >= count or not self._reading.is_alive(), 120)
            assert came and len(found()) >= count, (event, self._log)
            return found()[count - 1]

    @property
    def log(self) -> str:
        """All that it logged."""
        return "\n".join(json.dumps(entry, ensure_ascii=False) for entry in self._log)

    @property
    def address(self) -> str:
        """Where it listens."""
        return str(self.wait_for("listening")["address"])

    @property
    def health_address(self) -> str:
        """Where it answers health checks."""
        return str(self.wait_for("listening")["health_address"])

    @property
    def process_id(self) -> int:
        """Of the service."""
        return self._process.pid

    @property
    def engine_id(self) -> int:
        """Of the process of its engine."""
        (child,) = psutil.Process(self._process.pid).children()
        return int(child.pid)

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric over all labels but those given."""
        address = self.wait_for("listening")["metrics_address"]
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
            lines = bytes(answer.read()).decode().splitlines()
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        named = [line for line in lines if line.startswith((f"{name}{{", f"{name} "))]
        return sum(float(line.rpartition(" ")[2]) for line in named if all(label in line for label in wanted))

    def until(self, name: str, value: float, **labels: str) -> None:
        """Wait until a metric has a value."""
        look = threading.Event()
        for _ in range(3_000):
            if self.metric(name, **labels) == value:
                return
            look.wait(0.02)
        raise AssertionError(f"{name} did not become {value}")

    def terminate(self) -> None:
        """Ask it to end."""
        self._process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        """Its exit code."""
        code = self._process.wait(60)
        self._reading.join(10)
        if self._process.stderr:
            self._process.stderr.close()
        return code

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None


@contextmanager
def running(module: str, *, serves: bool = True, **settings: object) -> Iterator[Process]:
    """A service, ready or, where it is not meant to serve, unavailable; ended at the end."""
    process = Process(module, **settings)
    try:
        process.wait_for("engine_ready" if serves else "engine_unavailable")
        yield process
    finally:
        if process.is_running:
            process.terminate()
        process.wait()
