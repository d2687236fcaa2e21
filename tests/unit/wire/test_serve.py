"""How answers leave the server: in one piece, as a stream, to pipelined requests, or refused."""

import http.client
import logging
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from penstock.wire.serve import endpoint, listen
from tests.unit.wire.conftest import Running


async def console(scope: Any, receive: Any, send: Any) -> None:
    """Pages of a few kinds, as a web console might have them."""
    path = scope["path"]
    headers = [(b"content-type", b"text/plain")]
    if path == "/split":
        headers += [(b"x-from-the-user", b"a\r\nset-cookie: b"), (b"content-length", b"2")]
    elif path == "/short":
        headers += [(b"content-length", b"5")]
    elif path == "/two":
        headers += [(b"content-length", b"4")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if path in ("/stream", "/two"):
        await send({"type": "http.response.body", "body": b"ok", "more_body": True})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture(scope="module")
def paged() -> Iterator[Running]:
    running = Running(console=console)
    yield running
    running.stop()


@pytest.fixture
def connection(paged: Running) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", paged.port, timeout=10)
    yield connection
    connection.close()


@pytest.mark.parametrize(
    ("path", "body"), [("/plain", b"ok"), ("/stream", b"okok"), ("/two", b"okok")]
)
def test_pages_arrive_whole_over_one_connection(
    connection: http.client.HTTPConnection, path: str, body: bytes
) -> None:
    for _ in range(3):
        connection.request("GET", path)
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, body)


def test_an_answer_to_head_has_no_body(connection: http.client.HTTPConnection) -> None:
    for _ in range(2):
        connection.request("HEAD", "/health")
        response = connection.getresponse()
        assert (response.status, response.getheader("content-length")) == (200, "2")
        assert response.read() == b""


@pytest.mark.parametrize("path", ["/split", "/short"])
def test_an_answer_that_is_not_right_never_leaves(
    connection: http.client.HTTPConnection, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "uvicorn.error")
    connection.request("GET", path)
    response = connection.getresponse()
    assert response.getheader("set-cookie") is None
    if path == "/split":
        assert response.status == 500
    else:
        with pytest.raises(http.client.IncompleteRead):
            response.read()


def test_pipelined_requests_are_answered_in_order(paged: Running) -> None:
    requests = [
        b"GET %b HTTP/1.1\r\nhost: h\r\nconnection: %b\r\n\r\n" % (path, keep)
        for path, keep in [
            (b"/health", b"keep-alive"),
            (b"/stream", b"keep-alive"),
            (b"/plain", b"keep-alive"),
            (b"/nowhere", b"close"),
        ]
    ]
    with socket.create_connection(("127.0.0.1", paged.port), 10) as raw:
        raw.sendall(b"".join(requests))
        received = b"".join(iter(lambda: raw.recv(65536), b""))
    heads = received.split(b"HTTP/1.1 200 OK")
    assert len(heads) == 5
    assert b"x-amz-crc32" in heads[1]
    assert b"chunked" in heads[2]


def test_a_client_may_ask_for_the_end_of_the_connection(paged: Running) -> None:
    with socket.create_connection(("127.0.0.1", paged.port), 10) as raw:
        raw.sendall(b"GET /health HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n")
        received = b"".join(iter(lambda: raw.recv(65536), b""))
    assert received.endswith(b"connection: close\r\n\r\nok")


def test_the_access_log_has_a_line_for_a_call(capsys: pytest.CaptureFixture[str]) -> None:
    running = Running(access_log=True)
    client = running.client()
    client.call("CreatePipeline", {"name": "a", "uniqueId": "b"})
    client.close()
    running.stop()  # The line is written after the answer has gone; this waits for it.
    (line,) = capsys.readouterr().out.splitlines()
    for fact in ("operation", "CreatePipeline", "request_id", "123456789012", "200"):
        assert fact in line


def test_a_taken_port_is_told_by_the_one_who_wants_it() -> None:
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        assert endpoint(listener) == f"http://127.0.0.1:{port}"
        with pytest.raises(OSError, match="in use"):
            listen("127.0.0.1", port)
