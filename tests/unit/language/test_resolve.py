import pytest

from penstock.language.catalogue import nearest, type_named
from penstock.language.forms import from_cli
from penstock.language.resolve import Resolved, is_user_field, resolve, resolve_leniently
from penstock.model.definition import ParameterValue
from penstock.model.errors import DefinitionError


def resolved(*objects: dict[str, object], **rest: object) -> Resolved:
    return resolve(from_cli({"objects": list(objects), **rest}))


def test_own_fields_replace_the_parents_whole_and_come_first():
    objects = resolved(
        {"id": "Base", "myList": ["a", "b"], "command": "base", "retryDelay": "1 hour"},
        {"id": "Do", "type": "ShellCommandActivity", "parent": {"ref": "Base"}, "myList": "c"},
        {"id": "Default", "maximumRetries": "3", "retryDelay": "2 hours"},
    ).objects
    do = objects["Do"]
    assert do.strings("myList") == ("c",)
    assert do.string("command") == "base"
    assert do.string("retryDelay") == "1 hour"
    assert do.string("maximumRetries") == "3"
    assert list(do.fields) == [
        "type",
        "parent",
        "myList",
        "command",
        "retryDelay",
        "maximumRetries",
    ]
    assert do.own == {"type", "parent", "myList"}
    assert (do.type, do.category) == ("ShellCommandActivity", "activity")


def test_inherited_fields_that_the_type_does_not_know_are_dropped():
    objects = resolved(
        {
            "id": "Default",
            "pipelineLogUri": "s3://b",
            "myOwn": "x",
            "*mySecret": "y",
            "type": "Default",
        },
        {"id": "Format", "type": "csv", "colunm": "kept, since it is its own"},
        {"id": "Abstract"},
        {"id": "Odd", "type": "NoSuchType"},
    ).objects
    assert list(objects["Format"].fields) == ["type", "colunm", "myOwn", "*mySecret"]
    assert objects["Format"].type == "CSV"
    assert list(objects["Abstract"].fields) == ["pipelineLogUri", "myOwn", "*mySecret"]
    assert objects["Abstract"].type is None
    assert objects["Odd"].string("pipelineLogUri") == "s3://b"
    assert objects["Odd"].type == "NoSuchType"
    assert objects["Default"].type is None


def test_forbidden_fields_are_not_inherited():
    objects = resolved(
        {"id": "Default", "workerGroup": "w"}, {"id": "Host", "type": "Ec2Resource"}
    ).objects
    assert objects["Host"].string("workerGroup") is None


def test_a_type_comes_from_a_parent_that_has_one():
    objects = resolved(
        {"id": "Base", "type": "shellcommandactivity", "command": "true"},
        {"id": "Do", "parent": {"ref": "Base"}},
    ).objects
    assert objects["Do"].type == "ShellCommandActivity"


def test_references_are_read_apart_from_strings():
    do = resolved({"id": "Do", "myAny": [{"ref": "A"}, "text", {"ref": "B"}]}).objects["Do"]
    assert do.refs("myAny") == ("A", "B")
    assert do.ref("myAny") == "A"
    assert do.strings("myAny") == ("text",)
    assert do.ref("absent") is None
    assert do.string("absent") is None


def test_cycles_of_parents_are_errors():
    cycle = from_cli(
        {
            "objects": [
                {"id": "A", "parent": {"ref": "B"}, "x": "1"},
                {"id": "B", "parent": {"ref": "A"}},
            ]
        }
    )
    with pytest.raises(DefinitionError, match=r"object 'A'.*A -parent-> B -parent-> A"):
        resolve(cycle)
    assert resolve_leniently(cycle).objects["B"].string("x") is None


def test_a_parent_of_oneself_and_a_missing_parent():
    with pytest.raises(DefinitionError, match="itself"):
        resolved({"id": "Default", "parent": {"ref": "Default"}})
    assert resolved({"id": "A", "parent": {"ref": "Nobody"}}).objects["A"].ref("parent") == "Nobody"


def test_the_chain_of_parents_is_bounded():
    chain = [{"id": str(n), "parent": {"ref": str(n + 1)}} for n in range(200)]
    with pytest.raises(DefinitionError, match="more than 100 levels"):
        resolved(*chain)


def test_parameters_given_win_over_the_definitions_over_the_defaults():
    definition = from_cli(
        {
            "objects": [],
            "parameters": [
                {"id": "myA", "default": "default a"},
                {"id": "myB", "default": "default b", "type": "Integer"},
                {"id": "myC", "default": ["1", "2"], "isArray": "true"},
                {"id": "myOptional", "optional": "true"},
                {"id": "myRequired"},
            ],
            "values": {"myA": "a", "myB": "b"},
        }
    )
    found = resolve(definition, [ParameterValue("myB", "x"), ParameterValue("myB", "y")])
    assert found.parameters == {
        "myA": ("a",),
        "myB": ("x", "y"),
        "myC": ("1", "2"),
        "myOptional": (),
    }
    assert found.parameter_types["myB"] == "Integer"


def test_the_catalogue_knows_types_in_any_case():
    known = type_named("SHELLcommandActivity")
    assert known is not None
    assert known.name == "ShellCommandActivity"
    assert known.one_of == (("command", "scriptUri"),)
    assert known.fields["input"].to == ("data_node",)
    assert known.fields["@status"].set_by_service
    assert type_named("Nothing") is None


def test_nearest():
    assert nearest("comand", ["command", "scriptUri"]) == "command"
    assert nearest("SCRIPTURI", ["command", "scriptUri"]) == "scriptUri"
    assert nearest("zzz", ["command"]) is None
    assert nearest("c" * 10_000, ["c" * 10_000]) is None


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("myX", True),
        ("my_x", True),
        ("*myX", True),
        ("my", False),
        ("myx", False),
        ("command", False),
    ],
)
def test_user_fields(key: str, expected: bool):
    assert is_user_field(key) is expected
