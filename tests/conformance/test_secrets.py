"""Secrets: in a task's hands in clear, everywhere else masked; never in the log or the database."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.support.definitions import ondemand, shell
from tests.support.server import Server

PASSWORD = "correct-horse-battery"
TOKEN = "tr0ub4dor-and-three"


def put_and_activate(client: Any, name: str) -> str:
    """A pipeline whose command uses a secret field and a secret parameter."""
    pipeline: str = client.create_pipeline(name=name, uniqueId=name)["pipelineId"]
    activity = shell("A", command="load #{*myPassword} #{*myToken}")
    activity["fields"].append({"key": "*myPassword", "stringValue": PASSWORD})
    answer = client.put_pipeline_definition(
        pipelineId=pipeline,
        pipelineObjects=[ondemand(name), activity],
        parameterObjects=[
            {"id": "*myToken", "attributes": [{"key": "type", "stringValue": "String"}]}
        ],
    )
    assert not answer["errored"], answer
    client.activate_pipeline(
        pipelineId=pipeline, parameterValues=[{"id": "*myToken", "stringValue": TOKEN}]
    )
    return pipeline


def test_a_task_has_them_and_descriptions_do_not(client: Any, name: str) -> None:
    pipeline = put_and_activate(client, name)
    task = client.poll_for_task(workerGroup=name)["taskObject"]
    fields = {f["key"]: f.get("stringValue") for f in task["objects"][task["attemptId"]]["fields"]}
    assert fields["command"] == f"load {PASSWORD} {TOKEN}"
    client.set_task_status(
        taskId=task["taskId"], taskStatus="FAILED", errorMessage=f"cannot log in with {PASSWORD}"
    )
    attempt = task["attemptId"]
    shown = client.describe_objects(
        pipelineId=pipeline,
        objectIds=["A", attempt.removesuffix("_Attempt=1"), attempt],
        evaluateExpressions=True,
    )
    text = json.dumps(shown["pipelineObjects"])
    assert PASSWORD not in text
    assert TOKEN not in text
    assert "cannot log in with ********" in text
    for object_id in ("A", attempt.removesuffix("_Attempt=1")):
        evaluated = client.evaluate_expression(
            pipelineId=pipeline, objectId=object_id, expression="#{*myPassword} and #{*myToken}"
        )
        assert evaluated["evaluatedExpression"] == "******** and ********"


def test_a_definition_comes_back_as_it_was_put(client: Any, name: str) -> None:
    pipeline = put_and_activate(client, name)
    got = client.get_pipeline_definition(pipelineId=pipeline, version="active")
    assert PASSWORD in json.dumps(got["pipelineObjects"])
    assert TOKEN in json.dumps(got["parameterValues"])


def test_a_server_can_be_told_not_to_give_them_back(start: Callable[..., Server]) -> None:
    server = start("reveal_secrets=false")
    client = server.boto()
    pipeline = put_and_activate(client, "masked")
    for version in ("latest", "active"):
        text = json.dumps(client.get_pipeline_definition(pipelineId=pipeline, version=version))
        assert PASSWORD not in text
        assert TOKEN not in text
    client.close()


def test_nothing_is_written_in_clear(start: Callable[..., Server]) -> None:
    server = start("access_log=true")
    client = server.boto()
    put_and_activate(client, "written")
    secret = server.credentials.secret_access_key
    client.close()
    with server.halted():
        for path in server.data.iterdir():
            content = b"" if path.name == "credentials" else path.read_bytes()
            for word in (PASSWORD, TOKEN, secret):
                assert word.encode() not in content, path
    for word in (PASSWORD, TOKEN, secret):
        assert word not in server.log
