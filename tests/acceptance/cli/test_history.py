"""`penstock history` as a person types it, and GetHistory as a program calls it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.wire.client import ServiceError
from tests.support.definitions import activated, instances, ondemand, shell
from tests.support.server import Server, serving
from tests.support.waiting import eventually

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("history") / "data") as found:
        yield found


def history(server: Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    command = ["history", *arguments, "--data", str(server.data), "--endpoint", server.endpoint]
    return subprocess.run(
        [sys.executable, "-m", "penstock", *command],
        capture_output=True,
        text=True,
        env=kept | {"PYTHONPATH": str(ROOT / "src")},
        timeout=60,
        check=False,
    )


def lived(server: Server, name: str) -> str:
    """A pipeline that was paused, resumed, ran, was rerun, and deactivated."""
    client = server.boto()
    pipeline = activated(client, name, ondemand(name), shell("Load"), shell("Other"))
    for status in ("PAUSE", "RESUME"):
        client.set_status(pipelineId=pipeline, objectIds=["Load"], status=status)
    for _ in range(2):
        task = client.poll_for_task(workerGroup=name)["taskObject"]
        client.set_task_status(taskId=task["taskId"], taskStatus="FINISHED")
    (load,) = [each for each in instances(client, pipeline) if each.startswith("@Load_")]
    client.set_status(pipelineId=pipeline, objectIds=[load], status="rerun")
    client.deactivate_pipeline(pipelineId=pipeline)
    client.close()
    return pipeline


def commands(lines: list[dict[str, str]]) -> list[tuple[str, str, str]]:
    return [
        ((each["object"] or "").partition("_")[0], each["event"], each["detail"] or "")
        for each in lines
        if each["user"]
    ]


def test_commands_are_there_with_who_gave_them(server: Server):
    lived(server, "commands")
    found = json.loads(history(server, "commands", "--json").stdout)
    assert commands(found) == [
        ("", "CREATE", ""),
        ("", "PUT_DEFINITION", "objects: 3"),
        ("", "ACTIVATE", "version 1"),
        ("Load", "SET_STATUS", "PAUSE"),
        ("Load", "SET_STATUS", "RESUME"),
        ("@Load", "SET_STATUS", "RERUN"),
        ("", "DEACTIVATE", ""),
    ]
    assert {each["user"] for each in found} == {"admin", None}
    assert [each["time"] for each in found] == sorted(each["time"] for each in found)


def test_tags_and_the_deletion_are_commands_too(server: Server):
    client = server.boto()
    pipeline = client.create_pipeline(name="tagged", uniqueId="tagged")["pipelineId"]
    tags = [{"key": "team", "value": "data"}, {"key": "cost", "value": "7"}]
    client.add_tags(pipelineId=pipeline, tags=tags)
    client.remove_tags(pipelineId=pipeline, tagKeys=["team", "nothing"])
    found = json.loads(history(server, "tagged", "--json").stdout)
    assert commands(found)[1:] == [
        ("", "ADD_TAGS", "team=data, cost=7"),
        ("", "REMOVE_TAGS", "team, nothing"),
    ]
    client.delete_pipeline(pipelineId=pipeline)

    def only_the_deletion() -> bool:
        left = json.loads(history(server, pipeline, "--json").stdout)
        return commands(left) == [("", "DELETE", "tagged")]

    eventually(only_the_deletion, "the rest of the history is gone")
    done = history(server, "tagged")
    assert "no pipeline has the name or id 'tagged'" in done.stderr
    client.close()


def test_a_table_for_people(server: Server):
    lived(server, "table")
    done = history(server, "table")
    assert done.returncode == 0, done.stderr
    head, first, *_ = done.stdout.splitlines()
    assert head.split() == ["time", "object", "event", "by", "detail"]
    assert first.split()[2:] == ["(the", "pipeline)", "CREATE", "admin"]
    assert "RUNNING (attempt 1)" in done.stdout


def test_one_object_and_one_instance(server: Server):
    pipeline = lived(server, "objects")
    whole = json.loads(history(server, pipeline, "Load", "--json").stdout)
    assert {each["object"].partition("_")[0] for each in whole} == {"Load", "@Load"}
    name = next(each["object"] for each in whole if each["object"].startswith("@"))
    own = json.loads(history(server, pipeline, name.partition("_Attempt")[0], "--json").stdout)
    assert own == [each for each in whole if each["object"].startswith("@")]


def test_the_latest_lines_come_last_and_older_ones_are_mentioned(server: Server):
    lived(server, "last")
    everything = json.loads(history(server, "last", "--all", "--json").stdout)
    assert json.loads(history(server, "last", "--last", "3", "--json").stdout) == everything[-3:]
    done = history(server, "last", "--last", "3")
    assert done.stdout.startswith("The latest 3 lines (--last, --all):")
    assert len(done.stdout.splitlines()) == 5


def test_pages_join_to_the_whole(server: Server):
    pipeline = lived(server, "pages")
    client = server.caller()
    whole = client.call("GetHistory", {"pipelineId": pipeline})["events"]
    found: list[object] = []
    request: dict[str, object] = {"pipelineId": pipeline, "limit": 2}
    while True:
        answer = client.call("GetHistory", request)
        found += answer["events"]  # type: ignore[arg-type]
        if not answer["hasMoreResults"]:
            break
        request["marker"] = answer["marker"]
    assert found == whole
    client.close()


def test_nobody_else_sees_it(server: Server):
    pipeline = lived(server, "private")
    client = server.caller(server.other_account())
    with pytest.raises(ServiceError, match="PipelineNotFound"):
        client.call("GetHistory", {"pipelineId": pipeline})
    client.close()


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"limit": 0}, "limit is 0"),
        ({"limit": 10_000}, "from 1 to 1000"),
        ({"marker": "x"}, "marker 'x'"),
        ({"marker": "9" * 40}, "marker"),
        ({"objectId": "@what"}, "'@what'"),
    ],
)
def test_what_makes_no_sense_is_refused(server: Server, members: dict[str, object], text: str):
    client = server.caller()
    created = client.call("CreatePipeline", {"name": "odd", "uniqueId": "odd"})
    with pytest.raises(ServiceError, match=text):
        client.call("GetHistory", {"pipelineId": created["pipelineId"], **members})
    client.close()


def test_an_object_that_never_was_has_no_history(server: Server):
    lived(server, "never")
    done = history(server, "never", "Nope")
    assert done.stdout == "Nothing is recorded.\n"
