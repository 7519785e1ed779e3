"""Fixtures of all tests."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from buhin.config import Settings
from buhin.models.store import ModelStore

ROOT = Path(__file__).parent.parent


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
