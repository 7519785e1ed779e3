"""The four services as processes, started once for all end-to-end tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from buhin.cli.supervisor import Supervisor
from buhin.config import PORTS
from buhin.models.store import ModelStore


@pytest.fixture(scope="session")
def services(store: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """The address of each function's running service."""
    with Supervisor(list(PORTS), ports="free", log_dir=tmp_path_factory.mktemp("logs")) as running:
        running.wait_until_serving(timeout_s=120)
        yield running.addresses


@pytest.fixture
def environment(services: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    """The addresses where clients look for them."""
    for function, address in services.items():
        monkeypatch.setenv(f"BUHIN_{function.upper()}_ADDRESS", address)
    return services
