"""Bad input gets a clear error and changes nothing: requests that no good client would send."""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from penstock.clock import system_clock
from penstock.wire.client import Client
from penstock.wire.sigv4 import Credentials
from tests.support.definitions import activated, instances, ondemand, shell
from tests.support.server import Server, serving
from tests.support.snapshot import everything
from tests.support.wire import JSON, Answer, RawConnection, request_bytes, signed_headers

MINUTE_MS = 60_000
MEBIBYTE = 1024 * 1024


class Witness(NamedTuple):
    """A server with a pipeline under way, whose state is looked at before and after."""

    server: Server
    caller: Client
    pipeline: str
    task_id: str
    instance: str

    def request(self, body: bytes, credentials: Credentials | None = None, **how: Any) -> Answer:
        """Answer to a request that is correctly signed, whatever else is wrong with it."""
        key = credentials or self.server.credentials
        headers = signed_headers(self.server.port, body, key, **how)
        return self.send(request_bytes(headers, body))

    def send(self, request: bytes) -> Answer:
        with RawConnection(self.server.port, self.server.credentials) as raw:
            raw.socket.sendall(request)
            return raw.read()


@pytest.fixture(scope="module")
def witness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Witness]:
    with serving(tmp_path_factory.mktemp("witness") / "data", "poll_wait=50ms") as server:
        client = server.boto()
        pipeline = activated(client, "witness", ondemand("g"), shell("A"), shell("B"))
        task = client.poll_for_task(workerGroup="g")["taskObject"]
        client.report_task_progress(taskId=task["taskId"])
        instance = instances(client, pipeline)[0]
        client.close()
        caller = server.caller()
        yield Witness(server, caller, pipeline, task["taskId"], instance)
        caller.close()


@pytest.fixture(autouse=True)
def _nothing_changes(witness: Witness) -> Iterator[None]:
    before = everything(witness.caller)
    yield
    assert everything(witness.caller) == before


CREATE = b'{"name": "new", "uniqueId": "new"}'
TARGET = "DataPipeline.CreatePipeline"


def test_a_wrong_signature(witness: Witness) -> None:
    key = Credentials(witness.server.credentials.access_key_id, "another secret, of any length")
    error = witness.request(CREATE, key, target=TARGET).error
    assert error[:2] == (403, "InvalidSignatureException")
    assert "does not match the signature you provided" in error[2]


@pytest.mark.parametrize("part", ["body", "x-amz-target", "x-amz-date"])
def test_a_request_altered_after_it_was_signed(witness: Witness, part: str) -> None:
    headers = signed_headers(witness.server.port, CREATE, witness.server.credentials, TARGET)
    body = CREATE
    if part == "body":
        body = CREATE.replace(b"new", b"own")
    elif part == "x-amz-target":
        headers[part] = "DataPipeline.DeletePipeline"
    else:
        (name,) = [name for name in headers if name.lower() == part]
        headers[name] = headers[name][:-3] + ("00Z" if headers[name][-3:] != "00Z" else "01Z")
    error = witness.send(request_bytes(headers, body)).error
    assert error[:2] == (403, "InvalidSignatureException")


@pytest.mark.parametrize("minutes", [-16, 16, -60 * 24 * 365, 60 * 24 * 365])
def test_a_skewed_date(witness: Witness, minutes: int) -> None:
    now = system_clock() + minutes * MINUTE_MS
    error = witness.request(CREATE, target=TARGET, now=now).error
    assert error[:2] == (403, "InvalidSignatureException")
    assert "Signature" in error[2]


@pytest.mark.parametrize("minutes", [-14, 14])
def test_a_date_that_is_near_enough(witness: Witness, minutes: int) -> None:
    now = system_clock() + minutes * MINUTE_MS
    assert witness.request(b"{}", now=now).status == 200


@pytest.mark.parametrize(
    "key",
    [Credentials("AKIAUNKNOWNUNKNOWN22", "secret"), Credentials("AKIA' OR 1=1 --", "secret")],
    ids=["unknown", "hostile"],
)
def test_an_unknown_key(witness: Witness, key: Credentials) -> None:
    status, code, _ = witness.request(CREATE, key, target=TARGET).error
    assert (status, code) in {
        (403, "UnrecognizedClientException"),
        (403, "IncompleteSignatureException"),
    }


def test_a_session_token_that_nobody_gave(witness: Witness) -> None:
    key = witness.server.credentials
    with_token = Credentials(key.access_key_id, key.secret_access_key, "token")
    assert witness.request(CREATE, with_token, target=TARGET).error[:2] == (
        403,
        "UnrecognizedClientException",
    )


OF_ANOTHER_SERVICE = (
    "Credential=A/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=00"
)


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        (None, "MissingAuthenticationTokenException"),
        ("", "MissingAuthenticationTokenException"),
        ("Basic YTpi", "IncompleteSignatureException"),
        ("AWS4-HMAC-SHA256", "IncompleteSignatureException"),
        ("AWS4-HMAC-SHA256 Credential=a, SignedHeaders=b", "IncompleteSignatureException"),
        (f"AWS4-HMAC-SHA256 {OF_ANOTHER_SERVICE}", ""),
        ("AWS4-HMAC-SHA256 " + "x" * 20_000, "IncompleteSignatureException"),
        ("AWS4-ECDSA-P256-SHA256 Credential=a", "IncompleteSignatureException"),
    ],
)
def test_an_authorization_that_is_none(
    witness: Witness, authorization: str | None, code: str
) -> None:
    headers = signed_headers(witness.server.port, CREATE, witness.server.credentials, TARGET)
    headers = {name: text for name, text in headers.items() if name.lower() != "authorization"}
    if authorization is not None:
        headers["authorization"] = authorization
    status, found, _ = witness.send(request_bytes(headers, CREATE)).error
    assert status == 403
    assert not code or found == code


def test_an_unsigned_payload(witness: Witness) -> None:
    headers = signed_headers(witness.server.port, CREATE, witness.server.credentials, TARGET)
    headers["x-amz-content-sha256"] = "UNSIGNED-PAYLOAD"
    assert witness.send(request_bytes(headers, CREATE)).status == 403


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{",
        CREATE[:-1],
        CREATE[: len(CREATE) // 2],
        CREATE + b"}",
        CREATE + CREATE,
        b'{"name": "new", "uniqueId": "new",}',
        b"{'name': 'new', 'uniqueId': 'new'}",
        b'{"name": NaN, "uniqueId": "new"}',
        b'{"name": "new\x00", "uniqueId": "new"}',
        b'{"name": "new", "uniqueId": "\\ud800"}',
        b"\xff\xfe" + CREATE,
        b"\xef\xbb\xbf" + CREATE,
        b"\x1f\x8b\x08" + bytes(100),
        random.Random(1).randbytes(5_000),
        b"[" * 200_000,
        b'{"name":' * 100_000,
        b"<CreatePipeline><name>new</name></CreatePipeline>",
    ],
    ids=lambda body: repr(body[:20]),
)
def test_a_body_that_is_no_json_object(witness: Witness, body: bytes) -> None:
    status, code, message = witness.request(body, target=TARGET).error
    assert (status, code) == (400, "SerializationException")
    assert len(message) < 1_000


def wrong(operation: str, body: dict[str, Any], *texts: str) -> Any:
    """A call with the member that is at fault, and what the refusal must say."""
    return pytest.param(operation, body, texts, id=f"{operation}-{texts[0][:40]}")


OF_NO_PIPELINE = frozenset(
    "CreatePipeline PollForTask SetTaskStatus ReportTaskProgress ReportTaskRunnerHeartbeat".split()
)


def refusal(witness: Witness, operation: str, body: dict[str, Any]) -> tuple[int, str, str]:
    whole = body if operation in OF_NO_PIPELINE else {"pipelineId": witness.pipeline} | body
    content = json.dumps(whole).encode()
    return witness.request(content, target=f"DataPipeline.{operation}").error


@pytest.mark.parametrize(
    ("operation", "body", "texts"),
    [
        wrong("CreatePipeline", {"name": 7, "uniqueId": "u"}, "name"),
        wrong("CreatePipeline", {"name": ["n"], "uniqueId": "u"}, "name"),
        wrong("CreatePipeline", {"name": "n", "uniqueId": "u", "tags": {}}, "tags"),
        wrong("AddTags", {"tags": [{"key": "k", "value": 1}]}, "value"),
        wrong("DeactivatePipeline", {"cancelActive": "yes"}, "cancelActive"),
        wrong("QueryObjects", {"sphere": "INSTANCE", "limit": "9"}, "limit"),
        wrong("ActivatePipeline", {"startTimestamp": {}}, "startTimestamp"),
        wrong("ActivatePipeline", {"startTimestamp": 1e300}, "startTimestamp"),
        wrong("PutPipelineDefinition", {"pipelineObjects": "all"}, "pipelineObjects"),
    ],
)
def test_members_of_the_wrong_type(
    witness: Witness, operation: str, body: dict[str, Any], texts: tuple[str, ...]
) -> None:
    status, code, message = refusal(witness, operation, body)
    assert (status, code) == (400, "SerializationException"), message
    assert all(text in message for text in texts), message


MUST_NOT_BE_NULL = (
    "1 validation error detected: Value null at 'name' failed to satisfy constraint:"
    " Member must not be null"
)
NO_KEY = [{"id": "A", "name": "A", "fields": [{"stringValue": "x"}]}]


@pytest.mark.parametrize(
    ("operation", "body", "texts"),
    [
        wrong("CreatePipeline", {"uniqueId": "u"}, MUST_NOT_BE_NULL),
        wrong("CreatePipeline", {"name": "", "uniqueId": "u"}, "at 'name'"),
        wrong("CreatePipeline", {"name": "n" * 1_025, "uniqueId": "u"}, "at 'name'", "1024"),
        wrong("CreatePipeline", {}, "2 validation errors detected"),
        wrong("SetTaskStatus", {"taskId": "t", "taskStatus": "DONE"}, "taskStatus"),
        wrong("PollForTask", {"workerGroup": "g" * 1_025}, "at 'workerGroup'"),
        wrong("ReportTaskProgress", {"taskId": "t" * 2_049}, "at 'taskId'"),
        wrong("ReportTaskRunnerHeartbeat", {"taskrunnerId": ""}, "at 'taskrunnerId'"),
        wrong("AddTags", {"tags": [{"key": "k" * 129, "value": ""}]}, "tags.1.member.key", "128"),
        wrong("PutPipelineDefinition", {"pipelineObjects": NO_KEY}, "fields.1.member.key"),
    ],
)
def test_members_of_the_wrong_size_or_missing(
    witness: Witness, operation: str, body: dict[str, Any], texts: tuple[str, ...]
) -> None:
    status, code, message = refusal(witness, operation, body)
    assert (status, code) == (400, "ValidationException"), message
    assert all(text in message for text in texts), message


@pytest.mark.parametrize(
    ("operation", "body", "texts"),
    [
        wrong("SetStatus", {"objectIds": ["A"], "status": "DANCE"}, "DANCE"),
        wrong("SetStatus", {"objectIds": ["Z"], "status": "PAUSE"}, "'Z'"),
        wrong("ActivatePipeline", {"startTimestamp": 0}, "startTimestamp"),
        wrong("QueryObjects", {"sphere": "INSTANCE", "limit": -1}, "limit is -1"),
        wrong("QueryObjects", {"sphere": "INSTANCE", "marker": "@x"}, "'@x'"),
        wrong("GetPipelineDefinition", {"version": "oldest"}, "'oldest'"),
        wrong(
            "PutPipelineDefinition",
            {"pipelineObjects": [ondemand("g"), shell("A", command="")]},
            "'command' is empty",
        ),
        wrong("EvaluateExpression", {"objectId": "A", "expression": "#{" * 5_000}, ""),
        wrong("EvaluateExpression", {"objectId": "A", "expression": f"#{{{'(' * 50_000}"}, ""),
    ],
)
def test_values_that_make_no_sense(
    witness: Witness, operation: str, body: dict[str, Any], texts: tuple[str, ...]
) -> None:
    status, code, message = refusal(witness, operation, body)
    assert (status, code) == (400, "InvalidRequestException"), message
    assert all(text in message for text in texts), message


@pytest.mark.parametrize(
    "target",
    [None, "", "DataPipeline", "DataPipeline.", "DataPipeline.Drop", "createpipeline",
     "DynamoDB_20120810.ListTables", "DataPipeline.createPipeline", "DataPipeline.CreatePipeline "],
)  # fmt: skip
def test_an_unknown_operation(witness: Witness, target: str | None) -> None:
    if target is not None and target.endswith(" "):
        target = target.replace(" ", "s")
    status, code, message = witness.request(CREATE, target=target).error
    assert (status, code) == (400, "UnknownOperationException")
    assert "DataPipeline.<Operation>" in message


@pytest.mark.parametrize("content_type", [None, "", "text/plain", "application/json", "*/*"])
def test_a_wrong_content_type(witness: Witness, content_type: str | None) -> None:
    status, code, message = witness.request(CREATE, target=TARGET, content_type=content_type).error
    assert (status, code) == (400, "SerializationException")
    assert JSON in message


def test_a_body_of_thirty_mebibytes_is_refused_by_its_length(witness: Witness) -> None:
    """Refused before it is sent: the header alone gets the answer."""
    headers = signed_headers(witness.server.port, b"", witness.server.credentials, TARGET)
    headers["content-length"] = str(30 * MEBIBYTE)
    answer = witness.send(request_bytes(headers, b""))
    assert answer.error[:2] == (413, "RequestEntityTooLargeException")
    assert str(25 * MEBIBYTE) in answer.error[2]


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_thirty_mebibytes_that_is_sent_whole(witness: Witness, chunked: bool) -> None:
    headers = signed_headers(witness.server.port, b"", witness.server.credentials, TARGET)
    if chunked:
        head = request_bytes(headers | {"transfer-encoding": "chunked"}, b"")
        head = head.replace(b"content-length: 0\r\n", b"")
    else:
        head = request_bytes(headers | {"content-length": str(30 * MEBIBYTE)}, b"")
    piece = b" " * MEBIBYTE
    framed = b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece
    with RawConnection(witness.server.port, witness.server.credentials) as raw:
        raw.socket.sendall(head)
        try:
            for _ in range(30):
                raw.socket.sendall(framed)
        except OSError:
            pass  # It need not read to the end what it has refused.
        try:
            answer: Answer | None = raw.read()
        except OSError:
            answer = None  # The refusal may be lost when the server closes on what still comes.
    assert answer is None or answer.error[:2] == (413, "RequestEntityTooLargeException")


def test_a_body_of_twenty_mebibytes_is_taken(witness: Witness) -> None:
    body = {
        "pipelineId": witness.pipeline,
        "objectId": "A",
        "expression": "x" * (20 * MEBIBYTE),
    }
    answer = witness.caller.call("EvaluateExpression", body)
    assert answer["evaluatedExpression"] == body["expression"]


GARBAGE = random.Random(2012)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
        b"\x00" * 100,
        GARBAGE.randbytes(3_000),
        b"GET\r\n\r\n",
        b"POST / HTTP/9.9\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: ten\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST / HTTP/1.1\r\nx: " + b"y" * 100_000,
        b"POST / HTTP/1.1\r\n" + b"x: y\r\n" * 30_000,
    ],
    ids=lambda sent: repr(sent[:30]),
)
def test_what_is_not_http(witness: Witness, sent: bytes) -> None:
    with RawConnection(witness.server.port, witness.server.credentials) as raw:
        raw.socket.sendall(sent)
        raw.socket.shutdown(socket.SHUT_WR)
        try:
            received = b""
            while more := raw.socket.recv(65_536):
                received += more
        except ConnectionResetError:
            pass
    assert not received or received.split()[1].startswith(b"4")


def test_half_a_request(witness: Witness) -> None:
    """A client that goes away in the middle of its body is not answered, and nothing is done."""
    headers = signed_headers(witness.server.port, CREATE, witness.server.credentials, TARGET)
    whole = request_bytes(headers, CREATE)
    for length in (10, len(whole) // 2, len(whole) - 1):
        with RawConnection(witness.server.port, witness.server.credentials) as raw:
            raw.socket.sendall(whole[:length])


def test_calls_at_other_places(witness: Witness) -> None:
    headers = signed_headers(witness.server.port, CREATE, witness.server.credentials, TARGET)
    for line in ("PUT / HTTP/1.1", "DELETE / HTTP/1.1", "POST /x HTTP/1.1"):
        with RawConnection(witness.server.port, witness.server.credentials) as raw:
            raw.socket.sendall(request_bytes(headers, CREATE, line))
            assert raw.socket.recv(65_536).split()[1].startswith(b"4")


@pytest.mark.parametrize("forge", [lambda t: t[:-4], lambda t: t[::-1], lambda t: "A" + t[1:]])
def test_a_forged_task_id(witness: Witness, forge: Callable[[str], str]) -> None:
    body = json.dumps({"taskId": forge(witness.task_id), "taskStatus": "FINISHED"}).encode()
    error = witness.request(body, target="DataPipeline.SetTaskStatus").error
    assert error[:2] == (400, "TaskNotFoundException")


def test_a_command_that_fits_only_some_objects_changes_none(witness: Witness) -> None:
    ids = [witness.instance, "@A_2000-01-01T00:00:00"]
    body = {"pipelineId": witness.pipeline, "objectIds": ids, "status": "CANCEL"}
    error = witness.request(json.dumps(body).encode(), target="DataPipeline.SetStatus").error
    assert error[:2] == (400, "InvalidRequestException")
    assert "@A_2000-01-01T00:00:00" in error[2]
