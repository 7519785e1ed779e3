"""What the chart says to the services is what they do: the trial's containers run here, and ``helm test`` calls them.

Environment, certificates and policy are those that helm rendered; only folders and ports are of this machine.
"""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from buhin.client.catalogue import is_serving
from buhin.config import Settings
from buhin.models.store import ModelStore
from scripts import chart
from tests.conftest import ROOT
from tests.processes import running
from tests.unit.helm.rendering import Object, env, pods, the

KEYS = ("speech", "summarize", "translate", "image-inspect")
pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def objects() -> list[Object]:
    """A trial as helm renders it, with its certificates."""
    return chart.objects(chart.render(values=chart.CHART / "ci" / "trial.yaml"))


@pytest.fixture(scope="module")
def mounted(objects: list[Object], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that stands for /etc/buhin."""
    folder = tmp_path_factory.mktemp("etc")
    files = {
        f"{name}/{file}": base64.b64decode(text)
        for name in ("tls", "client")
        for file, text in the(objects, "Secret", f"buhin-{name}")["data"].items()
    }
    for file, text in the(objects, "ConfigMap", "buhin-policy")["data"].items():
        files[f"policy/{file}"] = text.encode()
    for name, data in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def here(told: dict[str, Any], mounted: Path) -> dict[str, str]:
    """The environment of a container, with the folders of this machine."""
    return {name: value.replace("/etc/buhin", str(mounted)) for name, value in told.items() if name != "HOME"}


def called(test: Object, address: str, mounted: Path, *, known: bool = True) -> subprocess.CompletedProcess[str]:
    """Run the call of ``helm test``, with the release's certificate or without."""
    (container,) = test["containers"]
    arguments = [address if part.startswith("--address=") else part for part in container["args"]]
    given = here(env(test, "call"), mounted)
    if not known:
        given = {name: value for name, value in given.items() if "CLIENT" not in name}
    command = [sys.executable, "-m", "buhin.cli.main", *container["command"][1:], *arguments]
    return subprocess.run(command, cwd=ROOT, env=os.environ | given, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("key", KEYS)
def test_helm_test_passes_and_a_stranger_is_refused(
    key: str, objects: list[Object], mounted: Path, store: ModelStore
) -> None:
    found = dict(pods(objects))
    told = here(env(found[f"buhin-{key}"]), mounted) | {"BUHIN_MODELS_DIR": str(Settings().models_dir)}
    ports = {"BUHIN_HOST": "127.0.0.1", "BUHIN_PORT": "0"}
    settings: dict[str, Any] = {name.removeprefix("BUHIN_").lower(): value for name, value in (told | ports).items()}
    with running(f"services.{key.replace('-', '_')}", **settings) as service:
        assert service.wait_for("listening")["tls"] is True
        assert is_serving(service.health_address)
        address = f"--address=localhost:{service.address.rpartition(':')[2]}"
        answered = called(found[f"buhin-test-{key}"], address, mounted)
        assert answered.returncode == 0, answered.stderr
        assert '"provenance"' in answered.stdout
        refused = called(found[f"buhin-test-{key}"], address, mounted, known=False)
        assert refused.returncode == 1, refused.stdout
