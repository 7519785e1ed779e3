"""`buhin transcribe --live`, against a service that understands levels of sound."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from buhin.cli import live
from buhin.cli.main import main
from buhin.engine import Stop
from buhin.serving import Application
from tests.audio_files import encode, wav
from tests.fleet import Fleet
from tests.unit.cli.test_functions import buhin
from tests.unit.speech.fakes import fake_application
from tests.unit.speech.speakers import Listener, raw, say

SPEECH = say(0, 1, 2, 3, 4, 5, 6, 0, 0, 7, 0, 0)
LINES = ["00:00.5  w1 w2 w3 w4 w5 w6", "00:04.3  w7"]


class Speaking(Fleet):
    """The speech service alone, with the engine of a test."""

    def __init__(self, folder: Path, engine: Listener) -> None:
        super().__init__(folder, functions=("speech",))
        self.engine = engine

    def _application(self, function: str, port: int) -> Application[Any]:
        return fake_application(self.engine)


@pytest.fixture
def engine() -> Listener:
    return Listener()


@pytest.fixture
def at(tmp_path: Path, engine: Listener, silent_services: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a recording; a second of it is played in a twentieth."""
    monkeypatch.setattr(live, "time", SimpleNamespace(monotonic=lambda: time.monotonic() * 20))
    with Speaking(tmp_path / "state", engine) as fleet:
        for name, value in (fleet.environment | {"BUHIN_LANG": "en", "COLUMNS": "200"}).items():
            monkeypatch.setenv(name, value)
        (tmp_path / "speech.wav").write_bytes(wav(SPEECH * 128 / 127.99))
        monkeypatch.chdir(tmp_path)
        yield tmp_path


def test_final_results_are_lines_and_the_rest_is_said_beside_them(at: Path) -> None:
    result = buhin("transcribe", "--live", "speech.wav")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == LINES
    assert "language ja (90%), 6 s of audio" in result.stderr


def test_words_come_when_asked_for_and_lines_go_to_a_file(at: Path) -> None:
    result = buhin("transcribe", "--live", "speech.wav", "--words", "-o", "said.txt")
    assert (result.exit_code, result.stdout) == (0, "")
    lines = (at / "said.txt").read_text(encoding="utf-8").splitlines()
    assert lines[:2] == [LINES[0], "    00:00.5 w1 0.88"]
    assert len(lines) == 2 + 7


def test_json_is_an_event_a_line(at: Path) -> None:
    result = buhin("transcribe", "--live", "speech.wav", "--json")
    events = [json.loads(line) for line in result.stdout.splitlines()]
    finals = [event["result"]["segment"]["text"] for event in events if event.get("result", {}).get("is_final")]
    assert finals == ["w1 w2 w3 w4 w5 w6", "w7"]
    assert events[-1]["end"]["language_code"] == "ja"


def test_on_a_terminal_the_text_is_seen_growing(at: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    result = buhin("transcribe", "--live", "speech.wav")
    assert "misheard" in result.stdout
    assert result.stdout.index("misheard") < result.stdout.index(LINES[0])


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(encode("flac", "flac", SPEECH), id="flac"),
        pytest.param(encode("wav", "pcm_s16le", SPEECH, layout="stereo"), id="stereo"),
    ],
)
def test_other_files_are_decoded_first(at: Path, data: bytes) -> None:
    (at / "speech").write_bytes(data)
    assert buhin("transcribe", "--live", "speech").stdout.splitlines() == LINES


def interrupting(*numbers: int) -> Callable[[Stop], None]:
    """Presses Ctrl-C when recognition begins for the times of these numbers, from 1."""
    counted = count(1)

    def press(stop: Stop) -> None:
        if next(counted) in numbers:
            os.kill(os.getpid(), signal.SIGINT)

    return press


def test_ctrl_c_ends_with_what_was_said_so_far(at: Path, engine: Listener) -> None:
    engine.before = interrupting(1)
    (at / "long.wav").write_bytes(wav(np.concatenate([SPEECH, say(*[8, 0, 0] * 500)])))
    result = buhin("transcribe", "--live", "long.wav")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[0] == LINES[0]
    assert len(result.stdout.splitlines()) < 400
    assert "s of audio" in result.stderr
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_ctrl_c_does_not_wait(at: Path, engine: Listener) -> None:
    def press_twice(stop: Stop) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        while signal.getsignal(signal.SIGINT) is not signal.default_int_handler and not stop.is_set():
            handled.wait(0.01)
        os.kill(os.getpid(), signal.SIGINT)
        while not stop.is_set():
            handled.wait(0.01)

    handled = threading.Event()
    engine.before = press_twice
    assert buhin("transcribe", "--live", "speech.wav").exit_code == 130


class Microphone:
    """Hears SPEECH, and then a Ctrl-C."""

    def __init__(self, callback: Callable[..., None], **asked: Any) -> None:
        self.callback = callback
        assert asked == {"samplerate": 16_000, "channels": 1, "dtype": "int16", "blocksize": 1_600}

    def __enter__(self) -> None:
        data = raw(SPEECH)
        for start in range(0, len(data), 3_200):
            self.callback(memoryview(data)[start : start + 3_200], 1_600, None, None)

    def __exit__(self, *exception: object) -> None:
        """Off."""


def test_a_microphone_is_heard_until_ctrl_c(at: Path, engine: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    class PortAudioError(Exception):
        pass

    monkeypatch.setitem(
        sys.modules, "sounddevice", SimpleNamespace(RawInputStream=Microphone, PortAudioError=PortAudioError)
    )
    engine.before = interrupting(2)
    result = buhin("transcribe", "--live")
    assert (result.exit_code, result.stdout.splitlines()) == (0, LINES), result.output
    assert "listening; Ctrl-C ends" in result.stderr


def test_a_machine_without_a_microphone_says_so(at: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class PortAudioError(Exception):
        pass

    def none(**asked: Any) -> None:
        raise PortAudioError("Error querying device -1")

    monkeypatch.setitem(sys.modules, "sounddevice", SimpleNamespace(RawInputStream=none, PortAudioError=PortAudioError))
    result = buhin("transcribe", "--live")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no microphone (Error querying device -1); give a FILE" in result.stderr


@pytest.mark.parametrize(("module", "arguments"), [("sounddevice", []), ("av", ["speech.ogg"])])
def test_what_is_missing_can_be_installed(
    at: Path, module: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (at / "speech.ogg").write_bytes(b"OggS")
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr(sys, "argv", ["buhin", "transcribe", "--live", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == f"this needs {module}: pip install 'buhin[microphone]'"


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["transcribe"], 2, "give a FILE, or --live"),
        (["transcribe", "--live", "none.wav"], 1, "none.wav"),
        (["transcribe", "--live", "text.wav"], 1, "error UNREADABLE_MEDIA: text.wav cannot be read"),
        (["transcribe", "--live", "speech.wav", "--language", "tlh"], 1, "error UNSUPPORTED_LANGUAGE"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(at: Path, arguments: list[str], status: int, message: str) -> None:
    (at / "text.wav").write_text("no sound", encoding="utf-8")
    result = buhin(*arguments)
    assert (result.exit_code, result.stdout) == (status, ""), result.output
    assert message in result.stderr
