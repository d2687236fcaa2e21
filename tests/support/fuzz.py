"""Seeded requests that are almost right: good calls, altered in one to three places.

The request of a number depends on nothing but the seed, that number, and the objects it may speak
of, so one that does harm can be had again.
"""

from __future__ import annotations

import json
import random
import string
from collections.abc import Callable
from typing import Any, NamedTuple

from penstock.wire.sigv4 import Credentials
from tests.support.definitions import Ref, ondemand, shell
from tests.support.wire import request_bytes, signed_headers


class Targets(NamedTuple):
    """What the requests speak of; all of it exists."""

    pipeline: str
    instance: str
    task_id: str
    group: str


class Request(NamedTuple):
    """What goes over the socket. `framed`: HTTP at least, so that there must be an answer."""

    operation: str
    sent: bytes
    framed: bool


def good_bodies(on: Targets) -> dict[str, dict[str, Any]]:
    """A good call of each operation."""
    pipeline = {"pipelineId": on.pipeline}
    definition = {
        "pipelineObjects": [
            ondemand(on.group, maxActiveInstances="5"),
            shell("A", command="echo #{myWord} #{@scheduledStartTime}"),
            shell("B", dependsOn=Ref("A")),
        ],
        "parameterObjects": [
            {"id": "myWord", "attributes": [{"key": "type", "stringValue": "String"}]}
        ],
        "parameterValues": [{"id": "myWord", "stringValue": "w"}],
    }
    selector = {"fieldName": "@status", "operator": {"type": "EQ", "values": ["FINISHED"]}}
    ids = ["A", on.instance, f"{on.instance}_Attempt=1"]
    fields = [{"key": "percentComplete", "stringValue": "5"}]
    return {
        "ActivatePipeline": {**pipeline, "parameterValues": definition["parameterValues"]},
        "AddTags": {**pipeline, "tags": [{"key": "k", "value": "v"}]},
        "CreatePipeline": {"name": "n", "uniqueId": "u", "description": "d", "tags": []},
        "DeactivatePipeline": {**pipeline, "cancelActive": True},
        "DeletePipeline": pipeline,
        "DescribeObjects": {**pipeline, "objectIds": ids, "evaluateExpressions": True},
        "DescribePipelines": {"pipelineIds": [on.pipeline]},
        "EvaluateExpression": {**pipeline, "objectId": "A", "expression": "#{1 + 2} #{myWord}"},
        "GetPipelineDefinition": {**pipeline, "version": "latest"},
        "ListPipelines": {"marker": ""},
        "PollForTask": {"workerGroup": on.group, "hostname": "h"},
        "PutPipelineDefinition": {**pipeline, **definition},
        "QueryObjects": {
            **pipeline,
            "query": {"selectors": [selector]},
            "sphere": "INSTANCE",
            "marker": "",
            "limit": 10,
        },
        "RemoveTags": {**pipeline, "tagKeys": ["k"]},
        "ReportTaskProgress": {"taskId": on.task_id, "fields": fields},
        "ReportTaskRunnerHeartbeat": {"taskrunnerId": "r", "workerGroup": "g", "hostname": "h"},
        "SetStatus": {**pipeline, "objectIds": [on.instance], "status": "RERUN"},
        "SetTaskStatus": {"taskId": on.task_id, "taskStatus": "FAILED", "errorMessage": "m"},
        "ValidatePipelineDefinition": {**pipeline, **definition},
    }


HOSTILE: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 2**31, 2**63, 2**64, -(2**70), 1e308, "", " ", "x" * 1_024,
    "x" * 1_025, "x" * 5_000, "\0", "\ud800", "\U0001f600" * 500, "\u202e", "'; DROP TABLE x; --",
    "../../etc/passwd", "${jndi:ldap://x}", "#{", "#{1/0}", "#{@x.y.z}", "#{myWord", "}" * 50,
    "#{" + "(" * 300, "#{" + "1+" * 500 + "1}", "#{format(@scheduledStartTime, 'QQQ')}",
    "#{'" + "a" * 2_000, "%s%n", "@A_9999-99-99T99:99:99", "@A_0000-01-01T00:00:00_Attempt=0",
    "@_Attempt=1", "2026-01-01T00:00:00", "9" * 400, "-1 days", "0 minutes", "99999999999 years",
    [], {}, [[]], [None], [{}], {"": None}, ["x"] * 200, {"id": "A"}, [1, "2", None],
    "latest", "ACTIVE", "PAUSE", "TRY_CANCEL", "MARK_FINISHED", "FALSE", "COMPONENT", "ATTEMPT",
)  # fmt: skip
"""Values that have broken something somewhere."""


def fuzzed(seed: int, number: int, port: int, key: Credentials, on: Targets) -> Request:
    """The request of that number."""
    rng = random.Random(f"{seed}-{number}")
    operation, body = rng.choice(list(good_bodies(on).items()))
    way = rng.choices(_WAYS, _WEIGHTS)[0]
    return way(rng, operation, json.loads(json.dumps(body)), port, key)


def _with_members_altered(
    rng: random.Random, operation: str, body: Any, port: int, key: Credentials
) -> Request:
    for _ in range(rng.randint(1, 3)):
        body = _alter(rng, body)
    return _signed(operation, _dump(body), port, key)


def _alter(rng: random.Random, tree: Any) -> Any:
    """The tree with one place of it replaced, removed, doubled, renamed or wrapped."""
    if isinstance(tree, dict) and tree and rng.random() < 0.85:
        name = rng.choice(list(tree))
        choice = rng.random()
        if choice < 0.1:
            return {other: value for other, value in tree.items() if other != name}
        if choice < 0.2:
            return {**tree, rng.choice(["extra", name.upper(), name + " ", ""]): tree[name]}
        return {**tree, name: _alter(rng, tree[name])}
    if isinstance(tree, list) and tree and rng.random() < 0.8:
        place = rng.randrange(len(tree))
        if rng.random() < 0.2:
            return tree + tree[: place + 1]
        return [*tree[:place], _alter(rng, tree[place]), *tree[place + 1 :]]
    if isinstance(tree, str) and tree and rng.random() < 0.3:
        place = rng.randrange(len(tree))
        return tree[:place] + rng.choice(string.printable) + tree[place + 1 :]
    return [tree] if rng.random() < 0.1 else rng.choice(HOSTILE)


def _dump(body: Any) -> bytes:
    return json.dumps(body).encode()


def _with_bytes_altered(
    rng: random.Random, operation: str, body: Any, port: int, key: Credentials
) -> Request:
    return _signed(operation, _damage(rng, _dump(body)), port, key)


def _damage(rng: random.Random, content: bytes) -> bytes:
    place = rng.randrange(len(content))
    other = rng.randrange(len(content))
    bit = 1 << rng.randrange(8)
    return rng.choice(
        (
            content[:place],
            content[place:],
            content[:place] + rng.randbytes(rng.randint(1, 40)) + content[place:],
            content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :],
            content[: max(place, other)] + content[min(place, other) :],
            content * rng.randint(2, 5),
            rng.randbytes(rng.randint(0, 2_000)),
            content.replace(b'"', b"'"),
            content.replace(b"}", b""),
            b"[" * rng.randint(1, 50_000),
        )
    )  # fmt: skip


def _with_headers_altered(
    rng: random.Random, operation: str, body: Any, port: int, key: Credentials
) -> Request:
    content = _dump(body)
    headers = signed_headers(port, content, key, f"DataPipeline.{operation}")
    for _ in range(rng.randint(1, 3)):
        name = rng.choice(list(headers))
        choice = rng.random()
        if choice < 0.2:
            del headers[name]
            headers = headers or {"host": "x"}
        elif choice < 0.7:
            text = headers[name]
            place = rng.randrange(len(text) + 1)
            junk = "".join(rng.choices(_HEADER_LETTERS, k=rng.randint(0, 20)))
            headers[name] = text[:place] + junk + text[place + rng.randint(0, 5) :]
        else:
            headers[rng.choice(_OTHER_HEADERS)] = rng.choice(["", "x", "1", "y" * 5_000, name])
    return Request(operation, request_bytes(headers, content), framed=True)


_HEADER_LETTERS = string.ascii_letters + string.digits + " ,;=/+-_.%\"'\\()<>{}\u00e9"
_OTHER_HEADERS = (
    "x-amz-security-token", "x-amz-content-sha256", "date", "accept", "content-encoding",
    "x-amz-target", "cookie", "via", "x-forwarded-for", "user-agent",
)  # fmt: skip


def _with_foreign_signature(
    rng: random.Random, operation: str, body: Any, port: int, key: Credentials
) -> Request:
    foreign = rng.choice(
        (
            Credentials(key.access_key_id, "x" * 40),
            Credentials("AKIA" + "7" * 16, key.secret_access_key),
            Credentials(key.access_key_id, key.secret_access_key, "token"),
            Credentials("", ""),
            Credentials("A" * 3_000, "s"),
        )
    )
    return _signed(operation, _dump(body), port, foreign)


def _with_framing_altered(
    rng: random.Random, operation: str, body: Any, port: int, key: Credentials
) -> Request:
    """Bytes of the whole request are altered, so there may be no answer at all."""
    sent = _signed(operation, _dump(body), port, key).sent
    for _ in range(rng.randint(1, 3)):
        sent = _damage(rng, sent) or b"\0"
    return Request(operation, sent, framed=False)


def _signed(operation: str, content: bytes, port: int, key: Credentials) -> Request:
    headers = signed_headers(port, content, key, f"DataPipeline.{operation}")
    return Request(operation, request_bytes(headers, content), framed=True)


Way = Callable[[random.Random, str, Any, int, Credentials], Request]
_WAYS: tuple[Way, ...] = (
    _with_members_altered,
    _with_bytes_altered,
    _with_headers_altered,
    _with_foreign_signature,
    _with_framing_altered,
)
_WEIGHTS = (50, 15, 15, 5, 15)
