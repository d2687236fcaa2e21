"""The calls that the public API reference shows as examples, with the answers that it shows.

Written anew from the reference's facts: the same objects, the same members in request and answer,
as bytes over HTTP. Ids, times and the endpoint are ours.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.server import Server, serving
from tests.support.wire import JSON, Answer, RawConnection, request_bytes, signed_headers

TASK_FIELDS = {
    "@componentParent": "SayHello",
    "@scheduledStartTime": "2012-12-12T00:00:00",
    "parent": "SayHello",
    "@sphere": "ATTEMPT",
    "workerGroup": "workerGroup",
    "@instanceParent": "@SayHello_2012-12-12T00:00:00",
    "type": "ShellCommandActivity",
    "@status": "WAITING_FOR_RUNNER",
    "@version": "1",
    "schedule": "Schedule",
    "command": "echo hello",
    "@scheduledEndTime": "2012-12-13T00:00:00",
    "@activeInstances": "@SayHello_2012-12-12T00:00:00",
}
"""What PollForTask's example shows of its attempt; the start and the pipeline are checked apart."""
REFERENCES = {"@componentParent", "parent", "@instanceParent", "schedule", "@activeInstances"}


def fields(**values: str) -> list[dict[str, str]]:
    return [
        {"key": key, "refValue" if key in {"parent", "schedule"} else "stringValue": value}
        for key, value in values.items()
    ]


def say_hello(**schedule: str) -> list[dict[str, Any]]:
    """The definition that the examples share: an activity on a schedule."""
    whole = {
        "startDateTime": "2012-12-12T00:00:00",
        "endDateTime": "2012-12-21T18:00:00",
        "period": "1 day",
    }
    return [
        {"id": "Default", "name": "Default", "fields": fields(workerGroup="workerGroup")},
        {
            "id": "Schedule",
            "name": "Schedule",
            "fields": fields(type="Schedule", **(whole | schedule)),
        },
        {
            "id": "SayHello",
            "name": "SayHello",
            "fields": fields(
                type="ShellCommandActivity",
                command="echo hello",
                parent="Default",
                schedule="Schedule",
            ),
        },
    ]


class Caller:
    """Sends the examples' bodies as they stand."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def post(self, operation: str, body: str, prefix: str = "DataPipeline") -> Answer:
        content = body.encode()
        key = self.server.credentials
        target = f"{prefix}.{operation}"
        headers = signed_headers(self.server.port, content, key, target)
        with RawConnection(self.server.port, key) as raw:
            raw.socket.sendall(request_bytes(headers, content))
            return raw.read()

    def __call__(self, operation: str, **members: Any) -> Any:
        answer = self.post(operation, json.dumps(members))
        assert answer.status == 200, answer
        assert answer.headers["content-type"] == JSON
        return json.loads(answer.body)

    def new(self, unique_id: str, **schedule: str) -> str:
        pipeline: str = self("CreatePipeline", name="myPipeline", uniqueId=unique_id)["pipelineId"]
        objects = say_hello(**schedule)
        self("PutPipelineDefinition", pipelineId=pipeline, pipelineObjects=objects)
        return pipeline


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """A server that lets an example of 2012 run today."""
    with serving(tmp_path_factory.mktemp("reference") / "data", "allow_backfill=true") as server:
        yield Caller(server)


def test_create_pipeline(call: Caller) -> None:
    body = (
        '{"name": "myPipeline",\n "uniqueId": "123456789",\n'
        ' "description": "This is my first pipeline"}'
    )
    for prefix in ("DataPipeline", "DataPipeline_20121029", "DataPipeline_20121129"):
        answer = call.post("CreatePipeline", body, prefix)
        assert answer.status == 200
        assert set(answer.members) == {"pipelineId"}
        assert len(answer.members["pipelineId"]) == 23


def test_put_validate_and_get_pipeline_definition(call: Caller) -> None:
    pipeline = call("CreatePipeline", name="myPipeline", uniqueId="put")["pipelineId"]
    whole = {"pipelineId": pipeline, "pipelineObjects": say_hello()}
    assert call("ValidatePipelineDefinition", **whole)["errored"] is False
    assert call("PutPipelineDefinition", **whole)["errored"] is False
    got = call("GetPipelineDefinition", pipelineId=pipeline)
    assert got["pipelineObjects"] == say_hello()


def test_a_definition_with_a_faulty_schedule(call: Caller) -> None:
    """The reference's text: the error stands under the schedule's id and names the field."""
    pipeline = call("CreatePipeline", name="myPipeline", uniqueId="faulty")["pipelineId"]
    faulty = say_hello(startDateTime="2012-09-25T17_00_00")
    whole = {"pipelineId": pipeline, "pipelineObjects": faulty}
    answer = call("ValidatePipelineDefinition", **whole)
    assert answer["errored"] is True
    (error,) = answer["validationErrors"]
    assert error["id"] == "Schedule"
    assert any("startDateTime" in text for text in error["errors"])
    assert call("PutPipelineDefinition", **whole)["errored"] is True


def test_activate_deactivate_and_delete_pipeline(call: Caller) -> None:
    pipeline = call.new("activate")
    body = json.dumps({"pipelineId": pipeline})
    for operation in ("ActivatePipeline", "DeactivatePipeline"):
        answer = call.post(operation, body)
        assert (answer.status, answer.body) == (200, b"{}")
    answer = call.post("DeletePipeline", body)
    assert (answer.status, answer.body) == (200, b"")


def test_tags(call: Caller) -> None:
    pipeline = call.new("tags")
    tags = [{"key": "environment", "value": "production"}]
    assert call("AddTags", pipelineId=pipeline, tags=tags) == {}
    assert call("RemoveTags", pipelineId=pipeline, tagKeys=["environment"]) == {}


def test_describe_pipelines(call: Caller) -> None:
    pipeline = call.new("describe")
    call("ActivatePipeline", pipelineId=pipeline)
    answer = call("DescribePipelines", pipelineIds=[pipeline])
    assert set(answer) == {"pipelineDescriptionList"}
    (shown,) = answer["pipelineDescriptionList"]
    assert {"name", "pipelineId", "fields"} <= set(shown)
    found = {field["key"]: field["stringValue"] for field in shown["fields"]}
    assert found["@pipelineState"] == "SCHEDULED"
    assert found["name"] == "myPipeline"
    assert found["@sphere"] == "PIPELINE"
    assert found["@id"] == pipeline
    assert found["uniqueId"] == "describe"


def test_list_pipelines(call: Caller) -> None:
    pipeline = call.new("list")
    answer = call("ListPipelines")
    assert answer["hasMoreResults"] is False
    assert {"id": pipeline, "name": "myPipeline"} in answer["pipelineIdList"]


def test_evaluate_expression(call: Caller) -> None:
    pipeline = call.new("evaluate")
    answer = call(
        "EvaluateExpression",
        pipelineId=pipeline,
        objectId="Schedule",
        expression="Transform started at #{startDateTime} and finished at #{endDateTime}",
    )
    assert answer == {
        "evaluatedExpression": "Transform started at 2012-12-12T00:00:00 and finished at"
        " 2012-12-21T18:00:00"
    }


def test_describe_and_query_objects(call: Caller) -> None:
    pipeline = call.new("objects", endDateTime="2012-12-13T00:00:00")
    call("ActivatePipeline", pipelineId=pipeline)
    asked = {"pipelineId": pipeline, "objectIds": ["Schedule"], "evaluateExpressions": True}
    answer = call("DescribeObjects", **asked)
    assert answer["hasMoreResults"] is False
    (item,) = answer["pipelineObjects"]
    assert (item["id"], item["name"]) == ("Schedule", "Schedule")
    shown = {field["key"]: field.get("stringValue") for field in item["fields"]}
    assert shown["@sphere"] == "COMPONENT"
    assert shown["@version"] == "1"
    assert shown["startDateTime"] == "2012-12-12T00:00:00"
    assert (shown["type"], shown["period"]) == ("Schedule", "1 day")
    query = {"pipelineId": pipeline, "query": {"selectors": []}, "marker": "", "limit": 10}
    assert call("QueryObjects", sphere="INSTANCE", **query) == {
        "ids": ["@SayHello_2012-12-12T00:00:00"],
        "hasMoreResults": False,
    }
    for sphere in ("instance", "PO"):  # The reference gives the three words in capitals.
        answer = call.post("QueryObjects", json.dumps({"sphere": sphere, **query}))
        assert answer.status == (200 if sphere == "instance" else 400)


def test_poll_report_and_set_task_status(call: Caller) -> None:
    pipeline = call.new("poll", endDateTime="2012-12-13T00:00:00")
    group = "only this pipeline's"
    objects = say_hello(endDateTime="2012-12-13T00:00:00")
    objects[0]["fields"] = fields(workerGroup=group)
    call("PutPipelineDefinition", pipelineId=pipeline, pipelineObjects=objects)
    call("ActivatePipeline", pipelineId=pipeline)
    answer = call("PollForTask", workerGroup=group, hostname="example.com")
    task = answer["taskObject"]
    assert set(task) == {"attemptId", "objects", "pipelineId", "taskId"}
    assert task["attemptId"] == "@SayHello_2012-12-12T00:00:00_Attempt=1"
    assert task["pipelineId"] == pipeline
    attempt = task["objects"][task["attemptId"]]
    assert attempt["id"] == attempt["name"] == task["attemptId"]
    shown = {
        field["key"]: (field["refValue"] if "refValue" in field else field["stringValue"])
        for field in attempt["fields"]
    }
    assert {key for key in shown if shown[key]} >= {"@actualStartTime", "@pipelineId"}
    assert {key: shown[key] for key in TASK_FIELDS} == TASK_FIELDS | {"workerGroup": group}
    assert {f["key"] for f in attempt["fields"] if "refValue" in f} == REFERENCES
    report = {"taskId": task["taskId"], "fields": fields(percentComplete="50")}
    assert call("ReportTaskProgress", **report) == {"canceled": False}
    answer = call.post(
        "SetTaskStatus", json.dumps({"taskId": task["taskId"], "taskStatus": "FINISHED"})
    )
    assert (answer.status, answer.body) == (200, b"{}")


def test_report_task_runner_heartbeat(call: Caller) -> None:
    answer = call(
        "ReportTaskRunnerHeartbeat",
        taskrunnerId="1000000000000",
        workerGroup="wg-12345",
        hostname="example.com",
    )
    assert answer == {"terminate": False}


def test_set_status(call: Caller) -> None:
    pipeline = call.new("status")
    call("ActivatePipeline", pipelineId=pipeline)
    body = {"pipelineId": pipeline, "objectIds": ["SayHello"], "status": "pause"}
    answer = call.post("SetStatus", json.dumps(body))
    assert (answer.status, answer.body) == (200, b"")
