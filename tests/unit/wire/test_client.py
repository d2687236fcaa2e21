"""The client half against our own server half, and against servers that misbehave."""

import json
import socket
import threading
import zlib
from collections.abc import Callable, Iterator

import pytest

from penstock.wire.client import Aborted, Client, ConnectionFailed, ServiceError
from penstock.wire.sigv4 import Credentials
from tests.unit.wire.conftest import Running
from tests.unit.wire.tiny import CREDENTIALS, NOW

GONE = b""
"""A scripted answer: hang up without a word."""

CUT = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{}"
"""A scripted answer: hang up in the middle of it."""


def answer(body: bytes, status: str = "200 OK", checksum: int | None = None) -> bytes:
    checksum = zlib.crc32(body) if checksum is None else checksum
    head = f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\nx-amz-crc32: {checksum}\r\n\r\n"
    return head.encode() + body


def error(code: str, status: str) -> bytes:
    return answer(json.dumps({"__type": code, "message": "a text"}).encode(), status)


OK = answer(b'{"pipelineId":"df-1"}')
THROTTLED = error("ThrottlingException", "400 Bad Request")
BROKEN = error("InternalServiceError", "500 Internal Server Error")


class Scripted:
    """A server that answers each request in turn as it was told, and keeps what it was sent.

    Connections are kept alive until a scripted answer hangs up.
    """

    def __init__(self, *answers: bytes) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self._answers = iter(answers)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            with connection:
                while self._answer(connection):
                    pass

    def _answer(self, connection: socket.socket) -> bool:
        request = b""
        while b"\r\n\r\n" not in request:
            received = connection.recv(65536)
            if not received:
                return False
            request += received
        self.requests.append(request)
        reply = next(self._answers, GONE)
        connection.sendall(reply)
        return reply not in (GONE, CUT)


Script = Callable[..., Scripted]


@pytest.fixture
def script() -> Iterator[Script]:
    servers: list[Scripted] = []

    def start(*answers: bytes) -> Scripted:
        servers.append(Scripted(*answers))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


class Waits:
    """Stands for sleep and for randomness: pauses are as long as they may be, and only noted."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    def client(self, endpoint: str, tries: int = 3, proxy: str | None = None) -> Client:
        return Client(
            endpoint,
            CREDENTIALS,
            tries=tries,
            proxy=proxy,
            sleep=self.pauses.append,
            uniform=lambda _low, high: high,
            now=lambda: NOW,
            read_timeout_seconds=10,
        )


@pytest.fixture
def waits() -> Waits:
    return Waits()


def create(client: Client) -> dict[str, object]:
    return client.call("CreatePipeline", {"name": "a", "uniqueId": "b"})


def test_a_call_is_answered(client: Client) -> None:
    assert create(client) == {"pipelineId": "df-1"}
    assert client.call("DeletePipeline", {"pipelineId": "p"}) == {}


def test_a_refusal_tells_code_text_and_request_id(client: Client) -> None:
    with pytest.raises(ServiceError) as caught:
        client.call("CreatePipeline", {"name": "refused", "uniqueId": "b"})
    assert caught.value.code == "InvalidRequestException"
    assert caught.value.message == "That is refused: äöü."
    assert caught.value.status == 400
    assert caught.value.request_id


def test_each_thread_has_a_connection_that_stays(script: Script, waits: Waits) -> None:
    server = script(OK, OK, OK)
    client = waits.client(server.endpoint)
    for _ in range(3):
        create(client)
    assert server.connections == 1
    client.close()


def test_many_threads_share_a_client(client: Client) -> None:
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(create(client))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert answers == [{"pipelineId": "df-1"}] * 16


@pytest.mark.parametrize("failure", [THROTTLED, BROKEN, GONE])
def test_a_passing_failure_is_tried_again_after_a_pause(
    script: Script, waits: Waits, failure: bytes
) -> None:
    server = script(failure, failure, OK)
    client = waits.client(server.endpoint)
    assert create(client) == {"pipelineId": "df-1"}
    assert waits.pauses == [0.1, 0.2]
    client.close()


def test_tries_come_to_an_end(script: Script, waits: Waits) -> None:
    server = script(*[THROTTLED] * 9)
    client = waits.client(server.endpoint, tries=8)
    with pytest.raises(ServiceError, match="ThrottlingException: a text"):
        create(client)
    assert waits.pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4]
    client.close()


def test_a_refusal_is_not_tried_again(script: Script, waits: Waits) -> None:
    server = script(error("ValidationException", "400 Bad Request"), OK)
    client = waits.client(server.endpoint)
    with pytest.raises(ServiceError, match="ValidationException"):
        create(client)
    assert waits.pauses == []
    client.close()


def test_a_stale_connection_is_replaced_without_a_pause(script: Script, waits: Waits) -> None:
    server = script(OK, GONE, OK)
    client = waits.client(server.endpoint)
    create(client)
    assert create(client) == {"pipelineId": "df-1"}
    assert (server.connections, waits.pauses) == (2, [])
    client.close()


@pytest.mark.parametrize("operation", ["PollForTask", "ActivatePipeline", "SetStatus"])
@pytest.mark.parametrize("before", [(), (OK,)])
def test_what_may_have_been_carried_out_is_not_sent_twice(
    script: Script, waits: Waits, operation: str, before: tuple[bytes, ...]
) -> None:
    server = script(*before, GONE, OK)
    client = waits.client(server.endpoint)
    for _ in before:
        create(client)
    with pytest.raises(ConnectionFailed) as caught:
        client.call(operation, {"workerGroup": "w"})
    assert caught.value.sent
    assert len(server.requests) == len(before) + 1
    client.close()


def test_a_poll_that_the_server_refused_is_tried_again(script: Script, waits: Waits) -> None:
    server = script(THROTTLED, answer(b"{}"))
    client = waits.client(server.endpoint)
    assert client.call("PollForTask", {"workerGroup": "w"}) == {}
    client.close()


def test_an_unreachable_server_is_tried_and_told(waits: Waits) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
    client = waits.client(endpoint)
    with pytest.raises(ConnectionFailed, match="cannot be reached") as caught:
        client.call("PollForTask", {"workerGroup": "w"})
    assert not caught.value.sent
    assert len(waits.pauses) == 2
    client.close()


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (answer(b"{}", checksum=1), "check sum is wrong"),
        (answer(b"<html>", "502 Bad Gateway"), "not the service's .HTTP 502"),
        (answer(b"[]"), "not the service's .HTTP 200"),
        (b"nonsense\r\n\r\n", "gave no answer"),
        (CUT, "gave no answer"),
    ],
)
def test_a_damaged_answer_is_none(script: Script, waits: Waits, reply: bytes, text: str) -> None:
    server = script(reply)
    client = waits.client(server.endpoint, tries=1)
    with pytest.raises(ConnectionFailed, match=text):
        create(client)
    client.close()


def test_abort_breaks_off_a_waiting_poll_and_nothing_else(fresh: Running) -> None:
    client = fresh.client()
    failures: list[Exception] = []

    def poll() -> None:
        try:
            client.call("PollForTask", {"workerGroup": "held"})
        except ConnectionFailed as failure:
            failures.append(failure)

    thread = threading.Thread(target=poll)
    thread.start()
    assert fresh.service.events.get(timeout=10) == "polling"
    client.abort()
    thread.join(10)
    assert [type(failure) for failure in failures] == [Aborted]
    assert fresh.service.events.get(timeout=10) == "gone"
    assert create(client) == {"pipelineId": "df-1"}
    with pytest.raises(Aborted, match="no longer polls"):
        client.call("PollForTask", {"workerGroup": "ready"})
    client.close()


def test_abort_works_on_a_connection_used_before(fresh: Running) -> None:
    client = fresh.client()
    failures: list[Exception] = []

    def poll() -> None:
        client.call("PollForTask", {"workerGroup": "ready"})
        try:
            client.call("PollForTask", {"workerGroup": "held"})
        except ConnectionFailed as failure:
            failures.append(failure)

    thread = threading.Thread(target=poll)
    thread.start()
    assert fresh.service.events.get(timeout=10) == "polling"
    client.close()
    thread.join(10)
    assert [type(failure) for failure in failures] == [Aborted]


def test_a_proxy_is_sent_the_whole_url_and_its_password(script: Script, waits: Waits) -> None:
    proxy = script(OK)
    address = proxy.endpoint.replace("http://", "http://user:pass%20word@")
    client = waits.client("http://penstock.example:8780/", proxy=address)
    assert create(client) == {"pipelineId": "df-1"}
    (request,) = proxy.requests
    assert request.startswith(b"POST http://penstock.example:8780/ HTTP/1.1\r\n")
    assert b"\r\nhost: penstock.example:8780\r\n" in request
    assert b"\r\nproxy-authorization: Basic dXNlcjpwYXNzIHdvcmQ=\r\n" in request
    client.close()


@pytest.mark.parametrize(
    ("offered", "told"),
    [
        (b"NTLM, Negotiate", "the proxy takes only NTLM logins, which are not spoken here"),
        (b'Basic realm="x"', "the proxy refused the login (HTTP 407): user or password"),
    ],
)
def test_a_proxy_that_refuses_the_login_is_told_as_such(
    script: Script, waits: Waits, offered: bytes, told: str
) -> None:
    refusal = b"HTTP/1.1 407 No\r\ncontent-length: 0\r\nproxy-authenticate: " + offered
    proxy = script(refusal + b"\r\n\r\n")
    address = proxy.endpoint.replace("http://", "http://user:verysecret@")
    client = waits.client("http://penstock.example/", tries=1, proxy=address)
    with pytest.raises(ConnectionFailed) as caught:
        client.call("ListPipelines", {})
    assert told in str(caught.value)
    assert "verysecret" not in str(caught.value)


def test_a_tunnel_that_is_refused_for_the_login_is_told_as_such(
    script: Script, waits: Waits
) -> None:
    proxy = script(b"HTTP/1.1 407 No\r\nproxy-authenticate: NTLM\r\n\r\n")
    client = waits.client("https://penstock.example/", tries=1, proxy=proxy.endpoint)
    with pytest.raises(ConnectionFailed, match="takes only NTLM or Kerberos"):
        client.call("ListPipelines", {})


def test_tls_goes_through_a_proxys_tunnel(script: Script, waits: Waits) -> None:
    proxy = script(b"HTTP/1.1 403 Forbidden\r\n\r\n")
    client = waits.client("https://penstock.example/", tries=1, proxy=proxy.endpoint)
    with pytest.raises(ConnectionFailed, match="Tunnel connection failed: 403"):
        create(client)
    assert proxy.requests[0].startswith(b"CONNECT penstock.example:443 HTTP/1.")
    client.close()


@pytest.mark.parametrize("endpoint", ["localhost:8780", "ftp://host", "http://", ""])
def test_an_endpoint_that_is_none_is_told(endpoint: str) -> None:
    with pytest.raises(ValueError, match="endpoint"):
        Client(endpoint, CREDENTIALS)


def test_a_session_token_is_sent(running: Running) -> None:
    for token, good in (("token", True), ("other", False)):
        credentials = Credentials(CREDENTIALS.access_key_id, CREDENTIALS.secret_access_key, token)
        client = Client(running.endpoint, credentials, now=lambda: NOW)
        if good:
            assert create(client) == {"pipelineId": "df-1"}
        else:
            with pytest.raises(ServiceError, match="UnrecognizedClientException"):
                create(client)
        client.close()
