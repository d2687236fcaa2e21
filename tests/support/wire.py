"""Requests below any client: signed by hand, altered at will, answers held to their form."""

from __future__ import annotations

import http.client
import json
import socket
import uuid
import zlib
from typing import Any, NamedTuple, Self

from penstock.clock import system_clock
from penstock.wire import sigv4
from penstock.wire.sigv4 import Credentials

JSON = "application/x-amz-json-1.1"


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def members(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> tuple[int, str, str]:
        """Status, code and text of an error; anything else fails."""
        members = self.members
        assert set(members) == {"__type", "message"}, self
        assert members["__type"].isalnum(), self
        assert members["message"], self
        return self.status, members["__type"], members["message"]


def read_answer(response: http.client.HTTPResponse) -> Answer:
    """An answer, once what every answer must have has been checked."""
    body = response.read()
    headers = {name.lower(): value for name, value in response.getheaders()}
    assert headers["x-amz-crc32"] == str(zlib.crc32(body))
    assert str(uuid.UUID(headers["x-amzn-requestid"])) == headers["x-amzn-requestid"]
    return Answer(response.status, headers, body)


def signed_headers(
    port: int,
    body: bytes,
    credentials: Credentials,
    target: str | None = "DataPipeline.ListPipelines",
    content_type: str | None = JSON,
    now: int | None = None,
) -> dict[str, str]:
    """The headers of a request with a good signature, whatever else is wrong with it."""
    headers = {"host": f"127.0.0.1:{port}"}
    if target is not None:
        headers["x-amz-target"] = target
    if content_type is not None:
        headers["content-type"] = content_type
    at = system_clock() if now is None else now
    return sigv4.sign("POST", "/", "", headers, body, credentials, "us-east-1", at)


def request_bytes(
    headers: dict[str, str], body: bytes, first_line: str = "POST / HTTP/1.1"
) -> bytes:
    """A whole request as it goes over a socket."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    length = "" if "content-length" in headers else f"content-length: {len(body)}\r\n"
    return f"{first_line}\r\n{lines}{length}\r\n".encode("latin-1") + body


class RawConnection:
    """A socket to the server, for what no client would send, or would not take back."""

    def __init__(self, port: int, credentials: Credentials, timeout: float = 30) -> None:
        self.port = port
        self._credentials = credentials
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, operation: str, parameters: Any = None) -> None:
        """Send a good call and do not wait for its answer."""
        body = json.dumps(parameters or {}).encode()
        target = f"DataPipeline.{operation}"
        headers = signed_headers(self.port, body, self._credentials, target)
        self.socket.sendall(request_bytes(headers, body))

    def read(self) -> Answer:
        """The next answer; raises http.client.HTTPException or OSError if none comes."""
        response = http.client.HTTPResponse(self.socket, method="POST")
        try:
            response.begin()
            return read_answer(response)
        finally:
            response.close()

    def call(self, operation: str, parameters: Any = None) -> Answer:
        self.send(operation, parameters)
        return self.read()
