"""Port-forward as the API server does it: a websocket with a channel of data and one of errors for each port."""

from __future__ import annotations

import base64
import hashlib
import select
import socket
import ssl
from collections.abc import Sequence

from websocket import ABNF, WebSocket, WebSocketException

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
PROTOCOL = "v4.channel.k8s.io"
_FRAME = 1024
"""Bytes of a frame; several of them may come in one record of TLS."""
Address = tuple[str, int]


def accept_key(key: str) -> str:
    """What proves that the request was understood."""
    return base64.b64encode(hashlib.sha1(key.encode() + _MAGIC).digest()).decode()  # noqa: S324 - the protocol's


def forward(connection: socket.socket, ports: Sequence[tuple[int, Address | None]]) -> None:
    """Carry bytes between the websocket and the addresses of the pod's ports until one side is done."""
    channel = WebSocket()
    channel.sock, channel.connected = connection, True

    def framed(number: int, data: bytes) -> bytes:
        return ABNF(1, 0, 0, 0, ABNF.OPCODE_BINARY, 0, bytes([number]) + data).format()

    def send(number: int, data: bytes) -> None:
        parts = [data[start : start + _FRAME] for start in range(0, len(data), _FRAME)]
        connection.sendall(b"".join(framed(number, part) for part in parts))

    inner: dict[socket.socket, int] = {}
    try:
        begin = [(number, port) for index, (port, _) in enumerate(ports) for number in (2 * index, 2 * index + 1)]
        connection.sendall(b"".join(framed(number, port.to_bytes(2, "little")) for number, port in begin))
        for index, (port, address) in enumerate(ports):
            try:
                if address is None:
                    raise ConnectionRefusedError
                inner[socket.create_connection(address)] = 2 * index
            except OSError:
                problem = f"failed to connect to localhost:{port} inside namespace: dial tcp 127.0.0.1:{port}: refused"
                send(2 * index + 1, problem.encode())
                return
        by_number = {number: each for each, number in inner.items()}
        while True:
            decrypted = isinstance(connection, ssl.SSLSocket) and connection.pending()
            for ready in [connection] if decrypted else select.select([connection, *inner], [], [])[0]:
                if ready is not connection:
                    data = ready.recv(65536)
                    if not data:
                        return
                    send(inner[ready], data)
                    continue
                opcode, frame = channel.recv_data_frame(True)
                if opcode == ABNF.OPCODE_CLOSE:
                    return
                if opcode == ABNF.OPCODE_BINARY:
                    by_number[frame.data[0]].sendall(frame.data[1:])
    except (OSError, ValueError, WebSocketException):
        return
    finally:
        for each in inner:
            each.close()
