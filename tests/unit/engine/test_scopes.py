"""What names stand for at run time: in components, instances, attempts, and what hangs on them."""

from datetime import datetime

import pytest

from penstock.engine.compile import compile_plan
from penstock.engine.objects import attempt_object, instance_object, task_objects
from penstock.engine.plan import Plan
from penstock.engine.scopes import (
    attached_scope,
    attempt_scope,
    component_scope,
    instance_scope,
)
from penstock.language.expressions import evaluate_to_strings
from penstock.language.forms import from_cli
from penstock.language.scope import ObjectScope
from penstock.model.definition import PipelineObject
from penstock.model.errors import DefinitionError
from penstock.model.runtime import Attempt, Instance
from penstock.model.times import DAY_MS, SECOND_MS, Instant, from_datetime

START = from_datetime(datetime(2026, 3, 1))
END = START + DAY_MS
DUE, HANDED, ENDED = (END + n * SECOND_MS for n in (1, 20, 90))

PLAN: Plan = compile_plan(
    from_cli(
        {
            "objects": [
                {"id": "Default", "schedule": {"ref": "Daily"}, "pipelineLogUri": "s3://logs"},
                {
                    "id": "Daily",
                    "type": "Schedule",
                    "period": "1 day",
                    "startDateTime": "2026-02-01T00:00:00",
                },
                {
                    "id": "Hourly",
                    "type": "Schedule",
                    "period": "12 hours",
                    "startDateTime": "2026-02-01T00:00:00",
                },
                {
                    "id": "Load",
                    "name": "the load",
                    "type": "ShellCommandActivity",
                    "command": "echo #{@id} #{@status} #{hostname}",
                    "workerGroup": "g",
                    "input": {"ref": "In"},
                    "output": {"ref": "Out"},
                    "precondition": {"ref": "Ready"},
                    "onFail": {"ref": "Alarm"},
                    "preActivityTaskConfig": {"ref": "Prepare"},
                },
                {
                    "id": "Prepare",
                    "type": "ShellScriptConfig",
                    "scriptArgument": ["#{@scheduledStartTime}", "#{@status}"],
                },
                {"id": "Twin", "type": "ShellCommandActivity", "command": "x", "workerGroup": "g"},
                {
                    "id": "In",
                    "type": "S3DataNode",
                    "schedule": {"ref": "Hourly"},
                    "directoryPath": "s3://in/#{format(@scheduledStartTime, 'HH')}",
                },
                {"id": "Out", "type": "DynamoDBDataNode", "tableName": "t"},
                {
                    "id": "Ready",
                    "type": "S3KeyExists",
                    "s3Key": "#{node.input.directoryPath}/_SUCCESS",
                },
                {"id": "Alarm", "type": "SnsAlarm", "topicArn": "t", "subject": "s"},
            ]
        }
    ),
    (),
    "df-1",
    2,
    START,
    60_000,
)


def instance(component: str, ended: Instant | None = None, error: str | None = None) -> Instance:
    return Instance(
        1, 1, component, START, END, 2, "FAILED" if ended else "RUNNING", DUE,
        ended_at=ended, error_message=error,
    )  # fmt: skip


ATTEMPT = Attempt(1, 3, 1, "a", "g", "RUNNING", DUE, handed_at=HANDED, hostname="host-7")


def said(scope: ObjectScope, text: str) -> str:
    (only,) = evaluate_to_strings(text, scope)
    return only


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("@id", "@Load_2026-03-01T00:00:00"),
        ("parent.@id", "Load"),
        ("name", "the load"),
        ("@pipelineId", "df-1"),
        ("@version", "2"),
        ("@sphere", "INSTANCE"),
        ("@status", "RUNNING"),
        ("@scheduledStartTime", "2026-03-01T00:00:00"),
        ("@scheduledEndTime", "2026-03-02T00:00:00"),
        ("@actualStartTime", "2026-03-02T00:00:01"),
        ("'[' + @actualEndTime + errorMessage + ']'", "[]"),
        ("hostname", "host-7"),
        ("schedule.period", "1 day"),
        ("schedule.@id", "Daily"),
        ("output.@id", "@Out_2026-03-01T00:00:00"),
        ("output.@scheduledEndTime", "2026-03-02T00:00:00"),
        ("pipelineLogUri", "s3://logs"),
    ],
)
def test_an_instance(name: str, expected: str) -> None:
    assert said(instance_scope(PLAN, instance("Load"), ATTEMPT), f"#{{{name}}}") == expected


def test_the_inputs_of_an_instance_are_those_of_its_interval() -> None:
    scope = instance_scope(PLAN, instance("Load"))
    assert evaluate_to_strings("#{input.directoryPath}", scope) == ["s3://in/00", "s3://in/12"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("@id", "@Load_2026-03-01T00:00:00_Attempt=3"),
        ("@sphere", "ATTEMPT"),
        ("@status", "RUNNING"),
        ("@scheduledStartTime", "2026-03-01T00:00:00"),
        ("@actualStartTime", "2026-03-02T00:00:20"),
        ("hostname", "host-7"),
        ("output.@id", "@Out_2026-03-01T00:00:00"),
        # What its instance met before, in another attempt, is not this one's.
        ("'[' + errorMessage + ']'", "[]"),
    ],
)
def test_an_attempt(name: str, expected: str) -> None:
    scope = attempt_scope(PLAN, instance("Load", error="earlier"), ATTEMPT)
    assert said(scope, f"#{{{name}}}") == expected


def test_what_has_no_instances_serves_in_the_interval_of_who_refers_to_it() -> None:
    load = instance("Load")
    scope = instance_scope(PLAN, load)
    assert said(scope, "#{preActivityTaskConfig.@scheduledStartTime}") == "2026-03-01T00:00:00"
    with pytest.raises(DefinitionError, match="only once there is an instance"):
        said(scope, "#{preActivityTaskConfig.@status}")
    handed = task_objects(PLAN, load, ATTEMPT)["Prepare"]
    # What cannot be known stays as it is written.
    assert handed.strings("scriptArgument") == ("2026-03-01T00:00:00", "#{@status}")


def test_the_component_of_an_instance_has_no_interval() -> None:
    with pytest.raises(DefinitionError, match="only once there is an instance"):
        said(instance_scope(PLAN, instance("Load")), "#{parent.@scheduledStartTime}")


def test_a_component_knows_its_pipeline_and_no_run() -> None:
    scope = component_scope(PLAN, "Load")
    assert said(scope, "#{@pipelineId} #{@id} #{name} #{schedule.period}") == (
        "df-1 Load the load 1 day"
    )
    for name in ("@scheduledStartTime", "@status", "hostname", "input.directoryPath"):
        with pytest.raises(DefinitionError, match="only once there is an instance"):
            said(scope, f"#{{{name}}}")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("node.@id", "@Load_2026-03-01T00:00:00"),
        ("node.name", "the load"),
        ("node.@pipelineId", "df-1"),
        ("node.@status", "FAILED"),
        ("node.@scheduledStartTime", "2026-03-01T00:00:00"),
        ("format(minusMinutes(node.@scheduledStartTime, 30), 'HH:mm')", "23:30"),
        ("node.@actualEndTime", "2026-03-02T00:01:30"),
        ("node.errorMessage", "out of luck"),
        ("node.hostname", "host-7"),
        ("node.pipelineLogUri", "s3://logs"),
        ("node.output.tableName", "t"),
        ("node.parent.@id", "Load"),
        # A field that the activity could have and has not: an alarm is sent all the same.
        ("node.stdout + '|'", "|"),
        ("@scheduledStartTime", "2026-03-01T00:00:00"),
        ("@id", "@Alarm@Load_2026-03-01T00:00:00"),
        ("parent.@id", "Alarm"),
    ],
)
def test_an_action_speaks_of_the_instance_that_refers_to_it(expression: str, expected: str) -> None:
    node = instance("Load", ENDED, "out of luck")
    scope = attached_scope(PLAN, "Alarm", node, ATTEMPT)
    assert said(scope, f"#{{{expression}}}") == expected


def test_a_precondition_looks_at_the_inputs_of_its_node() -> None:
    scope = attached_scope(PLAN, "Ready", instance("Load"), None)
    assert scope.values("s3Key") == ["s3://in/00/_SUCCESS", "s3://in/12/_SUCCESS"]


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("node.output.@status", "one reference only"),
        ("node.nonsense", "there is no field 'nonsense' at 'Load'"),
        ("node.command.x", "'command' of 'Load' is a text and no reference"),
        ("node.runsOn.name", "there is no field 'name'"),
        ("stdout", "there is no field or parameter 'stdout' at 'Alarm'"),
    ],
)
def test_what_an_action_cannot_say(expression: str, problem: str) -> None:
    scope = attached_scope(PLAN, "Alarm", instance("Load"), None)
    with pytest.raises(DefinitionError, match=problem):
        said(scope, f"#{{{expression}}}")


def test_objects_are_shown_in_the_contexts_in_which_they_are_evaluated() -> None:
    load = instance("Load")

    def command(shown: PipelineObject) -> str | None:
        return shown.string("command")

    assert command(instance_object(PLAN, load, ATTEMPT)) == (
        "echo @Load_2026-03-01T00:00:00 RUNNING host-7"
    )
    assert command(attempt_object(PLAN, load, ATTEMPT)) == (
        "echo @Load_2026-03-01T00:00:00_Attempt=3 RUNNING host-7"
    )
    handed = task_objects(PLAN, load, ATTEMPT)
    assert command(handed["@Load_2026-03-01T00:00:00_Attempt=3"]) == (
        "echo @Load_2026-03-01T00:00:00_Attempt=3 WAITING_FOR_RUNNER host-7"
    )
