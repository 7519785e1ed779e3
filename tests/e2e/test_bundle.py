"""A bundle goes into a closed network: processes of their own, a real model, no network, and killed on the way."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from buhin.config import Settings
from buhin.models.manifest import Manifest
from buhin.models.store import ModelStore
from tests import bundles
from tests.conftest import ROOT

PROGRAM = """
import os, signal, socket, sys

def refuse(*_, **__):
    raise SystemExit("a socket was opened")

socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
left = int(os.environ.get("KILL_AT", "0"))
if left:
    replace = os.replace

    def counting(self, target):
        global left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        replace(self, target)

    import pathlib
    pathlib.Path.replace = counting
from buhin.cli.main import main
main()
"""


def buhin(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own, which may open no connection."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BUHIN_")}
    environment |= {"BUHIN_OFFLINE": "1", "BUHIN_LANG": "en", "BUHIN_MODELS_DIR": str(folder / "models")} | more
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A bundle with the model that comes with buhin, and the key to check it by."""
    folder = tmp_path_factory.mktemp("made")
    store = ModelStore(folder / "models", Manifest.load(Settings().manifest), offline=True)
    store.pull("crack-segmentation")
    shop = bundles.workshop(folder / "workshop")
    inputs = dataclasses.replace(shop.inputs, store=store, models=("crack-segmentation",))
    return dataclasses.replace(shop, inputs=inputs).make().path, shop.public


def test_it_arrives_without_a_network(site: tuple[Path, Path], tmp_path: Path) -> None:
    bundle, key = site
    arguments = ("bundle", "import", str(bundle), "--key", str(key), "--to", str(tmp_path / "in"), "--json")
    first = buhin(tmp_path, *arguments)
    assert first.returncode == 0, first.stderr
    (model,) = json.loads(buhin(tmp_path, "models", "verify", "crack-segmentation", "--json").stdout)
    assert model["ok"]
    listed = {each["id"]: each["present"] for each in json.loads(buhin(tmp_path, "models", "list", "--json").stdout)}
    assert listed.pop("crack-segmentation")
    assert not any(listed.values())
    again = json.loads(buhin(tmp_path, *arguments).stdout)
    assert again["written"] == []
    assert len(again["kept"]) == len(json.loads(first.stdout)["written"])


@pytest.mark.parametrize("kill_at", [1, 2, 5, 12, 20])
def test_killed_on_the_way_it_goes_on(site: tuple[Path, Path], tmp_path: Path, kill_at: int) -> None:
    bundle, key = site
    arguments = ("bundle", "import", str(bundle), "--key", str(key), "--to", str(tmp_path / "in"), "--json")
    killed = buhin(tmp_path, *arguments, KILL_AT=str(kill_at))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not (tmp_path / "in" / "import.json").exists()
    done = buhin(tmp_path, *arguments)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert len(said["kept"]) >= kill_at - 3
    whole = buhin(tmp_path, *arguments)
    assert json.loads(whole.stdout)["written"] == []
    assert not [path for path in (tmp_path / "in").rglob("*") if path.name.endswith(".part")]


def test_a_changed_byte_places_nothing(site: tuple[Path, Path], tmp_path: Path) -> None:
    bundle, key = site
    data = bytearray(bundle.read_bytes())
    data[-200_000] ^= 1
    (tmp_path / "changed.tar").write_bytes(data)
    refused = buhin(
        tmp_path, "bundle", "import", str(tmp_path / "changed.tar"), "--key", str(key), "--to", str(tmp_path / "in")
    )
    assert refused.returncode == 1
    assert "models/crack-segmentation/crack.onnx: its content was changed" in refused.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["changed.tar"]
