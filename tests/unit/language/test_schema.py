"""The JSON Schema of definition files: says no where it should, and nowhere else."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator, Draft202012Validator

from penstock.language.catalogue import FieldType, ObjectType, all_types
from penstock.language.forms import read_definition
from penstock.language.schema import definition_schema
from penstock.language.validate import validate
from penstock.model.limits import Limits

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = definition_schema()
VALIDATOR = Draft202012Validator(SCHEMA)

ACTIVITY: dict[str, object] = {"id": "A", "type": "ShellCommandActivity", "command": "true"}


def faults(*objects: object, **rest: object) -> set[str]:
    """Where the schema finds something, as `objects/0/field`."""
    document = {"objects": list(objects), **rest}
    return {"/".join(map(str, each.absolute_path)) for each in VALIDATOR.iter_errors(document)}


def test_the_schema_is_one():
    Draft202012Validator.check_schema(SCHEMA)
    Draft7Validator.check_schema({key: SCHEMA[key] for key in SCHEMA if key != "$schema"})


def test_every_reference_leads_somewhere():
    definitions = SCHEMA["$defs"]
    assert isinstance(definitions, dict)
    text = json.dumps(SCHEMA)
    named = {part.split('"')[0] for part in text.split('"#/$defs/')[1:]}
    assert named == definitions.keys()


@pytest.mark.parametrize("path", sorted(ROOT.glob("examples/**/*.json")), ids=lambda p: p.name)
def test_the_projects_own_definitions_pass(path: Path):
    assert list(VALIDATOR.iter_errors(json.loads(path.read_text("utf-8")))) == []


@pytest.mark.parametrize(
    "change",
    [
        {"type": "SHELLCOMMANDACTIVITY"},
        {"type": ["ShellCommandActivity"]},
        {"id": "Default", "type": "Default", "anything": "at all"},
        {"type": "Default"},
        {"id": "Default", "type": "whatever"},
        {"scheduleType": "CRON"},
        {"scheduleType": "#{myStyle}"},
        {"failureAndRerunMode": " Cascade "},
        {"stage": True},
        {"stage": "TRUE"},
        {"maximumRetries": 3},
        {"maximumRetries": " 3 "},
        {"maximumRetries": "#{myRetries}"},
        {"retryDelay": "70 MINUTES"},
        {"retryDelay": "#{myMinutes} minutes"},
        {"command": 7},
        {"command": ["one", "two"]},
        {"command": []},
        {"runsOn": {"ref": "R"}},
        {"dependsOn": [{"ref": "B"}, {"ref": "C"}]},
        {"myThing": {"ref": "B"}, "*mySecret": "x", "my_list": ["a", 1, False]},
        {"name": 12},
    ],
)
def test_what_validation_accepts(change: dict[str, object]):
    assert faults({**ACTIVITY, **change}) == set()


@pytest.mark.parametrize(
    ("fields", "accepted"),
    [
        ({"terminateAfter": 3}, True),
        ({"terminateAfter": "3"}, True),
        ({"terminateAfter": "3 hours"}, True),
        ({"terminateAfter": "soon"}, False),
        ({"spotBidPrice": "0.05"}, True),
        ({"spotBidPrice": 0.05}, True),
        ({"spotBidPrice": "cheap"}, False),
        ({"runsOn": {"ref": "R"}}, False),
        ({"actionOnTaskFailure": "Terminate"}, True),
        ({"actionOnTaskFailure": "stop"}, False),
    ],
)
def test_fields_with_words_of_their_own(fields: dict[str, object], accepted: bool):
    assert (faults({"id": "R", "type": "Ec2Resource", **fields}) == set()) is accepted


def test_a_price_may_be_a_word():
    cluster = {"id": "R", "type": "EmrCluster"}
    assert faults({**cluster, "masterInstanceBidPrice": "ondemandprice"}) == set()
    assert faults({**cluster, "masterInstanceBidPrice": "free"}) != set()


def test_periods_of_schedules():
    schedule = {"id": "S", "type": "Schedule", "startAt": "ONDEMAND_ACTIVATION_TIME"}
    assert faults({**schedule, "period": "ondemand_period"}) == set()
    assert faults({**schedule, "period": "15 Period"}) == {"objects/0/period"}
    assert faults({**schedule, "startDateTime": "2026-01-31 14:00"}) == set()
    assert faults({**schedule, "startDateTime": "tomorrow"}) == {"objects/0/startDateTime"}


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"type": "ShelCommandActivity"}, "objects/0/type"),
        ({"type": 7}, "objects/0/type"),
        ({"type": ["CSV", "TSV"]}, "objects/0/type"),
        ({"comand": "x"}, "objects/0"),
        ({"@status": "FINISHED"}, "objects/0"),
        ({"mycomment": "x"}, "objects/0"),
        ({"runsOn": "R"}, "objects/0/runsOn"),
        ({"runsOn": {"rf": "R"}}, "objects/0/runsOn"),
        ({"runsOn": {"ref": "R", "id": "R"}}, "objects/0/runsOn"),
        ({"command": {"ref": "R"}}, "objects/0/command"),
        ({"command": None}, "objects/0/command"),
        ({"command": [["x"]]}, "objects/0/command"),
        ({"stage": "yes"}, "objects/0/stage"),
        ({"maximumRetries": "many"}, "objects/0/maximumRetries"),
        ({"maximumRetries": True}, "objects/0/maximumRetries"),
        ({"retryDelay": "15minutes"}, "objects/0/retryDelay"),
        ({"scheduleType": "sometimes"}, "objects/0/scheduleType"),
        ({"name": None}, "objects/0/name"),
        ({"id": "Default", "stage": "yes"}, "objects/0/stage"),
    ],
)
def test_what_is_marked_and_where(change: dict[str, object], where: str):
    assert faults({**ACTIVITY, **change}) == {where}


def test_the_shape_of_the_whole():
    assert list(VALIDATOR.iter_errors([])) != []
    assert list(VALIDATOR.iter_errors({"pipelineObjects": []})) != []
    assert faults({"type": "CSV"}) == {"objects/0"}
    assert faults("x") == {"objects/0"}
    assert faults(parameters={}) == {"parameters"}
    assert faults(parameters=[{"type": "String"}]) == {"parameters/0"}
    assert faults(values={"myX": {"ref": "y"}}) == {"values/myX"}
    assert faults(metadata={"any": ["thing"]}, values={"myX": ["a", 1]}) == set()
    parameter = {"id": "*myX", "type": "Integer", "allowedValues": [1, 2], "ours": "x"}
    assert faults(parameters=[parameter]) == set()


def test_editors_have_something_to_show():
    definitions = SCHEMA["$defs"]
    assert isinstance(definitions, dict)
    shown = definitions["field.retryDelay"]
    assert shown["default"] == "10 minutes"
    assert "pause" in shown["description"]
    assert definitions["field.CopyActivity.script"]["deprecated"] is True
    assert "deprecated" not in definitions["field.script"]
    offered = definitions["type"]["anyOf"][0]
    assert len(offered["enum"]) == len(offered["enumDescriptions"]) == 43


VALUES: dict[str, list[object]] = {
    "string": ["x", "a #{@scheduledStartTime}", 5, 1.5, True, {"ref": "B"}, None],
    "reference": [{"ref": "B"}, {"ref": "A"}, "B", {"rf": "B"}],
    "period": ["1 day", "15 MINUTES", "3 Hour", "1 d", "3", 3, "ONDEMAND_PERIOD", "#{myX} hours"],
    "integer": ["1", 2, " 3 ", "-1", "+4", "1.5", 1.5, True, "many", "#{myX}"],
    "double": ["0.5", 0.5, ".5", "1e-1", " 1 ", "1_0", "half", True, "nan", "OnDemandPrice"],
    "boolean": ["true", "False", " TRUE ", True, "yes", 1],
    "datetime": ["2026-01-01", "2026-1-2T3:04", " 2026-01-01T00:00:00Z ", "soon", 2026],
    "enumeration": ["none", "CASCADE", "cron", "gzip", "retryNone", " append ", "no such", 1],
}


def written(name: str) -> st.SearchStrategy[str]:
    return st.sampled_from([name, name.upper(), name.lower()])


def field_values(key: str, field: FieldType) -> st.SearchStrategy[object]:
    one = st.sampled_from([*VALUES[field.kind], *field.values, "#{myX}"])
    return st.one_of(one, st.lists(one, max_size=2))


def objects(known: ObjectType) -> st.SearchStrategy[dict[str, object]]:
    """Objects of a type, some of them sound; now and then with a field of another type."""
    fields = {
        key: field
        for key, field in [*known.fields.items(), *all_types()["csv"].fields.items()]
        if key != "parent"
    }
    required = {
        key: field_values(key, field)
        for key, field in fields.items()
        if field.presence == "required"
    }
    optional = {
        key: field_values(key, field) for key, field in fields.items() if key not in required
    }
    types = st.one_of(written(known.name), st.just(None))
    return st.builds(
        lambda kind, some, rest: {
            "id": "A", **({} if kind is None else {"type": kind}), **some, **rest,
        },
        types,
        st.fixed_dictionaries(required),
        st.lists(st.sampled_from(sorted(optional)), max_size=4, unique=True).flatmap(
            lambda keys: st.fixed_dictionaries({key: optional[key] for key in keys})
        ),
    )  # fmt: skip


@given(st.sampled_from(sorted(all_types())).flatmap(lambda name: objects(all_types()[name])))
def test_where_validation_finds_no_error_the_schema_finds_none(pipeline_object: dict[str, object]):
    # An unknown field without values is absent for validation; an editor may well mark it.
    document = {
        "objects": [
            {key: value for key, value in pipeline_object.items() if value != []},
            {"id": "B", "type": "Schedule", "period": "1 day", "startDateTime": "2026-01-01"},
        ],
        "values": {"myX": "1"},
    }
    text = json.dumps(document)
    if "null" in text or '"rf"' in text:
        return  # no definition at all
    if "A" not in validate(read_definition(text), Limits()).errors:
        assert list(VALIDATOR.iter_errors(document)) == []
