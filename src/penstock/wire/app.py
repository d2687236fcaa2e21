"""The ASGI application: AWS JSON 1.1 over HTTP on one side, the service's operations on the other.

A call is authenticated by its headers before its body is read, so that a stranger costs no memory;
then the body is read and the signature checked over it; then come the operation, its shape, and the
service. Every answer carries a request id and the CRC-32 of its body.

A poll that waits is watched for the client's hanging up. ASGI tells that through `receive()`, and
asking costs a task, so it starts only once a poll has waited a little: most polls of a busy queue
are answered before.
"""

import asyncio
import contextlib
import functools
import itertools
import random
import time
import traceback
import uuid
import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec
import structlog
from msgspec import Struct

from penstock.clock import Clock
from penstock.config import Settings
from penstock.model.api import ALL_REQUESTS, PollForTaskAnswer, Request
from penstock.model.caller import Caller
from penstock.model.errors import (
    ApiError,
    DatabaseUnavailable,
    InternalServiceError,
    SerializationFailed,
    UnknownOperation,
    UnrecognizedClient,
)
from penstock.service.api import Credential, CredentialLookup, Service
from penstock.wire.shapes import Shapes
from penstock.wire.sigv4 import Claim, check, header_map, read_claim

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Message, Receive, Send], Awaitable[None]]

TARGET_PREFIXES = ("DataPipeline", "DataPipeline_20121029", "DataPipeline_20121129")
_OPERATIONS = {
    f"{prefix}.{name}".encode(): name for prefix in TARGET_PREFIXES for name in ALL_REQUESTS
}
_JSON = b"application/x-amz-json-1.1"
_CONTENT_TYPES = frozenset({_JSON, b"application/x-amz-json-1.0"})
_TEXT = b"text/plain; charset=utf-8"
_POLL = "PollForTask"
_WATCH_AFTER_SECONDS = 0.1
"""Longer than a poll takes that gets a task at once, on a busy server too."""
_LOOPS_TO_SEE_A_HANG_UP = 3
"""The loop reads the end of the stream, closes the transport, and wakes the watcher: one each."""
_LARGE_BODY_BYTES = 256 * 1024
"""From here on checking a body would hold up the loop noticeably, so a thread does it."""

ON_RESET = "penstock.on_reset"
"""Where a request's scope keeps what to do when its connection is reset after the answer.

A reset, unlike an orderly end, tells that the other side has dropped what it had not yet read:
a runner that was killed with a task on the way. The server calls it; ASGI has no word for it.
"""

_encode = msgspec.json.Encoder().encode
_log = structlog.get_logger("penstock.wire")


class RequestTooLarge(ApiError):
    """The body is longer than the server takes; nothing of it was looked at."""

    code = "RequestEntityTooLargeException"
    status = 413


class NothingThere(UnknownOperation):
    """The path is none that the server knows."""

    status = 404


class ClientGone(OSError):
    """The client went away; there is nobody to answer. The server's `send` raises it, too."""


class _Call(Struct):
    """One call under way, and what the access log is to say of it."""

    request_id: str
    headers: dict[bytes, bytes]
    operation: str = "-"
    account: str = "-"
    content_type: bytes = _JSON


def request_ids(random_bits: Callable[[int], int] | None = None) -> Callable[[], str]:
    """A source of request ids: UUIDs with a random head for each source and a counted tail.

    They need to be unique, not secret, and this costs a tenth of a random UUID each.
    """
    bits = random_bits or random.SystemRandom().getrandbits
    head = str(uuid.UUID(int=bits(128), version=4))[:24]
    counter = itertools.count(bits(47))
    return lambda: f"{head}{next(counter):012x}"


class Application:
    """The ASGI callable. `console` gets what is not the API's, if there is one."""

    def __init__(
        self,
        service: Service,
        credentials: CredentialLookup,
        clock: Clock,
        settings: Settings,
        console: ASGIApp | None = None,
        access_log: bool = False,
        new_request_id: Callable[[], str] | None = None,
    ) -> None:
        self._service = service
        self._credentials = credentials
        self._clock = clock
        self._shapes = Shapes(settings.limits)
        self._max_body_bytes = settings.max_body_bytes
        self._console = console
        self._access_log = access_log
        self._new_request_id = new_request_id or request_ids()
        self._polls: set[asyncio.Future[None]] = set()
        self._background: set[asyncio.Future[None]] = set()
        self._stopping = False

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request; anything that is not HTTP goes to the console or is not answered."""
        with contextlib.suppress(ClientGone):
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            method, path = scope["method"], scope["path"]
            if method == "POST" and path == "/":
                await self._answer_call(scope, receive, send)
                return
            if path == "/health" and method in ("GET", "HEAD"):
                await _respond(send, 200, b"ok", _TEXT, self._new_request_id())
                return
        if self._console is not None:
            await self._console(scope, receive, send)
        elif scope["type"] == "http":
            text = f"There is nothing at {method} {path[:200]}; calls of the API are POST /."
            await self._send_error(send, _Call(self._new_request_id(), {}), NothingThere(text))

    def release_polls(self) -> None:
        """Let every waiting poll end with nothing, and those that still come: the server stops."""
        self._stopping = True
        for gone in list(self._polls):
            _settle(gone)

    async def _answer_call(self, scope: Message, receive: Receive, send: Send) -> None:
        started = time.perf_counter() if self._access_log else 0.0
        call = _Call(self._new_request_id(), header_map(scope["headers"]))
        status = 200
        try:
            await self._run(call, scope, receive, send)
        except ClientGone:
            status = 0
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets an answer
            shown = _fit_to_show(error, call)
            status = shown.status
            await self._send_error(send, call, shown)
        if self._access_log:
            _log.info(
                "call",
                operation=call.operation,
                request_id=call.request_id,
                account=call.account,
                status=status,
                ms=round((time.perf_counter() - started) * 1000, 2),
            )

    async def _run(self, call: _Call, scope: Message, receive: Receive, send: Send) -> None:
        claim, credential = self._identify(call)
        body = await self._read_body(call, receive)
        understand = functools.partial(self._understand, call, claim, credential, scope, body)
        if len(body) > _LARGE_BODY_BYTES:
            request = await asyncio.to_thread(understand)
        else:
            request = understand()
        if call.operation == _POLL:
            await self._poll(call, credential.caller, request, scope, receive, send)
            return
        answer = await self._service.call(call.operation, credential.caller, request, None)
        encoded = b"" if answer is None else _encode(answer)
        await _respond(send, 200, encoded, call.content_type, call.request_id)

    def _identify(self, call: _Call) -> tuple[Claim, Credential]:
        """Whom the headers name; the signature is still to be checked."""
        claim = read_claim(call.headers, self._clock())
        credential = self._credentials(claim.access_key_id, claim.session_token)
        if credential is None:
            raise UnrecognizedClient("The security token included in the request is invalid.")
        return claim, credential

    async def _read_body(self, call: _Call, receive: Receive) -> bytes:
        declared = call.headers.get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > self._max_body_bytes:
            raise self._too_large()
        chunks: list[bytes] = []
        size = 0
        while (message := await receive())["type"] == "http.request":
            chunks.append(message["body"])
            size += len(message["body"])
            if size > self._max_body_bytes:
                raise self._too_large()
            if not message.get("more_body"):
                return b"".join(chunks)
        raise ClientGone

    def _too_large(self) -> RequestTooLarge:
        return RequestTooLarge(f"The body may have at most {self._max_body_bytes} bytes.")

    def _understand(
        self, call: _Call, claim: Claim, credential: Credential, scope: Message, body: bytes
    ) -> Request:
        """The request that a body holds, once its signature has proved right."""
        query, headers = scope["query_string"], call.headers
        check(claim, credential.secret, "POST", scope["raw_path"], query, headers, body)
        call.account = credential.caller.account_id
        # The original service's front routes by content type and leaves others unanswered in JSON;
        # a plain word serves the writer of a client better.
        content_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if content_type not in _CONTENT_TYPES:
            raise SerializationFailed(
                f"Content-Type must be {_JSON.decode()}, not '{_shown(content_type)}'."
            )
        call.content_type = content_type
        target = headers.get(b"x-amz-target", b"")
        operation = _OPERATIONS.get(target)
        if operation is None:
            raise UnknownOperation(
                f"X-Amz-Target '{_shown(target)}' names no operation; "
                "it must read DataPipeline.<Operation>."
            )
        call.operation = operation
        return self._shapes.decode(operation, body)

    async def _poll(
        self,
        call: _Call,
        caller: Caller,
        request: Request,
        scope: Message,
        receive: Receive,
        send: Send,
    ) -> None:
        """Answer a poll, and take back its task if nobody is there any more to get it."""
        poll = _Poll(receive)
        self._polls.add(poll.gone)
        if self._stopping:
            _settle(poll.gone)
        try:
            answer = await self._service.call(_POLL, caller, request, poll.gone)
            task = _with_task(answer)
            if task is not None and await poll.client_is_gone():
                await self._service.undelivered(caller, task)
                # An empty answer: in vain, unless it is not the client but the server that goes.
                answer, task = PollForTaskAnswer(), None
        finally:
            self._polls.discard(poll.gone)
            poll.end()
        try:
            await _respond(send, 200, _encode(answer), call.content_type, call.request_id)
        except Exception as error:
            if task is not None:
                await self._service.undelivered(caller, task)
            raise ClientGone from error
        if task is not None:
            scope[ON_RESET] = functools.partial(self._take_back_later, caller, task)

    def _take_back_later(self, caller: Caller, task: PollForTaskAnswer) -> None:
        taking = asyncio.ensure_future(self._take_back(caller, task))
        self._background.add(taking)
        taking.add_done_callback(self._background.discard)

    async def _take_back(self, caller: Caller, task: PollForTaskAnswer) -> None:
        # Should it fail, the task comes back when nobody has acknowledged it in time.
        with contextlib.suppress(ApiError):
            await self._service.undelivered(caller, task)

    async def _send_error(self, send: Send, call: _Call, error: ApiError) -> None:
        body = _encode({"__type": error.code, "message": str(error)})
        await _respond(send, error.status, body, call.content_type, call.request_id)


class _Poll:
    """Watches whether the client of one poll is still there."""

    __slots__ = ("_receive", "_timer", "_watcher", "gone")

    def __init__(self, receive: Receive) -> None:
        loop = asyncio.get_running_loop()
        self.gone: asyncio.Future[None] = loop.create_future()
        self._receive = receive
        self._watcher: asyncio.Task[None] | None = None
        self._timer = loop.call_later(_WATCH_AFTER_SECONDS, self._watch)

    async def client_is_gone(self) -> bool:
        """Whether the client has hung up, as far as can be known now."""
        if self._watcher is None:
            return self.gone.done() or _has_hung_up(self._receive)
        for _ in range(_LOOPS_TO_SEE_A_HANG_UP):
            if self.gone.done():
                break
            await asyncio.sleep(0)
        return self.gone.done()

    def end(self) -> None:
        """Stop watching."""
        self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()

    def _watch(self) -> None:
        self._watcher = asyncio.ensure_future(_wait_for_hang_up(self._receive, self.gone))


async def _wait_for_hang_up(receive: Receive, gone: asyncio.Future[None]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    _settle(gone)


def _has_hung_up(receive: Receive) -> bool:
    """Whether `receive()` tells of a hang-up at once: it is run up to its first wait, then dropped.

    That spares the many polls that are answered at once a task and two rounds of the loop.
    """
    step = receive().__await__()
    try:
        next(step)
    except StopIteration as stop:
        return bool(stop.value["type"] == "http.disconnect")
    close = getattr(step, "close", None)
    if close is not None:
        close()
    return False


def _with_task(answer: Struct | None) -> PollForTaskAnswer | None:
    """The answer, if it hands over a task."""
    if isinstance(answer, PollForTaskAnswer) and answer.task_object is not None:
        return answer
    return None


def _settle(gone: asyncio.Future[None]) -> None:
    if not gone.done():
        gone.set_result(None)


async def _respond(
    send: Send, status: int, body: bytes, content_type: bytes, request_id: str
) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", content_type),
                (b"content-length", b"%d" % len(body)),
                (b"x-amzn-requestid", request_id.encode()),
                (b"x-amz-crc32", b"%d" % zlib.crc32(body)),
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})


def _fit_to_show(error: Exception, call: _Call) -> ApiError:
    """The error as its caller may see it; of a defect no more than where the log tells of it."""
    if isinstance(error, DatabaseUnavailable):
        told = {"operation": call.operation, "request_id": call.request_id}
        _log.error("call not carried out", reason=str(error), **told)
        return InternalServiceError(
            f"The service could not carry out request {call.request_id}; try again."
        )
    if isinstance(error, ApiError) and type(error) is not InternalServiceError:
        return error
    # As text, because a renderer given the exception itself may show local variables, and with
    # them secrets.
    trace = "".join(traceback.format_exception(error))
    _log.error("call failed", exception=trace, operation=call.operation, request_id=call.request_id)
    return InternalServiceError(
        f"The service failed on request {call.request_id}; its log has more under that id."
    )


def _shown(header: bytes) -> str:
    return header[:200].decode("latin-1")
