"""Fixtures of all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path | None:
    """Real recordings, photographs and parallel sentences beside the checkout; None where there are none."""
    folder = ROOT.parent / "shared" / "data"
    return folder if folder.is_dir() else None
