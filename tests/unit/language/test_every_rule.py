"""One example for each rule that the page of mistakes does not have."""

import pytest

from penstock.language.edits import forbidden_edits
from penstock.language.forms import from_cli, unreadable
from penstock.language.rules import Rule
from penstock.language.validate import validate
from penstock.model.definition import Definition, Findings, PipelineObject
from penstock.model.errors import DefinitionError
from penstock.model.limits import AWS_LIMITS, Limits
from tests.unit.language.checking import (
    DEFAULT,
    SCHEDULE,
    Object,
    activity,
    check,
    node,
)

MANY = [{"id": f"my_{n}", "default": "x"} for n in range(51)]
ALARM: Object = {"id": "Alarm", "type": "SnsAlarm", "role": "r", "topicArn": "t", "subject": "s"}
DAILY: Object = {**SCHEDULE, "id": "Daily", "period": "1 day"}
LONG = "#{@scheduledStartTime}" * 700

EXAMPLES: dict[Rule, Findings] = {
    Rule.UNREADABLE: Findings(unreadable(DefinitionError("the text is empty"))),
    Rule.TOO_MANY_OBJECTS: check(activity(), limits=Limits(objects_per_pipeline=2)),
    Rule.TOO_MANY_PARAMETERS: check(activity(), parameters=MANY, limits=AWS_LIMITS),
    Rule.TOO_MUCH_INHERITED: check(
        {**DEFAULT, **{f"my_{n}": "x" for n in range(1_001)}},
        *({"id": f"X{n}"} for n in range(1_000)),
    ),
    Rule.TOO_INTRICATE: check(
        {**DEFAULT, "pipelineLogUri": f"s3://b/{LONG}"}, *(activity(id=f"A{n}") for n in range(450))
    ),
    Rule.MISSING_ID: validate(Definition((PipelineObject("", "n"),)), Limits()),
    Rule.MISSING_NAME: validate(Definition((PipelineObject("i", ""),)), Limits()),
    Rule.RESERVED_NAME: check(activity(id="@A")),
    Rule.NAME_TOO_LONG: check(activity(id="A" * 257)),
    Rule.OBJECT_TOO_LARGE: check(activity(command="x" * 10_300), limits=AWS_LIMITS),
    Rule.FORBIDDEN_FIELD: check(
        {"id": "H", "type": "Ec2Resource", "workerGroup": "w"}, activity(runsOn={"ref": "H"})
    ),
    Rule.SEVERAL_VALUES: check(activity(command=["a", "b"])),
    Rule.MISSING_ROLE: check({"id": "H", "type": "Ec2Resource"}, activity(runsOn={"ref": "H"})),
    Rule.TOO_MANY_ROLLUPS: check(
        DAILY,
        activity(schedule={"ref": "Daily"}, dependsOn={"ref": "B"}),
        activity(id="B"),
        limits=AWS_LIMITS,
    ),
    Rule.UNSET_FIELD: check(
        activity(onFail={"ref": "Alarm"}), ALARM | {"message": "#{node.pipelineLogUri}"}
    ),
    Rule.SHADOWED_PARAMETER: check(
        activity(command="#{myX}", myX="y"), parameters=[{"id": "myX", "default": "x"}]
    ),
    Rule.NO_ACTIVITY: validate(Definition(()), Limits()),
    Rule.IDLE_WORKER_GROUP: check(activity(), polled=frozenset()),
    Rule.DEPRECATED: check(
        activity(input={"ref": "N"}), {"id": "N", "type": "MySqlDataNode", "table": "t"}
    ),
    Rule.FORBIDDEN_EDIT: Findings(
        tuple(
            forbidden_edits(from_cli({"objects": [node("N")]}), from_cli({"objects": [node("M")]}))
        )
    ),
}


@pytest.mark.parametrize("rule", EXAMPLES, ids=lambda rule: rule.value)
def test_an_example_breaks_its_rule(rule: Rule) -> None:
    assert rule.value in {each.rule for each in EXAMPLES[rule].found}
