"""A port of a pod on this machine: every byte arrives, whoever closes the connection."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import websocket
from websocket import ABNF

from buhin import errors
from buhin.cluster.api import Cluster
from buhin.cluster.forward import Forward, _exchange
from tests.cluster_api import ApiServer
from tests.unit.client.moving import until
from tests.unit.cluster.answering import answering
from tests.unit.cluster.recorded import NAMESPACE, POD, healthy
from tests.unit.serving.auth.issuing import Authority

PORT = 50051
DATA = bytes(range(256)) * 12_000


@pytest.fixture(params=["http", "https"])
def api(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    """An API server with the recorded pod."""
    authority = Authority()
    ca = tmp_path / "ca.crt"
    ca.write_bytes(authority.pem)
    secure = request.param == "https"
    with ApiServer(*authority.issue(tmp_path, "localhost") if secure else ()) as running:
        running.put(*healthy())
        config = running.kubeconfig(tmp_path / "config", namespace=NAMESPACE, authority=ca if secure else None)
        monkeypatch.setenv("KUBECONFIG", str(config))
        yield running


@contextmanager
def pod(api: ApiServer, answer: Callable[[socket.socket], None]) -> Iterator[Forward]:
    """The pod's port, forwarded; each connection is answered by a function and closed."""
    with answering(api, PORT, answer), Forward(Cluster(), NAMESPACE, POD, PORT) as forward:
        yield forward


def connect(forward: Forward) -> socket.socket:
    """A connection to the pod."""
    host, _, port = forward.address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=20)


def all_of(connection: socket.socket) -> bytes:
    """What is sent until the other side closes."""
    return b"".join(iter(lambda: connection.recv(65_536), b""))


def test_what_a_pod_sends_before_it_closes_arrives_to_the_end(api: ApiServer) -> None:
    with pod(api, lambda connection: connection.sendall(DATA)) as forward:
        for _ in range(3):
            with connect(forward) as connection:
                assert all_of(connection) == DATA


def test_what_waits_for_a_slow_reader_when_the_cluster_closes_is_not_lost() -> None:
    (here, reader), (inner, server) = socket.socketpair(), socket.socketpair()
    here.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
    there = websocket.WebSocket()
    there.sock, there.connected = inner, True
    for channel, data in ((0, b"\0\0"), (1, b"\0\0"), (0, DATA[:60_000])):
        server.sendall(ABNF.create_frame(bytes([channel]) + data, ABNF.OPCODE_BINARY).format())
    server.close()

    def carry() -> None:
        with here:
            _exchange(here, there)

    thread = threading.Thread(target=carry)
    thread.start()
    until(lambda: not there.connected)
    with reader:
        assert all_of(reader) == DATA[:60_000]
    thread.join()


def test_a_word_is_answered_before_the_next_is_said(api: ApiServer) -> None:
    def answer(connection: socket.socket) -> None:
        while word := connection.recv(4_000):
            connection.sendall(word.upper())

    with pod(api, answer) as forward, connect(forward) as connection:
        for word in (b"a" * 3_000, b"b" * 3_000):
            connection.sendall(word)
            answered = b""
            while len(answered) < len(word):
                answered += connection.recv(100)
            assert answered == word.upper()


def test_both_sides_send_at_the_same_time(api: ApiServer) -> None:
    def echo(connection: socket.socket) -> None:
        left = len(DATA)
        while left:
            data = connection.recv(65_536)
            connection.sendall(data)
            left -= len(data)

    with pod(api, echo) as forward, connect(forward) as connection:
        sending = threading.Thread(target=connection.sendall, args=(DATA,))
        sending.start()
        assert all_of(connection) == DATA
        sending.join()


def test_a_port_where_nobody_listens_is_told(api: ApiServer) -> None:
    with Forward(Cluster(), NAMESPACE, POD, PORT) as forward, connect(forward) as connection:
        assert all_of(connection) == b""
    assert "failed to connect to localhost:50051" in forward.problem


def test_a_pod_that_is_gone_is_told(api: ApiServer) -> None:
    with pod(api, lambda connection: connection.sendall(b"x")) as forward:
        with connect(forward) as connection:
            assert all_of(connection) == b"x"
        api.remove("v1", "Pod", POD, NAMESPACE)
        with connect(forward) as connection:
            assert all_of(connection) == b""
    assert f'pods "{POD}" not found' in forward.problem
    with pytest.raises(errors.ClusterError, match="not found"), Forward(Cluster(), NAMESPACE, POD, PORT):
        pass
