"""The outputs in docs/cluster.md are what the commands print. To write them: python -m tests.unit.cluster.test_docs"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import shlex
import tempfile
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner

from buhin.cli.main import app
from tests.cluster_api import ApiServer
from tests.conftest import ROOT
from tests.unit.cluster.recorded import FOLDER, NAMESPACE, case, put_case
from tests.unit.cluster.running import running

DOCS = ROOT / "docs" / "cluster.md"
_BLOCK = re.compile(
    r"(?:<!-- case: (?P<case>\w+) -->\n\n)?```console\n\$ (?P<command>buhin .*)\n(?P<output>(?:.*\n)*?)```"
)
_ENVIRONMENT = {"BUHIN_LANG": "en", "COLUMNS": "118", "TERM": "dumb"}


async def printed(command: str, wrong: str | None, folder: Path) -> str:
    """What a command prints, where all is well or where something is wrong."""
    with ApiServer() as api:
        os.environ["KUBECONFIG"] = str(api.kubeconfig(folder / "kubeconfig", namespace=NAMESPACE))
        async with running(api):
            if wrong:
                put_case(api, case(FOLDER / "problems" / f"{wrong}.json"))
            result = await asyncio.to_thread(CliRunner().invoke, app, shlex.split(command)[1:])
    assert not result.stderr, result.stderr
    return "\n".join(line.rstrip() for line in result.stdout.splitlines()) + "\n"


@pytest.mark.usefixtures("silent_services")
async def test_the_outputs_are_what_is_printed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in (_ENVIRONMENT | {"KUBECONFIG": ""}).items():
        monkeypatch.setenv(name, value)
    blocks = list(_BLOCK.finditer(DOCS.read_text(encoding="utf-8")))
    assert len(blocks) == 4
    for block in blocks:
        assert block["output"] == await printed(block["command"], block["case"], tmp_path), block["command"]


async def _write() -> None:
    os.environ.update(_ENVIRONMENT)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    text = DOCS.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        for block in reversed(list(_BLOCK.finditer(text))):
            output = await printed(block["command"], block["case"], Path(folder))
            text = text[: block.start("output")] + output + text[block.end("output") :]
    DOCS.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(_write())
