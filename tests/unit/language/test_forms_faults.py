"""What has a wrong shape: all of it is told at once, with object and field."""

import json
from typing import Any

import pytest

from penstock.language.forms import read_definition, unreadable
from penstock.language.forms.shapes import MOST_TOLD, Unreadable


def faults(document: object) -> list[tuple[str, str | None, str]]:
    with pytest.raises(Unreadable) as caught:
        read_definition(json.dumps(document))
    found = unreadable(caught.value)
    assert {(each.rule, each.severity) for each in found} == {("unreadable", "error")}
    return [(each.object_id, each.field, each.text) for each in found]


CLI = {
    "objects": [
        {"id": "A", "x": None, "y": ["ok", ["a"]], "z": {"ref": "a", "b": 1}, "fine": "1"},
        {"name": "no id"},
        ["a"],
    ],
    "parameters": [{"id": "myP", "default": None}],
    "values": {"myV": {}},
}
API = {
    "pipelineObjects": [
        {"id": "A", "fields": [{"key": "x"}, ["y"], {"key": "z", "stringValue": ["a"]}]},
        {"id": "B", "fields": {"key": "x"}},
        {},
    ],
    "parameterObjects": [{"id": "myP", "attributes": [{"key": "default", "stringValue": None}]}],
    "parameterValues": [{"id": "myV"}, "myW"],
}
TEMPLATE = {
    "PipelineObjects": [
        {"Id": "A", "Fields": [{"Key": "x", "Value": "1"}, {"Fn::Transform": {}}, {"Fn::Sub": ""}]},
        {"Name": "B"},
    ],
    "ParameterObjects": [{"Id": "myP", "Attributes": [{"Key": "type"}, 7]}],
    "ParameterValues": [{"Id": "myV"}],
}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (
            CLI,
            [
                ("A", "x", "field 'x': a string, number or boolean is needed, not null"),
                ("A", "y", 'not a list (["a"])'),
                ("A", "z", 'not an object ({"ref": "a", "b": "1"})'),
                ("objects[1]", None, "'id' is missing"),
                ("objects[2]", None, "a JSON object is needed, not a list"),
                ("myP", "default", "not null"),
                ("myV", None, "not an object ({})"),
            ],
        ),
        (
            API,
            [
                ("A", "x", "exactly one of 'stringValue' and 'refValue' is needed"),
                ("A", None, "fields[1]: a JSON object is needed"),
                ("A", "z", "not a list"),
                ("B", None, "fields: a list is needed"),
                ("pipelineObjects[2]", None, "'id' is missing"),
                ("myP", "default", "'stringValue' is missing"),
                ("myV", None, "'stringValue' is missing"),
                ("parameterValues[1]", None, "a JSON object is needed"),
            ],
        ),
        (
            TEMPLATE,
            [
                ("myP", "type", "'StringValue' is missing"),
                ("myP", None, "Attributes[1]: a JSON object is needed"),
                ("myV", None, "'StringValue' is missing"),
                ("A", None, "Fields[1]: Fn::Transform is not read"),
                ("A", None, "Fields[2]: !Sub  cannot stand for an entry here"),
                ("A", "x", "exactly one of 'StringValue' and 'RefValue' is needed"),
                ("PipelineObjects[1]", None, "'Id' is missing"),
            ],
        ),
    ],
)
def test_all_faults_are_told(document: object, expected: list[tuple[str, Any, str]]) -> None:
    found = sorted(faults(document), key=str)
    assert len(found) == len(expected)
    for fault, (object_id, field, _) in zip(found, sorted(expected, key=str), strict=True):
        assert fault[:2] == (object_id, field)
    texts = "\n".join(text for _, _, text in found)
    assert all(words in texts for _, _, words in expected), texts
    assert not any(text.startswith(("object ", "parameter ")) for _, _, text in found)


def test_the_error_s_own_text_has_the_places_and_ends() -> None:
    objects = [{"id": f"A{n}", "x": None} for n in range(MOST_TOLD + 5)]
    with pytest.raises(Unreadable) as caught:
        read_definition(json.dumps({"objects": objects}))
    first, *_, last = str(caught.value).splitlines()
    assert first.startswith("object 'A0', field 'x': ")
    assert last == "and 5 more such faults"
    assert len(caught.value.faults) == MOST_TOLD + 5


@pytest.mark.parametrize(("tag", "words"), [("Jion", "'Join'"), ("Qqqqqqqq", "There are: And, ")])
def test_an_unknown_function_is_told_with_those_there_are(tag: str, words: str) -> None:
    with pytest.raises(Unreadable, match=words):
        read_definition(
            json.dumps(
                {
                    "PipelineObjects": [
                        {
                            "Id": "A",
                            "Fields": [{"Key": "k", "StringValue": {f"Fn::{tag}": ["", []]}}],
                        }
                    ]
                }
            )
        )
