"""What the commands ask the cluster and its pods with, and answers that are none."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr
from typer.testing import CliRunner

from buhin import errors
from buhin.cli.main import app
from buhin.cluster import forward, names
from buhin.cluster.api import Cluster
from buhin.cluster.services import Service, asked, find, settings_for
from buhin.config import ClientSettings
from tests.cluster_api import ApiServer
from tests.unit.cluster.answering import answering
from tests.unit.cluster.recorded import NAMESPACE, POD, healthy


def saying(text: bytes) -> Callable[[socket.socket], None]:
    """Hears a request, and gives every one the same answer."""

    def answer(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(text)

    return answer


OK = b"HTTP/1.1 200 OK\r\n"
UNNAMED = b"buhin_ready 1\nbuhin_model_info 1\n"


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"", "closed connection without response"),
        (OK + b"Content-Length: 900\r\n\r\nbuhin_ready 1\n", "IncompleteRead"),
        (b"\x00\x01\r\n", "\x00\x01"),
        (OK + b"\r\n" + UNNAMED, "model_id"),
        (OK + b"\r\nhello 1\n", "not the metrics of a service"),
    ],
)
def test_a_pod_that_goes_away_while_it_is_asked_is_a_note(
    api: ApiServer, cluster: Cluster, answer: bytes, problem: str
) -> None:
    api.put(*healthy())
    with answering(api, names.METRICS_PORT, saying(answer)):
        (service,) = asked(cluster, find(cluster, NAMESPACE))
    assert service.pods[0].metrics is None
    assert problem in service.pods[0].problem


def test_metrics_are_read_up_to_a_limit(api: ApiServer, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("buhin.cluster.services._METRICS_BYTES", 100)
    api.put(*healthy())
    with answering(api, names.METRICS_PORT, saying(OK + b"\r\n" + b"buhin_ready 1\n" * 1000)):
        (service,) = asked(cluster, find(cluster, NAMESPACE))
    assert "IncompleteRead(101 bytes read" in service.pods[0].problem


def test_an_api_that_takes_no_websocket_is_waited_for_not_forever(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.put(*healthy())
    cluster, go, closed = Cluster(), threading.Event(), threading.Event()

    class Late:
        shutdown = closed.set

    def connect(*_: Any) -> Any:
        assert go.wait(10)
        return Late

    monkeypatch.setattr(forward, "TIMEOUT_S", 0.05)
    monkeypatch.setattr("kubernetes.stream.ws_client.create_websocket", connect)
    with (
        pytest.raises(errors.ClusterUnreachableError, match=r"no answer in 0\.05 s"),
        forward.Forward(cluster, NAMESPACE, POD, names.GRPC_PORT),
    ):
        pass
    go.set()
    assert closed.wait(10)


@pytest.mark.parametrize("current", ["", "gone", "test"])
def test_a_context_is_taken_whatever_the_current_one_is(api: ApiServer, tmp_path: Path, current: str) -> None:
    file = tmp_path / "kubeconfig"
    content = yaml.safe_load(file.read_text())
    content |= {"current-context": current}
    if not current:
        del content["current-context"]
    file.write_text(yaml.safe_dump(content))
    found = Cluster(context="test")
    assert (found.address, found.namespace) == (api.url, NAMESPACE)
    if current != "test":
        with pytest.raises(errors.NoClusterError):
            Cluster()


@pytest.mark.parametrize("text", ["a: [", "[]", "a", "contexts: 1\ncurrent-context: x\n", "", "\0", "contexts: [1]\n"])
@pytest.mark.parametrize("context", [[], ["--context", "x"]])
def test_a_kubeconfig_that_is_none_is_told(api: ApiServer, tmp_path: Path, text: str, context: list[str]) -> None:
    (tmp_path / "kubeconfig").write_text(text)
    result = CliRunner().invoke(app, ["cluster", "list", *context])
    assert result.exit_code == 1
    assert "NO_CLUSTER: no cluster is configured" in result.stderr


def service(tls: str) -> Service:
    """A service that says so of its TLS."""
    return Service(NAMESPACE, "buhin-translate", "buhin", "translate", "0.1.0", "buhin-translate.ai.svc:50051", tls)


@pytest.mark.parametrize("given", ["tls", "tls_ca", "client_certificate"])
def test_no_annotation_switches_the_callers_tls_off(given: str) -> None:
    settings = ClientSettings().model_copy(update={given: True if given == "tls" else Path("x.pem")})
    with pytest.raises(errors.ServiceWithoutTlsError, match=f"BUHIN_{given.upper()} ask for it; nothing was sent"):
        settings_for(service("none"), settings)


@pytest.mark.parametrize(("tls", "sent"), [("none", False), ("server", True), ("something", True)])
def test_no_token_is_sent_without_tls(tls: str, sent: bool) -> None:
    settings = ClientSettings(token=SecretStr("secret"), token_file=Path("token"))
    found = settings_for(service(tls), settings)
    assert (found.token is not None, found.token_file is not None, found.tls) == (sent, sent, sent)


def test_a_service_that_lost_its_annotation_gets_nothing(api: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for thing in healthy():
        thing["metadata"].pop("annotations", None)
        api.put(thing)
    monkeypatch.setenv("BUHIN_TLS", "true")
    result = CliRunner().invoke(app, ["cluster", "call", "translate", "TranslateText"])
    assert result.exit_code == 1
    assert "SERVICE_WITHOUT_TLS: buhin-translate in namespace ai says that it has no TLS" in result.stderr
