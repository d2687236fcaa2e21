"""What is written in a form reads the same, and hostile text ends in a DefinitionError."""

import json
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.language.forms import (
    NamedDefinition,
    from_api,
    from_cli,
    locate,
    read_definition,
    read_pipelines,
    to_api,
    to_cli,
    to_cloudformation,
    write_json,
    write_yaml,
)
from penstock.model.definition import (
    Definition,
    Field,
    ParameterAttribute,
    ParameterObject,
    ParameterValue,
    PipelineObject,
)
from penstock.model.errors import DefinitionError

# Without a deadline: how long an example takes is the machine's affair, not the test's.
QUICK = settings(deadline=None, max_examples=50)

IDS = st.sampled_from(["Default", "A", "B", "C", "@x", "é", "true", "1.0", "no"])
KEYS = st.text(min_size=1, max_size=8).filter(lambda key: key not in ("id", "name"))
PECULIAR = st.sampled_from(
    [
        "${X}", "${!X}", "${", "}", "{{resolve:ssm:a}}", "#{my_X}", "#{", "'", '"', "\\", "yes",
        "1.10", "0123", "2020-01-01", "12:30", "~", "", "=", "<<", "!Ref X", "a: b", "# c", "\t",
        "\n", " x", "a\nb", "a \nb", "\u2028", "\x00", "\x7f", "\x85", "😀", "- a", "null",
        "#{a + 'b'}",
    ]
)  # fmt: skip
TEXTS = st.text(max_size=10) | st.lists(PECULIAR, max_size=4).map("".join)
FIELDS = st.builds(Field, KEYS, TEXTS) | st.builds(
    lambda key, ref: Field(key, ref_value=ref), KEYS, IDS
)
DEFINITIONS = st.builds(
    Definition,
    st.lists(
        st.builds(PipelineObject, IDS, TEXTS, st.lists(FIELDS, max_size=4).map(tuple)), max_size=4
    ).map(tuple),
    st.lists(
        st.builds(
            ParameterObject,
            KEYS,
            st.lists(st.builds(ParameterAttribute, KEYS, TEXTS), max_size=3).map(tuple),
        ),
        max_size=3,
    ).map(tuple),
    st.lists(st.builds(ParameterValue, KEYS, TEXTS), max_size=3).map(tuple),
)


def grouped(definition: Definition) -> Definition:
    """The definition as the command line's form can have it: a key's values side by side."""
    return from_cli(to_cli(definition))


def through_cloudformation(definition: Definition, write=write_json) -> Definition:
    template = to_cloudformation(NamedDefinition(definition, "api"))
    return read_definition(write(template).encode())


@QUICK
@given(DEFINITIONS)
def test_the_api_form_is_lossless(definition: Definition):
    assert read_definition(write_json(to_api(definition)).encode()) == definition


@QUICK
@given(DEFINITIONS)
def test_the_command_line_form_is_lossless_but_for_the_order_of_a_key_s_values(
    definition: Definition,
):
    written = read_definition(write_json(to_cli(definition)).encode())
    assert written == grouped(definition)
    assert grouped(written) == written
    for before, after in zip(definition.pipeline_objects, written.pipeline_objects, strict=True):
        assert (before.id, before.name) == (after.id, after.name)
        for key in {field.key for field in before.fields}:
            assert before.strings(key) == after.strings(key)
            assert before.refs(key) == after.refs(key)


@QUICK
@given(DEFINITIONS)
def test_a_template_is_lossless(definition: Definition):
    assert through_cloudformation(definition) == definition
    assert through_cloudformation(definition, write_yaml) == definition


@QUICK
@given(DEFINITIONS)
def test_any_chain_of_forms_ends_where_it_began(definition: Definition):
    begun = grouped(definition)
    over_api = from_api(json.loads(write_json(to_api(through_cloudformation(begun)))))
    assert grouped(through_cloudformation(grouped(over_api))) == begun


NAMES = st.sampled_from(["Bucket", "Days", "Env", "Secret", "List", "AWS::Region", "Other"])
INTRINSICS = st.recursive(
    st.builds(lambda name: {"Ref": name}, NAMES)
    | st.builds(lambda name: {"Fn::GetAtt": [name, "Arn"]}, NAMES)
    | st.builds(lambda name: {"Fn::ImportValue": name}, NAMES)
    | TEXTS.map(lambda text: {"Fn::Sub": text.replace("${X}", "${Env}")})
    | st.builds(
        lambda before, name, after: {"Fn::Sub": f"{before}${{{name}}}{after}"},
        st.sampled_from(["", "s3://", "#{", "#{format(@x, 'a", "#{a + ", "#{'", "${!a}"]),
        NAMES,
        st.sampled_from(["", "/x", "}", "b')}", " + b}", "'}", "{{"]),
    ),
    lambda inner: (
        st.builds(lambda parts: {"Fn::Join": ["-", parts]}, st.lists(inner | TEXTS, max_size=3))
        | st.builds(lambda value: {"Fn::Sub": ["<${V}>", {"V": value}]}, inner)
        | st.builds(lambda a, b: {"Fn::If": ["IsProd", a, b]}, inner, inner | TEXTS)
        | st.builds(lambda a: {"Fn::Base64": a}, inner)
        | st.builds(lambda a: {"Fn::Select": ["1", ["x", a]]}, inner)
    ),
    max_leaves=4,
)
TEMPLATES = st.builds(
    lambda values: {
        "Parameters": {
            "Bucket": {"Type": "String", "Description": "where"},
            "Days": {"Type": "Number", "Default": "3"},
            "Env": {"Type": "String", "Default": "prod", "AllowedValues": ["prod", "dev"]},
            "Secret": {"Type": "String", "NoEcho": "true"},
            "List": {"Type": "CommaDelimitedList", "Default": "a, b"},
        },
        "Conditions": {"IsProd": {"Fn::Equals": [{"Ref": "Env"}, "prod"]}},
        "Resources": {
            "P": {
                "Type": "AWS::DataPipeline::Pipeline",
                "Properties": {
                    "Name": "p",
                    "ParameterObjects": [],
                    "PipelineObjects": [
                        {
                            "Id": "A",
                            "Name": "A",
                            "Fields": [
                                {"Key": f"k{at}", "StringValue": value}
                                for at, value in enumerate(values)
                            ],
                        }
                    ],
                },
            }
        },
    },
    st.lists(INTRINSICS, max_size=4),
)


@QUICK
@given(TEMPLATES)
def test_what_a_template_leaves_open_survives_every_form(template: dict[str, object]):
    try:
        definition = read_definition(json.dumps(template))
    except DefinitionError:
        return
    parameters = definition.parameter_objects
    assert len({parameter.id.removeprefix("*") for parameter in parameters}) == len(parameters)
    begun = grouped(definition)
    again = through_cloudformation(begun)
    key = str
    assert again.pipeline_objects == begun.pipeline_objects
    assert sorted(again.parameter_objects, key=key) == sorted(begun.parameter_objects, key=key)
    assert through_cloudformation(begun, write_yaml) == again


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | INTRINSICS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
MEMBERS = st.sampled_from(
    "id name fields key stringValue refValue Id Name Fields Key StringValue RefValue attributes"
    " Attributes field attribute string_value address type values resources Type Properties".split()
)
DEFINITION_LIKE = st.dictionaries(
    st.sampled_from(
        "objects parameters values pipelineObjects parameterObjects parameterValues PipelineObjects"
        " ParameterObjects ParameterValues Resources Parameters planned_values Type Properties"
        " PipelineTags Mappings Conditions".split()
    ),
    st.lists(st.dictionaries(MEMBERS, JSON), max_size=3)
    | st.dictionaries(MEMBERS | st.just("root_module"), JSON, max_size=3)
    | JSON,
)


@QUICK
@given(DEFINITION_LIKE | JSON)
def test_reading_raises_only_its_error(document: object):
    text = json.dumps(document)
    with suppress(DefinitionError):
        assert read_pipelines(text)
    locate(text)


@QUICK
@given(st.lists(DEFINITION_LIKE, min_size=1, max_size=2))
def test_reading_templates_of_nonsense_raises_only_its_error(parts: list[dict[str, object]]):
    resource = {"Type": "AWS::DataPipeline::Pipeline", "Properties": parts[0]}
    with suppress(DefinitionError):
        read_pipelines(json.dumps({**parts[-1], "Resources": {"P": resource}}))


YAML_BITS = st.lists(
    st.sampled_from(
        ["a", ": ", "\n", "  ", "- ", "&x ", "*x", "!Ref ", "!!str ", "{", "}", "[", "]", ",", "'",
         '"', "|\n", "? ", "<<: ", "--- ", "%", "#", "@", "`", "\t", "objects", "Resources:\n", "é"]
    ),
    max_size=15,
).map("".join)  # fmt: skip


@QUICK
@given(st.binary() | st.text() | YAML_BITS)
def test_reading_anything_raises_only_its_error(text: str | bytes):
    with suppress(DefinitionError):
        read_definition(text)
    locate(text)


@QUICK
@given(DEFINITIONS)
def test_every_object_and_field_has_its_place_in_every_form(definition: Definition):
    for written in (
        write_json(to_cli(definition)),
        write_json(to_api(definition)),
        write_json(to_cloudformation(NamedDefinition(definition, "api"))),
        write_yaml(to_cloudformation(NamedDefinition(definition, "api"))),
    ):
        positions = locate(written)
        for item in definition.pipeline_objects:
            place = positions.of(item.id)
            assert place is not None
            line, column = place
            assert written.split("\n")[line - 1][column - 1 :]
            for field in item.fields:
                assert positions.of(item.id, field.key) is not None
