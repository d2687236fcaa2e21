"""`penstock validate`: files in, verdicts out."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from penstock.cli.validate import command, parameter_values
from penstock.model.definition import ParameterValue

GOOD = {
    "objects": [
        {"id": "Default", "scheduleType": "ondemand", "workerGroup": "mine"},
        {"id": "Hello", "type": "ShellCommandActivity", "command": "echo #{myWord}"},
    ],
    "parameters": [{"id": "myWord"}],
}
BAD = """{
  "objects": [
    {"id": "Default", "scheduleType": "ondemand", "workerGroup": "mine"},
    {"id": "Hello",
     "type": "ShellCommandActivity",
     "comand": "true"}
  ]
}"""


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("good.json").write_text(json.dumps(GOOD))
    Path("bad.json").write_text(BAD)
    return tmp_path


def validate(*arguments: str, stdin: str | None = None) -> tuple[int, list[str]]:
    result = CliRunner().invoke(command, arguments, input=stdin, standalone_mode=False)
    assert result.exception is None, result.exception
    return result.return_value, result.output.splitlines()


def test_a_good_file_is_valid() -> None:
    assert validate("good.json", "--parameter", "myWord=x") == (0, ["good.json: valid"])


def test_a_value_may_come_later_but_not_after_the_activation() -> None:
    status, lines = validate("good.json")
    assert (status, lines[-1]) == (0, "good.json: valid, 1 warning")
    status, lines = validate("good.json", "--activation")
    assert status == 1
    assert "error: myWord: " in lines[0]


def test_a_mistake_is_shown_with_its_line_and_the_other_files_all_the_same() -> None:
    status, lines = validate("bad.json", "good.json", "--parameter", "myWord=x")
    assert status == 1
    assert any(line.startswith("bad.json:6:6: error: Hello: 'comand'") for line in lines), lines
    assert "good.json: valid" in lines
    assert lines[-1].startswith("1 of 2 definitions valid; ")


def test_a_file_that_cannot_be_read_is_an_error_among_others() -> None:
    Path("torn.json").write_text('{"objects": [')
    status, lines = validate("torn.json", "none.json", "good.json", "--parameter", "myWord=x")
    assert status == 1
    assert lines[0].startswith("torn.json: error: ")
    assert lines[1] == "none.json: error: No such file or directory [unreadable]"
    assert "good.json: valid" in lines


def test_standard_input() -> None:
    status, lines = validate("-", stdin=BAD)
    assert status == 1
    assert lines[0].startswith("-:")


def test_the_limits_of_the_original() -> None:
    crowd = {"objects": GOOD["objects"] + [{"id": f"X{n}"} for n in range(100)]}
    Path("crowd.json").write_text(json.dumps(crowd))
    assert not any("102 objects" in line for line in validate("crowd.json")[1])
    assert any("102 objects" in line for line in validate("--limits", "aws", "crowd.json")[1])


def test_programs_get_json() -> None:
    status, lines = validate("--format", "json", "bad.json")
    document = json.loads("\n".join(lines))
    assert (status, document["valid"]) == (1, False)
    rules = {each["rule"]: each for each in document["definitions"][0]["findings"]}
    assert (rules["unknown-field"]["line"], rules["unknown-field"]["field"]) == (6, "comand")


def test_parameters_keep_their_order_and_repetition() -> None:
    assert parameter_values((("a", "1"), ("a", "2"))) == (
        ParameterValue("a", "1"),
        ParameterValue("a", "2"),
    )


def test_parameters_may_be_kept_in_files_of_their_own() -> None:
    bare = {"objects": GOOD["objects"]}
    Path("bare.json").write_text(json.dumps(bare))
    Path("parameters.json").write_text(json.dumps({"parameters": [{"id": "myWord"}]}))
    Path("values.json").write_text(json.dumps({"values": {"myWord": "x"}}))
    assert validate("bare.json")[0] == 1
    both = ("--parameters-file", "parameters.json", "--parameters-file", "values.json")
    assert validate("bare.json", *both) == (0, ["bare.json: valid"])


def test_each_pipeline_of_a_template_has_its_verdict() -> None:
    template = {
        "Resources": {
            name: {
                "Type": "AWS::DataPipeline::Pipeline",
                "Properties": {
                    "Name": name,
                    "PipelineObjects": [{"Id": "Default", "Name": "Default", "Fields": fields}],
                },
            }
            for name, fields in (
                ("Good", []),
                ("Bad", [{"Key": "schedule", "RefValue": "Nowhere"}]),
            )
        }
    }
    Path("template.json").write_text(json.dumps(template, indent=1))
    status, lines = validate("template.json")
    assert status == 1
    assert "template.json (Good): valid, 1 warning" in lines
    assert any("(Bad): error: Default: 'schedule' refers to 'Nowhere'" in line for line in lines)
