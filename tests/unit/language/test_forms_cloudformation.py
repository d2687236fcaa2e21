"""CloudFormation templates: intrinsics become parameters, and parameters intrinsics again."""

import json
from typing import Any

import pytest

from penstock.language.forms import (
    NamedDefinition,
    from_cli,
    missing_resources,
    picked,
    read_definition,
    read_pipelines,
    to_cli,
    to_cloudformation,
    write_json,
    write_yaml,
)
from penstock.language.resolve import resolve
from penstock.language.scope import ObjectScope
from penstock.model.api import Tag
from penstock.model.definition import Definition, Field, ParameterValue
from penstock.model.errors import DefinitionError

PARAMETERS = {
    "Bucket": {"Type": "String", "Description": "where the logs lie"},
    "Days": {"Type": "Number", "Default": 3},
    "Env": {"Type": "String", "Default": "prod", "AllowedValues": ["prod", "dev"]},
    "Groups": {"Type": "CommaDelimitedList", "Default": "sg-1, sg-2"},
    "Subnets": {"Type": "List<AWS::EC2::Subnet::Id>"},
    "Password": {"Type": "String", "NoEcho": True},
    "Image": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/images/newest"},
}


def template(*fields: dict[str, Any], **sections: Any) -> dict[str, Any]:
    properties = {
        "Name": "nightly",
        "PipelineObjects": [{"Id": "A", "Name": "a", "Fields": list(fields)}],
    }
    resource = {"Type": "AWS::DataPipeline::Pipeline", "Properties": properties}
    return {"Parameters": PARAMETERS, "Resources": {"Nightly": resource}, **sections}


def read(value: object, **sections: Any) -> Definition:
    document = template({"Key": "k", "StringValue": value}, **sections)
    return read_definition(json.dumps(document))


def text_and_parameters(value: object, **sections: Any) -> tuple[str, list[str]]:
    definition = read(value, **sections)
    text = definition.pipeline_objects[0].string("k")
    assert text is not None
    return text, [each.id for each in definition.parameter_objects]


MAPPINGS = {"Sizes": {"prod": {"type": "m5.large"}, "dev": {"type": "t3.small"}}}
CONDITIONS = {
    "IsProd": {"Fn::Equals": [{"Ref": "Env"}, "prod"]},
    "Never": {"Fn::Equals": ["a", "b"]},
    "Always": {"Fn::Not": [{"Condition": "Never"}]},
}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"),
        (True, "true"),
        ({"Fn::Sub": "plain ${!SHELL} text"}, "plain ${SHELL} text"),
        ({"Fn::Sub": ["${A}-${B}", {"A": "x", "B": {"Fn::Sub": "y"}}]}, "x-y"),
        ({"Fn::Join": ["/", ["s3:/", "a", "b"]]}, "s3://a/b"),
        ({"Fn::Join": ["", {"Fn::Split": [",", "a,b"]}]}, "ab"),
        ({"Fn::Select": [1, ["a", "b"]]}, "b"),
        ({"Fn::Select": ["0", {"Fn::Split": ["-", "x-y"]}]}, "x"),
        ({"Fn::FindInMap": ["Sizes", "dev", "type"]}, "t3.small"),
        ({"Fn::FindInMap": ["Sizes", "no", "type", {"DefaultValue": "d"}]}, "d"),
        ({"Fn::If": ["Always", "yes", {"Ref": "Bucket"}]}, "yes"),
        ({"Fn::Base64": "x"}, "eA=="),
    ],
)
def test_what_the_template_decides_is_folded(value: object, text: str):
    found = text_and_parameters(value, Mappings=MAPPINGS, Conditions=CONDITIONS)
    assert found == (text, [])


@pytest.mark.parametrize(
    ("value", "text", "parameters"),
    [
        ({"Ref": "Bucket"}, "#{my_Bucket}", ["my_Bucket"]),
        ({"Ref": "AWS::Region"}, "#{my_AWS_Region}", ["my_AWS_Region"]),
        ({"Ref": "Password"}, "#{*my_Password}", ["*my_Password"]),
        ({"Fn::GetAtt": ["Queue", "Arn"]}, "#{my_Queue_Arn}", ["my_Queue_Arn"]),
        ({"Fn::GetAtt": "Queue.Arn"}, "#{my_Queue_Arn}", ["my_Queue_Arn"]),
        ({"Fn::ImportValue": "shared-logs"}, "#{my_shared_logs}", ["my_shared_logs"]),
        ({"Fn::Sub": "s3://${Bucket}/${Bucket}"}, "s3://#{my_Bucket}/#{my_Bucket}", ["my_Bucket"]),
        ({"Fn::Sub": "${Queue.Arn}!"}, "#{my_Queue_Arn}!", ["my_Queue_Arn"]),
        (
            {"Fn::Join": ["/", ["s3:/", {"Ref": "Bucket"}, {"Fn::Sub": "x-${Env}"}]]},
            "s3://#{my_Bucket}/x-#{my_Env}",
            ["my_Bucket", "my_Env"],
        ),
        ({"Fn::Join": [",", {"Ref": "Groups"}]}, "#{my_Join_Groups}", ["my_Join_Groups"]),
        ({"Fn::If": ["IsProd", "a", "b"]}, "#{my_If_IsProd}", ["my_If_IsProd"]),
        (
            {"Fn::FindInMap": ["Sizes", {"Ref": "Env"}, "type"]},
            "#{my_FindInMap_Sizes_Env}",
            ["my_FindInMap_Sizes_Env"],
        ),
        ("a{{resolve:ssm:/x}}b", "a#{my_resolve_ssm_x}b", ["my_resolve_ssm_x"]),
        (
            {"Fn::Sub": "{{resolve:secretsmanager:${Env}}}"},
            "#{*my_Sub_Env}",
            ["*my_Sub_Env"],
        ),
    ],
)
def test_what_it_does_not_decide_is_a_parameter(value: object, text: str, parameters: list[str]):
    found = text_and_parameters(value, Mappings=MAPPINGS, Conditions=CONDITIONS)
    assert found == (text, parameters)


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("#{format(@s, '${Env}')}", "#{format(@s, my_Env)}"),
        ("#{format(@s, 'YYYY-${Env}-MM')}", "#{format(@s, 'YYYY-' + my_Env + '-MM')}"),
        ("#{plusDays(@s, ${Days})}", "#{plusDays(@s, my_Days)}"),
        ("#{'a${Env}'.format(1)}", "#{('a' + my_Env).format(1)}"),
        ("#{1 * '${Env}b'}", "#{1 * (my_Env + 'b')}"),
        ("#{'${Days}'}", "#{'' + my_Days}"),
        ('#{"it\'s ${Env}"} ${Env}', '#{"it\'s " + my_Env} #{my_Env}'),
        ("#{'a\\'${Env}'}", "#{'a\\'' + my_Env}"),
        ("#{a}${Env}'#{b}", "#{a}#{my_Env}'#{b}"),
        ("#{input.${Env}}", "#{input.prod}"),
    ],
)
def test_inside_an_expression_the_parameter_is_named_without_braces(written: str, text: str):
    assert text_and_parameters({"Fn::Sub": written})[0] == text


def test_inside_a_name_there_is_no_place_for_a_parameter():
    with pytest.raises(DefinitionError, match="!Ref Bucket stands within a name of an expression"):
        read({"Fn::Sub": "#{input.${Bucket}}"})


def test_the_value_that_a_user_supplies_arrives():
    definition = read({"Fn::Sub": "#{'a-${Env}-${Days}'} ${Bucket} #{${Days} + 1}"})
    supplied = (ParameterValue("my_Env", "dev"), ParameterValue("my_Bucket", "b"))
    scope = ObjectScope(resolve(definition, supplied), "A")
    assert list(scope.values("k")) == ["a-dev-3 b 4"]


def attributes(value: object, **sections: Any) -> dict[str, list[str]]:
    (parameter,) = read(value, **sections).parameter_objects
    found: dict[str, list[str]] = {}
    for each in parameter.attributes:
        found.setdefault(each.key, []).append(each.string_value)
    found.pop("cloudFormationSections", None)
    return found


def test_the_template_s_declaration_is_the_parameter_s():
    assert attributes({"Ref": "Bucket"}) == {
        "type": ["String"],
        "description": ["!Ref Bucket: where the logs lie"],
        "cloudFormation": ['{"Ref": "Bucket"}'],
    }
    assert attributes({"Ref": "Days"})["type"] == ["Double"]
    assert attributes({"Ref": "Days"})["default"] == ["3"]
    assert attributes({"Ref": "Env"})["allowedValues"] == ["prod", "dev"]
    assert attributes({"Ref": "Groups"})["default"] == ["sg-1", "sg-2"]
    assert attributes({"Ref": "Groups"})["isArray"] == ["true"]
    assert attributes({"Ref": "Subnets"})["type"] == ["AWS::EC2::Subnet::Id"]
    assert attributes({"Ref": "Subnets"})["isArray"] == ["true"]
    assert "default" not in attributes({"Ref": "Image"})


def test_defaults_decide_the_default_of_what_is_put_together():
    sections = {"Mappings": MAPPINGS, "Conditions": CONDITIONS}
    assert attributes({"Fn::If": ["IsProd", "a", "b"]}, **sections)["default"] == ["a"]
    chosen = {"Fn::FindInMap": ["Sizes", {"Ref": "Env"}, "type"]}
    assert attributes(chosen, **sections)["default"] == ["m5.large"]
    assert attributes({"Fn::Join": ["+", {"Ref": "Groups"}]})["default"] == ["sg-1+sg-2"]
    assert "default" not in attributes({"Fn::Base64": {"Ref": "Bucket"}})


def test_two_intrinsics_never_share_a_parameter_nor_take_one_of_the_definition():
    document = template(
        {"Key": "a", "StringValue": {"Fn::ImportValue": "x-y"}},
        {"Key": "b", "StringValue": {"Fn::ImportValue": "x.y"}},
        {"Key": "c", "StringValue": {"Ref": "Bucket"}},
        {"Key": "my_Bucket", "StringValue": "mine"},
    )
    item = read_definition(json.dumps(document)).pipeline_objects[0]
    assert item.fields == (
        Field("a", "#{my_x_y}"),
        Field("b", "#{my_x_y_2}"),
        Field("c", "#{my_Bucket_2}"),
        Field("my_Bucket", "mine"),
    )


@pytest.mark.parametrize(
    ("member", "value", "expected"),
    [
        ("Id", {"Ref": "Bucket"}, "PipelineObjects[0], 'Id': !Ref Bucket has no value"),
        ("Name", {"Fn::Sub": "${AWS::StackName}"}, "object 'A', 'Name': !Ref AWS::StackName"),
    ],
)
def test_where_no_expression_may_stand_the_template_must_know(
    member: str, value: object, expected: str
):
    document = template()
    item = document["Resources"]["Nightly"]["Properties"]["PipelineObjects"][0]
    item[member] = value
    with pytest.raises(DefinitionError) as caught:
        read_definition(json.dumps(document))
    assert expected in str(caught.value)
    item[member] = {"Fn::Sub": "${Env}-1"}
    found = read_definition(json.dumps(document)).pipeline_objects[0]
    assert "prod-1" in (found.id, found.name)


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ({"Key": "type", "StringValue": {"Ref": "Bucket"}}, "Fields[0] ('type'), 'StringValue'"),
        ({"Key": "input", "RefValue": {"Ref": "Bucket"}}, "Fields[0] ('input'), 'RefValue'"),
        ({"Key": {"Ref": "Bucket"}, "StringValue": "x"}, "Fields[0], 'Key'"),
        ({"Key": "k"}, "exactly one of 'StringValue' and 'RefValue'"),
        ({"Key": "k", "StringValue": {"a": "b"}}, "a string or an intrinsic function is needed"),
        ({"Key": "k", "StringValue": {"Fn::Jion": ["", []]}}, "Did you mean 'Join'?"),
        ({"Key": "k", "StringValue": {"Fn::Join": [""]}}, "Fn::Join: a list of 2 is needed"),
        ({"Key": "k", "StringValue": {"Fn::Sub": "${INPUT1_DIR}"}}, "write ${!INPUT1_DIR}"),
        ({"Key": "k", "StringValue": {"Fn::Transform": {}}}, "Fn::Transform is not read"),
        ({"Key": "k", "StringValue": {"Ref": "AWS::NoValue"}}, "exactly one of"),
        ({"Key": "k", "StringValue": {"Fn::Select": [2, ["a"]]}}, "no element 2 in a list of 1"),
        ({"Fn::If": ["Unheard", {"Key": "k"}, {"Ref": "AWS::NoValue"}]}, "is not known"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(field: dict[str, Any], expected: str):
    with pytest.raises(DefinitionError) as caught:
        read_definition(json.dumps(template(field)))
    assert "object 'A'" in str(caught.value)
    assert expected in str(caught.value)


def test_conditions_choose_entries_by_defaults():
    document = template(
        {"Fn::If": ["IsProd", {"Key": "a", "StringValue": "1"}, {"Ref": "AWS::NoValue"}]},
        {"Fn::If": ["Never", {"Key": "b", "StringValue": "1"}, {"Ref": "AWS::NoValue"}]},
        {
            "Key": "c",
            "StringValue": {"Fn::If": ["Never", "x", {"Ref": "AWS::NoValue"}]},
            "RefValue": {"Fn::If": ["Never", {"Ref": "AWS::NoValue"}, "A"]},
        },
        Conditions=CONDITIONS,
    )
    fields = read_definition(json.dumps(document)).pipeline_objects[0].fields
    assert fields == (Field("a", "1"), Field("c", ref_value="A"))


NO_VALUE = {"Ref": "AWS::NoValue"}


@pytest.mark.parametrize(
    ("value", "text", "default"),
    [
        ({"Fn::If": ["IsProd", "x", NO_VALUE]}, "#{my_If_IsProd}", "x"),
        ({"Fn::If": ["IsProd", NO_VALUE, "x"]}, "#{my_If_IsProd}", None),
        ({"Fn::If": ["IsProd", "AWS::NoValue", "x"]}, "#{my_If_IsProd}", "AWS::NoValue"),
        (
            {"Fn::Join": ["-", ["a", {"Fn::If": ["IsProd", "b", NO_VALUE]}]]},
            "#{my_Join_IsProd}",
            "a-b",
        ),
    ],
)
def test_a_value_that_may_be_absent_is_a_parameter(value: object, text: str, default: str | None):
    definition = read(value, Conditions=CONDITIONS)
    (parameter,) = definition.parameter_objects
    assert definition.pipeline_objects[0].string("k") == text
    assert parameter.attribute("default") == default
    written = to_cloudformation(NamedDefinition(definition, "api"))
    assert read_definition(write_json(written)) == definition
    assert json.dumps(value) in json.dumps(written)


def test_what_defaults_decide_for_good_is_said():
    document = template(
        {"Fn::If": ["IsProd", {"Key": "a", "StringValue": "1"}, NO_VALUE]},
        {"Fn::If": ["Never", {"Key": "b", "StringValue": "1"}, NO_VALUE]},
        {"Key": "type", "StringValue": {"Ref": "Env"}},
        {"Key": "k", "StringValue": {"Fn::Sub": "#{my${Env}}"}},
        Conditions=CONDITIONS,
    )
    (pipeline,) = read_pipelines(json.dumps(document))
    entry, kind, name = pipeline.left_out
    assert entry.startswith('!If ["IsProd"')
    assert "object 'A', Fields[0]" in entry
    assert kind == (
        "!Ref Env at object 'A', Fields[2] ('type'), 'StringValue': the template's defaults have "
        "decided it, which is 'prod'"
    )
    assert name.startswith("!Sub #{my${Env}} at object 'A', Fields[3] ('k')")


@pytest.mark.parametrize(
    "field",
    [
        {"Key": "type", "StringValue": {"Ref": "Hidden"}},
        {"Key": "k", "StringValue": {"Fn::Sub": "#{my${Hidden}}"}},
        {"Key": "k", "RefValue": {"Fn::Sub": "${Hidden}-x"}},
    ],
)
def test_a_secret_is_not_taken_where_all_would_see_it(field: dict[str, Any]):
    hidden = {"Hidden": {"Type": "String", "NoEcho": True, "Default": "sesame"}}
    with pytest.raises(DefinitionError, match="is a secret") as caught:
        read_definition(json.dumps(template(field, Parameters=hidden)))
    assert "sesame" not in str(caught.value)


YAML_TEMPLATE = """
AWSTemplateFormatVersion: 2010-09-09
Parameters:
  Bucket: {Type: String}
Resources:
  Queue: {Type: AWS::SQS::Queue}
  Nightly:
    Type: AWS::DataPipeline::Pipeline
    DependsOn: Queue
    Properties:
      Name: nightly
      Description: the night's work
      Activate: yes
      PipelineTags: [{Key: team, Value: data}]
      ParameterValues:
        - {Id: myLogs, StringValue: !Sub "s3://${Bucket}/logs"}
      PipelineObjects:
        - Id: A
          Name: a
          Fields:
            - {Key: retries, StringValue: 1.10}
            - Key: command
              StringValue: !Sub |
                cp s3://${Bucket}/x ${!INPUT1_STAGING_DIR}
                send ${Queue.QueueUrl}
            - {Key: input, RefValue: A}
  Weekly:
    Type: AWS::DataPipeline::Pipeline
    Properties: {Name: weekly, PipelineObjects: []}
"""


def test_a_yaml_template_with_all_it_says_of_the_pipeline():
    nightly, weekly = read_pipelines(YAML_TEMPLATE.encode())
    assert (nightly.label, nightly.name, nightly.form) == ("Nightly", "nightly", "cloudformation")
    assert (nightly.description, nightly.activate) == ("the night's work", True)
    assert nightly.tags == (Tag("team", "data"),)
    assert nightly.left_out == ("DependsOn of the resource",)
    assert nightly.definition.parameter_values == (
        ParameterValue("myLogs", "s3://#{my_Bucket}/logs"),
    )
    assert nightly.definition.pipeline_objects[0].fields == (
        Field("retries", "1.10"),
        Field(
            "command",
            "cp s3://#{my_Bucket}/x ${INPUT1_STAGING_DIR}\nsend #{my_Queue_QueueUrl}\n",
        ),
        Field("input", ref_value="A"),
    )
    assert (weekly.name, weekly.activate, weekly.definition) == ("weekly", None, Definition())


def test_one_of_several_must_be_picked_by_label_or_name():
    with pytest.raises(DefinitionError, match=r"'Nightly' named 'nightly', 'Weekly' named"):
        read_definition(YAML_TEMPLATE)
    pipelines = read_pipelines(YAML_TEMPLATE)
    assert picked(pipelines, "Weekly") is picked(pipelines, "weekly") is pipelines[1]
    assert read_definition(YAML_TEMPLATE, pick="Weekly") == Definition()
    with pytest.raises(DefinitionError, match="has no pipeline 'Monthly' to pick"):
        read_definition(YAML_TEMPLATE, pick="Monthly")


def test_a_bare_resource_bare_properties_and_a_bare_map_of_resources_are_read_too():
    resource = template({"Key": "k", "StringValue": {"Ref": "X"}})["Resources"]["Nightly"]
    for document in (resource, resource["Properties"], {"Nightly": resource}):
        definition = read_definition(json.dumps(document))
        assert definition.pipeline_objects[0].string("k") == "#{my_X}"


def test_a_template_without_a_pipeline_says_so():
    with pytest.raises(DefinitionError, match="no resource of the type AWS::DataPipeline"):
        read_definition('{"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}')


def test_references_survive_the_command_line_s_form():
    nightly = read_pipelines(YAML_TEMPLATE)[0]
    kept = from_cli(json.loads(write_json(to_cli(nightly.definition))))
    written = to_cloudformation(
        NamedDefinition(kept, "cli", "Nightly", "nightly", tags=nightly.tags, activate=True)
    )
    properties = written["Resources"]["Nightly"]["Properties"]  # type: ignore[index]
    assert written["Parameters"] == {"Bucket": {"Type": "String"}}
    assert properties["Activate"] is True
    assert properties["PipelineTags"] == [{"Key": "team", "Value": "data"}]
    assert properties["ParameterObjects"] == []
    assert properties["ParameterValues"] == [
        {"Id": "myLogs", "StringValue": {"Fn::Sub": "s3://${Bucket}/logs"}}
    ]
    assert properties["PipelineObjects"][0]["Fields"][1]["StringValue"] == {
        "Fn::Sub": "cp s3://${Bucket}/x ${!INPUT1_STAGING_DIR}\nsend ${Queue.QueueUrl}\n"
    }
    assert missing_resources(written) == ["Queue"]
    assert read_definition(write_yaml(written)) == nightly.definition
    assert "!Sub 's3://${Bucket}/logs'" in write_yaml(written)


def test_a_parameter_that_was_changed_or_given_a_value_stays_a_parameter():
    nightly = read_pipelines(YAML_TEMPLATE)[0]
    document = to_cli(nightly.definition)
    document["values"]["my_Bucket"] = "mine"  # type: ignore[index]
    changed = from_cli(document)
    written = to_cloudformation(NamedDefinition(changed, "cli"))
    assert "Parameters" not in written
    assert read_definition(write_json(written)) == changed
