"""Services as processes: started, watched, drained and killed; and `buhin up` around them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from buhin.cli import supervisor
from buhin.cli.supervisor import Died, Supervisor
from buhin.client import TranslateClient
from tests.conftest import ROOT

COMMAND = (sys.executable, "-m", "tests.unit.cli.small_service")


def service_process() -> psutil.Process:
    """The process of the small service."""
    (child,) = [child for child in psutil.Process().children() if COMMAND[-1] in child.cmdline()]
    return child


def small(log_dir: Path) -> Supervisor:
    """The small service, as the one for translate."""
    return Supervisor(["translate"], ports="free", log_dir=log_dir, command=COMMAND, cwd=ROOT)


def test_it_waits_until_they_serve_and_stops_them(tmp_path: Path) -> None:
    told: list[str] = []
    with small(tmp_path) as running:
        running.wait_until_serving(60, on_change=lambda states: told.append(states["translate"]))
        running.check()
        with TranslateClient(running.addresses["translate"]) as client:
            assert client.translate_text(["abc"], target="en").translations[0].translated_text == "ABC"
        child = service_process()
    assert (told[0], told[-1]) == ("starting", "serving")
    assert not child.is_running()
    assert '"event": "stopped"' in (tmp_path / "translate.log").read_text()


def test_a_service_that_is_closed_is_waited_for_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "policy.yaml").write_text("callers: []")
    monkeypatch.setenv("BUHIN_POLICY", str(tmp_path / "policy.yaml"))
    with small(tmp_path) as running:
        running.wait_until_serving(60)


def test_work_in_flight_is_finished_before_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOOD", "slow")
    answers: list[str] = []
    with small(tmp_path) as running:
        running.wait_until_serving(60)
        client = TranslateClient(running.addresses["translate"])

        def ask() -> None:
            answers.append(client.translate_text(["abc"], target="en").translations[0].translated_text)

        asking = threading.Thread(target=ask)
        asking.start()
        log = tmp_path / "translate.log"
        child = service_process()
        wait_for_connection(child)
    asking.join(10)
    client.close()
    assert answers == ["ABC"], log.read_text()


def wait_for_connection(process: psutil.Process) -> None:
    """Until somebody is connected to the process."""
    while not any(c.status == psutil.CONN_ESTABLISHED for c in process.net_connections("tcp")):
        signal.sigtimedwait([], 0.05)


def test_one_that_ends_is_named_with_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOOD", "dies")
    with pytest.raises(Died, match=r"translate ended with status 1:\nthe disk is on fire"), small(tmp_path) as running:
        running.wait_until_serving(60)


def test_one_that_does_not_listen_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOOD", "stubborn")
    monkeypatch.setenv("BUHIN_DRAIN_S", "0")
    monkeypatch.setattr(supervisor, "STOP_SPARE_S", 0.3)
    with small(tmp_path) as running:
        running.wait_until_serving(60)
        child = service_process()
    assert not child.is_running()


def test_outside_a_checkout_it_says_where_services_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("buhin.paths.checkout", lambda: None)
    with pytest.raises(FileNotFoundError, match="clone the repository"), Supervisor(["speech"]):
        raise AssertionError("it started")


@pytest.fixture
def up() -> Iterator[subprocess.Popen[str]]:
    """`buhin up` with the service that starts fastest, serving."""
    process = subprocess.Popen(
        [sys.executable, "-m", "buhin.cli.main", "up", "image_inspect", "--free-ports"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env=os.environ | {"BUHIN_LANG": "en", "COLUMNS": "300"},
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if "all serving" in line:
            break
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_stops_everything_cleanly(up: subprocess.Popen[str], number: signal.Signals) -> None:
    children = psutil.Process(up.pid).children(recursive=True)
    assert children
    up.send_signal(number)
    assert up.stdout is not None
    rest = up.stdout.read()
    assert up.wait(30) == 0, rest
    assert "stopping\n" in rest
    assert rest.endswith("stopped\n")
    assert "Traceback" not in rest
    assert not any(child.is_running() for child in children)


def test_when_one_dies_all_stop_with_an_error(up: subprocess.Popen[str]) -> None:
    (child,) = psutil.Process(up.pid).children()
    child.kill()
    assert up.stdout is not None
    rest = up.stdout.read()
    assert up.wait(30) == 1
    assert re.search(r"error: image_inspect ended with status -9", rest)
