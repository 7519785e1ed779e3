"""A cluster whose pods move."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from buhin.client import resolving
from buhin.cluster import here
from tests.cluster_api import ApiServer
from tests.unit.cluster.recorded import NAMESPACE, healthy


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    """An API server with the recorded objects, as a program in the cluster sees it."""
    with ApiServer() as running:
        running.put(*healthy())
        monkeypatch.setenv("KUBECONFIG", str(running.kubeconfig(tmp_path / "kubeconfig", namespace=NAMESPACE)))
        monkeypatch.setattr(here, "inside", lambda: True)
        monkeypatch.setattr(resolving, "_known", lambda host: False)
        yield running
