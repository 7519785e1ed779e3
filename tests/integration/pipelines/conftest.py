"""Fixtures of tests with workers: a database, the services, and the volume that workers mount."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from tests.fleet import Fleet, photograph
from tests.postgres import postgres


@pytest.fixture(scope="session")
def database() -> Iterator[str]:
    """A server for all tests: each run has a schema of its own."""
    with postgres() as url:
        yield url


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """The four services, without their log."""

    def drop(logger: Any, name: str, event: Any) -> Any:
        raise structlog.DropEvent

    structlog.configure(processors=[drop])
    with Fleet(tmp_path / "state", concurrency=16) as running:
        yield running
    structlog.reset_defaults()


@pytest.fixture
def claim(tmp_path: Path) -> Path:
    """The volume that all workers mount, with eight photographs, one of them broken, and three recordings."""
    root = tmp_path / "claim"
    (root / "photos").mkdir(parents=True)
    (root / "talks").mkdir()
    for number in range(7):
        photograph(root / "photos" / f"{number:02}.jpg", size=(64 + number, 48))
    (root / "photos" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 is no photograph")
    for name in ("a", "b", "c"):
        (root / "talks" / f"{name}.wav").write_bytes(f"RIFF of {name}".encode())
    return root
