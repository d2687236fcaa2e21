"""Runs the application: uvicorn with uvloop and httptools, tuned for thousands of held polls."""

import asyncio
import contextlib
import resource
import socket
import ssl
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import uvicorn
from uvicorn._types import ASGISendEvent, HTTPResponseBodyEvent, HTTPResponseStartEvent
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from penstock.wire.app import ON_RESET, Application, ClientGone, request_ids

_BACKLOG = 8192
_KEEP_ALIVE_SECONDS = 120
_GRACE_SECONDS = 5
_MOST_HEAD_BYTES = 64 * 1024

_new_request_id = request_ids()


class Server(uvicorn.Server):
    """uvicorn's server, which says when it is ready and lets held polls go before it stops."""

    def __init__(
        self, config: uvicorn.Config, app: Application, on_ready: Callable[[], None] | None
    ) -> None:
        super().__init__(config)
        self._app = app
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, then say so."""
        await super().startup(sockets)
        if self._on_ready is not None:
            self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, answer held polls with nothing, let the other calls end."""
        self._app.release_polls()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End on SIGINT and SIGTERM, once; the base raises them again afterwards.

        That would kill the process before whoever runs the server has put things away.
        """
        with super().capture_signals():
            try:
                yield
            finally:
                self._captured_signals.clear()


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises OSError, which names the trouble.

    Bound here and not by uvicorn, which would end the process when the port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    listener.setblocking(False)
    return listener


def make_server(
    app: Application,
    on_ready: Callable[[], None] | None = None,
    tls: ssl.SSLContext | None = None,
    keep_alive_seconds: int = _KEEP_ALIVE_SECONDS,
) -> Server:
    """A server to be run with `run(sockets=[listen(host, port)])`, or stopped by `should_exit`.

    An idle connection is kept for two minutes: pooled clients dislike resets, and a runner's
    connection idles while its task runs.
    """
    raise_open_files_limit()
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=_Protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="error",  # Below that it only tells of strangers who do not speak HTTP.
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=True,  # Clients correct their clocks by it.
        backlog=_BACKLOG,
        timeout_keep_alive=keep_alive_seconds,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    config.load()
    config.ssl = tls
    return Server(config, app, on_ready)


def raise_open_files_limit() -> None:
    """As many open files as the system allows: each held poll is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class _Protocol(HttpToolsProtocol):
    """uvicorn's protocol with what it lacks against strangers.

    A bound on the header's size, an end to connections that never send a request, and our own form
    of answer to what is not HTTP.
    """

    _in_head = True
    _head_bytes = 0
    _cycles: Sequence[RequestResponseCycle] = ()
    """The requests that are not answered yet: one, unless a client sends before it has read."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def connection_lost(self, exc: Exception | None) -> None:
        # The base tells only the newest of pipelined requests.
        for cycle in self._cycles:
            cycle.disconnected = True
            cycle.message_event.set()
        super().connection_lost(exc)
        # The scope is the last request's: a client that has sent another had read the answer.
        scope: Any = self.scope
        if isinstance(exc, ConnectionResetError) and scope is not None and ON_RESET in scope:
            scope[ON_RESET]()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > _MOST_HEAD_BYTES:
                self.send_400_response("The request's header is too long.")

    def on_message_begin(self) -> None:
        self._in_head = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()
        # The base makes its own kind of cycle, whose task has not run yet.
        self.cycle.__class__ = _Cycle
        waiting = [cycle for cycle in self._cycles if not cycle.response_complete]
        self._cycles = (*waiting, self.cycle)

    def send_400_response(self, msg: str) -> None:
        body = msgspec.json.encode({"__type": "SerializationException", "message": msg})
        head = (
            "HTTP/1.1 400 Bad Request\r\n"
            "content-type: application/x-amz-json-1.1\r\n"
            f"content-length: {len(body)}\r\n"
            f"x-amzn-requestid: {_new_request_id()}\r\n"
            f"x-amz-crc32: {zlib.crc32(body)}\r\n"
            "connection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()


class _Cycle(RequestResponseCycle):
    """Sends a small answer's head and body in one piece.

    The base writes twice, which costs a system call here, a packet, and a second waking of the
    client: a tenth of an answered call. Streams and answers to HEAD go the base's way. When the
    client has gone, `send` raises ClientGone.
    """

    _head: HTTPResponseStartEvent | None = None

    async def send(self, message: ASGISendEvent) -> None:
        if self.disconnected or self.transport.is_closing():
            # The base would say nothing, and so lose a task; or write, which is an error by now.
            self.disconnected = True
            raise ClientGone("the client has hung up")
        if message["type"] == "http.response.start" and self._head is None:
            self._head = message
            return
        head, self._head = self._head, None
        if head is not None:
            if message["type"] == "http.response.body" and self._is_plain(head, message):
                self._send_whole(head, message.get("body", b""))
                return
            await super().send(head)
        await super().send(message)

    def _is_plain(self, head: HTTPResponseStartEvent, body: HTTPResponseBodyEvent) -> bool:
        """Whether this is the whole answer, of the length it says, with nobody to wait for."""
        length = (b"content-length", b"%d" % len(body.get("body", b"")))
        return (
            not body.get("more_body", False)
            and length in head["headers"]
            and self.scope["method"] != "HEAD"
            and not (self.response_started or self.flow.write_paused)
        )

    def _send_whole(self, head: HTTPResponseStartEvent, body: bytes) -> None:
        headers = [*self.default_headers, *head["headers"]]
        if not self.keep_alive:
            headers.append((b"connection", b"close"))
        text = b"".join([b"%b: %b\r\n" % header for header in headers])
        if text.count(b"\n") != len(headers) or text.count(b"\r") != len(headers):
            raise RuntimeError("a header of the answer holds a line break")
        self.response_started = self.response_complete = True
        self.transport.write(STATUS_LINE[head["status"]] + text + b"\r\n" + body)
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()


def endpoint(listener: socket.socket, secure: bool = False) -> str:
    """The URL of a listening socket."""
    host, port, *_rest = _name(listener)
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if secure else 'http'}://{shown}:{port}"


def _name(listener: socket.socket) -> tuple[Any, ...]:
    name: tuple[Any, ...] = listener.getsockname()
    return name
