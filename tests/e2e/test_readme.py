"""The Python of the READMEs runs as it stands, and both languages show the same."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping

import pytest

from tests.conftest import ROOT

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
README, README_JA = (BLOCK.findall((ROOT / name).read_text(encoding="utf-8")) for name in ("README.md", "README.ja.md"))
COMMANDS = sorted(
    {line.split("#")[0].strip() for _, block in README for line in block.splitlines() if line.startswith("buhin ")}
)


def test_both_languages_show_the_same_code() -> None:
    def code(blocks: list[tuple[str, str]]) -> list[str]:
        return [re.sub(r"\s+#.*", "", block) for _, block in blocks]

    assert len(README) >= 5
    assert code(README) == code(README_JA)


def test_the_other_language_is_the_example_that_is_shipped() -> None:
    (code,) = [block for language, block in README if language == "js"]
    assert code == (ROOT / "examples" / "node" / "translate.js").read_text(encoding="utf-8")


@pytest.mark.model
def test_the_python_runs(environment: Mapping[str, str]) -> None:
    (code,) = [block for language, block in README if language == "python"]
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    assert re.search(r"[A-Za-z]{3}", lines[0])
    assert lines[-1].startswith("UNREADABLE_MEDIA audio ")


@pytest.mark.parametrize("command", COMMANDS)
def test_its_commands_exist(command: str) -> None:
    words = command.split()[1:]
    noun = words[:2] if words[0] in ("pipeline", "models", "bundle", "cluster") else words[:1]
    ran = subprocess.run(
        [sys.executable, "-m", "buhin.cli.main", *noun, "--help"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, env=os.environ | {"COLUMNS": "120", "NO_COLOR": "1"},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    for option in [word for word in words if word.startswith("--")]:
        assert option in ran.stdout, f"{command}: {option}"
