"""`penstock explain` as a person types it, against a real server; any client sees the same."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.cli.explain import nothing_to_explain
from tests.support.definitions import (
    Ref,
    activated,
    component,
    described,
    instances,
    ondemand,
    shell,
)
from tests.support.server import Server, serving

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("explain") / "data") as found:
        yield found


def explain(server: Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    command = ["explain", *arguments, "--data", str(server.data), "--endpoint", server.endpoint]
    return subprocess.run(
        [sys.executable, "-m", "penstock", *command],
        capture_output=True,
        text=True,
        env=kept | {"PYTHONPATH": str(ROOT / "src")},
        timeout=60,
        check=False,
    )


def broken(server: Server, name: str) -> str:
    """A pipeline in which Fetch has failed, Load waits for it, and Other for a runner."""
    client = server.boto()
    pipeline = activated(
        client,
        name,
        ondemand(name),
        shell("Fetch", maximumRetries="0"),
        shell("Load", dependsOn=Ref("Fetch")),
        shell("Other", workerGroup=f"{name}-others"),
    )
    task = client.poll_for_task(workerGroup=name)["taskObject"]
    client.set_task_status(
        taskId=task["taskId"], taskStatus="FAILED", errorId="NoTable", errorMessage="no table t"
    )
    client.close()
    return pipeline


def test_all_that_waits_or_failed(server: Server):
    broken(server, "all")
    done = explain(server, "all")
    assert done.returncode == 0, done.stderr
    head, *lines = done.stdout.splitlines()
    assert head.startswith("all (df-")
    assert [line.split()[1] for line in lines[::2]] == [
        "FAILED",
        "WAITING_FOR_RUNNER",
        "WAITING_ON_DEPENDENCIES",
    ]
    assert "in attempt 1, its last, with NoTable: no table t." in lines[1]
    assert lines[3].endswith("Start one: penstock runner --workerGroup all-others")
    assert "Waits for @Fetch_" in lines[5]
    assert "with NoTable: no table t." in lines[5]


def test_one_component_or_one_instance(server: Server):
    pipeline = broken(server, "one")
    loads = explain(server, pipeline, "Load")
    assert loads.stdout.count("@Load_") == 1
    client = server.boto()
    (load,) = [each for each in instances(client, pipeline) if each.startswith("@Load_")]
    client.close()
    assert explain(server, pipeline, load).stdout == loads.stdout


def test_json_and_the_api_say_the_same(server: Server):
    pipeline = broken(server, "json")
    found = json.loads(explain(server, pipeline, "--json").stdout)
    client = server.boto()
    for each in found:
        assert described(client, pipeline, each["id"])["@explanation"] == each["explanation"]
    client.close()


def test_components_and_attempts_have_no_such_field(server: Server):
    pipeline = broken(server, "others")
    client = server.boto()
    names = ["Load", *instances(client, pipeline, "ATTEMPT")]
    assert not any("@explanation" in described(client, pipeline, each) for each in names)
    client.close()


def test_an_instance_that_is_not_there(server: Server):
    broken(server, "nowhere")
    done = explain(server, "nowhere", "@Load_1999-01-01T00:00:00")
    assert done.returncode == 1
    assert "has no object '@Load_1999-01-01T00:00:00'" in done.stderr


def test_a_component_that_is_not_there(server: Server):
    broken(server, "nobody")
    done = explain(server, "nobody", "Nobody")
    assert done.returncode == 1
    assert "has no object 'Nobody'" in done.stderr


def test_a_precondition_is_called_as_the_definition_does(server: Server):
    client = server.boto()
    pipeline = activated(
        client,
        "asked",
        ondemand("asked"),
        shell("Load", precondition=Ref("Ready")),
        component("Ready", type="ShellCommandPrecondition", command="true"),
    )
    client.close()
    done = explain(server, pipeline, "Ready")
    assert "@Ready@Load_" in done.stdout
    assert "Has been ready since" in done.stdout


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"@pipelineState": "PENDING"}, "has not been activated"),
        ({"@pipelineState": "SCHEDULED", "@nextRunTime": "2026-03-01T00:00:00"}, "2026-03-01"),
        ({"@pipelineState": "INACTIVE"}, "activating it again"),
        ({"@pipelineState": "FINISHED"}, "Nothing waits and nothing has failed."),
    ],
)
def test_where_nothing_is_to_explain(fields: dict[str, str], text: str):
    assert text in nothing_to_explain(fields)


def test_where_nothing_of_a_component_is_to_explain():
    text = nothing_to_explain({"@pipelineState": "SCHEDULED"}, "Load")
    assert text == "Nothing of Load waits, and nothing of it has failed."
