"""A pooler that lends its connections for a transaction at a time, as small as one can be.

Who sends something while no transaction of his is open gets the connection that was given back
last, and keeps it until the database says that none is open any more. Whatever a connection says
while nobody has it is dropped.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_NAME = ".s.PGSQL.5432"
_READY, _TERMINATE = b"Z", b"X"
_ASKS = frozenset({b"Q", b"S"})
"""Query and Sync: each is answered by one ReadyForQuery."""


class _Gone(Exception):
    """The other side has hung up."""


def _exactly(source: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        piece = source.recv(count - len(found))
        if not piece:
            raise _Gone
        found += piece
    return found


def _message(source: socket.socket) -> tuple[bytes, bytes]:
    """A message's type, and all of it."""
    head = _exactly(source, 5)
    (length,) = struct.unpack("!i", head[1:])
    return head[:1], head + _exactly(source, length - 4)


def _until_ready(backend: socket.socket, client: socket.socket) -> bool:
    """Pass answers on; whether no transaction is open after them."""
    while True:
        kind, whole = _message(backend)
        client.sendall(whole)
        if kind == _READY:
            return whole[-1:] == b"I"


class _Pool:
    def __init__(self, database: Path) -> None:
        self._database = database
        self._idle: list[socket.socket] = []

    def serve(self, client: socket.socket) -> None:
        """One client, from its first word to its last."""
        with client, suppress(_Gone, OSError):
            (length,) = struct.unpack("!i", start := _exactly(client, 4))
            start += _exactly(client, length - 4)
            self._login(client, start)
            while self._lend(client):
                pass

    def _login(self, client: socket.socket, start: bytes) -> None:
        backend = socket.socket(socket.AF_UNIX)
        backend.connect(str(self._database / _NAME))
        backend.sendall(start)
        _until_ready(backend, client)
        self._idle.append(backend)

    def _lend(self, client: socket.socket) -> bool:
        """One transaction; False once the client takes its leave."""
        kind, whole = _message(client)
        if kind == _TERMINATE:
            return False
        backend = self._idle.pop()
        _drop_what_was_said(backend)
        while True:
            backend.sendall(whole)
            if kind in _ASKS and _until_ready(backend, client):
                break
            kind, whole = _message(client)
        self._idle.append(backend)
        return True


def _drop_what_was_said(backend: socket.socket) -> None:
    backend.setblocking(False)
    with suppress(BlockingIOError):
        while backend.recv(4096):
            pass
    backend.setblocking(True)


@contextmanager
def pooling(database: Path, directory: Path) -> Iterator[None]:
    """Pools the connections to a cluster's socket directory, at a socket in another one."""
    pool = _Pool(database)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(directory / _NAME))
    listener.listen()

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=pool.serve, args=(client,), daemon=True).start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join()
        for backend in pool._idle:
            backend.close()
