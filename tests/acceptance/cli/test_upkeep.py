"""`penstock prune`, `backup` and `restore` as an operator types them, beside a server that runs."""

import io
import os
import shutil
import sqlite3
import stat
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from penstock.app import DATABASE_FILE
from penstock.cli.main import main
from penstock.model.times import DAY_MS
from penstock.store.sqlite import connect
from penstock.wire.client import Client, ServiceError
from tests.support.server import serving

DEFINITION = [
    {
        "id": "Default",
        "name": "Default",
        "fields": [
            {"key": "scheduleType", "stringValue": "ondemand"},
            {"key": "workerGroup", "stringValue": "workers"},
            {"key": "maxActiveInstances", "stringValue": "3"},
        ],
    },
    {
        "id": "A",
        "name": "A",
        "fields": [
            {"key": "type", "stringValue": "ShellCommandActivity"},
            {"key": "command", "stringValue": "true"},
        ],
    },
]


def penstock(*arguments: object) -> tuple[int, str, str]:
    """Exit status, output and errors of a command, run within this process: that is quicker."""
    output, errors = io.StringIO(), io.StringIO()
    with redirect_stdout(output), redirect_stderr(errors), pytest.raises(SystemExit) as left:
        main([str(each) for each in arguments])
    return int(left.value.code or 0), output.getvalue(), errors.getvalue()


def succeed(*arguments: object) -> str:
    status, output, errors = penstock(*arguments)
    assert (status, errors) == (0, "")
    return output


def refused(*arguments: object, status: int = 1) -> str:
    found, output, errors = penstock(*arguments)
    assert (found, output) == (status, "")
    assert errors.startswith("penstock: ")
    assert errors.count("\n") == 1
    return errors


def make_pipeline(client: Client, name: str = "nightly") -> str:
    pipeline = str(client.call("CreatePipeline", {"name": name, "uniqueId": name})["pipelineId"])
    put = {"pipelineId": pipeline, "pipelineObjects": DEFINITION}
    assert not client.call("PutPipelineDefinition", put)["errored"]
    return pipeline


def poll(client: Client) -> str:
    return str(client.call("PollForTask", {"workerGroup": "workers"})["taskObject"]["taskId"])


def run_once(client: Client, pipeline: str) -> str:
    """A run from its activation to its end; the id of its task."""
    client.call("ActivatePipeline", {"pipelineId": pipeline})
    task = poll(client)
    client.call("SetTaskStatus", {"taskId": task, "taskStatus": "FINISHED"})
    return task


def instances(client: Client, pipeline: str) -> list[str]:
    query = {"pipelineId": pipeline, "sphere": "INSTANCE", "query": {}}
    return list(client.call("QueryObjects", query)["ids"])


def names(client: Client) -> list[str]:
    return [each["name"] for each in client.call("ListPipelines", {})["pipelineIdList"]]


def age(data: Path, days: int) -> None:
    """Have everything that is there happened so many days earlier."""
    connection = connect(data / DATABASE_FILE)
    shift = days * DAY_MS
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(
        'UPDATE instance SET start = start - :s, "end" = "end" - :s, due_at = due_at - :s,'
        " ended_at = ended_at - :s",
        {"s": shift},
    )
    connection.execute("UPDATE event SET start = start - :s, at = at - :s", {"s": shift})
    connection.execute("COMMIT")
    connection.close()


def test_prune_shows_and_removes_beside_a_server_that_runs(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        client = server.caller()
        pipeline = make_pipeline(client)
        tasks = [run_once(client, pipeline) for _ in range(3)]
        at = ("--data", server.data)
        age(server.data, 100)
        run_once(client, pipeline)
        shown = succeed("prune", *at, "--dry-run")
        heads, row, total = shown.splitlines()
        assert heads.split()[:4] == ["pipeline", "name", "instances", "attempts"]
        assert row.split()[:4] == [pipeline, "nightly", "3", "3"]
        assert total == "Would remove 3 instances with 3 attempts, of 1 pipelines."
        assert len(instances(client, pipeline)) == 4
        assert "Nothing to forget" in succeed("prune", *at, "--older-than", "101 days")
        removed = succeed("prune", *at, "--pipeline", pipeline)
        assert removed == shown.replace("Would remove", "Removed")
        assert len(instances(client, pipeline)) == 1
        with pytest.raises(ServiceError, match="TaskNotFound"):
            client.call("ReportTaskProgress", {"taskId": tasks[0]})
        assert "Nothing to forget" in succeed("prune", *at)
        run_once(client, pipeline)
        assert len(instances(client, pipeline)) == 2


def test_prune_says_what_is_wrong(tmp_path: Path) -> None:
    assert "no server has used" in refused("prune", "--data", tmp_path / "none")
    assert not (tmp_path / "none").exists()
    assert "write 12 hours" in refused("prune", "--older-than", "soon", status=2)
    with serving(tmp_path / "data") as server:
        assert "no pipeline 'df-X'" in refused("prune", "--data", server.data, "--pipeline", "df-X")


def test_what_is_saved_while_the_server_runs_comes_back(tmp_path: Path) -> None:
    backup = tmp_path / "saved" / "monday"
    with serving(tmp_path / "data") as server:
        client = server.caller()
        pipeline = make_pipeline(client)
        run_once(client, pipeline)
        client.call("ActivatePipeline", {"pipelineId": pipeline})
        running = poll(client)
        told = succeed("backup", backup, "--data", server.data)
        assert told.startswith(f"Saved 1 pipelines and 2 instances to {backup} (")
        assert "keep it as safe" in told
        client.call("SetTaskStatus", {"taskId": running, "taskStatus": "FINISHED"})
        late = make_pipeline(client, "too late")
        stale = run_once(client, late)
        before = server.credentials
        assert "in use by another server" in refused(
            "restore", backup, "--data", server.data, "--force"
        )
    assert {p.name: stat.S_IMODE(p.stat().st_mode) for p in (backup, *backup.iterdir())} == {
        "monday": 0o700,
        "backup.json": 0o600,
        "credentials": 0o600,
        "penstock.db": 0o600,
        "secret.key": 0o600,
    }
    assert [p.name for p in backup.parent.iterdir()] == ["monday"]
    elsewhere = tmp_path / "new"
    told = succeed("restore", backup, "--data", elsewhere)
    assert told.startswith("Restored 1 pipelines and 2 instances, as of 20")
    assert f"penstock serve --data {elsewhere}" in told
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o700
    with serving(elsewhere) as server:
        assert server.credentials == before
        client = server.caller()
        assert len(instances(client, pipeline)) == 2
        with pytest.raises(ServiceError, match="PipelineNotFound"):
            instances(client, late)
        # The numbers of what came after the backup are given anew; the old ids must not fit them.
        make_pipeline(client, "other")
        client.call("ActivatePipeline", {"pipelineId": pipeline})
        for task in (running, stale):
            with pytest.raises(ServiceError, match="TaskNotFound"):
                client.call("SetTaskStatus", {"taskId": task, "taskStatus": "FINISHED"})
        assert run_once(client, pipeline) not in {running, stale}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A server's directory, and a backup of it."""
    place = tmp_path_factory.mktemp("saved")
    with serving(place / "data") as server:
        make_pipeline(server.caller())
    succeed("backup", place / "backup", "--data", place / "data")
    return place / "data", place / "backup"


def test_a_backup_writes_over_nothing(saved: tuple[Path, Path], tmp_path: Path) -> None:
    data, backup = saved
    before = {p.name: p.read_bytes() for p in backup.iterdir()}
    assert "is not empty" in refused("backup", backup, "--data", data)
    assert {p.name: p.read_bytes() for p in backup.iterdir()} == before
    (tmp_path / "empty").mkdir()
    succeed("backup", tmp_path / "empty", "--data", data)


def test_a_backup_that_fails_leaves_nothing(saved: tuple[Path, Path], tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(saved[0], data)
    (data / "secret.key").write_text("00" * 32)
    (tmp_path / "backups").mkdir()
    assert "is not the key" in refused("backup", tmp_path / "backups" / "one", "--data", data)
    assert list((tmp_path / "backups").iterdir()) == []
    assert "no server has used" in refused("backup", tmp_path / "b", "--data", tmp_path / "none")


def test_restoring_over_a_database_puts_that_aside(
    saved: tuple[Path, Path], tmp_path: Path
) -> None:
    data = tmp_path / "data"
    with serving(data) as server:
        make_pipeline(server.caller(), "mine")
        key = server.credentials
    assert "holds penstock.db already" in refused("restore", saved[1], "--data", data)
    told = succeed("restore", saved[1], "--data", data, "--force")
    (aside,) = data.glob("before-*")
    assert f"What was there before is in {aside}" in told
    with serving(data) as server:
        assert names(server.caller()) == ["nightly"]
        assert server.credentials != key
    for path in aside.iterdir():
        path.rename(data / path.name)
    with serving(data) as server:
        assert names(server.caller()) == ["mine"]


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda b: (b / "backup.json").unlink(), "is no backup"),
        (lambda b: (b / "backup.json").write_text("{}"), "backup.json is damaged"),
        (lambda b: (b / "secret.key").write_text("00" * 32), "is not the key"),
        (lambda b: (b / "secret.key").unlink(), "secret.key is missing"),
        (lambda b: (b / "penstock.db").unlink(), "No such file"),
        (lambda b: os.truncate(b / "penstock.db", 8192), "not as it was when the backup was made"),
    ],
)
def test_a_damaged_backup_is_refused_and_nothing_touched(
    saved: tuple[Path, Path], tmp_path: Path, harm, said: str
) -> None:
    backup = tmp_path / "backup"
    shutil.copytree(saved[1], backup)
    harm(backup)
    assert said in refused("restore", backup, "--data", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_backup_of_a_newer_version_is_refused(saved: tuple[Path, Path], tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(saved[0], data)
    connection = sqlite3.connect(data / DATABASE_FILE)
    connection.execute("INSERT INTO schema_migration VALUES (9999, 'future', 0)")
    connection.commit()
    connection.close()
    assert "start the newer version" in refused("prune", "--data", data)
    assert "start the newer version" in refused("backup", tmp_path / "b", "--data", data)


def test_postgres_has_its_own_tools(tmp_path: Path) -> None:
    url = ("--database-url", "postgresql://nobody@127.0.0.1:1/none")
    assert "pg_dump" in refused("backup", tmp_path / "b", *url)
    (tmp_path / "b").mkdir()
    assert "pg_restore" in refused("restore", tmp_path / "b", *url)
