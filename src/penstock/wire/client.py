"""The client half: signed calls over kept-alive connections, for runners and commands.

Why not botocore: it costs about 40 MB of memory, a third of a second of start-up and milliseconds
of processor per call, for one service with one protocol; a runner on a small machine feels that.
`http.client` with our own signer costs a few hundred microseconds and nothing to start.

What is sent again, and what is not. A call that surely never reached the server (no connection), or
that the server itself refused (throttling, an internal error: nothing was changed), is tried again
after a pause that grows (exponential, full jitter). A call that was sent and then lost without an
answer may have been carried out; it is repeated only where a repetition does no harm:
  - ActivatePipeline and SetStatus are not: a second on-demand run, or a second rerun, is harm.
  - PollForTask is not: the server may have handed out a task on the lost connection. It will take
    it back, and offer it again; but whether and when to ask for work again is the poll loop's
    decision (it may be stopping), not a retry's. The caller gets ConnectionFailed at once.
"""

import base64
import http.client
import random
import select
import socket
import ssl
import threading
import time
import weakref
import zlib
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import msgspec

from penstock.clock import Clock, system_clock
from penstock.wire.sigv4 import Credentials, sign

_RETRIED_CODES = frozenset({"ThrottlingException", "Throttling", "InternalServiceError"})
_NEVER_SENT_TWICE = frozenset({"PollForTask", "ActivatePipeline", "SetStatus"})
_POLL = "PollForTask"
_CONNECT_TIMEOUT_SECONDS = 10.0
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 20.0

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class ServiceError(Exception):
    """The server's refusal of a call: the wire's error code, its text, HTTP status, request id."""

    def __init__(self, code: str, message: str, status: int, request_id: str | None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.request_id = request_id


class ConnectionFailed(Exception):
    """No answer was had: not reachable, broken off, timed out, or damaged under way.

    `sent` tells whether the call may have been carried out all the same.
    """

    def __init__(self, message: str, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class Aborted(ConnectionFailed):
    """The long poll was broken off by `Client.abort`."""


class _Answered(msgspec.Struct):
    status: int
    body: bytes
    request_id: str | None
    checksum: str | None
    proxy_logins: str | None = None


class _Stale(Exception):
    """A kept-alive connection turned out to have been closed by the other side."""


class Client:
    """Calls the API of one endpoint as one user; any number of threads may share it.

    Each thread has a connection of its own, kept alive. `tries` bounds the attempts at one call.
    """

    def __init__(
        self,
        endpoint: str,
        credentials: Credentials,
        region: str = "us-east-1",
        read_timeout_seconds: float = 95,
        proxy: str | None = None,
        tries: int = 5,
        sleep: Callable[[float], None] = time.sleep,
        uniform: Callable[[float, float], float] = random.uniform,
        now: Clock = system_clock,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`proxy` is `http://[user:password@]host:port`; `uniform` draws the length of pauses."""
        self._route = _Route(endpoint, proxy, tls)
        self._credentials = credentials
        self._region = region
        self._read_timeout_seconds = read_timeout_seconds
        self._tries = tries
        self._sleep = sleep
        self._uniform = uniform
        self._now = now
        self._local = threading.local()
        self._lock = threading.Lock()
        # Weak, because a thread's connection is to end with its thread.
        self._connections: weakref.WeakSet[_Connection] = weakref.WeakSet()
        self._polling: set[_Connection] = set()
        self._aborted = False

    def call(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """The answer's members; an empty body is `{}`.

        Raises ServiceError when the server refused, ConnectionFailed when no answer was had.
        """
        body = _encode(parameters)
        pauses = self._pauses()
        while True:
            try:
                return _members(self._exchange(operation, body))
            except ServiceError as error:
                if error.code not in _RETRIED_CODES:
                    raise
                failure: Exception = error
            except ConnectionFailed as error:
                if isinstance(error, Aborted) or (error.sent and operation in _NEVER_SENT_TWICE):
                    raise
                failure = error
            pause = next(pauses, None)
            if pause is None:
                raise failure
            self._sleep(pause)

    def abort(self) -> None:
        """Break off every PollForTask that waits now, and refuse those still to come.

        Other calls go on, so a runner that stops can still report. The server sees a broken poll
        as a client that hung up, and gives it no task.
        """
        with self._lock:
            self._aborted = True
            waiting = list(self._polling)
        for connection in waiting:
            connection.shut()

    def close(self) -> None:
        """Break off polls and close all connections; calls under way in other threads fail."""
        self.abort()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            connection.shut()
            connection.close()

    def _pauses(self) -> Iterator[float]:
        """The lengths of the pauses between tries: full jitter under a growing ceiling."""
        ceiling = _FIRST_PAUSE_SECONDS
        for _ in range(self._tries - 1):
            yield self._uniform(0, ceiling)
            ceiling = min(ceiling * 2, _LONGEST_PAUSE_SECONDS)

    def _exchange(self, operation: str, body: bytes) -> _Answered:
        """Send once; if a kept-alive connection was dead, at once again on a fresh one."""
        request = self._request(operation, body)
        connection = self._connection()
        try:
            return self._attempt(operation, connection, request)
        except _Stale as stale:
            if operation in _NEVER_SENT_TWICE:
                raise ConnectionFailed(f"{self._route}: {stale.__cause__}", sent=True) from stale
            return self._attempt(operation, connection, request)

    def _attempt(self, operation: str, connection: "_Connection", request: bytes) -> _Answered:
        connection.open()
        polls = operation == _POLL
        if polls:
            self._enter_poll(connection)
        try:
            return connection.exchange(request, self._read_timeout_seconds)
        except (ConnectionFailed, _Stale) as error:
            if polls and self._aborted:
                raise Aborted("the poll was broken off", sent=True) from error
            raise
        finally:
            if polls:
                with self._lock:
                    self._polling.discard(connection)

    def _enter_poll(self, connection: "_Connection") -> None:
        """Make a poll known to `abort`, or refuse it: under one lock, so that none slips by."""
        with self._lock:
            if self._aborted:
                raise Aborted("the client no longer polls", sent=False)
            self._polling.add(connection)

    def _connection(self) -> "_Connection":
        connection: _Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = _Connection(self._route)
            with self._lock:
                self._connections.add(connection)
        return connection

    def _request(self, operation: str, body: bytes) -> bytes:
        headers = {
            "host": self._route.host_header,
            "content-type": "application/x-amz-json-1.1",
            "x-amz-target": f"DataPipeline.{operation}",
        }
        signed = sign(
            "POST",
            self._route.path,
            "",
            headers,
            body,
            self._credentials,
            self._region,
            self._now(),
        )
        lines = "".join(f"{name}: {value}\r\n" for name, value in signed.items())
        extra = self._route.extra_headers
        head = (
            f"POST {self._route.target} HTTP/1.1\r\n{lines}{extra}content-length: {len(body)}\r\n"
        )
        return f"{head}\r\n".encode("latin-1") + body


class _Route:
    """How an endpoint is reached: directly, through a proxy, or through a proxy's tunnel."""

    def __init__(self, endpoint: str, proxy: str | None, tls: ssl.SSLContext | None) -> None:
        url = _checked(endpoint, ("http", "https"), "endpoint")
        self.endpoint = endpoint
        self.secure = url.scheme == "https"
        self.host = url.hostname or ""
        self.port = url.port or (443 if self.secure else 80)
        self.host_header = url.netloc.rpartition("@")[2]
        self.path = url.path or "/"
        self.proxy = _checked(proxy, ("http",), "proxy") if proxy else None
        self.tls = (tls or ssl.create_default_context()) if self.secure else None
        forwarded = self.proxy is not None and not self.secure
        self.target = f"http://{self.host_header}{self.path}" if forwarded else self.path
        lines = "".join(f"{name}: {value}\r\n" for name, value in self._proxy_headers().items())
        self.extra_headers = lines if forwarded else ""

    def __str__(self) -> str:
        return self.endpoint

    def _proxy_headers(self) -> dict[str, str]:
        if self.proxy is None or not self.proxy.username:
            return {}
        pair = f"{unquote(self.proxy.username)}:{unquote(self.proxy.password or '')}"
        return {"proxy-authorization": "Basic " + base64.b64encode(pair.encode()).decode()}

    def connection(self) -> http.client.HTTPConnection:
        """A connection, not yet open; `http.client` does the tunnel, TLS and TCP_NODELAY."""
        host, port = self.host, self.port
        if self.proxy is not None:
            host, port = self.proxy.hostname or "", self.proxy.port or 8080
        opened: http.client.HTTPConnection
        if self.tls is None:
            opened = http.client.HTTPConnection(host, port, timeout=_CONNECT_TIMEOUT_SECONDS)
        else:
            opened = http.client.HTTPSConnection(
                host, port, timeout=_CONNECT_TIMEOUT_SECONDS, context=self.tls
            )
            if self.proxy is not None:
                opened.set_tunnel(self.host, self.port, self._proxy_headers())
        return opened


class _Connection:
    """One thread's connection, opened when needed and again after it broke."""

    def __init__(self, route: _Route) -> None:
        self._route = route
        self._http: http.client.HTTPConnection | None = None
        self._reused = False

    def open(self) -> None:
        """Make sure there is a connection that does not already look closed."""
        if self._http is not None and self._socket_readable():
            # Nothing is owed to us between calls, so what can be read is the end of the stream.
            self.close()
        if self._http is not None:
            self._reused = True
            return
        opened = self._route.connection()
        try:
            opened.connect()
        except (OSError, http.client.HTTPException) as error:
            opened.close()
            # Of a tunnel's refusal http.client tells no more than its status.
            text = _refused_login(None) if " 407 " in str(error) else str(error)
            raise ConnectionFailed(f"{self._route} cannot be reached: {text}", False) from error
        self._http = opened
        self._reused = False

    def exchange(self, request: bytes, read_timeout_seconds: float) -> _Answered:
        """Send one request and read its answer; after a failure the connection is closed."""
        opened = self._http
        # Taken once: another thread may close the connection at any moment.
        connected = opened.sock if opened is not None else None
        if connected is None:
            raise ConnectionFailed(f"{self._route}: the connection was closed", False)
        try:
            connected.settimeout(read_timeout_seconds)
            connected.sendall(request)
            return self._read(connected)
        except (ConnectionResetError, BrokenPipeError, http.client.RemoteDisconnected) as error:
            self.close()
            if self._reused:
                raise _Stale from error
            raise ConnectionFailed(f"{self._route} broke off: {error}", True) from error
        except (OSError, http.client.HTTPException) as error:
            self.close()
            text = str(error) or type(error).__name__
            raise ConnectionFailed(f"{self._route} gave no answer: {text}", True) from error

    def _read(self, connected: socket.socket) -> _Answered:
        response = http.client.HTTPResponse(connected, method="POST")
        try:
            response.begin()
            answered = _Answered(
                response.status,
                response.read(),
                response.getheader("x-amzn-requestid"),
                response.getheader("x-amz-crc32"),
                response.getheader("proxy-authenticate"),
            )
            if response.will_close:
                self.close()
        finally:
            response.close()
        if answered.checksum and answered.checksum != str(zlib.crc32(answered.body)):
            self.close()
            raise ConnectionFailed(f"{self._route}: the answer's check sum is wrong", True)
        return answered

    def shut(self) -> None:
        """Wake the thread that reads from this connection; it gets an end of stream."""
        opened = self._http
        connected = opened.sock if opened is not None else None
        if connected is not None:
            try:
                connected.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # It has just been closed by its own thread, which is as good.

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Close, if open; the next `open` connects anew. Two threads may do it at once."""
        opened, self._http = self._http, None
        if opened is not None:
            opened.close()

    def _socket_readable(self) -> bool:
        connected = self._http.sock if self._http is not None else None
        if connected is None or connected.fileno() < 0:
            return True
        watcher = select.poll()  # Not select(): it fails for descriptors above 1023.
        watcher.register(connected, select.POLLIN)
        return bool(watcher.poll(0))


def _checked(url: str, schemes: tuple[str, ...], what: str) -> SplitResult:
    parts = urlsplit(url)
    if parts.scheme not in schemes or not parts.hostname:
        wanted = " or ".join(f"{scheme}://host[:port]" for scheme in schemes)
        raise ValueError(f"{what} {url!r} is not a URL of the form {wanted}")
    return parts


def _members(answered: _Answered) -> dict[str, Any]:
    """An answer's members, or its error raised."""
    if answered.status == 200 and not answered.body:
        return {}
    try:
        decoded = _decode(answered.body)
    except msgspec.DecodeError:
        decoded = None
    if answered.status == 200 and isinstance(decoded, dict):
        return decoded
    if answered.status == http.client.PROXY_AUTHENTICATION_REQUIRED:
        raise ConnectionFailed(_refused_login(answered.proxy_logins), False)
    code = decoded.get("__type") if isinstance(decoded, dict) else None
    if not isinstance(code, str):
        # Not the service's own words: a proxy's, or not the service at all. What became of the
        # call is unknown.
        raise ConnectionFailed(f"the answer is not the service's (HTTP {answered.status})", True)
    message = decoded.get("message") or decoded.get("Message") or ""
    raise ServiceError(code.rpartition("#")[2], str(message), answered.status, answered.request_id)


def _refused_login(offered: str | None) -> str:
    """What to tell about a proxy that answers 407; `offered` are the logins that it takes."""
    if offered is not None and "basic" not in offered.lower():
        return (
            f"the proxy takes only {offered.split(',')[0].split()[0]} logins, which are not spoken"
            " here; use a proxy that takes Basic, or one of your own in between"
        )
    return (
        "the proxy refused the login (HTTP 407): user or password are missing or wrong, or it"
        " takes only NTLM or Kerberos, which are not spoken here"
    )
