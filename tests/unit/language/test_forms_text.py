"""JSON and YAML as text: what cannot be read is said with its line, its column and a remedy."""

import pytest

from penstock.language.forms import locate, read_definition
from penstock.language.forms.placed import Lines
from penstock.model.definition import Field
from penstock.model.errors import DefinitionError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"objects": [],}', "line 1, column 15: the comma before the closing '}' is one too many"),
        ('{"objects": [1,\n]}', "line 1, column 15: the comma before the closing ']'"),
        ('{"objects": [] // all\n}', "line 1, column 16: JSON has no comments"),
        ('/* mine */ {"objects": []}', "JSON has no comments"),
        ("{'objects': []}", "line 1, column 2: JSON takes double quotes"),
        ('{"objects": ["a\nb"]}', "line 1, column 16: there is a line break or a tab inside"),
        ('{"objects": [{"id": "A" "x": "1"}]}', "line 1, column 25: a comma or a closing bracket"),
        ('{"objects": "\\d"}', "column 14: the backslash has no meaning here"),
        ('{"objects": []}}', "column 16: the JSON document has ended before this"),
        ('{"objects": [', "the text ends in the middle; a closing bracket is missing"),
        ('{"objects": ["a}', "column 14: the string that begins here is never closed"),
        ('{"objects"= []}', "a colon is missing after the key"),
        ("  ", "the text is empty"),
        (b"\xff\xfe{\x00", "it looks like UTF-16; save it as UTF-8"),
        ('{"a": 1, "a": 2}', "the key 'a' stands twice in one JSON object in line 1"),
        (
            '{"a": {"b": 1,\n "b": 2}}',
            "the key 'b' stands twice in one JSON object, in lines 1 and",
        ),
        ('{"objects": [{"a": 1}, {"a": 2, "\\u0061": 3}]}', "again at column 33"),
    ],
)
def test_bad_json_is_explained(text: str | bytes, expected: str):
    with pytest.raises(DefinitionError) as caught:
        read_definition(text)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("objects:\n\t- id: A", "line 2, column 1: YAML is indented with spaces, not with tabs"),
        ("objects:\n  - id: A\n    x: a: b", "line 3, column 9: a colon is not expected here"),
        ("objects: []\nobjects: []", "line 2, column 1: the key 'objects' stands twice"),
        ("a: &x [*x]", "the alias '*x' stands within its own anchor"),
        ("a: *x", "line 1, column 4: the alias '*x' has no anchor"),
        ("a: {<<: b}", "merge keys ('<<') are not read"),
        ("a: !!python/object/apply:os.system [ls]", "the tag '!!python/object/apply:os.system'"),
        ("a: !Rf b", "line 1, column 4: there is no function '!Rf'"),
        ("a: 1\n---\nb: 1", "line 2, column 1: a second document begins here"),
        ("? [a]\n: b", "a key must be a plain text"),
        ("[" * 1, "the text ends in the middle"),
        ("- " * 200, "nested more than 100 levels deep"),
        ("objekts: []", "Did you mean 'objects'?"),
        ("just a text", "no pipeline definition"),
        ("a: \x00", "neither JSON nor YAML"),
    ],
)
def test_bad_yaml_is_explained(text: str, expected: str):
    with pytest.raises(DefinitionError) as caught:
        read_definition(text)
    assert expected in str(caught.value)


def test_aliases_cannot_multiply_without_a_bound():
    levels = "".join(f"b{n}: &b{n} [{', '.join([f'*b{n - 1}'] * 10)}]\n" for n in range(1, 12))
    with pytest.raises(DefinitionError, match="unfold to too much"):
        read_definition(f"b0: &b0 [x]\n{levels}")
    assert locate(f"b0: &b0 [x]\n{levels}").places == {}


def test_yaml_scalars_keep_their_text_and_only_booleans_are_taken_as_such():
    text = """
        objects:
          - id: A
            version: 1.10
            account: 0123456789012
            day: 2020-01-01
            time: 12:30:45
            yes: yes
            off: OFF
            quoted: "yes"
            tagged: !!str no
            y: y
            shared: &s [a, 1]
            again: *s
    """
    (item,) = read_definition(text).pipeline_objects
    assert item.fields == (
        Field("version", "1.10"),
        Field("account", "0123456789012"),
        Field("day", "2020-01-01"),
        Field("time", "12:30:45"),
        Field("yes", "true"),
        Field("off", "false"),
        Field("quoted", "yes"),
        Field("tagged", "no"),
        Field("y", "y"),
        Field("shared", "a"),
        Field("shared", "1"),
        Field("again", "a"),
        Field("again", "1"),
    )


CLI = """{
  "objects": [
    {"id": "A", "type": "X",
     "myList": ["\\ud83d\\ude00", {"ref": "B"}]},
    {"name": "b",
     "id": "B"}
  ],
\t"parameters": [{"id": "myP", "default": "a\\/b"}],
  "values": {"myQ": "1"}
}"""

API = """{"pipelineObjects": [
  {"id": "A", "fields": [
    {"key": "type", "stringValue": "X"},
    {"stringValue": "y", "key": "myList"}]}],
 "parameterObjects": [{"id": "myP", "attributes": []}]}"""

TEMPLATE = """
Resources:
  First:
    Type: AWS::DataPipeline::Pipeline
    Properties:
      PipelineObjects:
        - Id: A
          Fields:
            - Key: type
              StringValue: !Sub "${X}"
  Second:
    Type: AWS::DataPipeline::Pipeline
    Properties:
      PipelineObjects: [{Id: A, Fields: [{Key: type, StringValue: Y}]}]
"""

TERRAFORM = """{"values": {"root_module": {"child_modules": [{"resources": [
  {"address": "module.m.aws_datapipeline_pipeline_definition.d", "values": {"pipeline_object": [
    {"id": "A", "field": [{"key": "type", "string_value": "X"}]}]}}]}]}}}"""


@pytest.mark.parametrize(
    ("text", "object_id", "field", "place"),
    [
        (CLI, "A", None, (3, 12)),
        (CLI, "A", "type", (3, 17)),
        (CLI, "A", "myList", (4, 6)),
        (CLI, "A", "absent", (3, 12)),
        (CLI, "B", None, (6, 12)),
        (CLI, "B", "name", (5, 6)),
        (CLI, "myP", "default", (8, 31)),
        (CLI, "myQ", None, (9, 14)),
        (CLI, "C", None, None),
        (API, "A", "type", (3, 13)),
        (API, "A", "myList", (4, 33)),
        (API, "myP", None, (5, 30)),
        (TEMPLATE, "A", None, (7, 15)),
        (TEMPLATE, "A", "type", (9, 20)),
        (TERRAFORM, "A", "type", (3, 35)),
        ('{"objects": [{"id": "A", "x": ', "A", "x", (1, 26)),
        ("objects: [", "A", None, None),
        (b"\xff", "A", None, None),
    ],
)
def test_where_objects_and_fields_are_written(
    text: str | bytes, object_id: str, field: str | None, place: tuple[int, int] | None
):
    assert locate(text).of(object_id, field) == place


@pytest.mark.parametrize("text", [CLI, API, TEMPLATE, TERRAFORM])
def test_only_what_is_wanted_is_looked_for(text: str):
    everything = locate(text).places
    for wanted in everything:
        (field,) = {
            each for each in locate(text, wanted=[wanted]).places if each[1] is not None
        } or [(wanted[0], None)]
        assert field == wanted
        assert locate(text, wanted=[wanted]).places[wanted] == everything[wanted]
    assert locate(text, wanted=[("Nobody", "type")]).places == {}


def test_a_text_s_many_lines_are_counted_in_both_directions():
    lines = Lines("ab\n\nc\n")
    offsets = [0, 5, 2, 3, 1, 4, 4, 6]
    assert [lines.place(each) for each in offsets] == [
        (1, 1), (3, 2), (1, 3), (2, 1), (1, 2), (3, 1), (3, 1), (4, 1)
    ]  # fmt: skip


def test_what_has_no_id_is_located_by_its_place():
    text = '{"objects": [{"id": "A"},\n {"name": "b"},\n ["c"]]}'
    assert locate(text).of("objects[1]") == (2, 2)
    assert locate(text).of("objects[2]", "x") == (3, 2)


def test_a_parameter_of_a_template_is_located_where_it_is_declared():
    text = "Parameters:\n  Logs: {Type: String}\nResources: {}\n"
    assert locate(text).of("my_Logs") == locate(text).of("*my_Logs", "default") == (2, 3)


def test_one_of_several_pipelines_can_be_located():
    assert locate(TEMPLATE, pick="Second").of("A", "type") == (14, 48)
    assert locate(TEMPLATE, pick="Third").of("A") is None
