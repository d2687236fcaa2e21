"""Terraform's plans and states."""

import json
from typing import Any

import pytest

from penstock.language.forms import read_definition, read_pipelines
from penstock.model.api import Tag
from penstock.model.definition import (
    Definition,
    Field,
    ParameterAttribute,
    ParameterObject,
    ParameterValue,
    PipelineObject,
)
from penstock.model.errors import DefinitionError

BLOCKS = {
    "pipeline_id": "df-1",
    "pipeline_object": [
        {
            "id": "Default",
            "name": "Default",
            "field": [
                {"key": "scheduleType", "ref_value": "", "string_value": "cron"},
                {"key": "schedule", "ref_value": "Day", "string_value": ""},
                {"key": "myEmpty", "ref_value": "", "string_value": ""},
            ],
        }
    ],
    "parameter_object": [
        {"id": "myX", "attribute": [{"key": "type", "string_value": "String"}]},
    ],
    "parameter_value": [{"id": "myX", "string_value": "1"}],
}
PIPELINE = {"id": "df-1", "name": "nightly", "description": "", "tags": {"team": "data"}}
DEFINITION = Definition(
    (
        PipelineObject(
            "Default",
            "Default",
            (
                Field("scheduleType", "cron"),
                Field("schedule", ref_value="Day"),
                Field("myEmpty", ""),
            ),
        ),
    ),
    (ParameterObject("myX", (ParameterAttribute("type", "String"),)),),
    (ParameterValue("myX", "1"),),
)


def resource(kind: str, name: str, values: dict[str, Any], module: str = "") -> dict[str, Any]:
    return {
        "address": f"{module}{kind}.{name}",
        "mode": "managed",
        "type": kind,
        "name": name,
        "values": values,
    }


def pipeline(name: str, values: dict[str, Any]) -> dict[str, Any]:
    return resource("aws_datapipeline_pipeline", name, values)


def definition(name: str, values: dict[str, Any] = BLOCKS, module: str = "") -> dict[str, Any]:
    return resource("aws_datapipeline_pipeline_definition", name, values, module)


def test_a_state_with_modules():
    state = {
        "format_version": "1.0",
        "values": {
            "root_module": {
                "resources": [
                    pipeline("other", {"id": "df-2", "name": "other"}),
                    pipeline("p", PIPELINE),
                    definition("root"),
                ],
                "child_modules": [
                    {
                        "address": "module.deep",
                        "child_modules": [
                            {
                                "address": "module.deep.module.er",
                                "resources": [definition("d", module="module.deep.module.er.")],
                            }
                        ],
                    }
                ],
            }
        },
    }
    root, deep = read_pipelines(json.dumps(state))
    assert root.definition == deep.definition == DEFINITION
    assert root.label == "aws_datapipeline_pipeline_definition.root"
    assert deep.label == "module.deep.module.er.aws_datapipeline_pipeline_definition.d"
    assert (root.name, root.description, root.form) == ("nightly", "", "terraform")
    assert root.tags == (Tag("team", "data"),)
    with pytest.raises(DefinitionError, match="2 pipelines; pick one"):
        read_definition(json.dumps(state))


def plan(unknown: dict[str, Any], blocks: dict[str, Any]) -> str:
    address = "aws_datapipeline_pipeline_definition.d"
    return json.dumps(
        {
            "planned_values": {
                "root_module": {
                    "resources": [
                        pipeline("p", {"name": "nightly"}),
                        pipeline("q", {"name": "weekly"}),
                        definition("d", blocks),
                    ]
                }
            },
            "resource_changes": [{"address": address, "change": {"after_unknown": unknown}}],
            "configuration": {
                "root_module": {
                    "resources": [
                        {
                            "address": address,
                            "expressions": {
                                "pipeline_id": {
                                    "references": [
                                        "aws_datapipeline_pipeline.q.id",
                                        "aws_datapipeline_pipeline.q",
                                    ]
                                }
                            },
                        }
                    ]
                }
            },
        }
    )


def test_what_a_plan_does_not_know_yet_is_a_parameter():
    blocks = {
        "pipeline_object": [
            {
                "id": "A",
                "name": "a",
                "field": [{"key": "k", "string_value": "v"}, {"key": "*secret"}],
            }
        ]
    }
    unknown = {
        "pipeline_id": True,
        "pipeline_object": [{"field": [{}, {"string_value": True, "ref_value": True}]}],
    }
    (found,) = read_pipelines(plan(unknown, blocks))
    assert found.name == "weekly"
    assert found.definition.pipeline_objects[0].fields == (
        Field("k", "v"),
        Field("*secret", "#{*my_A_secret}"),
    )
    (parameter,) = found.definition.parameter_objects
    assert parameter.id == "*my_A_secret"
    assert "object 'A', field '*secret'" in (parameter.attribute("description") or "")


@pytest.mark.parametrize(
    ("unknown", "blocks", "expected"),
    [
        ({"pipeline_object": True}, {}, "pipeline_object blocks are known only after"),
        ({}, {"pipeline_object": [{"name": "a"}]}, "a pipeline_object, id is missing, or known"),
        (
            {"pipeline_object": [{"field": [{"ref_value": True}]}]},
            {"pipeline_object": [{"id": "A", "field": [{"key": "k"}]}]},
            "object 'A', field 'k', ref_value is missing",
        ),
        ({}, {"pipeline_object": [3]}, "pipeline_object[0]: a JSON object is needed"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_address(
    unknown: dict[str, Any], blocks: dict[str, Any], expected: str
):
    with pytest.raises(DefinitionError) as caught:
        read_pipelines(plan(unknown, blocks))
    assert "aws_datapipeline_pipeline_definition.d" in str(caught.value)
    assert expected in str(caught.value)


def test_a_stored_state_gets_the_remedy():
    with pytest.raises(DefinitionError, match="terraform show -json"):
        read_definition('{"version": 4, "terraform_version": "1.9", "resources": []}')
