"""Two servers that share all: what one is told, the other knows and does."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from penstock.access.secrets import KEY_FILE, SecretsUnreadable
from penstock.app import App, Embedded
from penstock.clock import Clock, system_clock
from penstock.config import Settings, parse_database_url
from penstock.store.postgres import PostgresStore
from penstock.wire.client import Client
from penstock.wire.sigv4 import Credentials
from tests.support.definitions import Ref, activated, ondemand, shell
from tests.support.server import boto_client, clean_environ
from tests.support.waiting import eventually

GROUP = "group"


class Pair:
    """Two servers in this process, on one database, and clients of one key for each."""

    def __init__(self, one: Embedded, other: Embedded) -> None:
        self.servers = (one, other)
        self.keys: Credentials = one.credentials
        self.one, self.other = (
            Client(server.endpoint, self.keys, tries=1, read_timeout_seconds=60)
            for server in self.servers
        )
        key = (self.keys.access_key_id, self.keys.secret_access_key)
        self.boto = boto_client(one.endpoint, *key)

    def waiting(self, which: int) -> bool:
        """Whether a poll of the group waits at one of the servers."""
        queues = self.servers[which].app.context.dispatcher.queues()
        return GROUP in {group for _, group in queues}

    def close(self) -> None:
        self.one.close()
        self.other.close()
        self.boto.close()


def settings_of(directory: Path, url: str, **changes: Any) -> Settings:
    database = parse_database_url(url)
    given = {"data_dir": directory, "database": database, "port": 0}
    return Settings(**{**given, "key_file": directory.parent / "shared.key", **changes})


@contextmanager
def paired(
    directory: Path, url: str, other_clock: Clock = system_clock, **changes: Any
) -> Iterator[Pair]:
    with ExitStack() as stack:
        one = stack.enter_context(Embedded(settings_of(directory / "one", url, **changes)))
        other = stack.enter_context(
            Embedded(settings_of(directory / "other", url, **changes), other_clock)
        )
        pair = Pair(one, other)
        stack.callback(pair.close)
        yield pair


@pytest.fixture
def pair(tmp_path: Path, database: str) -> Iterator[Pair]:
    with paired(tmp_path, database) as pair:
        yield pair


def in_background(caller: Client, found: list[Any]) -> threading.Thread:
    """A poll that waits."""

    def poll() -> None:
        found.append(caller.call("PollForTask", {"workerGroup": GROUP}).get("taskObject"))

    thread = threading.Thread(target=poll)
    thread.start()
    return thread


def ended(task: dict[str, Any]) -> dict[str, str]:
    return {"taskId": task["taskId"], "taskStatus": "FINISHED"}


@pytest.mark.slow
def test_a_poll_at_one_gets_what_ends_of_tasks_at_the_other_make_ready(pair):
    """A chain, each task ended at one server while the poll for the next waits at the other."""
    links = [shell("A0")] + [shell(f"A{n}", dependsOn=Ref(f"A{n - 1}")) for n in range(1, 6)]
    activated(pair.boto, "chain", ondemand(GROUP), *links)
    task = pair.other.call("PollForTask", {"workerGroup": GROUP})["taskObject"]
    callers = (pair.one, pair.other)
    for number in range(1, 6):
        ender, waiter = callers[number % 2], callers[(number + 1) % 2]
        found: list[Any] = []
        poll = in_background(waiter, found)
        eventually(lambda which=(number + 1) % 2: pair.waiting(which), "the poll waits")
        ender.call("SetTaskStatus", ended(task))
        poll.join(60)
        (task,) = found
        assert task["attemptId"].startswith(f"@A{number}_")
    pair.one.call("SetTaskStatus", ended(task))


@pytest.mark.slow
def test_a_poll_queues_up_for_a_pipeline_that_another_server_has(pair, database):
    """Beside one that always has something to do with it, trying now and then might never do."""
    activated(pair.boto, "p", ondemand(GROUP), shell("A"))
    store, found = PostgresStore(database, 0), []
    with psycopg.connect(database, autocommit=True) as operator:
        (key,) = operator.execute("SELECT key FROM pipeline").fetchone()
        busy = store.begin([key])
        poll = in_background(pair.one, found)
        waiting = (
            "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND NOT granted"
        )
        eventually(lambda: operator.execute(waiting, [key]).fetchone(), "the server queues up")
        busy.rollback()
        poll.join(60)
    store.close()
    assert found[0]["attemptId"].startswith("@A_")
    pair.one.call("SetTaskStatus", ended(found[0]))


@pytest.mark.slow
def test_a_poll_at_one_is_known_to_the_other(pair):
    links = [shell("A"), shell("B", dependsOn=Ref("A"))]
    pipeline = activated(pair.boto, "asked", ondemand(GROUP), *links)
    task = pair.one.call("PollForTask", {"workerGroup": GROUP})["taskObject"]
    pair.other.call("SetTaskStatus", ended(task))
    query = {"pipelineId": pipeline, "sphere": "INSTANCE", "query": {}}
    ids = pair.other.call("QueryObjects", query)["ids"]
    (b,) = (each for each in ids if each.startswith("@B"))
    found = pair.other.call("DescribeObjects", {"pipelineId": pipeline, "objectIds": [b]})
    fields = {each["key"]: each for each in found["pipelineObjects"][0]["fields"]}
    told = fields["@explanation"]["stringValue"]
    assert "no runner has asked for tasks of worker group 'group' since 20" in told


def test_what_one_made_the_other_shows_and_changes(pair):
    made = pair.one.call("CreatePipeline", {"name": "n", "uniqueId": "u"})
    assert pair.other.call("CreatePipeline", {"name": "n", "uniqueId": "u"}) == made
    pipeline, tasks = made["pipelineId"], []
    for version in ("true", "false"):
        fields = [
            {"key": "type", "stringValue": "ShellCommandActivity"},
            {"key": "command", "stringValue": version},
            {"key": "workerGroup", "stringValue": GROUP},
            {"key": "scheduleType", "stringValue": "ondemand"},
            {"key": "maxActiveInstances", "stringValue": "5"},
        ]
        objects = [
            {"id": "Default", "name": "Default", "fields": fields[2:]},
            {"id": "A", "name": "A", "fields": fields[:2]},
        ]
        put = {"pipelineId": pipeline, "pipelineObjects": objects}
        pair.other.call("PutPipelineDefinition", put)
        pair.other.call("ActivatePipeline", {"pipelineId": pipeline})
        task = pair.one.call("PollForTask", {"workerGroup": GROUP})["taskObject"]
        fields = task["objects"][task["attemptId"]]["fields"]
        assert {"key": "command", "stringValue": version} in fields
        tasks.append(task)
    for task in tasks:
        pair.other.call("SetTaskStatus", ended(task))


@pytest.mark.slow
def test_of_many_that_create_the_same_at_both_one_does(pair):
    ids: list[str] = []

    def create(caller: Client) -> None:
        ids.append(caller.call("CreatePipeline", {"name": "n", "uniqueId": "u"})["pipelineId"])

    threads = [
        threading.Thread(target=create, args=(caller,))
        for caller in (pair.one, pair.other)
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 16
    assert len(set(ids)) == 1


@pytest.mark.slow
def test_a_server_whose_clock_is_off_takes_nobodys_task(tmp_path, database):
    """By its own clock all owners would have been silent for long, and all it hands out expired."""

    def ahead() -> int:
        return system_clock() + 30_000

    with paired(tmp_path, database, ahead, acknowledge_timeout_ms=10_000) as pair:
        pipeline = activated(pair.boto, "p", ondemand(GROUP), shell("A"), shell("B"))
        task = pair.one.call("PollForTask", {"workerGroup": GROUP})["taskObject"]
        second = pair.other.call("PollForTask", {"workerGroup": GROUP})["taskObject"]
        assert task["attemptId"] != second["attemptId"]
        # Ten batches of the one with the wrong clock, each of which looks at what is due.
        for number in range(10):
            pair.other.call("CreatePipeline", {"name": str(number), "uniqueId": "u"})
        for each in (task, second):
            pair.one.call("ReportTaskProgress", {"taskId": each["taskId"]})
            pair.other.call("SetTaskStatus", ended(each))
        names = [task["attemptId"], second["attemptId"]]
        shown = pair.boto.describe_objects(pipelineId=pipeline, objectIds=names)
        handed = [
            field["stringValue"]
            for item in shown["pipelineObjects"]
            for field in item["fields"]
            if field["key"] == "@actualStartTime"
        ]
        assert len(handed) == 2
        now = system_clock()
        clocks = [server.app.context.clock() for server in pair.servers]
        assert all(abs(clock - now) < 10_000 for clock in clocks)


@pytest.mark.slow
def test_a_key_made_at_one_opens_the_other(pair):
    directory = pair.servers[0].app.directory
    made = directory.create_key(directory.users()[0])
    keys = Credentials(made.access_key_id, made.secret)
    guest = Client(pair.servers[1].endpoint, keys, tries=1)
    other = pair.servers[1].app.directory
    eventually(lambda: other.find(made.access_key_id, None), "the key is known")
    assert guest.call("ListPipelines", {})["pipelineIdList"] == []
    directory.revoke_key(made.access_key_id)
    eventually(lambda: other.find(made.access_key_id, None) is None, "the key is gone")
    guest.close()


def test_a_server_without_the_key_file_is_refused_and_makes_none(tmp_path, database):
    App.open(settings_of(tmp_path / "one", database)).close()
    stranger = settings_of(tmp_path / "other", database, key_file=None)
    with pytest.raises(SecretsUnreadable, match="--key-file"):
        App.open(stranger)
    assert not (tmp_path / "other" / KEY_FILE).exists()


def test_a_server_with_another_key_file_is_refused(tmp_path, database):
    App.open(settings_of(tmp_path / "one", database)).close()
    App.open(Settings(data_dir=tmp_path / "elsewhere")).close()
    stranger = settings_of(tmp_path / "o", database, key_file=tmp_path / "elsewhere" / KEY_FILE)
    with pytest.raises(SecretsUnreadable, match="is not the key"):
        App.open(stranger)


def test_servers_may_share_a_directory(tmp_path, database):
    settings = settings_of(tmp_path / "one", database, key_file=None)
    one, other = App.open(settings), App.open(settings)
    assert one.first_credential is not None
    assert other.first_credential is None
    one.close()
    other.close()


def test_the_password_stands_nowhere(tmp_path):
    """Neither in the greeting nor in an error; the port is one that nobody listens on."""
    file = tmp_path / "url"
    file.write_text("postgresql://someone:pa55word@127.0.0.1:1/db?connect_timeout=2\n")
    file.chmod(0o600)
    command = [sys.executable, "-m", "penstock", "serve", "--data", tmp_path / "d", "--port", "0"]
    done = subprocess.run(
        [*command, "--database-url-file", file],
        capture_output=True,
        text=True,
        check=False,
        env=clean_environ(),
    )
    assert done.returncode == 1
    assert "127.0.0.1" in done.stderr
    assert "pa55word" not in done.stdout + done.stderr
    assert "pa55word" not in repr(parse_database_url(file.read_text().strip()))
