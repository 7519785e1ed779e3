"""Fixtures of tests that call services: four of known answers, and files to give them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from tests.fleet import Fleet, photograph


@pytest.fixture
def silent_services() -> Iterator[None]:
    """Keep the log of the services out of what a command prints: they run in the same process here."""

    def drop(logger: Any, name: str, event: Any) -> Any:
        raise structlog.DropEvent

    structlog.configure(processors=[drop])
    yield
    structlog.reset_defaults()


@pytest.fixture
def fleet(tmp_path: Path, silent_services: None) -> Iterator[Fleet]:
    """The four services, with the state of runs in a folder of the test."""
    with Fleet(tmp_path / "state") as running:
        yield running


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """A folder of three photographs, one with a position, a broken one, and a file that is none."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    photograph(folder / "橋脚_1.jpg", position=(35.681236, -139.767125, 40.5))
    photograph(folder / "=2.jpg", size=(300, 400))
    photograph(folder / "beam 3.jpg")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 is no photograph")
    (folder / "notes.txt").write_text("not inspected", encoding="utf-8")
    return folder


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A file with the suffix of a recording."""
    path = tmp_path / "meeting.wav"
    path.write_bytes(b"RIFF for the known answers")
    return path
