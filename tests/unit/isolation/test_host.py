"""Engines in processes of their own: as if they were here, until they end."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import psutil
import pytest

from buhin.engine import Stop
from buhin.errors import BuhinError, CancelledError, EngineLostError, ModelMissingError, OutOfRangeError
from buhin.isolation.batches import batches
from buhin.isolation.host import EngineError, Isolated
from tests.conftest import ROOT
from tests.unit.isolation.engines import MODEL, Crashing, broken, ended, missing


@pytest.fixture
def host() -> Iterator[Isolated[Crashing]]:
    """An engine in its process."""
    opened = Isolated(Crashing, stuck_s=60)
    yield opened
    opened.close()


def test_it_answers_as_if_it_were_here(host: Isolated[Crashing]) -> None:
    engine = host.engine
    engine.warm_up()
    assert (engine.name, engine.version, engine.models, engine.limits) == ("crashing", "1", (MODEL,), {"a": (1, 2)})
    assert engine.process_id() == host.process_id != os.getpid()
    with pytest.raises(AttributeError):
        engine.nothing  # type: ignore[attr-defined]  # noqa: B018


def test_arrays_go_both_ways_and_can_be_written(host: Isolated[Crashing]) -> None:
    batches.taken()
    samples = np.arange(1_000_000, dtype=np.float32)
    doubled = host.engine.double(samples, Stop())
    doubled += 1
    assert np.array_equal(doubled, samples * 2 + 1)
    assert batches.taken() == [1_000_000]


def test_an_iterator_is_followed_item_by_item(host: Isolated[Crashing]) -> None:
    assert list(host.engine.spell("abc", Stop())) == ["a", "b", "c"]
    begun = host.engine.spell("abcdef", Stop())
    assert next(begun) == "a"
    begun.close()  # type: ignore[attr-defined]
    items = host.engine.spell("a!", Stop())
    assert next(items) == "a"
    with pytest.raises(OutOfRangeError):
        next(items)
    assert list(host.engine.spell("xyz", Stop())) == ["x", "y", "z"]


def test_what_an_engine_keeps_is_used_there_and_forgotten_with_its_last_user(host: Isolated[Crashing]) -> None:
    first, second = host.engine.memory(), host.engine.memory()
    assert [first.add(1), second.add(10), first.add(2)] == [1, 10, 3]
    number = first._number  # type: ignore[attr-defined]
    del first
    host.engine.warm_up()
    with pytest.raises(EngineError, match="KeyError"):
        host.call(number, "add", (1,), {})
    assert second.add(1) == 11


@pytest.mark.parametrize(
    ("method", "error", "text"),
    [
        ("refuse", OutOfRangeError, "text is 9"),
        ("fail", EngineError, "ZeroDivisionError: the secret sauce"),
        ("give", EngineError, "pickle"),
    ],
)
def test_what_it_raises_is_raised_here_and_it_goes_on(
    host: Isolated[Crashing], method: str, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        getattr(host.engine, method)()
    assert host.engine.process_id() == host.process_id


def test_a_stop_reaches_work_there(host: Isolated[Crashing]) -> None:
    stop = Stop()
    timer = threading.Timer(0.05, stop.set)
    timer.start()
    with pytest.raises(CancelledError):
        host.engine.wait(stop)
    timer.join()
    assert host.engine.process_id() == host.process_id


def test_calls_at_the_same_time_do_not_mix(host: Isolated[Crashing]) -> None:
    def once(n: int) -> bool:
        return bool(np.array_equal(host.engine.double(np.full(n, n, np.float32), Stop()), np.full(n, 2 * n)))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(once, range(1, 200)))


def test_a_crash_fails_the_calls_that_run_and_is_told(host: Isolated[Crashing]) -> None:
    lost = threading.Event()
    host.when_lost(lost.set)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(host.engine.wait, Stop())
        host.engine.warm_up()
        with pytest.raises(EngineLostError):
            host.engine.crash()
        assert isinstance(waiting.exception(30), EngineLostError)
    assert lost.wait(30)
    with pytest.raises(EngineLostError):
        host.engine.warm_up()


def test_a_crash_leaves_no_core_file_with_what_callers_sent(host: Isolated[Crashing]) -> None:
    assert resource.prlimit(host.process_id, resource.RLIMIT_CORE) == (0, 0)


def test_an_engine_that_is_killed_is_told_also_when_idle(host: Isolated[Crashing]) -> None:
    lost = threading.Event()
    host.when_lost(lost.set)
    os.kill(host.process_id, signal.SIGKILL)
    assert lost.wait(30)


def test_work_that_does_not_stop_ends_with_its_process() -> None:
    host = Isolated(Crashing, stuck_s=0.1)
    stop = Stop()
    stop.set()
    with pytest.raises(EngineLostError):
        host.engine.hang(stop)
    host.close()


def test_closing_is_no_loss_and_leaves_no_process(host: Isolated[Crashing]) -> None:
    lost = threading.Event()
    host.when_lost(lost.set)
    process = psutil.Process(host.process_id)
    host.close()
    assert not process.is_running()
    assert not lost.is_set()


@pytest.mark.parametrize(
    ("load", "error"),
    [(missing, ModelMissingError), (broken, EngineError), (ended, EngineLostError), (lambda: None, TypeError)],
)
def test_what_cannot_be_loaded_says_why(load: Callable[[], Any], error: type[Exception]) -> None:
    before = psutil.Process().num_fds()
    with pytest.raises(error) as caught:
        Isolated(load, stuck_s=1)
    assert isinstance(caught.value, BuhinError) == issubclass(error, BuhinError)
    assert psutil.Process().num_fds() == before


def test_interrupts_of_the_terminal_are_the_services_business(host: Isolated[Crashing]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(host.process_id, number)
    assert host.engine.process_id() == host.process_id


def test_an_engine_does_not_outlive_its_service() -> None:
    code = (
        "import os, signal; from buhin.isolation.host import Isolated;"
        "from tests.unit.isolation.engines import Crashing;"
        "print(Isolated(Crashing, stuck_s=1).process_id, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    psutil.wait_procs([psutil.Process(int(ran.stdout))] if psutil.pid_exists(int(ran.stdout)) else [], timeout=20)
    assert not psutil.pid_exists(int(ran.stdout)) or psutil.Process(int(ran.stdout)).status() == psutil.STATUS_ZOMBIE


def test_the_process_of_an_engine_imports_nothing_of_the_server() -> None:
    code = "import sys, buhin.isolation.child; print([name for name in sys.modules if 'buhin.serving' in name])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
