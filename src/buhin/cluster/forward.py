"""A port of a pod as a port of this machine, through the API server and the kubelet, past every NetworkPolicy."""

from __future__ import annotations

import socket
import socketserver
import threading
from types import TracebackType
from typing import Any

from kubernetes import client
from kubernetes.stream import portforward

from buhin.cluster.api import Cluster

_CHUNK = 256 * 1024


class Forward:
    """Listens on loopback while it is entered, and carries each connection to the pod; use as a context manager.

    Raises ClusterForbiddenError, ClusterUnreachableError or ClusterError on entry where the API does not forward.
    ``problem`` is what a connection ended with that the pod did not take.
    """

    def __init__(self, cluster: Cluster, namespace: str, pod: str, port: int) -> None:
        self._cluster = cluster
        self._namespace, self._pod, self._port = namespace, pod, port
        self._first: Any = None
        self._lock = threading.Lock()
        self._open: list[Any] = []
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
                there.close()

    def _connect(self) -> Any:
        """A new connection to the pod. The library changes the client of the API that it is given meanwhile."""
        api = client.CoreV1Api(self._cluster.new_api())
        with self._cluster.asked("get, create", "pods/portforward", self._namespace):
            there = portforward(
                api.connect_get_namespaced_pod_portforward, self._pod, self._namespace, ports=str(self._port)
            )
        with self._lock:
            self._open.append(there)
        return there

    def _carry(self, here: socket.socket) -> None:
        """Carry bytes both ways until one side ends."""
        with self._lock:
            there, self._first = self._first, None
        there = there or self._connect()
        inner = there.socket(self._port)
        back = threading.Thread(target=_pump, args=(inner, here), daemon=True)
        back.start()
        _pump(here, inner)
        back.join()
        there.close()
        self.problem = there.error(self._port) or self.problem


class _Server(socketserver.ThreadingTCPServer):
    """Gives each connection to a function, in a thread of its own."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], carry: Any) -> None:
        self._carry = carry
        super().__init__(address, socketserver.BaseRequestHandler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Serve one connection."""
        self._carry(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that cannot be carried is closed; its caller sees that."""


def _pump(source: Any, target: Any) -> None:
    try:
        while data := source.recv(_CHUNK):
            target.sendall(data)
    except OSError:
        pass
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            continue
