"""The AWS CLI, unmodified: every `aws datapipeline` command, set up as the README says.

All but create-default-roles, which talks to IAM and not to this service. A command takes a second
to start, so each test is a story of many.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.server import REGION, Server, clean_environ

Aws = Callable[..., Any]


@pytest.fixture
def run(server: Server, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    environ = clean_environ() | {
        "HOME": str(tmp_path),
        "AWS_SHARED_CREDENTIALS_FILE": str(server.data / "credentials"),
        "AWS_PROFILE": "penstock",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": server.endpoint,
        "AWS_PAGER": "",
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "awscli", "datapipeline", *arguments],
            capture_output=True,
            text=True,
            env=environ,
            cwd=tmp_path,
            check=False,
            timeout=120,
        )

    return run


@pytest.fixture
def aws(run: Callable[..., subprocess.CompletedProcess[str]]) -> Aws:
    """Runs a command that must succeed; what it printed, read as JSON if it is."""

    def aws(*arguments: str) -> Any:
        ran = run(*arguments)
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout) if ran.stdout.startswith("{") else ran.stdout

    return aws


def definition(group: str) -> dict[str, Any]:
    return {
        "objects": [
            {"id": "Default", "name": "Default", "scheduleType": "ondemand", "workerGroup": group},
            {
                "id": "Greet",
                "name": "Greet",
                "type": "ShellCommandActivity",
                "command": "echo #{myGreeting}",
                "scriptArgument": ["#{myNames}", "and all"],
            },
            {
                "id": "Part",
                "name": "Part",
                "type": "ShellCommandActivity",
                "command": "echo bye",
                "dependsOn": {"ref": "Greet"},
            },
        ],
        "parameters": [
            {"id": "myGreeting", "type": "String", "default": "hello"},
            {"id": "myNames", "type": "String", "isArray": "true"},
        ],
        "values": {"myGreeting": "hi", "myNames": ["ann", "bob"]},
    }


def saved(path: Path, content: Any) -> str:
    path.write_text(json.dumps(content), "utf-8")
    return f"file://{path}"


@pytest.mark.slow
def test_from_creation_to_the_end(aws: Aws, name: str, tmp_path: Path) -> None:
    made = aws("create-pipeline", "--name", name, "--unique-id", name, "--tags", "key=a,value=1")
    pipeline = ("--pipeline-id", made["pipelineId"])
    aws("add-tags", *pipeline, "--tags", "key=b,value=2", "key=c,value=3")
    aws("remove-tags", *pipeline, "--tag-keys", "a", "b")
    file = saved(tmp_path / "definition.json", definition(name))
    put = aws("put-pipeline-definition", *pipeline, "--pipeline-definition", file)
    assert put["errored"] is False
    aws("activate-pipeline", *pipeline)
    task = aws("poll-for-task", "--worker-group", name, "--hostname", "a.host")["taskObject"]
    task_id = ("--task-id", task["taskId"])
    half = "key=percentComplete,stringValue=50"
    assert aws("report-task-progress", *task_id, "--fields", half) == {"canceled": False}
    runs = aws("list-runs", *pipeline)
    lines = [line.split() for line in runs.splitlines()]
    assert lines[0] == ["Name", "Scheduled", "Start", "Status"]
    assert lines[3][:2] == ["1.", "Greet"]
    assert lines[3][-1] == "RUNNING"
    assert lines[4][0] == task["attemptId"].removesuffix("_Attempt=1")
    assert lines[6][-1] == "WAITING_ON_DEPENDENCIES"
    aws("set-task-status", *task_id, "--task-status", "FINISHED")
    listed = aws("list-runs", *pipeline, "--status", "finished,running", "--output", "json")
    (only,) = json.loads(listed)
    assert (only["@componentParent"], only["@status"]) == ("Greet", "FINISHED")
    shown = aws("describe-pipelines", "--pipeline-ids", made["pipelineId"])
    (description,) = shown["pipelineDescriptionList"]
    assert description["tags"] == [{"key": "c", "value": "3"}]
    aws("delete-pipeline", *pipeline)


@pytest.mark.slow
def test_definitions_and_parameters(aws: Aws, name: str, tmp_path: Path) -> None:
    made = aws("create-pipeline", "--name", name, "--unique-id", name)
    pipeline = ("--pipeline-id", made["pipelineId"])
    whole = definition(name)
    file = saved(tmp_path / "definition.json", whole)
    put = ("put-pipeline-definition", *pipeline, "--pipeline-definition", file)
    assert aws(*put)["errored"] is False
    assert aws("get-pipeline-definition", *pipeline) == whole
    # What the command line gives replaces what the file gives.
    values = ("--parameter-values", "myGreeting=good day", "myNames=cy", "myNames=di")
    assert aws(*put, *values)["errored"] is False
    got = aws("get-pipeline-definition", *pipeline, "--pipeline-version", "latest")
    assert got == whole | {"values": {"myGreeting": "good day", "myNames": ["cy", "di"]}}
    uri = saved(tmp_path / "values.json", {"values": {"myNames": "eve"}})
    objects = saved(tmp_path / "objects.json", {"parameters": whole["parameters"][::-1]})
    # The CLI itself refuses values from a file beside those that a definition brings.
    bare = saved(tmp_path / "bare.json", {"objects": whole["objects"]})
    given = ("--parameter-values-uri", uri, "--parameter-objects", objects)
    assert aws(*put[:-1], bare, *given)["errored"] is False
    aws("activate-pipeline", *pipeline, "--parameter-values", "myNames=flo", "myNames=gus")
    got = aws("get-pipeline-definition", *pipeline, "--pipeline-version", "active")
    assert got["parameters"] == whole["parameters"][::-1]
    assert got["values"] == {"myNames": ["flo", "gus"]}
    task = aws("poll-for-task", "--worker-group", name)["taskObject"]
    fields = task["objects"][task["attemptId"]]["fields"]
    assert {"key": "command", "stringValue": "echo hello"} in fields
    assert [field["stringValue"] for field in fields if field["key"] == "scriptArgument"] == [
        "flo",
        "gus",
        "and all",
    ]


@pytest.mark.slow
def test_objects_and_commands(aws: Aws, name: str, tmp_path: Path) -> None:
    made = aws("create-pipeline", "--name", name, "--unique-id", name)
    pipeline = ("--pipeline-id", made["pipelineId"])
    file = saved(tmp_path / "definition.json", definition(name))
    aws("put-pipeline-definition", *pipeline, "--pipeline-definition", file)
    aws("activate-pipeline", *pipeline)
    found = aws("query-objects", *pipeline, "--sphere", "INSTANCE")
    first, second = sorted(found["ids"])
    objects = aws("describe-objects", *pipeline, "--object-ids", first, second)
    assert [item["id"] for item in objects["pipelineObjects"]] == [first, second]
    expression = ("--object-id", first, "--expression", "#{myGreeting} at #{@status}")
    answer = aws("evaluate-expression", *pipeline, *expression)
    assert answer == {"evaluatedExpression": "hi at WAITING_FOR_RUNNER"}
    aws("set-status", *pipeline, "--object-ids", first, "--status", "CANCEL")
    cancelled = aws("list-runs", *pipeline, "--status", "cancelled")
    assert first in cancelled
    assert second not in cancelled
    beat = ("--taskrunner-id", "r1", "--worker-group", name, "--hostname", "a.host")
    assert aws("report-task-runner-heartbeat", *beat) == {"terminate": False}
    aws("deactivate-pipeline", *pipeline, "--no-cancel-active")
    state = "pipelineDescriptionList[0].fields[?key=='@pipelineState'].stringValue"
    how = ("--query", state, "--output", "text")
    assert aws("describe-pipelines", "--pipeline-ids", made["pipelineId"], *how) == "INACTIVE\n"
    ids = aws("list-pipelines", "--query", "pipelineIdList[].id", "--output", "text")
    assert made["pipelineId"] in ids.split()


@pytest.mark.slow
def test_errors_are_shown(run: Callable[..., subprocess.CompletedProcess[str]], name: str) -> None:
    ran = run("activate-pipeline", "--pipeline-id", "df-NONE")
    assert ran.returncode in {254, 255}
    assert "(PipelineNotFoundException)" in ran.stderr
    assert "Pipeline with id: df-NONE does not exist" in ran.stderr
