"""`penstock eval` as a user types it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.cli.main import main

ROOT = Path(__file__).resolve().parents[3]

DEFINITION = {
    "objects": [
        {"id": "Default", "schedule": {"ref": "Monthly"}, "pipelineLogUri": "s3://logs"},
        {
            "id": "Monthly",
            "type": "Schedule",
            "period": "1 month",
            "startDateTime": "2026-01-31T08:00:00",
            "occurrences": "6",
        },
        {
            "id": "Weekly",
            "type": "Schedule",
            "period": "1 week",
            "startAt": "FIRST_ACTIVATION_DATE_TIME",
        },
        {
            "id": "Load",
            "name": "the load",
            "type": "ShellCommandActivity",
            "command": "load #{input.directoryPath} --password #{*password} --into #{myTable}",
            "*password": "sesame-open",
            "*myPin": "42",
            "workerGroup": "g",
            "input": {"ref": "In"},
            "onFail": {"ref": "Alarm"},
            "myBad": "x #{nope}",
        },
        {
            "id": "Other",
            "type": "ShellCommandActivity",
            "command": "true",
            "workerGroup": "g",
            "schedule": {"ref": "Weekly"},
            "onFail": {"ref": "Alarm"},
            "precondition": {"ref": "Ready"},
        },
        {
            "id": "In",
            "type": "S3DataNode",
            "directoryPath": "s3://in/#{format(@scheduledStartTime, 'YYYY-MM-dd')}",
            "dataFormat": {"ref": "Lines"},
        },
        {"id": "Lines", "type": "CSV", "myMonth": "#{format(@scheduledStartTime, 'MM')}"},
        {
            "id": "Alarm",
            "type": "SnsAlarm",
            "topicArn": "t",
            "subject": "s",
            "message": "#{node.name}: #{node.errorMessage} at #{node.@actualEndTime}",
        },
        {
            "id": "Ready",
            "type": "Exists",
            "myWhat": "#{node.@scheduledEndTime}",
            "onFail": {"ref": "Alarm"},
        },
        {"id": "Machine", "type": "Ec2Resource"},
        {"id": "Store", "type": "JdbcDatabase", "connectionString": "c"},
    ],
    "parameters": [
        {"id": "myTable", "type": "String"},
        {"id": "myNumber", "type": "Integer", "default": "3"},
        {"id": "mySteps", "isArray": "true", "default": ["x", "y"]},
    ],
}
TABLE = ("--parameter", "myTable=t1")
LOAD = ("--object", "Load", *TABLE)
IN_MARCH = ("--at", "2026-03-05")


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "pipeline.json"
    path.write_text(json.dumps(DEFINITION), "utf-8")
    return str(path)


class Said:
    """What a command said, and its exit status."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status = status
        self.out = out
        self.err = err


@pytest.fixture
def penstock(file: str, capsys: pytest.CaptureFixture[str]):
    def run(expression: str, *options: str) -> Said:
        with pytest.raises(SystemExit) as stop:
            main(["eval", expression, *options, file])
        assert isinstance(stop.value.code, int)
        return Said(stop.value.code, *capsys.readouterr())

    return run


def test_from_a_shell(file: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "penstock", "eval", "#{input.directoryPath}/x", *LOAD, *IN_MARCH,
         file],
        capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "s3://in/2026-02-28/x\n", "")


@pytest.mark.parametrize(
    ("expression", "options", "expected"),
    [
        ("format(@scheduledStartTime, 'YYYY-MM-dd')", (*LOAD, *IN_MARCH), "2026-02-28\n"),
        ("#{name} of #{parent.@id}", LOAD, "the load of Load\n"),
        ("#{myNumber} and #{myNumber + 1}", LOAD, "3 and 4\n"),
        ("myNumber * 2", (*LOAD, "--parameter", "myNumber=20"), "40\n"),
        ("mySteps", LOAD, "x\ny\n"),
        ("@scheduledEndTime", (*LOAD, *IN_MARCH), "2026-03-31T08:00:00\n"),
        ("@scheduledStartTime", (*LOAD, "--at", "2026-03-31T08:00:00"), "2026-03-31T08:00:00\n"),
        ("@id", (*LOAD, *IN_MARCH), "@Load_2026-02-28T08:00:00\n"),
        ("@status", (*LOAD, *IN_MARCH), "RUNNING\n"),
        (
            "@id",
            (*LOAD, *IN_MARCH, "--context", "attempt"),
            "@Load_2026-02-28T08:00:00_Attempt=1\n",
        ),
        # A database has no instances; it is the same at any time.
        ("connectionString", ("--object", "Store", *TABLE, *IN_MARCH), "c\n"),
        # Unless it is asked for whom it serves; a format of one node serves that one.
        (
            "@scheduledEndTime",
            ("--object", "Store", *TABLE, *IN_MARCH, "--node", "Load"),
            "2026-03-31T08:00:00\n",
        ),
        ("myMonth", ("--object", "Lines", *TABLE, *IN_MARCH), "02\n"),
        ("hostname", (*LOAD, *IN_MARCH, "--runtime", "hostname=h-1"), "h-1\n"),
        # A schedule that starts with the first activation starts at the time given.
        (
            "@scheduledEndTime",
            ("--object", "Other", *TABLE, "--at", "2026-03-05T01:00:00"),
            "2026-03-12T01:00:00\n",
        ),
        ("@scheduledEndTime", ("--object", "Machine", *TABLE, *IN_MARCH), "2026-03-31T08:00:00\n"),
        ("myWhat", ("--object", "Ready", *TABLE, *IN_MARCH), "2026-03-12T00:00:00\n"),
        (
            "message",
            (
                "--object", "Alarm", *TABLE, *IN_MARCH, "--node", "Load",
                "--runtime", "errorMessage=out of luck",
                "--runtime", "@actualEndTime=2026-03-31T09:10:11",
            ),
            "the load: out of luck at 2026-03-31T09:10:11\n",
        ),
        ("node.pipelineLogUri", ("--object", "Alarm", *TABLE, *IN_MARCH, "--node", "Load"),
         "s3://logs\n"),
        # A precondition has the interval of its own node.
        (
            "#{node.@scheduledEndTime} #{node.myWhat} #{node.command}",
            ("--object", "Alarm", *TABLE, *IN_MARCH, "--node", "Ready"),
            "2026-03-12T00:00:00 2026-03-12T00:00:00 \n",
        ),
        (
            "node.@id",
            ("--object", "Alarm", *TABLE, *IN_MARCH, "--node", "Ready@Other"),
            "@Ready@Other_2026-03-05T00:00:00\n",
        ),
        # Without a time it is known as a component.
        (
            "#{node.name} [#{node.directoryPath}]",
            ("--object", "Alarm", *TABLE, "--node", "Load"),
            "the load []\n",
        ),
    ],
)  # fmt: skip
def test_values(penstock, expression: str, options: tuple[str, ...], expected: str) -> None:
    said = penstock(expression, *options)
    assert (said.status, said.out, said.err) == (0, expected, "")


def test_an_interval_by_the_calendar_and_how_the_text_was_understood(penstock) -> None:
    said = penstock("(@scheduledStartTime.format('dd'))+1*2", *LOAD, *IN_MARCH, "-v")
    assert said.out == "282\n"
    assert said.err == (
        "as @Load_2026-02-28T08:00:00, its interval until 2026-03-31T08:00:00\n"
        "understood as #{format(@scheduledStartTime, 'dd') + 1 * 2}\n"
    )


def test_values_as_json(penstock) -> None:
    said = penstock("myNumber * 1.5", *LOAD, "--json")
    assert json.loads(said.out) == {"values": [{"kind": "decimal", "value": 4.5}]}
    said = penstock("@scheduledStartTime", *LOAD, *IN_MARCH, "--json")
    assert json.loads(said.out) == {"values": [{"kind": "date", "value": "2026-02-28T08:00:00"}]}


def test_secrets_are_masked_unless_they_are_asked_for(penstock) -> None:
    shown = penstock("#{command}", *LOAD, *IN_MARCH).out
    assert shown == "load s3://in/2026-02-28 --password ******** --into t1\n"
    assert penstock("*myPin * 2", *LOAD).out == "********\n"
    revealed = penstock("#{command}", *LOAD, *IN_MARCH, "--reveal-secrets").out
    assert "sesame-open" in revealed


@pytest.mark.parametrize(
    ("expression", "options", "expected"),
    [
        (
            "s3://b/#{format(nope, 'YYYY')}",
            LOAD,
            (
                "penstock: there is no field or parameter 'nope' at 'Load'.\n"
                "  s3://b/#{format(nope, 'YYYY')}\n"
                "                  ^\n"
            ),
        ),
        (
            "myBad",
            LOAD,
            (
                "penstock: in 'myBad' of 'Load': there is no field or parameter 'nope' at 'Load'.\n"
                "  x #{nope}\n"
                "      ^\n"
            ),
        ),
        (
            "@scheduledStartTime",
            LOAD,
            (
                "penstock: '@scheduledStartTime' is known only once there is an instance; --at TIME"
                " evaluates as the instance of a time\n"
                "  #{@scheduledStartTime}\n"
                "    ^\n"
            ),
        ),
        (
            "myTable",
            ("--object", "Load"),
            "penstock: the parameter 'myTable' has no value.\n  #{myTable}\n    ^\n",
        ),
        (
            "1",
            ("--object", "Lod"),
            "penstock: the definition has no object 'Lod'. Did you mean 'Load'?\n",
        ),
        (
            "1",
            (*LOAD, "--at", "2025-03-05"),
            (
                "penstock: the schedule Monthly has no interval at 2025-03-05T00:00:00: its first"
                " starts at 2026-01-31T08:00:00\n"
            ),
        ),
        (
            "1",
            (*LOAD, "--at", "2026-12-05"),
            (
                "penstock: the schedule Monthly has no interval at 2026-12-05T00:00:00: its last"
                " ends at 2026-07-31T08:00:00\n"
            ),
        ),
        (
            "1",
            ("--object", "Alarm", *TABLE, *IN_MARCH),
            (
                "penstock: 3 objects refer to Alarm; say with --node which of them it is evaluated"
                " for: Load, Other, Ready\n"
            ),
        ),
        (
            "@scheduledStartTime",
            ("--object", "Store", *TABLE, *IN_MARCH),
            (
                "penstock: '@scheduledStartTime' is known only once there is an instance; --node ID"
                " takes the interval of an object that refers to this one\n"
                "  #{@scheduledStartTime}\n"
                "    ^\n"
            ),
        ),
        (
            "1",
            ("--object", "Alarm", *TABLE, *IN_MARCH, "--node", "Store"),
            (
                "penstock: Store has no schedule that an activity or data node runs by, so it has"
                " no interval at 2026-03-05T00:00:00\n"
            ),
        ),
        (
            "1",
            (*LOAD, "--node", "Other"),
            (
                "penstock: Load is no precondition and no action, so --node says nothing of it"
                " without --at TIME\n"
            ),
        ),
        (
            "node.@scheduledStartTime",
            ("--object", "Alarm", *TABLE, "--node", "Load"),
            (
                "penstock: '@scheduledStartTime' is known only once there is an instance; --at TIME"
                " evaluates as the instance of a time\n"
                "  #{node.@scheduledStartTime}\n"
                "    ^\n"
            ),
        ),
        (
            "1",
            ("--object", "Machine", *TABLE, *IN_MARCH, "--context", "attempt"),
            "penstock: Machine is no activity and no data node, so it has no attempts\n",
        ),
        (
            "1",
            (*LOAD, *IN_MARCH, "--runtime", "@actualEndtime=2026-01-01"),
            (
                "penstock: Load has no runtime field '@actualEndtime'. Did you mean"
                " '@actualEndTime'?\n"
            ),
        ),
    ],
)
def test_errors(penstock, expression: str, options: tuple[str, ...], expected: str) -> None:
    said = penstock(expression, *options)
    assert (said.status, said.out, said.err) == (1, "", expected)


@pytest.mark.parametrize(
    "options",
    [
        (*LOAD, "--at", "tomorrow"),
        (*LOAD, "--context", "attempt"),
        (*LOAD, "--runtime", "hostname"),
    ],
)
def test_command_lines_that_make_no_sense(penstock, options: tuple[str, ...]) -> None:
    said = penstock("1", *options)
    assert said.status == 2
    assert said.err.endswith("(see penstock eval --help)\n")


def test_an_object_that_nothing_refers_to_has_no_node(penstock, file: str, tmp_path: Path) -> None:
    objects = [each for each in DEFINITION["objects"] if each["id"] != "Other"]
    objects.append({"id": "Alone", "type": "SnsAlarm", "topicArn": "t", "subject": "s"})
    Path(file).write_text(json.dumps({**DEFINITION, "objects": objects}), "utf-8")
    said = penstock("1", "--object", "Alone", *TABLE, *IN_MARCH)
    assert said.err == (
        "penstock: no object refers to Alone, so it has no node; say with --node whose it is"
        " to be\n"
    )
    assert penstock("node.name", "--object", "Alone", *TABLE, *IN_MARCH, "--node", "Load").out == (
        "the load\n"
    )


def test_a_precondition_of_several_is_named_with_its_own_node(penstock, file: str) -> None:
    objects = [dict(each) for each in DEFINITION["objects"]]
    for each in objects:
        if each["id"] == "Load":
            each["precondition"] = {"ref": "Ready"}
    Path(file).write_text(json.dumps({**DEFINITION, "objects": objects}), "utf-8")
    asked = ("--object", "Alarm", *TABLE, *IN_MARCH, "--node")
    assert penstock("1", *asked, "Ready").err == (
        "penstock: 2 objects refer to Ready; say with --node for which of them it is asked:"
        " Ready@Load, Ready@Other\n"
    )
    assert penstock("node.@scheduledEndTime", *asked, "Ready@Load").out == "2026-03-31T08:00:00\n"
    assert penstock("node.@scheduledEndTime", *asked, "Ready@Other").out == "2026-03-12T00:00:00\n"


def test_a_machine_without_a_schedule_has_the_interval_of_its_users(penstock, file: str) -> None:
    objects = [{k: v for k, v in each.items() if each["id"] != "Default" or k != "schedule"}
               for each in DEFINITION["objects"]]  # fmt: skip
    for each in objects:
        if each["id"] in ("Load", "In"):
            each["schedule"] = {"ref": "Monthly"}
        if each["id"] == "Load":
            each["runsOn"] = {"ref": "Machine"}
            del each["workerGroup"]
    Path(file).write_text(json.dumps({**DEFINITION, "objects": objects}), "utf-8")
    said = penstock(
        "node.@scheduledEndTime", "--object", "Alarm", *TABLE, *IN_MARCH, "--node", "Machine"
    )
    assert (said.out, said.err) == ("2026-03-31T08:00:00\n", "")
