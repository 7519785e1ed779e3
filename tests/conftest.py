"""Fixtures of all tests."""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from buhin.config import Settings
from buhin.models.store import ModelStore

ROOT = Path(__file__).parent.parent
_OF_LIBRARIES = ("_poll_wrapper", "tqdm_monitor")
"""Threads of grpc.aio and tqdm, which these keep for the life of the process."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs a cluster unless it is asked for by its mark."""
    if "cluster" in config.option.markexpr:
        return
    left = [item for item in items if item.get_closest_marker("cluster")]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Let the processes that tests start take Ctrl-C, also where the tests run in the background of a script, whose
    processes inherit that it is ignored.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def left_threads() -> Iterator[None]:
    """No thread of ours outlives the tests: one that wakes while the interpreter ends aborts the process."""
    yield
    gc.collect()
    ours = [each for each in threading.enumerate() if each is not threading.main_thread()]
    ours = [each for each in ours if not any(name in each.name for name in _OF_LIBRARIES)]
    for each in ours:
        each.join(5)
    assert [each.name for each in ours if each.is_alive()] == []


@pytest.fixture(scope="session")
def shared_data() -> Path | None:
    """Real recordings, photographs and parallel sentences beside the checkout; None where there are none."""
    folder = ROOT.parent / "shared" / "data"
    return folder if folder.is_dir() else None


@pytest.fixture(scope="session")
def store() -> ModelStore:
    """The model store with every model of the manifest, pulled once a machine."""
    found = ModelStore.from_settings(Settings())
    for model_id in found.ids:
        found.pull(model_id)
    return found
