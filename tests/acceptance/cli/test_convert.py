"""`penstock convert` as a user types it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

CLI = {
    "metadata": {"made": "by hand"},
    "objects": [
        {"id": "Default", "name": "Default", "scheduleType": "ondemand"},
        {
            "id": "Grüße",
            "name": "Grüße",
            "type": "ShellCommandActivity",
            "command": "echo ${X} 1.10",
        },
    ],
}

TEMPLATE = """
Parameters:
  Bucket: {Type: String, Default: logs}
Resources:
  Nightly:
    Type: AWS::DataPipeline::Pipeline
    Properties:
      Name: nightly
      Description: the night's work
      PipelineObjects:
        - Id: A
          Name: A
          Fields:
            - {Key: directoryPath, StringValue: !Sub "s3://${Bucket}/#{format(@s, '${Bucket}')}"}
  Weekly:
    Type: AWS::DataPipeline::Pipeline
    Properties:
      Name: weekly
      PipelineObjects: []
"""


def penstock(*arguments: str | Path, text: str | None = None) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return subprocess.run(
        [sys.executable, "-m", "penstock", *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        input=text,
        # A terminal that knows no UTF-8 must not change what is written.
        env=kept | {"PYTHONPATH": str(ROOT / "src"), "PYTHONIOENCODING": "utf-8", "LC_ALL": "C"},
        timeout=60,
        check=False,
    )


@pytest.fixture
def definition(tmp_path: Path) -> Path:
    path = tmp_path / "web logs.json"
    path.write_text(json.dumps(CLI), "utf-8")
    return path


def test_through_every_form_and_back(definition: Path, tmp_path: Path) -> None:
    api, template, back = (tmp_path / name for name in ("api.json", "template.yaml", "back.json"))
    first = penstock("convert", "--to", "api", definition, "-o", api)
    assert (first.returncode, first.stdout) == (0, "")
    assert first.stderr == "penstock: left out: the key 'metadata'\n"
    second = penstock("convert", "--to", "cloudformation", "--format", "yaml", api, "-o", template)
    assert (second.returncode, second.stderr) == (0, "")
    assert "Name: api" in template.read_text("utf-8")
    third = penstock("convert", "--to", "cli", template, "-o", back)
    assert (third.returncode, third.stderr) == (0, "")
    written = back.read_text("utf-8")
    assert json.loads(written) == {"objects": CLI["objects"]}
    assert written == json.dumps({"objects": CLI["objects"]}, indent=2, ensure_ascii=False) + "\n"


def test_a_template_is_named_after_its_file_or_as_told(definition: Path) -> None:
    by_file = json.loads(penstock("convert", "--to", "cloudformation", definition).stdout)
    (label,) = by_file["Resources"]
    assert label == "WebLogs"
    assert by_file["Resources"][label]["Properties"]["Name"] == "web logs"
    told = penstock("convert", "--to", "cloudformation", "--name", "shop", definition)
    assert json.loads(told.stdout)["Resources"]["Shop"]["Properties"]["Name"] == "shop"


def test_standard_input_and_one_of_several() -> None:
    unpicked = penstock("convert", "--to", "cli", "-", text=TEMPLATE)
    assert (unpicked.returncode, unpicked.stdout) == (1, "")
    assert unpicked.stderr == (
        "penstock: the document has 2 pipelines; pick one of them: 'Nightly' named 'nightly', "
        "'Weekly' named 'weekly'\n"
    )
    picked = penstock("convert", "--to", "cli", "--pick", "nightly", "-", text=TEMPLATE)
    assert picked.returncode == 0
    assert picked.stderr == "penstock: left out: the pipeline's description\n"
    (item,) = json.loads(picked.stdout)["objects"]
    assert item["directoryPath"] == "s3://#{my_Bucket}/#{format(@s, my_Bucket)}"
    again = penstock("convert", "--to", "cloudformation", "-", text=picked.stdout)
    (field,) = json.loads(again.stdout)["Resources"]["Pipeline"]["Properties"]["PipelineObjects"][
        0
    ]["Fields"]
    assert field["StringValue"] == {"Fn::Sub": "s3://${Bucket}/#{format(@s, '${Bucket}')}"}
    assert again.stderr == ""


def test_what_the_written_template_lacks_is_said() -> None:
    text = TEMPLATE.replace("${Bucket}/#", "${Logs.Arn}/#")
    picked = penstock("convert", "--to", "cloudformation", "--pick", "Nightly", "-", text=text)
    assert picked.returncode == 0
    assert "penstock: the template refers to Logs, which it does not declare" in picked.stderr


@pytest.mark.parametrize(
    ("arguments", "text", "status", "expected"),
    [
        (["--to", "cli"], "{'a': 1}", 1, "line 1, column 2: JSON takes double quotes"),
        (["--to", "cli"], "a:\n\t- b", 1, "line 2, column 1: YAML is indented with spaces"),
        (["--to", "xml"], "{}", 2, "'xml' is not one of"),
        ([], "{}", 2, "Missing option '--to'"),
        (["--to", "api", "--format", "yaml"], '{"objects": []}', 2, "yaml is for CloudFormation"),
        (["--to", "cli", "-o", "/nowhere/x"], '{"objects": []}', 1, "No such file"),
    ],
)
def test_errors_are_one_line(arguments: list[str], text: str, status: int, expected: str) -> None:
    ran = penstock("convert", *arguments, "-", text=text)
    assert (ran.returncode, ran.stdout) == (status, "")
    assert expected in ran.stderr
    assert ran.stderr.count("\n") == 1
