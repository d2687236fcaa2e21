"""The load generator's side of HTTP: kept-alive connections, signed requests, answers by callback.

As light as Python allows, so that the server is what is measured: no client library, one write and
one callback a call, and an answer's head is searched for two things only.
"""

import asyncio
from collections.abc import Callable
from typing import cast

from penstock.clock import system_clock
from penstock.wire.sigv4 import Credentials, sign

REGION = "us-east-1"
_LENGTH = b"content-length: "
_CONTENT_TYPE = "application/x-amz-json-1.1"

Then = Callable[[bytes], None]


class Refused(Exception):
    """The server answered with something else than 200, or hung up."""


class Connection(asyncio.Protocol):
    """One connection with at most one call under way; `fail` is told what went wrong."""

    def __init__(self, host: str, credentials: Credentials, fail: Callable[[Exception], None]):
        self._host = host
        self._credentials = credentials
        self._fail = fail
        self._transport: asyncio.Transport | None = None
        self._then: Then | None = None
        self._received = b""
        self._closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one by duck only

    def connection_lost(self, error: Exception | None) -> None:
        if not self._closing:
            self._fail(Refused(f"the server hung up ({error})"))

    def call(self, operation: str, body: bytes, then: Then) -> None:
        """Send a signed call; `then` gets the answer's body."""
        assert self._transport is not None
        self._then = then
        self._transport.write(self._request(operation, body))

    def close(self) -> None:
        """Hang up."""
        self._closing = True
        if self._transport is not None:
            self._transport.close()

    def _request(self, operation: str, body: bytes) -> bytes:
        headers = {
            "host": self._host,
            "content-type": _CONTENT_TYPE,
            "x-amz-target": f"DataPipeline.{operation}",
        }
        signed = sign("POST", "/", "", headers, body, self._credentials, REGION, system_clock())
        lines = "".join([f"{name}: {value}\r\n" for name, value in signed.items()])
        head = f"POST / HTTP/1.1\r\n{lines}content-length: {len(body)}\r\n\r\n"
        return head.encode() + body

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        head, end, body = received.partition(b"\r\n\r\n")
        at = head.find(_LENGTH) if end else -1
        if at < 0 or len(body) < int(head[at + len(_LENGTH) :].split(b"\r", 1)[0]):
            self._received = received
            return
        self._received = b""
        then, self._then = self._then, None
        if then is None or not head.startswith(b"HTTP/1.1 200"):
            self._fail(Refused(f"{head[:40]!r} {body[:300]!r}"))
        else:
            then(body)


async def connect(
    host: str, port: int, credentials: Credentials, count: int, failed: asyncio.Future[None]
) -> list[Connection]:
    """Open connections; what goes wrong with one later ends up in `failed`."""

    def fail(error: Exception) -> None:
        if not failed.done():
            failed.set_exception(error)

    loop = asyncio.get_running_loop()
    connections = []
    for _ in range(count):
        _, connection = await loop.create_connection(
            lambda: Connection(f"{host}:{port}", credentials, fail), host, port
        )
        connections.append(connection)
    return connections
