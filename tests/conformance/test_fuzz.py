"""Thousands of seeded requests that are almost right: clear errors, nothing changed, no crash.

`make fuzz` runs many more, from another seed each time; FUZZ_SEED and FUZZ_REQUESTS choose them.
"""

from __future__ import annotations

import http.client
import os
import socket
from collections.abc import Callable
from typing import Any

import pytest

from penstock.wire.client import Client, ServiceError
from penstock.wire.sigv4 import Credentials
from tests.support.definitions import activated, instances, ondemand, shell
from tests.support.fuzz import Request, Targets, fuzzed
from tests.support.server import Server
from tests.support.snapshot import everything, one
from tests.support.wire import Answer, RawConnection, read_answer

SEED = int(os.environ.get("FUZZ_SEED") or 20121029)
REQUESTS = int(os.environ.get("FUZZ_REQUESTS") or 5_000)
LOOK_EVERY = 15
"""How often a refused call is checked to have changed nothing of what its sender has."""

ERROR_STATUS = {400, 403, 404, 413}


class Attack:
    """The requests of one account, sent one after another, with what they speak of kept alive."""

    def __init__(self, server: Server, key: Credentials) -> None:
        self._server = server
        self._key = key
        self._client: Any = server.boto(key)
        self.caller: Client = server.caller(key)
        self._raw = RawConnection(server.port, key)
        self._made = 0
        self.statuses: dict[int, int] = {}
        self.targets = self._make_targets()

    def close(self) -> None:
        self._raw.socket.close()
        self.caller.close()
        self._client.close()

    def _make_targets(self) -> Targets:
        self._made += 1
        group = f"group {self._made}"
        pipeline = activated(
            self._client, group, ondemand(group, maxActiveInstances="5"), shell("A"), shell("B")
        )
        task = self._client.poll_for_task(workerGroup=group)["taskObject"]
        return Targets(pipeline, instances(self._client, pipeline)[0], task["taskId"], group)

    def run(self, number: int) -> None:
        """Send the request of that number and judge what comes back."""
        request = fuzzed(SEED, number, self._server.port, self._key, self.targets)
        before = self._look() if number % LOOK_EVERY == 0 else None
        try:
            answer = self._framed(request) if request.framed else self._unframed(request)
            if request.operation == "DeletePipeline":
                self._replace_what_is_gone()
            if answer is None:
                return
            self.statuses[answer.status] = self.statuses.get(answer.status, 0) + 1
            if answer.status != 200:
                _check_error(answer)
                assert before is None or self._look() == before
        except (AssertionError, LookupError, ValueError, OSError, ServiceError) as error:
            error.add_note(f"FUZZ_SEED={SEED}, request {number}: {request.sent[:3_000]!r}")
            raise

    def _replace_what_is_gone(self) -> None:
        try:
            self._look()
        except ServiceError as error:
            if error.code != "PipelineDeletedException":
                raise
            self.targets = self._make_targets()

    def _look(self) -> dict[str, Any]:
        """What the next request may change, once all before it have had their effect."""
        for _ in range(2):
            self.caller.call("ReportTaskRunnerHeartbeat", {"taskrunnerId": "nobody"})
        return one(self.caller, self.targets.pipeline)

    def _framed(self, request: Request) -> Answer:
        """An HTTP request has an answer; the connection may end after it."""
        self._raw.socket.sendall(request.sent)
        response = http.client.HTTPResponse(self._raw.socket, method="POST")
        try:
            response.begin()
            answer = read_answer(response)
            ended = response.will_close
        finally:
            response.close()
        if ended:
            self._reconnect()
        return answer

    def _unframed(self, request: Request) -> Answer | None:
        """What need not be HTTP is answered or not; then the sender has nothing more to say."""
        with RawConnection(self._server.port, self._key) as raw:
            try:
                raw.socket.sendall(request.sent)
                raw.socket.shutdown(socket.SHUT_WR)
                received = b"".join(iter(lambda: raw.socket.recv(65_536), b""))
            except OSError:
                return None  # The server had heard enough.
        for line in received.split(b"\r\n"):
            if line.startswith(b"HTTP/1.1 "):
                assert line[9:12] == b"200" or int(line[9:12]) in ERROR_STATUS | {405, 406}, line
        return None

    def _reconnect(self) -> None:
        self._raw.socket.close()
        self._raw = RawConnection(self._server.port, self._key)


def _check_error(answer: Answer) -> None:
    assert answer.status in ERROR_STATUS, answer
    status, code, message = answer.error
    assert code.endswith("Exception"), answer
    assert (status == 403) == (code in _FORBIDDEN), answer
    assert len(message) < 20_000


_FORBIDDEN = {
    "MissingAuthenticationTokenException",
    "IncompleteSignatureException",
    "UnrecognizedClientException",
    "InvalidSignatureException",
    "AccessDeniedException",
}


@pytest.mark.slow
def test_requests_that_are_almost_right(start: Callable[..., Server]) -> None:
    server = start("poll_wait=1ms", "max_body_bytes=100KiB")
    owner = server.boto()
    activated(owner, "witness", ondemand("witness"), shell("A"), shell("B"))
    owner.poll_for_task(workerGroup="witness")
    witness = server.caller()
    before = everything(witness)
    attack = Attack(server, server.other_account())
    try:
        for number in range(REQUESTS):
            attack.run(number)
        assert set(attack.statuses) >= {200, 400, 403}
        # Another account's things, and the server itself, are as if nothing had happened.
        assert everything(witness) == before
        assert server.running
    finally:
        attack.close()
        witness.close()
        owner.close()
