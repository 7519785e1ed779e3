"""A service as a process, for tests: the fake engine behind the real runtime. ``MOOD`` changes what it does."""

from __future__ import annotations

import os
import signal
import sys

from buhin.config import ServerSettings
from buhin.serving import Application, run
from tests.unit.serving.fakes import FakeEngine, Servicer, card, register


def load() -> FakeEngine:
    """The engine; slow to answer where ``MOOD`` says so."""
    if os.environ.get("MOOD") != "slow":
        return FakeEngine()
    return FakeEngine(lambda stop: signal.sigtimedwait([], 1.0) and None)


if __name__ == "__main__":
    match os.environ.get("MOOD"):
        case "dies":
            sys.exit("the disk is on fire")
        case "stubborn":
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    run(Application(card(), ServerSettings(), {"tiny": "testing"}, load, Servicer, register))
