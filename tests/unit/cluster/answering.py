"""A port of a pod, whose every connection a function answers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.cluster_api import ApiServer
from tests.unit.cluster.recorded import NAMESPACE, POD


@contextmanager
def answering(api: ApiServer, port: int, answer: Callable[[socket.socket], object]) -> Iterator[None]:
    """Put a port of the recorded pod on this machine. A connection is closed when the function returns."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                answer(connection)

    thread = threading.Thread(target=serve)
    thread.start()
    api.ports[NAMESPACE, POD, port] = server.getsockname()
    try:
        yield
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()
