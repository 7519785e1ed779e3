"""Fixtures of tests that talk to a cluster: an API server, the environment that names it, and a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from buhin.cluster.api import Cluster
from tests.cluster_api import ApiServer
from tests.unit.cluster.recorded import NAMESPACE


@pytest.fixture(autouse=True)
def in_english(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wide terminal of somebody who reads English."""
    monkeypatch.setenv("BUHIN_LANG", "en")
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    """An API server that the kubeconfig of the environment names."""
    with ApiServer() as running:
        config = running.kubeconfig(tmp_path / "kubeconfig", namespace=NAMESPACE)
        monkeypatch.setenv("KUBECONFIG", str(config))
        yield running


@pytest.fixture
def cluster(api: ApiServer) -> Cluster:
    """The same as the code sees it."""
    return Cluster()
