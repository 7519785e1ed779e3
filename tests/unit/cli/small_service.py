"""A service as a process, for tests: the fake engine behind the real runtime. ``MOOD`` changes what it does."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from buhin.config import ServerSettings
from buhin.engine import Stop
from buhin.serving import Application, run
from tests.unit.serving.fakes import FakeEngine, Servicer, card, register

MOOD = os.environ.get("MOOD")
_kept: list[Any] = []
_LEAKS: dict[str, Callable[[], object]] = {
    "none": lambda: None,
    "memory": lambda: _kept.append(os.urandom(200_000)),
    "files": lambda: os.open(os.devnull, os.O_RDONLY),
    "threads": lambda: threading.Thread(target=threading.Event().wait, daemon=True).start(),
}
"""What the engine does wrong at one text in twenty, where ``BUHIN_LEAK`` says so."""
_texts = itertools.count()


class Moody(FakeEngine):
    """What a text asks for: ``wait`` lasts until it is stopped, ``raise`` is a fault, ``nap`` takes a moment."""

    def shout(self, text: str, stop: Stop) -> str:
        """The text in capitals, after what it asks for."""
        if next(_texts) % 20 == 0:
            _LEAKS[os.environ.get("BUHIN_LEAK", "none")]()
        if text == "raise":
            raise ZeroDivisionError("the secret sauce")
        while text == "wait":
            stop.check()
            time.sleep(0.002)
        if text == "nap":
            time.sleep(0.05)
        return super().shout(text, stop)


def load() -> FakeEngine:
    """The engine; slow to answer where ``MOOD`` says so."""
    if MOOD != "slow":
        return Moody()
    return FakeEngine(lambda stop: signal.sigtimedwait([], 1.0) and None)


if __name__ == "__main__":
    match MOOD:
        case "dies":
            sys.exit("the disk is on fire")
        case "stubborn":
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    run(Application(card(), ServerSettings(), {"tiny": "testing"}, load, Servicer, register))
