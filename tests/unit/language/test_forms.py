import json
import re

import pytest

from penstock.language.forms import from_cli, read_definition, to_cli
from penstock.model.definition import Definition, Field, ParameterValue, PipelineObject
from penstock.model.errors import DefinitionError

CLI = {
    "metadata": {"templateId": "ignored"},
    "objects": [
        {
            "type": "CopyActivity",
            "id": "Copy",
            "input": {"ref": "In"},
            "myList": ["a", {"ref": "In"}],
        },
        {"id": "In", "name": "the input", "type": "S3DataNode", "myNone": []},
    ],
    "parameters": [{"id": "myX", "type": "Integer", "allowedValues": ["1", "2"]}],
    "values": {"myX": "1", "myY": ["a", "b"]},
}


def test_the_command_line_form_keeps_the_order_of_fields():
    definition = read_definition(json.dumps(CLI))
    assert definition.pipeline_objects[0] == PipelineObject(
        "Copy",
        "Copy",
        (
            Field("type", "CopyActivity"),
            Field("input", ref_value="In"),
            Field("myList", "a"),
            Field("myList", ref_value="In"),
        ),
    )
    assert definition.parameter_values == (
        ParameterValue("myX", "1"),
        ParameterValue("myY", "a"),
        ParameterValue("myY", "b"),
    )


def test_an_empty_list_is_an_absent_field():
    assert read_definition(json.dumps(CLI)).pipeline_objects[1].fields == (
        Field("type", "S3DataNode"),
    )


def test_a_missing_name_is_the_id_and_one_given_stays():
    names = [each.name for each in read_definition(json.dumps(CLI)).pipeline_objects]
    assert names == ["Copy", "the input"]


def test_the_command_line_form_written_reads_the_same():
    definition = read_definition(json.dumps(CLI))
    assert from_cli(to_cli(definition)) == definition


def test_to_cli_leaves_out_what_is_empty():
    assert to_cli(Definition()) == {"objects": []}


def test_numbers_and_booleans_are_taken_as_they_are_written():
    text = '{"objects": [{"id": 12, "a": 1.10, "b": true, "c": [1e3, false]}]}'
    (only,) = read_definition(text).pipeline_objects
    assert only.id == "12"
    assert [field.string_value for field in only.fields] == ["1.10", "true", "1e3", "false"]
    decoded = from_cli({"objects": [{"id": "a", "b": 3, "c": 0.5, "d": True}]})
    assert [field.string_value for field in decoded.pipeline_objects[0].fields] == [
        "3",
        "0.5",
        "true",
    ]


def test_the_api_form_is_told_by_its_keys():
    text = json.dumps(
        {
            "pipelineObjects": [
                {
                    "id": "A",
                    "name": "a",
                    "fields": [
                        {"key": "type", "stringValue": "Schedule"},
                        {"key": "myRef", "refValue": "A"},
                    ],
                }
            ],
            "parameterObjects": [
                {"id": "myX", "attributes": [{"key": "type", "stringValue": "String"}]}
            ],
            "parameterValues": [{"id": "myX", "stringValue": "v"}],
        }
    )
    definition = read_definition(text.encode())
    assert definition.pipeline_objects[0].ref("myRef") == "A"
    assert definition.parameter_objects[0].attribute("type") == "String"
    assert definition.parameter_values == (ParameterValue("myX", "v"),)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "the text is empty"),
        ('{"objects": [', "line 1"),
        (b"\xff\xfe", "not UTF-8"),
        ("[" * 100_000, "nested too deeply"),
        ("[]", "no pipeline definition"),
        ("{}", "no pipeline definition"),
        ('{"objects": 3}', "objects: a list is needed"),
        ('{"objects": [3]}', "objects[0]: a JSON object is needed"),
        ('{"objects": [{}]}', "objects[0]: 'id' is missing"),
        ('{"objects": [{"id": "A", "x": {"reff": "B"}}]}', "object 'A', field 'x'"),
        ('{"objects": [{"id": "A", "x": null}]}', "not null"),
        (
            '{"objects": [{"id": "A", "fields": [{"key": "k", "stringValue": "v"}]}]}',
            "'objects' is called 'pipelineObjects'",
        ),
        ('{"objects": [{"id": "A", "x": [["a"]]}]}', "not a list"),
        ('{"objects": [], "values": []}', "values: a JSON object is needed"),
        ('{"objects": [], "parameters": [{"id": "p", "type": {}}]}', "attribute 'type'"),
        ('{"pipelineObjects": [{"id": "A", "fields": [{"key": "k"}]}]}', "exactly one of"),
        ('{"pipelineObjects": [{"id": "A", "fields": [{"stringValue": "k"}]}]}', "'key'"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(text: str | bytes, expected: str):
    with pytest.raises(DefinitionError, match=".*" + re.escape(expected)):
        read_definition(text)
