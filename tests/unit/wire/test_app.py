"""The application behind a real server: what a client sees on the wire, good calls and bad."""

import asyncio
import http.client
import json
import random
import socket
import uuid
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from penstock.config import Settings
from penstock.wire import sigv4
from penstock.wire.app import Application, request_ids
from penstock.wire.sigv4 import Credentials
from tests.unit.wire.conftest import Running
from tests.unit.wire.tiny import CALLER, CREDENTIALS, NOW, TASK, TinyService, lookup

JSON = "application/x-amz-json-1.1"
MEBIBYTE = 1024 * 1024


class Seen(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> tuple[int, str, str]:
        members = json.loads(self.body)
        assert set(members) == {"__type", "message"}
        return self.status, members["__type"], members["message"]


@pytest.fixture
def connection(running: Running) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=20)
    yield connection
    connection.close()


def signed(
    port: int,
    body: bytes,
    target: str | None = "DataPipeline.CreatePipeline",
    content_type: str | None = JSON,
    credentials: Credentials = CREDENTIALS,
    now: int = NOW,
) -> dict[str, str]:
    headers = {"host": f"127.0.0.1:{port}"}
    if target is not None:
        headers["x-amz-target"] = target
    if content_type is not None:
        headers["content-type"] = content_type
    return sigv4.sign("POST", "/", "", headers, body, credentials, "us-east-1", now)


def seen(response: http.client.HTTPResponse) -> Seen:
    """An answer, once what every answer must have has been checked."""
    body = response.read()
    headers = {name.lower(): value for name, value in response.getheaders()}
    assert headers["x-amz-crc32"] == str(zlib.crc32(body))
    assert str(uuid.UUID(headers["x-amzn-requestid"])) == headers["x-amzn-requestid"]
    return Seen(response.status, headers, body)


def post(connection: http.client.HTTPConnection, body: bytes, **how: Any) -> Seen:
    connection.request("POST", "/", body, signed(connection.port, body, **how))
    return seen(connection.getresponse())


def test_a_good_call(running: Running, connection: http.client.HTTPConnection) -> None:
    answer = post(connection, b'{"name": "a", "uniqueId": "b", "tags": null}')
    assert (answer.status, answer.body) == (200, b'{"pipelineId":"df-1"}')
    assert answer.headers["content-type"] == JSON
    assert "date" in answer.headers
    assert "server" not in answer.headers
    operation, caller, request = running.service.calls[-1]
    assert (operation, caller) == ("CreatePipeline", CALLER)
    assert request.name == "a"  # type: ignore[attr-defined]


@pytest.mark.parametrize("operation", ["DeletePipeline", "SetStatus"])
def test_some_answers_have_an_empty_body(
    connection: http.client.HTTPConnection, operation: str
) -> None:
    body = b'{"pipelineId": "p", "objectIds": [], "status": "RERUN"}'
    answer = post(connection, body, target=f"DataPipeline.{operation}")
    assert (answer.status, answer.body, answer.headers["x-amz-crc32"]) == (200, b"", "0")


@pytest.mark.parametrize(
    "prefix", ["DataPipeline", "DataPipeline_20121029", "DataPipeline_20121129"]
)
@pytest.mark.parametrize("content_type", [JSON, "application/x-amz-json-1.0", JSON + "; charset=x"])
def test_spellings_of_target_and_content_type(
    connection: http.client.HTTPConnection, prefix: str, content_type: str
) -> None:
    body = b'{"name": "a", "uniqueId": "b"}'
    answer = post(connection, body, target=f"{prefix}.CreatePipeline", content_type=content_type)
    assert answer.status == 200
    assert answer.headers["content-type"] == content_type.partition(";")[0]


@pytest.mark.parametrize(
    ("how", "status", "code", "text"),
    [
        ({"target": None}, 400, "UnknownOperationException", "must read DataPipeline.<Operation>"),
        ({"target": "DataPipeline.Drop"}, 400, "UnknownOperationException", "'DataPipeline.Drop'"),
        ({"target": "S3.CreatePipeline"}, 400, "UnknownOperationException", "S3.CreatePipeline"),
        ({"content_type": None}, 400, "SerializationException", "Content-Type must be"),
        ({"content_type": "text/xml"}, 400, "SerializationException", "not 'text/xml'"),
        ({"now": NOW - 960_000}, 403, "InvalidSignatureException", "Signature expired"),
        (
            {"credentials": Credentials("AKIAUNKNOWN", "s")},
            403,
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        ),
        (
            {"credentials": Credentials(CREDENTIALS.access_key_id, "wrong")},
            403,
            "InvalidSignatureException",
            "does not match the signature you provided",
        ),
        (
            {"credentials": Credentials("AKIAUNKNOWN", "s", "token")},
            403,
            "UnrecognizedClientException",
            "invalid",
        ),
    ],
)
def test_refusals_of_the_front(
    running: Running,
    connection: http.client.HTTPConnection,
    how: dict[str, Any],
    status: int,
    code: str,
    text: str,
) -> None:
    before = len(running.service.calls)
    error = post(connection, b'{"name": "a", "uniqueId": "b"}', **how).error
    assert error[:2] == (status, code)
    assert text in error[2]
    assert len(running.service.calls) == before


def test_a_session_token_reaches_the_lookup(connection: http.client.HTTPConnection) -> None:
    body = b'{"name": "a", "uniqueId": "b"}'
    for token, status in (("token", 200), ("other", 403)):
        credentials = Credentials(CREDENTIALS.access_key_id, CREDENTIALS.secret_access_key, token)
        assert post(connection, body, credentials=credentials).status == status


def test_no_signature(connection: http.client.HTTPConnection) -> None:
    connection.request("POST", "/", b"{}", {"x-amz-target": "DataPipeline.ListPipelines"})
    assert seen(connection.getresponse()).error == (
        403,
        "MissingAuthenticationTokenException",
        "Missing Authentication Token",
    )


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"name": "refused", "uniqueId": "b"}', "InvalidRequestException"),
        (b'{"name": "unknown", "uniqueId": "b"}', "PipelineNotFoundException"),
        (b'{"name": "a"}', "ValidationException"),
        (b'{"name": 1}', "SerializationException"),
        (b'{"name": "a', "SerializationException"),
        (b"", "SerializationException"),
        (b"\xff\xfe\x00binary\x80", "SerializationException"),
        (b"[" * 300_000, "SerializationException"),
    ],
)
def test_errors_of_shape_and_service(
    connection: http.client.HTTPConnection, body: bytes, code: str
) -> None:
    assert post(connection, body).error[:2] == (400, code)


def test_texts_outside_ascii_are_utf_8(connection: http.client.HTTPConnection) -> None:
    error = post(connection, b'{"name": "refused", "uniqueId": "b"}').error
    assert error[2] == "That is refused: äöü."


def test_a_defect_names_only_the_request_id(
    connection: http.client.HTTPConnection, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = post(connection, b'{"name": "boom", "uniqueId": "b"}')
    status, code, text = answer.error
    request_id = answer.headers["x-amzn-requestid"]
    assert (status, code) == (500, "InternalServiceError")
    assert request_id in text
    assert "secret" not in text
    logged = capsys.readouterr().out
    assert request_id in logged
    assert "RuntimeError: the secret reason" in logged
    assert CREDENTIALS.secret_access_key not in logged


def test_request_ids_never_repeat(connection: http.client.HTTPConnection) -> None:
    ids = {
        post(connection, b'{"name": "a", "uniqueId": "b"}').headers["x-amzn-requestid"]
        for _ in range(20)
    }
    assert len(ids) == 20
    new_id = request_ids(random.Random(1).getrandbits)
    drawn = [new_id() for _ in range(1_000)]
    assert len(set(drawn)) == 1_000
    assert all(str(uuid.UUID(drawn_id, version=4)) == drawn_id for drawn_id in drawn)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_thirty_mebibytes_is_refused(
    running: Running, connection: http.client.HTTPConnection, chunked: bool
) -> None:
    body = b" " * (30 * MEBIBYTE)
    before = len(running.service.calls)
    content: Any = (body[start : start + MEBIBYTE] for start in range(0, len(body), MEBIBYTE))
    connection.request(
        "POST", "/", content if chunked else body, signed(connection.port, body),
        encode_chunked=chunked,
    )  # fmt: skip
    error = seen(connection.getresponse()).error
    assert error == (
        413,
        "RequestEntityTooLargeException",
        "The body may have at most 26214400 bytes.",
    )
    assert len(running.service.calls) == before
    assert post(connection, b'{"name": "a", "uniqueId": "b"}').status == 200


def test_a_large_body_is_taken(connection: http.client.HTTPConnection) -> None:
    expression = "x" * (20 * MEBIBYTE)
    body = json.dumps({"pipelineId": "p", "objectId": "o", "expression": expression}).encode()
    answer = post(connection, body, target="DataPipeline.EvaluateExpression")
    assert json.loads(answer.body) == {"evaluatedExpression": expression}


def test_a_body_that_comes_in_crumbs_is_put_together(running: Running) -> None:
    body = b'{"name": "a", "uniqueId": "b"}'
    lines = "".join(f"{k}: {v}\r\n" for k, v in signed(running.port, body).items())
    head = f"POST / HTTP/1.1\r\n{lines}content-length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", running.port), 10) as raw:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in head + body:
            raw.sendall(bytes([byte]))
        response = http.client.HTTPResponse(raw)
        response.begin()
        assert seen(response).status == 200


def test_a_client_that_leaves_before_its_body_is_whole_harms_nobody(running: Running) -> None:
    body = b'{"name": "a", "uniqueId": "b"}'
    lines = "".join(f"{k}: {v}\r\n" for k, v in signed(running.port, body).items())
    head = f"POST / HTTP/1.1\r\n{lines}content-length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", running.port), 10) as raw:
        raw.sendall(head + body[:5])
    other = http.client.HTTPConnection("127.0.0.1", running.port, timeout=10)
    assert post(other, body).status == 200
    other.close()


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20,
        b"GET\r\n\r\n",
        b"POST / HTTP/9.9\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nx: " + b"y" * 200_000,
        b"POST /" + b"y" * 200_000,
        b"POST / HTTP/1.1\r\n" + b"x: y\r\n" * 60_000,
        b"\x00" * 10_000,
    ],
)
def test_what_is_not_http_gets_an_error_and_an_end(running: Running, garbage: bytes) -> None:
    with socket.create_connection(("127.0.0.1", running.port), 10) as raw:
        try:
            raw.sendall(garbage)
            response = http.client.HTTPResponse(raw)
            response.begin()
        except ConnectionError:
            return  # Closed while it was still sending: an end, too.
        assert seen(response).error[:2] == (400, "SerializationException")
        assert response.getheader("connection") == "close"


def test_health_needs_no_signature(connection: http.client.HTTPConnection) -> None:
    connection.request("GET", "/health")
    answer = seen(connection.getresponse())
    assert (answer.status, answer.body) == (200, b"ok")


@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("POST", "/other"), ("PUT", "/")])
def test_other_paths_lead_nowhere(
    connection: http.client.HTTPConnection, method: str, path: str
) -> None:
    connection.request(method, path, b"")
    error = seen(connection.getresponse()).error
    assert error[:2] == (404, "UnknownOperationException")
    assert f"{method} {path}" in error[2]


def test_a_ready_task_is_handed_over(connection: http.client.HTTPConnection) -> None:
    body = b'{"workerGroup": "ready"}'
    answer = post(connection, body, target="DataPipeline.PollForTask")
    assert json.loads(answer.body)["taskObject"]["taskId"] == "task"


class RawPoll:
    """A poll on a socket of its own, to be hung up as one likes."""

    def __init__(self, running: Running, group: str) -> None:
        body = json.dumps({"workerGroup": group}).encode()
        headers = signed(running.port, body, target="DataPipeline.PollForTask")
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.socket = socket.create_connection(("127.0.0.1", running.port), 10)
        self.socket.sendall(
            f"POST / HTTP/1.1\r\n{lines}content-length: {len(body)}\r\n\r\n".encode() + body
        )

    def answer(self) -> Seen:
        response = http.client.HTTPResponse(self.socket)
        response.begin()
        result = seen(response)
        self.socket.close()
        return result

    def reset(self) -> None:
        """Hang up the hard way: the kernel sends a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()


def test_a_held_poll_gets_the_task_when_there_is_one(fresh: Running) -> None:
    poll = RawPoll(fresh, "held")
    assert fresh.service.events.get(timeout=10) == "polling"
    fresh.service.hand_over()
    assert json.loads(poll.answer().body)["taskObject"]["taskId"] == "task"
    assert fresh.service.returned == []


@pytest.mark.parametrize("how", ["close", "reset", "half"])
def test_the_service_is_told_that_a_client_hung_up(fresh: Running, how: str) -> None:
    poll = RawPoll(fresh, "held")
    assert fresh.service.events.get(timeout=10) == "polling"
    if how == "half":
        poll.socket.shutdown(socket.SHUT_WR)
    elif how == "reset":
        poll.reset()
    else:
        poll.socket.close()
    assert fresh.service.events.get(timeout=10) == "gone"
    poll.socket.close()


def test_a_task_for_a_client_that_hung_up_is_put_back(fresh: Running) -> None:
    poll = RawPoll(fresh, "stubborn")
    assert fresh.service.events.get(timeout=10) == "polling"
    poll.socket.close()
    assert fresh.service.events.get(timeout=10) == "returned"
    assert fresh.service.returned == [TASK]


def test_a_task_handed_over_right_after_the_hang_up_is_put_back(fresh: Running) -> None:
    for _ in range(20):
        poll = RawPoll(fresh, "held")
        assert fresh.service.events.get(timeout=10) == "polling"
        poll.socket.close()
        fresh.service.hand_over()
        # Whichever came first, the task is not lost.
        assert fresh.service.events.get(timeout=10) in ("gone", "returned")


def test_stopping_lets_held_polls_go_with_nothing(fresh: Running) -> None:
    polls = [RawPoll(fresh, "held") for _ in range(50)]
    assert {fresh.service.events.get(timeout=10) for _ in polls} == {"polling"}
    fresh.stop()
    assert [poll.answer().body for poll in polls] == [b"{}"] * len(polls)


def test_what_is_not_the_apis_goes_to_the_console() -> None:
    asked: list[str] = []

    async def console(scope: Any, receive: Any, send: Any) -> None:
        asked.append(scope["path"])

    async def nothing(*_: Any) -> Any:
        return None

    app = Application(TinyService(), lookup, lambda: NOW, Settings(), console=console)
    asyncio.run(app({"type": "http", "method": "GET", "path": "/pipelines"}, nothing, nothing))
    assert asked == ["/pipelines"]


def test_garbage_never_kills_the_server(
    running: Running, connection: http.client.HTTPConnection
) -> None:
    """A few hundred seeded mutations of a good request: no 5xx, and the server goes on."""
    rng = random.Random(20121029)
    body = b'{"name": "a", "uniqueId": "b", "tags": [{"key": "k", "value": "v"}]}'
    lines = "".join(f"{k}: {v}\r\n" for k, v in signed(running.port, body).items())
    good = f"POST / HTTP/1.1\r\n{lines}content-length: {len(body)}\r\n\r\n".encode() + body
    for _ in range(300):
        request = bytearray(good)
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(request))
            request[at : at + rng.randint(0, 3)] = rng.randbytes(rng.randint(0, 3))
        with socket.create_connection(("127.0.0.1", running.port), 10) as raw:
            try:
                raw.sendall(request)
                raw.shutdown(socket.SHUT_WR)
                status = raw.recv(12)
            except ConnectionError:
                continue
        assert status[9:10] != b"5", request
    assert post(connection, body).status == 200
