"""Fixtures of the tests of bundles."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import bundles


@pytest.fixture
def workshop(tmp_path: Path) -> bundles.Workshop:
    """Where a bundle is made."""
    return bundles.workshop(tmp_path / "workshop")
