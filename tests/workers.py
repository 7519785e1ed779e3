"""Workers as processes of their own, what they are given, and what they leave."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from buhin.pipelines.submission import Submission
from tests.conftest import ROOT
from tests.fleet import Fleet

_TIMES = re.compile(rb'\d{4}-\d\d-\d\d[T ][\d:.]+(Z|\+00:00)?|"[\d.]+s"')


class Process:
    """A worker. ``events`` are what it has told until it ended."""

    def __init__(
        self, folder: Path, fleet: Fleet, claim: Path, database: str, number: int = 0, command: str = "work"
    ) -> None:
        given = [str(folder), "--root", str(claim)] if command == "work" else [folder.name]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "buhin.cli.main", "pipeline", command, *given],
            env=os.environ
            | fleet.environment
            | {"BUHIN_STATE_DIR": str(claim / ".buhin"), "BUHIN_DATABASE_URL": database}
            | {"JOB_COMPLETION_INDEX": str(number)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        self.events: list[dict[str, Any]] = []
        self._told = threading.Condition()
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._told:
                self.events.append(json.loads(line))
                self._told.notify_all()

    def told(self, event: str) -> dict[str, Any]:
        """The first event of the name, as soon as it is there."""

        def found() -> list[dict[str, Any]]:
            return [each for each in self.events if each["event"] == event]

        with self._told:
            assert self._told.wait_for(found, 60), self.events
            return found()[0]

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """Make sure that it does not live on."""
        self._process.kill()
        self._process.wait(10)
        self._reading.join(10)
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None
            stream.close()

    def end(self, number: signal.Signals) -> int:
        """End it; its exit code."""
        self._process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Its exit code."""
        assert self._process.stderr is not None
        code = self._process.wait(90)
        self._reading.join(10)
        errors = "" if self._process.stderr.closed else self._process.stderr.read()
        assert not errors, errors
        self.kill()
        return code


class Hold:
    """Holds the calls from a given one on, until it is opened; says when one has arrived."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._lock = threading.Lock()
        self._calls = 0
        self.arrived = threading.Event()
        self.opened = threading.Event()

    def __call__(self, function: str, number: int) -> None:
        """Wait in the worker thread of the service."""
        with self._lock:
            self._calls += 1
            held = self._calls >= self._number
        if held and not self.opened.is_set():
            self.arrived.set()
            self.opened.wait(60)


def submitted(folder: Path, spec: Path, *inputs: str, **given: Any) -> Path:
    """The folder that workers are given."""
    submission = Submission(run=given.pop("run", "survey-1"), inputs=list(inputs), out="out", **given)
    folder.mkdir(exist_ok=True)
    (folder / "pipeline.yaml").write_bytes(spec.read_bytes())
    (folder / "submission.json").write_text(submission.model_dump_json(), encoding="utf-8")
    return folder


def written(folder: Path) -> dict[str, bytes]:
    """What the files of a folder hold, but for what no two runs share: when things happened, and how long they took."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return {str(path.relative_to(folder)): _TIMES.sub(b"TIME", path.read_bytes()) for path in files}
