import json

import pytest

from penstock.language.forms import from_cli, read_parameters, to_cli, with_parameters
from penstock.model.errors import DefinitionError

DEFINITION = from_cli(
    {
        "objects": [{"id": "Default"}],
        "parameters": [{"id": "myA", "default": "1"}, {"id": "myB", "type": "String"}],
        "values": {"myA": ["x", "y"], "myB": "old"},
    }
)


@pytest.mark.parametrize(
    "document",
    [
        {"values": {"myB": "new"}},
        {"parameterValues": [{"id": "myB", "stringValue": "new"}]},
        [{"id": "myB", "stringValue": "new"}],
    ],
)
def test_values_replace_those_of_the_definition(document: object) -> None:
    extended = with_parameters(DEFINITION, read_parameters(json.dumps(document)))
    assert to_cli(extended)["values"] == {"myA": ["x", "y"], "myB": "new"}
    assert extended.parameter_objects == DEFINITION.parameter_objects


API_OBJECT = {"id": "myB", "attributes": [{"key": "type", "stringValue": "Integer"}]}


@pytest.mark.parametrize(
    "document",
    [
        {"parameters": [{"id": "myB", "type": "Integer"}]},
        {"parameterObjects": [API_OBJECT]},
        [API_OBJECT],
        [{"id": "myB", "type": "Integer"}],
    ],
)
def test_declarations_replace_those_of_the_definition(document: object) -> None:
    extended = with_parameters(DEFINITION, read_parameters(json.dumps(document)))
    assert to_cli(extended)["parameters"] == [
        {"id": "myA", "default": "1"},
        {"id": "myB", "type": "Integer"},
    ]
    assert extended.parameter_values == DEFINITION.parameter_values


@pytest.mark.parametrize("text", ["{}", '{"objects": []}', '"myA"', "", "{"])
def test_anything_else_is_an_error(text: str) -> None:
    with pytest.raises(DefinitionError):
        read_parameters(text)
