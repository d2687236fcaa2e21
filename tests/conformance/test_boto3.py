"""boto3, unmodified: all nineteen operations, the errors by class and text, the paginators."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.definitions import (
    Ref,
    activated,
    component,
    described,
    field_values,
    instances,
    ondemand,
    shell,
)
from tests.support.server import Server


@contextmanager
def refused(code: str, text: str) -> Iterator[None]:
    """The block must raise an error of that code, with that text in its message."""
    with pytest.raises(ClientError) as caught:
        yield
    error = caught.value.response["Error"]
    assert error["Code"] == code, error
    assert text in error["Message"]


def new_pipeline(client: Any, name: str, **how: Any) -> str:
    pipeline: str = client.create_pipeline(name=name, uniqueId=name, **how)["pipelineId"]
    return pipeline


def fields_of(client: Any, pipeline: str) -> dict[str, str]:
    (shown,) = client.describe_pipelines(pipelineIds=[pipeline])["pipelineDescriptionList"]
    return {field["key"]: field["stringValue"] for field in shown["fields"]}


def chain(group: str) -> list[dict[str, Any]]:
    """Two activities, the second after the first."""
    return [ondemand(group), shell("First"), shell("Second", dependsOn=Ref("First"))]


def take(client: Any, group: str) -> dict[str, Any]:
    task: dict[str, Any] = client.poll_for_task(workerGroup=group, hostname="a.host")["taskObject"]
    return task


def test_create_is_idempotent_by_name_and_unique_id(client: Any, name: str) -> None:
    first = new_pipeline(client, name, description="for the first time")
    assert len(first) == 23
    assert first.startswith("df-")
    assert first[3:].isalnum()
    assert first[3:] == first[3:].upper()
    assert new_pipeline(client, name, description="again") == first
    assert client.create_pipeline(name=name, uniqueId="another")["pipelineId"] != first
    assert fields_of(client, first)["description"] == "for the first time"


def test_describe_a_pending_pipeline(client: Any, name: str) -> None:
    pipeline = new_pipeline(client, name, description="about", tags=[{"key": "k", "value": "v"}])
    (shown,) = client.describe_pipelines(pipelineIds=[pipeline])["pipelineDescriptionList"]
    assert (shown["pipelineId"], shown["name"], shown["description"]) == (pipeline, name, "about")
    assert shown["tags"] == [{"key": "k", "value": "v"}]
    assert all(set(field) == {"key", "stringValue"} for field in shown["fields"])
    fields = {field["key"]: field["stringValue"] for field in shown["fields"]}
    assert sorted(fields) == sorted(
        "@accountId @creationTime @id @pipelineState @sphere @userId description name"
        " pipelineCreator uniqueId *tags".split()
    )
    assert fields["@pipelineState"] == "PENDING"
    assert fields["@sphere"] == "PIPELINE"
    assert fields["*tags"] == '[{"key":"k","value":"v"}]'
    assert fields["@userId"] == fields["pipelineCreator"]
    assert fields["@userId"].startswith("AIDA")


def test_a_pipeline_without_tags_has_an_empty_list_of_them(client: Any, name: str) -> None:
    pipeline = new_pipeline(client, name)
    (shown,) = client.describe_pipelines(pipelineIds=[pipeline])["pipelineDescriptionList"]
    assert shown["tags"] == []
    assert "*tags" not in fields_of(client, pipeline)


def test_tags_are_added_replaced_and_removed(client: Any, name: str) -> None:
    pipeline = new_pipeline(client, name, tags=[{"key": "a", "value": "1"}])
    tags = [{"key": "a", "value": "2"}, {"key": "b", "value": ""}]
    client.add_tags(pipelineId=pipeline, tags=tags)
    (shown,) = client.describe_pipelines(pipelineIds=[pipeline])["pipelineDescriptionList"]
    assert shown["tags"] == tags
    client.remove_tags(pipelineId=pipeline, tagKeys=["a", "never there"])
    (shown,) = client.describe_pipelines(pipelineIds=[pipeline])["pipelineDescriptionList"]
    assert shown["tags"] == [{"key": "b", "value": ""}]


def test_a_definition_comes_back_as_it_was_put(client: Any, name: str) -> None:
    pipeline = new_pipeline(client, name)
    definition = {
        "pipelineObjects": [
            shell("Last", command="echo #{myWord}", scriptArgument=["one", "two", "one"]),
            ondemand(name),
        ],
        "parameterObjects": [
            {
                "id": "myWord",
                "attributes": [
                    {"key": "type", "stringValue": "String"},
                    {"key": "default", "stringValue": "hello"},
                ],
            }
        ],
        "parameterValues": [{"id": "myWord", "stringValue": "gr\u00fc\u00df dich \U0001f600"}],
    }
    put = client.put_pipeline_definition(pipelineId=pipeline, **definition)
    assert not put["errored"], put
    for version in ({}, {"version": "latest"}):
        got = client.get_pipeline_definition(pipelineId=pipeline, **version)
        assert {key: got[key] for key in definition} == definition
    active = client.get_pipeline_definition(pipelineId=pipeline, version="active")
    assert active.get("pipelineObjects", []) == []
    client.activate_pipeline(
        pipelineId=pipeline, parameterValues=[{"id": "myWord", "stringValue": "later"}]
    )
    active = client.get_pipeline_definition(pipelineId=pipeline, version="active")
    assert active["parameterValues"] == [{"id": "myWord", "stringValue": "later"}]
    task = take(client, name)
    assert field_values(task["objects"][task["attemptId"]], "command") == ["echo later"]


def test_a_faulty_draft_is_saved_with_its_errors_and_cannot_be_activated(
    client: Any, name: str
) -> None:
    pipeline = new_pipeline(client, name)
    broken = [ondemand(name), component("Odd", type="ShellCommandActivity")]
    checked = client.validate_pipeline_definition(pipelineId=pipeline, pipelineObjects=broken)
    assert checked["errored"]
    assert [error["id"] for error in checked["validationErrors"]] == ["Odd"]
    assert client.get_pipeline_definition(pipelineId=pipeline).get("pipelineObjects", []) == []
    put = client.put_pipeline_definition(pipelineId=pipeline, pipelineObjects=broken)
    assert put["validationErrors"] == checked["validationErrors"]
    assert client.get_pipeline_definition(pipelineId=pipeline)["pipelineObjects"] == broken
    with refused("InvalidRequestException", "Odd"):
        client.activate_pipeline(pipelineId=pipeline)
    assert fields_of(client, pipeline)["@pipelineState"] == "PENDING"


def test_what_cannot_even_be_a_draft_is_refused(client: Any, name: str) -> None:
    pipeline = new_pipeline(client, name)
    with refused("InvalidRequestException", "A: 'command' is empty"):
        client.put_pipeline_definition(
            pipelineId=pipeline, pipelineObjects=[shell("A", command="")]
        )
    assert client.get_pipeline_definition(pipelineId=pipeline).get("pipelineObjects", []) == []


def test_a_life_from_activation_to_the_end(client: Any, name: str) -> None:
    pipeline = activated(client, name, *chain(name))
    assert fields_of(client, pipeline)["@pipelineState"] == "SCHEDULED"
    first = take(client, name)
    assert first["pipelineId"] == pipeline
    assert first["attemptId"].startswith("@First_")
    report = client.report_task_progress(
        taskId=first["taskId"], fields=[{"key": "percentComplete", "stringValue": "50"}]
    )
    assert report["canceled"] is False
    shown = described(client, pipeline, first["attemptId"])
    assert (shown["@status"], shown["percentComplete"]) == ("RUNNING", "50")
    assert shown["hostname"] == "a.host"
    second_id = next(i for i in instances(client, pipeline) if i.startswith("@Second_"))
    waiting = described(client, pipeline, second_id)
    assert waiting["@status"] == "WAITING_ON_DEPENDENCIES"
    assert waiting["@waitingOn"] == first["attemptId"].removesuffix("_Attempt=1")
    client.set_task_status(taskId=first["taskId"], taskStatus="FINISHED")
    second = take(client, name)
    client.set_task_status(taskId=second["taskId"], taskStatus="FINISHED")
    fields = fields_of(client, pipeline)
    assert (fields["@pipelineState"], fields["@healthStatus"]) == ("FINISHED", "HEALTHY")
    assert {"@finishedTime", "@firstActivationTime", "@lastActivationTime"} <= set(fields)
    assert fields["@version"] == "1"
    assert [described(client, pipeline, i)["@status"] for i in instances(client, pipeline)] == [
        "FINISHED",
        "FINISHED",
    ]


def test_a_failed_task_keeps_its_error(client: Any, name: str) -> None:
    pipeline = activated(client, name, ondemand(name), shell("A", maximumRetries="0"))
    task = take(client, name)
    with refused("InvalidRequestException", "'Service_Mine' begins with 'Service_'"):
        client.set_task_status(taskId=task["taskId"], taskStatus="FAILED", errorId="Service_Mine")
    client.set_task_status(
        taskId=task["taskId"],
        taskStatus="FAILED",
        errorId="Mine",
        errorMessage="it broke",
        errorStackTrace="line 1\nline 2",
    )
    (instance,) = instances(client, pipeline)
    for object_id in (instance, task["attemptId"]):
        shown = described(client, pipeline, object_id)
        assert shown["@status"] == "FAILED"
        assert (shown["errorId"], shown["errorMessage"]) == ("Mine", "it broke")
        assert shown["errorStackTrace"] == "line 1\nline 2"
    assert fields_of(client, pipeline)["@healthStatus"] == "ERROR"


def test_pause_resume_cancel_rerun_and_mark_finished(client: Any, name: str) -> None:
    pipeline = activated(client, name, ondemand(name), shell("A"))
    (instance,) = instances(client, pipeline)

    def status_after(status: str, object_id: str = instance) -> str:
        client.set_status(pipelineId=pipeline, objectIds=[object_id], status=status)
        return described(client, pipeline, instance)["@status"]

    assert status_after("PAUSE", "A") == "PAUSED"
    assert described(client, pipeline, "A")["@status"] == "PAUSED"
    assert status_after("resume", "A") == "WAITING_FOR_RUNNER"
    assert status_after("TRY_CANCEL") == "CANCELED"
    assert status_after("RERUN") == "WAITING_FOR_RUNNER"
    assert status_after("mark_finished") == "FINISHED"
    with refused("InvalidRequestException", "cannot be set to TRY_CANCEL"):
        client.set_status(pipelineId=pipeline, objectIds=[instance], status="TRY_CANCEL")
    with refused("InvalidRequestException", "PAUSE applies to components"):
        client.set_status(pipelineId=pipeline, objectIds=["A", instance], status="PAUSE")
    with refused("InvalidRequestException", "status is 'DANCE'; it must be one of PAUSE"):
        client.set_status(pipelineId=pipeline, objectIds=["A"], status="DANCE")


def test_deactivate_and_activate_again(client: Any, name: str) -> None:
    pipeline = activated(client, name, ondemand(name), shell("A"))
    client.deactivate_pipeline(pipelineId=pipeline)
    assert fields_of(client, pipeline)["@pipelineState"] == "INACTIVE"
    with refused("InvalidRequestException", "INACTIVE"):
        client.deactivate_pipeline(pipelineId=pipeline, cancelActive=False)
    before = instances(client, pipeline)
    client.activate_pipeline(pipelineId=pipeline)
    fields = fields_of(client, pipeline)
    assert (fields["@pipelineState"], fields["@version"]) == ("SCHEDULED", "2")
    # The run that was held goes on; there is room for one only, so none is added.
    assert instances(client, pipeline) == before
    task = take(client, name)
    client.set_task_status(taskId=task["taskId"], taskStatus="FINISHED")
    assert fields_of(client, pipeline)["@pipelineState"] == "FINISHED"


def test_deactivation_lets_running_work_finish_if_asked(client: Any, name: str) -> None:
    pipeline = activated(client, name, ondemand(name), shell("A"))
    task = take(client, name)
    client.deactivate_pipeline(pipelineId=pipeline, cancelActive=False)
    assert fields_of(client, pipeline)["@pipelineState"] == "DEACTIVATING"
    assert client.report_task_progress(taskId=task["taskId"])["canceled"] is False
    client.set_task_status(taskId=task["taskId"], taskStatus="FINISHED")
    assert fields_of(client, pipeline)["@pipelineState"] == "INACTIVE"


def test_activating_nothing(client: Any, name: str) -> None:
    pipeline = new_pipeline(client, name)
    with pytest.raises(client.exceptions.InvalidRequestException) as caught:
        client.activate_pipeline(pipelineId=pipeline)
    assert caught.value.response["Error"]["Message"] == "Pipeline definition is empty: "


def test_expressions_are_evaluated_in_their_object(client: Any, name: str) -> None:
    pipeline = activated(client, name, ondemand(name), shell("A", command="echo #{@status}"))
    (instance,) = instances(client, pipeline)

    def evaluate(object_id: str, expression: str) -> str:
        answer = client.evaluate_expression(
            pipelineId=pipeline, objectId=object_id, expression=expression
        )
        return str(answer["evaluatedExpression"])

    assert evaluate("A", "1 + 1 is #{1 + 1}") == "1 + 1 is 2"
    assert evaluate(instance, "#{@status} in #{workerGroup}") == f"WAITING_FOR_RUNNER in {name}"
    with refused("InvalidRequestException", ""):
        evaluate("A", "#{1 +")
    with refused("InvalidRequestException", "has no object 'B'"):
        evaluate("B", "#{1}")


def test_heartbeat(client: Any) -> None:
    answer = client.report_task_runner_heartbeat(
        taskrunnerId="runner-1", workerGroup="g", hostname="a.host"
    )
    assert answer["terminate"] is False


def test_deleted_pipelines_are_told_from_unknown_ones(client: Any, name: str) -> None:
    pipeline = activated(client, name, ondemand(name), shell("A"))
    client.delete_pipeline(pipelineId=pipeline)
    text = f"Pipeline with id: {pipeline} does not exist"
    with refused("PipelineDeletedException", text):
        client.describe_pipelines(pipelineIds=[pipeline])
    with pytest.raises(client.exceptions.PipelineDeletedException):
        client.delete_pipeline(pipelineId=pipeline)
    with refused("PipelineNotFoundException", "Pipeline with id: df-0 does not exist"):
        client.activate_pipeline(pipelineId="df-0")
    ids = [p["id"] for p in client.list_pipelines()["pipelineIdList"]]
    assert pipeline not in ids
    assert new_pipeline(client, name) != pipeline


@pytest.mark.parametrize(
    ("operation", "how"),
    [
        ("activate_pipeline", {}),
        ("add_tags", {"tags": []}),
        ("deactivate_pipeline", {}),
        ("delete_pipeline", {}),
        ("describe_objects", {"objectIds": ["A"]}),
        ("evaluate_expression", {"objectId": "A", "expression": "#{1}"}),
        ("get_pipeline_definition", {}),
        ("put_pipeline_definition", {"pipelineObjects": []}),
        ("query_objects", {"sphere": "INSTANCE"}),
        ("remove_tags", {"tagKeys": []}),
        ("set_status", {"objectIds": ["A"], "status": "PAUSE"}),
        ("validate_pipeline_definition", {"pipelineObjects": []}),
    ],
)
def test_every_operation_on_a_pipeline_names_one_that_exists(
    client: Any, operation: str, how: dict[str, Any]
) -> None:
    pipeline = "df-" + "0" * 20
    with pytest.raises(client.exceptions.PipelineNotFoundException) as caught:
        getattr(client, operation)(pipelineId=pipeline, **how)
    response = caught.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert str(uuid.UUID(response["ResponseMetadata"]["RequestId"]))


@pytest.mark.parametrize(
    "task_id", ["x", "\u00e4" * 10, "QewE2Zz-lwrmIVb_oo7JipWsMzYx", "A" * 2_048]
)
def test_task_ids_that_nobody_was_given(client: Any, task_id: str) -> None:
    with refused("TaskNotFoundException", ""):
        client.report_task_progress(taskId=task_id)
    with pytest.raises(client.exceptions.TaskNotFoundException):
        client.set_task_status(taskId=task_id, taskStatus="FINISHED")


def test_shape_violations_name_the_member(client: Any, name: str) -> None:
    pipeline = new_pipeline(client, name)
    with refused("ValidationException", "at 'pipelineId' failed to satisfy constraint"):
        client.activate_pipeline(pipelineId="d" * 1_025)
    with refused("ValidationException", "2 validation errors detected"):
        client.create_pipeline(name="n" * 1_025, uniqueId="u" * 1_025)
    with refused("ValidationException", "enum"):
        client.query_objects(
            pipelineId=pipeline,
            sphere="INSTANCE",
            query={"selectors": [{"fieldName": "name", "operator": {"type": "LIKE"}}]},
        )
    with refused("ValidationException", "at 'taskStatus'"):
        client.set_task_status(taskId="x", taskStatus="DONE")


def test_queries_select_by_all_selectors(client: Any, name: str) -> None:
    pipeline = activated(client, name, *chain(name))
    take(client, name)

    def query(sphere: str, *selectors: tuple[str, str, list[str]]) -> list[str]:
        answer = client.query_objects(
            pipelineId=pipeline,
            sphere=sphere,
            query={
                "selectors": [
                    {"fieldName": field, "operator": {"type": kind, "values": values}}
                    for field, kind, values in selectors
                ]
            },
        )
        return list(answer["ids"])

    first, second = sorted(instances(client, pipeline))
    start = first.removeprefix("@First_")
    assert query("COMPONENT", ("type", "EQ", ["ShellCommandActivity"])) == ["First", "Second"]
    assert query("INSTANCE", ("@status", "EQ", ["RUNNING"])) == [first]
    assert query("INSTANCE", ("@status", "EQ", ["RUNNING", "WAITING_ON_DEPENDENCIES"])) == [
        first,
        second,
    ]
    assert query("INSTANCE", ("@componentParent", "REF_EQ", ["Second"])) == [second]
    assert query("ATTEMPT", ("@instanceParent", "REF_EQ", [first])) == [f"{first}_Attempt=1"]
    assert query("INSTANCE", ("@scheduledStartTime", "GE", [start])) == [first, second]
    assert query("INSTANCE", ("@scheduledStartTime", "LE", ["2020-01-01T00:00:00"])) == []
    assert query("INSTANCE", ("@actualEndTime", "GE", ["2020-01-01T00:00:00"])) == []
    assert query(
        "INSTANCE",
        ("@scheduledStartTime", "BETWEEN", ["2020-01-01T00:00:00", start]),
        ("@status", "EQ", ["RUNNING"]),
    ) == [first]
    with refused("InvalidRequestException", "no time"):
        query("INSTANCE", ("@actualEndTime", "GE", ["yesterday"]))
    with refused("InvalidRequestException", "at most 10"):
        query("INSTANCE", *[("name", "EQ", ["x"])] * 11)


def test_the_paginator_of_pipelines(server: Server, name: str) -> None:
    client = server.boto(server.other_account(name))
    made = [new_pipeline(client, f"{name} {number}") for number in range(103)]
    pages = list(client.get_paginator("list_pipelines").paginate())
    assert [len(page["pipelineIdList"]) for page in pages] == [50, 50, 3]
    assert [p["id"] for page in pages for p in page["pipelineIdList"]] == made
    assert [page["hasMoreResults"] for page in pages] == [True, True, False]
    assert "marker" not in pages[-1]
    assert len(client.list_pipelines(marker="")["pipelineIdList"]) == 50
    with refused("InvalidRequestException", "'df-0' is not one that ListPipelines gave"):
        client.list_pipelines(marker="df-0")
    client.close()


def test_the_paginators_of_objects(client: Any, name: str) -> None:
    activities = [shell(f"A{number:03}") for number in range(130)]
    pipeline = activated(client, name, ondemand(name), *activities)
    pages = list(
        client.get_paginator("query_objects").paginate(pipelineId=pipeline, sphere="INSTANCE")
    )
    assert [len(page["ids"]) for page in pages] == [100, 30]
    found = [object_id for page in pages for object_id in page["ids"]]
    small = client.get_paginator("query_objects").paginate(
        pipelineId=pipeline, sphere="ATTEMPT", limit=60
    )
    assert [len(page["ids"]) for page in small] == [60, 60, 10]
    objects = client.get_paginator("describe_objects").paginate(
        pipelineId=pipeline, objectIds=found[:100], evaluateExpressions=True
    )
    assert [o["id"] for page in objects for o in page["pipelineObjects"]] == found[:100]
    with refused("InvalidRequestException", "at most 100"):
        client.describe_objects(pipelineId=pipeline, objectIds=found[:101])


def test_described_objects_begin_with_their_sphere(client: Any, name: str) -> None:
    pipeline = activated(client, name, ondemand(name), shell("A"))
    task = take(client, name)
    ids = ["A", task["attemptId"].removesuffix("_Attempt=1"), task["attemptId"]]
    shown = client.describe_objects(pipelineId=pipeline, objectIds=ids)["pipelineObjects"]
    assert [item["fields"][0] for item in shown] == [
        {"key": "@sphere", "stringValue": sphere} for sphere in ("COMPONENT", "INSTANCE", "ATTEMPT")
    ]
    with refused("InvalidRequestException", "has no object '@A_2000-01-01T00:00:00'"):
        client.describe_objects(pipelineId=pipeline, objectIds=["A", "@A_2000-01-01T00:00:00"])


def test_a_scheduled_pipeline_shows_its_times(client: Any, name: str) -> None:
    pipeline = activated(
        client,
        name,
        component("Default", scheduleType="cron", workerGroup=name, schedule=Ref("Daily")),
        component("Daily", type="Schedule", period="1 day", startDateTime="2999-01-01T00:00:00"),
        shell("A"),
    )
    fields = fields_of(client, pipeline)
    assert fields["@nextRunTime"] == "2999-01-01T00:00:00"
    assert fields["@scheduledPeriod"] == "1 day"
    assert instances(client, pipeline) == []
    with refused("InvalidRequestException", ""):
        client.query_objects(pipelineId=pipeline, sphere="PLANET")
