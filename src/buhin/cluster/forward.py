"""A port of a pod as a port of this machine, through the API server and the kubelet, past every NetworkPolicy."""

from __future__ import annotations

import select
import socket
import socketserver
import threading
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Any

import websocket
from kubernetes.stream import ws_client
from websocket import ABNF

from buhin.cluster.api import TIMEOUT_S, Cluster
from buhin.errors import BuhinError

_CHUNK = 16 * 1024
_MOST_WAITING = 1024 * 1024
"""Bytes that wait for one side; until it takes them, no more are read from the other."""


class Forward:
    """Listens on loopback while it is entered, and carries each connection to the pod; use as a context manager.

    Raises ClusterForbiddenError, ClusterUnreachableError or ClusterError on entry where the API does not forward.
    ``problem`` is why the pod took no connection.

    (The library's PortForward loses the end of what a pod sends before it closes the connection.)
    """

    def __init__(self, cluster: Cluster, namespace: str, pod: str, port: int) -> None:
        self._cluster = cluster
        self._namespace, self._pod, self._port = namespace, pod, port
        self._first: Any = None
        self._lock = threading.Lock()
        self._open: set[Any] = set()
        self.problem = ""

    def __enter__(self) -> Forward:
        self._first = self._connect()
        self._server = _Server(("127.0.0.1", 0), self._carry)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        with self._lock:
            for there in self._open:
                there.abort()
        if self._first is not None:
            self._first.shutdown()

    def _connect(self) -> Any:
        path = f"/api/v1/namespaces/{self._namespace}/pods/{self._pod}/portforward"
        with self._cluster.asked("get, create", "pods/portforward", self._namespace):
            configuration, headers = self._cluster.credentials(path)
            url = ws_client.get_websocket_url(configuration.host + path, [("ports", str(self._port))])
            return _within(TIMEOUT_S, lambda: ws_client.create_websocket(configuration, url, headers))

    def _carry(self, here: socket.socket) -> None:
        """Carry bytes both ways until one side ends."""
        with self._lock:
            there, self._first = self._first, None
        try:
            there = there or self._connect()
        except BuhinError as error:
            self.problem = error.message
            return
        with self._lock:
            self._open.add(there)
        try:
            self.problem = _exchange(here, there) or self.problem
        finally:
            with self._lock:
                self._open.discard(there)
            there.shutdown()


def _within(limit_s: float, connect: Callable[[], Any]) -> Any:
    """Connect, or raise TimeoutError: the library sets no limit. A connection that comes too late is closed."""
    found: Future[Any] = Future()

    def run() -> None:
        try:
            there = connect()
        except Exception as error:  # noqa: BLE001 - told to who waits
            if found.set_running_or_notify_cancel():
                found.set_exception(error)
            return
        if found.set_running_or_notify_cancel():
            found.set_result(there)
        else:
            there.shutdown()

    threading.Thread(target=run, name="connect", daemon=True).start()
    try:
        return found.result(limit_s)
    except TimeoutError:
        if not found.cancel():
            return found.result()
        raise TimeoutError(f"no answer in {limit_s:g} s") from None


class _Server(socketserver.ThreadingTCPServer):
    """Gives each connection to a function, in a thread of its own."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], carry: Any) -> None:
        self._carry = carry
        super().__init__(address, socketserver.BaseRequestHandler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Serve one connection."""
        self._carry(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that cannot be carried is closed; its caller sees that."""


def _exchange(here: socket.socket, there: Any) -> str:
    """Carry bytes until one side ends; what the pod refused the connection with.

    Each message begins with its channel: 0 data, 1 errors. The first of each channel only repeats the port.
    """
    here.setblocking(False)
    up, down, begun, ended = bytearray(), bytearray(), set(), False
    while down or not ended:
        readers = [] if ended else [here] * (len(up) < _MOST_WAITING) + [there.sock] * (len(down) < _MOST_WAITING)
        writers = [here] * bool(down) + [there.sock] * bool(up and not ended)
        decrypted = there.sock in readers and getattr(there.sock, "pending", int)() > 0
        readable, writable, _ = select.select(readers, writers, [], 0 if decrypted else None)
        try:
            if here in writable:
                del down[: here.send(down)]
            if there.sock in writable:
                del up[: there.sock.send(bytes(up[:_CHUNK]))]
            if here in readable:
                data = here.recv(_CHUNK)
                if not data:
                    return ""
                up += ABNF.create_frame(b"\0" + data, ABNF.OPCODE_BINARY).format()
        except OSError:
            return ""
        if there.sock in readable or decrypted:
            try:
                opcode, frame = there.recv_data_frame(control_frame=True)
            except (websocket.WebSocketException, OSError):
                ended = True
                continue
            ended = opcode == ABNF.OPCODE_CLOSE
            if opcode == ABNF.OPCODE_BINARY:
                channel, data = frame.data[0], frame.data[1:]
                if channel not in begun:
                    begun.add(channel)
                elif channel == 0:
                    down += data
                elif data:
                    return str(data.decode("utf-8", "replace"))
    return ""
