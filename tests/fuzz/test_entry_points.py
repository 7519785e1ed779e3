"""The entry points for half a minute each (``BUHIN_FUZZ_SECONDS``): nothing but errors of the house."""

from __future__ import annotations

import os

import pytest

from tests.fuzz.entry_points import TARGETS, run

SECONDS = int(os.environ.get("BUHIN_FUZZ_SECONDS", "30"))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.timeout(SECONDS + 180)
def test_bytes_are_read_or_refused(target: str) -> None:
    found = run(target, SECONDS)
    assert found["executions"] > 100, found["said"]
    assert not found["crashes"], found["said"]
    assert found["exit_code"] == 0, found["said"]
