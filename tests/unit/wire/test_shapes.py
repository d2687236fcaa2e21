"""Request shapes: the same facts as botocore's, and every violation told by its place."""

import json
from importlib.resources import files
from typing import Any

import botocore.session
import msgspec
import pytest
from botocore.model import Shape

from penstock.model.api import OUR_REQUESTS, REQUESTS
from penstock.model.errors import SerializationFailed, UnknownOperation, ValidationFailed
from penstock.model.limits import AWS_LIMITS, Limits
from penstock.wire.shapes import Shapes, to_instant

SHAPES = Shapes(Limits())
STRICT = Shapes(AWS_LIMITS)
PATTERN = r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\r\n\t]*"


def decode(operation: str, members: Any, shapes: Shapes = SHAPES) -> Any:
    return shapes.decode(operation, json.dumps(members).encode())


def violations(operation: str, members: Any, shapes: Shapes = SHAPES) -> str:
    with pytest.raises(ValidationFailed) as caught:
        decode(operation, members, shapes)
    return str(caught.value)


def serialization(operation: str, body: bytes) -> str:
    with pytest.raises(SerializationFailed) as caught:
        SHAPES.decode(operation, body)
    return str(caught.value)


def facts_of(shape: Shape, found: dict[str, Any]) -> None:
    """Gather from botocore what our file says of a shape and of those that it refers to."""
    if shape.name in found:
        return
    facts: dict[str, Any] = {"type": shape.type_name}
    found[shape.name] = facts
    for name in ("min", "max", "pattern", "enum", "required"):
        if shape.metadata.get(name):
            facts[name] = shape.metadata[name]
        elif name == "min" and "min" in shape.metadata:
            facts[name] = 0
    if shape.type_name == "structure":
        facts["members"] = {name: member.name for name, member in shape.members.items()}
        for member in shape.members.values():
            facts_of(member, found)
    if shape.type_name == "list":
        facts["member"] = shape.member.name
        facts_of(shape.member, found)


def test_the_shapes_are_botocores() -> None:
    model = botocore.session.get_session().get_service_model("datapipeline")
    shapes: dict[str, Any] = {}
    operations = {}
    for name in model.operation_names:
        shape = model.operation_model(name).input_shape
        operations[name] = shape.name
        facts_of(shape, shapes)
    ours = json.loads(files("penstock.wire").joinpath("shapes.json").read_text("utf-8"))
    assert ours == {"operations": operations, "shapes": shapes}
    assert operations.keys() == REQUESTS.keys()


def test_requests_have_exactly_the_members_of_their_shapes() -> None:
    ours = json.loads(files("penstock.wire").joinpath("shapes.json").read_text("utf-8"))
    for operation, shape in ours["operations"].items():
        members = set(ours["shapes"][shape]["members"])
        assert set(REQUESTS[operation].__struct_encode_fields__) == members, operation


def test_our_own_operations_are_decoded_and_take_no_name_of_the_original() -> None:
    ours = json.loads(files("penstock.wire").joinpath("ours.json").read_text("utf-8"))
    assert ours["operations"].keys() == OUR_REQUESTS.keys()
    assert not OUR_REQUESTS.keys() & REQUESTS.keys()
    for operation, shape in ours["operations"].items():
        members = set(ours["shapes"][shape]["members"])
        assert set(OUR_REQUESTS[operation].__struct_encode_fields__) == members, operation
    asked = decode("GetHistory", {"pipelineId": "df-1", "limit": 3})
    assert (asked.pipeline_id, asked.limit, asked.object_id) == ("df-1", 3, None)


def test_one_missing_member() -> None:
    assert violations("DeletePipeline", {}) == (
        "1 validation error detected: Value null at 'pipelineId' failed to satisfy constraint: "
        "Member must not be null"
    )


def test_a_null_member_counts_as_absent() -> None:
    assert "Value null at 'pipelineId'" in violations("DeletePipeline", {"pipelineId": None})
    request = decode("CreatePipeline", {"name": "a", "uniqueId": "b", "description": None})
    assert request.description == ""
    assert decode("ListPipelines", {"marker": None}).marker is None
    assert decode("ListPipelines", {"marker": ""}).marker == ""


def test_all_violations_are_told_with_their_places() -> None:
    objects = [
        {"id": "a", "name": "", "fields": []},
        {"id": "b", "name": "b", "fields": [{"key": "x" * 257}, {"stringValue": "v"}, None]},
    ]
    text = violations("PutPipelineDefinition", {"pipelineObjects": objects})
    assert text == (
        "5 validation errors detected: "
        "Value null at 'pipelineId' failed to satisfy constraint: Member must not be null; "
        "Value '' at 'pipelineObjects.1.member.name' failed to satisfy constraint: "
        "Member must have length greater than or equal to 1; "
        f"Value '{'x' * 256}...' at 'pipelineObjects.2.member.fields.1.member.key' failed to "
        "satisfy constraint: Member must have length less than or equal to 256; "
        "Value null at 'pipelineObjects.2.member.fields.2.member.key' failed to satisfy "
        "constraint: Member must not be null; "
        "Value null at 'pipelineObjects.2.member.fields.3.member' failed to satisfy constraint: "
        "Member must not be null"
    )


@pytest.mark.parametrize("bad", ["\x00", "\x1f", "a\x0bb", "\ufffe", "\uffff"])
def test_characters_outside_the_pattern(bad: str) -> None:
    text = violations("DeletePipeline", {"pipelineId": bad})
    assert f"Member must satisfy regular expression pattern: {PATTERN}" in text


@pytest.mark.parametrize("good", ["\r\n\t", "äöü☃", "\U0001f600", "\x7f\x80", "\ue000", "\ufffd"])
def test_characters_inside_the_pattern(good: str) -> None:
    assert decode("DeletePipeline", {"pipelineId": good}).pipeline_id == good


def test_too_long_and_outside_the_pattern_are_two_violations() -> None:
    assert violations("DeletePipeline", {"pipelineId": "\0" * 1025}).startswith("2 validation")


def test_an_enumeration() -> None:
    assert (
        "Value 'DONE' at 'taskStatus' failed to satisfy constraint: "
        "Member must satisfy enum value set: [FINISHED, FAILED, FALSE]"
    ) in violations("SetTaskStatus", {"taskId": "t", "taskStatus": "DONE"})


@pytest.mark.parametrize(
    ("operation", "body", "text"),
    [
        ("DeletePipeline", b'{"pipelineId": 1}', "Member 'pipelineId' must be a string, not a n"),
        ("DeletePipeline", b'{"pipelineId": ["a"]}', "must be a string, not a list."),
        ("DeletePipeline", b"[]", "The body must be an object, not a list."),
        ("DeletePipeline", b"null", "The body must be an object, not null."),
        ("DescribePipelines", b'{"pipelineIds": "a"}', "'pipelineIds' must be a list, not a str"),
        ("DescribePipelines", b'{"pipelineIds": ["a", {}]}', "'pipelineIds.2.member' must be a s"),
        ("AddTags", b'{"pipelineId": "", "tags": [true]}', "'tags.1.member' must be an object, n"),
        ("QueryObjects", b'{"limit": 1.5}', "'limit' must be an integer of 32 bits, not a numb"),
        ("QueryObjects", b'{"limit": 2147483648}', "'limit' must be an integer"),
        ("QueryObjects", b'{"limit": true}', "'limit' must be an integer of 32 bits, not a bool"),
        ("QueryObjects", b'{"query": {"selectors": [{"operator": 1}]}}', "operator' must be an o"),
        ("DeactivatePipeline", b'{"cancelActive": "true"}', "'cancelActive' must be a boolean"),
        ("SetTaskStatus", b'{"taskStatus": 1}', "'taskStatus' must be a string, not a number."),
        ("ActivatePipeline", b'{"startTimestamp": true}', "'startTimestamp' must be a time"),
        ("ActivatePipeline", b'{"startTimestamp": "soon"}', "not a string."),
        ("ActivatePipeline", b'{"startTimestamp": 1e300}', "years 1 to 9999"),
        ("DeletePipeline", b"", "not valid JSON"),
        ("DeletePipeline", b'{"pipelineId": "a"', "not valid JSON"),
        ("DeletePipeline", b'{"pipelineId": "a"} {}', "not valid JSON"),
        ("DeletePipeline", b'{"pipelineId": NaN}', "not valid JSON"),
        ("DeletePipeline", b'{"pipelineId": "\\ud800"}', "not valid JSON"),
        ("DeletePipeline", b'{"pipelineId": "\xff"}', "not UTF-8"),
        ("DeletePipeline", b"\x00\x01\x02", "not valid JSON"),
        ("DeletePipeline", b"[" * 1_000_000, "nested too deeply"),
        ("DeletePipeline", b'{"a":' * 100_000, "nested too deeply"),
        ("QueryObjects", b'{"limit": ' + b"9" * 10_000 + b"}", "not valid JSON"),
    ],
)
def test_what_is_not_json_of_the_right_types(operation: str, body: bytes, text: str) -> None:
    assert text in serialization(operation, body)


def test_unknown_members_and_operations() -> None:
    assert decode("ListPipelines", {"unheardOf": [1], "marker": "m"}).marker == "m"
    with pytest.raises(UnknownOperation, match="'DropPipeline'"):
        decode("DropPipeline", {})


def test_a_hundred_ids_and_more_pass_the_shape() -> None:
    ids = [f"df-{number}" for number in range(101)]
    assert len(decode("DescribePipelines", {"pipelineIds": ids}).pipeline_ids) == 101


def test_an_expression_may_have_twenty_mebibytes_and_no_more() -> None:
    request = {"pipelineId": "a", "objectId": "b", "expression": "x" * 20 * 1024 * 1024}
    assert len(decode("EvaluateExpression", request).expression) == 20_971_520
    request["expression"] += "x"
    assert "less than or equal to 20971520" in violations("EvaluateExpression", request)


def test_field_values_and_tags_have_the_servers_limits() -> None:
    field = {"key": "k", "stringValue": "v" * 10_241}
    put = {"pipelineId": "p", "pipelineObjects": [{"id": "a", "name": "a", "fields": [field]}]}
    tags = {"pipelineId": "p", "tags": [{"key": str(n), "value": ""} for n in range(11)]}
    assert decode("PutPipelineDefinition", put).pipeline_objects[0].string("k") == "v" * 10_241
    assert len(decode("AddTags", tags).tags) == 11
    assert "fields.1.member.stringValue" in violations("PutPipelineDefinition", put, STRICT)
    text = violations("AddTags", tags, STRICT)
    assert "at 'tags' failed to satisfy constraint: Member must have length less than" in text


def test_a_body_full_of_violations_is_not_told_whole() -> None:
    objects = [{"id": ""}] * 100_000
    text = violations("PutPipelineDefinition", {"pipelineId": "p", "pipelineObjects": objects})
    assert len(text) < 100_000


@pytest.mark.parametrize(
    ("given", "instant"),
    [
        (0, 0),
        (1_351_468_800, 1_351_468_800_000),
        (1_351_468_800.25, 1_351_468_800_250),
        (-1.5, -1_500),
        ("2012-10-29T00:00:00Z", 1_351_468_800_000),
        ("2012-10-29T00:00:00", 1_351_468_800_000),
        ("2012-10-29T02:00:00.500+02:00", 1_351_468_800_500),
    ],
)
def test_timestamps(given: float | str, instant: int) -> None:
    assert to_instant(given) == instant
    request = decode("ActivatePipeline", {"pipelineId": "p", "startTimestamp": given})
    assert request.start_timestamp == instant


@pytest.mark.parametrize("given", ["", "soon", "2012-13-01", 1e18, -1e18, "0001-01-01T00:00+23:00"])
def test_no_timestamps(given: float | str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - that it is refused is all there is to it
        to_instant(given)


def test_a_whole_definition_arrives_as_it_was() -> None:
    definition = {
        "pipelineId": "p",
        "pipelineObjects": [
            {"id": "a", "name": "A", "fields": [{"key": "r", "refValue": "b"}, {"key": "s"}]}
        ],
        "parameterObjects": [{"id": "m", "attributes": [{"key": "type", "stringValue": "String"}]}],
        "parameterValues": [{"id": "m", "stringValue": ""}],
    }
    request = decode("ValidatePipelineDefinition", definition)
    assert msgspec.json.decode(msgspec.json.encode(request)) == definition
