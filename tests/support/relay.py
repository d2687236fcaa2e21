"""A relay between a client and a server: it can fail on purpose, and it can be an HTTP proxy.

As a relay it has a server behind it, and stands where that server would: its `url` is given to
the client. As a proxy it goes wherever it is asked to, if the password is right. Every request
has a connection of its own.
"""

from __future__ import annotations

import base64
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

BUSY = b"HTTP/1.1 503 Slow Down\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
DENIED = (
    b"HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: %s\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)
_PIECE = 65_536


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request.

    `busy`: it is answered 503. `cut_after`: the answer breaks off after so many bytes.
    `cut_request`: the connection breaks before the request's body has been read.
    `pause_seconds`: between two pieces of the answer.
    """

    busy: bool = False
    cut_after: int | None = None
    cut_request: bool = False
    pause_seconds: float = 0.0


NO_FAULT = Fault()
Choose = Callable[[str, str, int], Fault]
"""The fault for a method, a target, and how many requests came before."""


@dataclass
class Relay:
    """A running relay: `requests` are the methods and targets that it was asked for."""

    url: str
    upstream: str | None
    choose: Choose = lambda _method, _target, _count: NO_FAULT
    password: str | None = None
    scheme: str = "Basic"
    requests: list[tuple[str, str]] = field(default_factory=list)

    def serve(self, client: socket.socket) -> None:
        head, rest = _read_head(client)
        if not head:
            return
        first, _, lines = head.partition(b"\r\n")
        method, target, _ = first.decode("latin-1").split(" ", 2)
        fault = self.choose(method, target, len(self.requests))
        self.requests.append((method, target))
        if fault.cut_request:
            return
        if not self._let_in(lines):
            client.sendall(DENIED % self.scheme.encode())
            return
        if method == "CONNECT":
            self._tunnel(client, target)
            return
        body = rest + _read_exactly(client, _length(lines) - len(rest))
        if fault.busy:
            client.sendall(BUSY)
            return
        self._forward(client, (method, target), lines, body, fault)

    def _let_in(self, lines: bytes) -> bool:
        if self.password is None:
            return True
        wanted = b"basic " + base64.b64encode(self.password.encode()).lower()
        return b"proxy-authorization: " + wanted in lines.lower()

    def _tunnel(self, client: socket.socket, target: str) -> None:
        host, _, port = target.rpartition(":")
        with socket.create_connection((host, int(port)), 30) as server:
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=_pour, args=(server, client), daemon=True)
            back.start()
            _pour(client, server)
            back.join()

    def _forward(
        self,
        client: socket.socket,
        asked: tuple[str, str],
        lines: bytes,
        body: bytes,
        fault: Fault,
    ) -> None:
        method, target = asked
        url = urlsplit(self.upstream or target)
        if self.upstream is None:
            parts = urlsplit(target)
            target = parts.path + (f"?{parts.query}" if parts.query else "")
        kept = b"".join(
            line + b"\r\n"
            for line in lines.split(b"\r\n")
            if line and not line.lower().startswith((b"connection:", b"proxy-", b"expect:"))
        )
        request = f"{method} {target or '/'} HTTP/1.1\r\n".encode("latin-1") + kept
        with socket.create_connection((url.hostname or "", url.port or 80), 30) as server:
            server.sendall(request + b"connection: close\r\n\r\n" + body)
            left = fault.cut_after
            while piece := server.recv(_PIECE if left is None else min(left, _PIECE)):
                client.sendall(piece)
                time.sleep(fault.pause_seconds)
                if left is not None:
                    left -= len(piece)
                    if left <= 0:
                        return


@contextmanager
def relay(upstream: str | None = None, choose: Choose | None = None) -> Iterator[Relay]:
    """A relay to a server (`http://host:port`), or without one a proxy."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            try:
                made.serve(self.request)
            except OSError:
                pass  # Either side may hang up at any time.

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    with Server(("127.0.0.1", 0), Handler) as server:
        made = Relay(f"http://127.0.0.1:{server.server_address[1]}", upstream)
        if choose is not None:
            made.choose = choose
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield made
        finally:
            server.shutdown()


def _read_head(client: socket.socket) -> tuple[bytes, bytes]:
    content = b""
    while b"\r\n\r\n" not in content:
        piece = client.recv(_PIECE)
        if not piece:
            return b"", b""
        content += piece
    head, _, rest = content.partition(b"\r\n\r\n")
    return head, rest


def _length(lines: bytes) -> int:
    for line in lines.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def _read_exactly(client: socket.socket, count: int) -> bytes:
    pieces = []
    while count > 0 and (piece := client.recv(min(count, _PIECE))):
        pieces.append(piece)
        count -= len(piece)
    return b"".join(pieces)


def _pour(source: socket.socket, target: socket.socket) -> None:
    try:
        while piece := source.recv(_PIECE):
            target.sendall(piece)
    except OSError:
        pass
    finally:
        try:
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass
