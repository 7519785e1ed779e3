"""Python objects between a service and the process of its engine, over a pair of sockets.

Pickles of protocol 5, their large buffers (PEP 574) sent as they are. Both ends are the same program and trust each
other; nothing that a caller sends is unpickled, except as the value that it already is.
"""

from __future__ import annotations

import pickle
import socket
import struct
from typing import Any

_COUNT = struct.Struct("!I")
_SIZE = struct.Struct("!Q")


class STOP:
    """Stands for the Stop of a call, which does not travel."""


def send(link: socket.socket, value: object) -> None:
    """Write a value. Raises OSError when the other end is gone, and what pickling raises."""
    buffers: list[pickle.PickleBuffer] = []
    parts = [memoryview(pickle.dumps(value, 5, buffer_callback=buffers.append)), *(each.raw() for each in buffers)]
    link.sendall(b"".join([_COUNT.pack(len(parts)), *(_SIZE.pack(part.nbytes) for part in parts)]))
    for part in parts:
        link.sendall(part)


def receive(link: socket.socket) -> Any:
    """Read the next value. Raises EOFError or OSError when the other end is gone."""
    (count,) = _COUNT.unpack(_read(link, _COUNT.size))
    sizes = [_SIZE.unpack(_read(link, _SIZE.size))[0] for _ in range(count)]
    data, *buffers = [_read(link, size) for size in sizes]
    return pickle.loads(data, buffers=buffers)  # noqa: S301 - from our own process


def _read(link: socket.socket, size: int) -> bytearray:
    data = bytearray(size)
    view = memoryview(data)
    while view:
        got = link.recv_into(view)
        if not got:
            raise EOFError
        view = view[got:]
    return data
