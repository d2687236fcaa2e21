"""A database that is gone, read-only, full or locked: calls are told so, and all goes on later."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from penstock.app import DATABASE_FILE, Embedded
from penstock.config import Settings, parse_database_url
from penstock.store.sqlite import SqliteStore
from penstock.wire.client import Client, ServiceError
from tests.support.definitions import activated, ondemand, shell
from tests.support.postgres import Cluster, running_cluster
from tests.support.server import Server, boto_client
from tests.support.waiting import eventually

POLL = {"workerGroup": "group"}


def made(caller: Client, name: str) -> str:
    pipeline: str = caller.call("CreatePipeline", {"name": name, "uniqueId": name})["pipelineId"]
    return pipeline


def listed(caller: Client) -> list[str]:
    return [item["name"] for item in caller.call("ListPipelines", {})["pipelineIdList"]]


def refused(call: Callable[[], Any]) -> ServiceError:
    """The error of a call that the server cannot do now."""
    with pytest.raises(ServiceError) as caught:
        call()
    assert (caught.value.code, caught.value.status) == ("InternalServiceError", 500)
    assert caught.value.request_id
    assert caught.value.request_id in caught.value.message
    return caught.value


def works_again(caller: Client, name: str) -> str:
    """A call that is tried until it is done; what was refused before has left nothing."""

    def attempt() -> str | None:
        try:
            return made(caller, name)
        except ServiceError:
            return None

    return eventually(attempt, "the service resumes") or ""


@contextmanager
def server_on(url: str, data: Path) -> Iterator[tuple[Server, Client]]:
    """A server whose log may tell of trouble, and a client that tries once."""
    server = Server(data, "poll_wait=60s", arguments=("--database-url", url))
    server.start()
    caller = server.caller(read_timeout_seconds=60)
    try:
        yield server, caller
        assert server.running, server.log
        assert "Traceback" not in server.log, server.log
    finally:
        caller.close()
        server.kill()


@pytest.fixture(scope="module")
def own_cluster() -> Iterator[Cluster]:
    """One that may be stopped: the others' tests go on."""
    with running_cluster() as cluster:
        yield cluster


def cut_off(cluster: Cluster, name: str) -> None:
    """End all connections to a database, and wait until they have ended."""
    with cluster.connect() as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s",
            [name],
        )


@pytest.mark.slow
def test_a_database_that_is_stopped_and_started(own_cluster, tmp_path):
    with server_on(own_cluster.url(own_cluster.create()), tmp_path / "data") as (_, caller):
        made(caller, "before")
        own_cluster.stop()
        refused(lambda: made(caller, "meanwhile"))
        refused(lambda: listed(caller))
        own_cluster.start()
        works_again(caller, "after")
        assert sorted(listed(caller)) == ["after", "before"]


@pytest.mark.slow
def test_a_poll_waits_through_an_outage(own_cluster, tmp_path):
    database = parse_database_url(own_cluster.url(own_cluster.create()))
    settings = Settings(data_dir=tmp_path, database=database, port=0)
    with Embedded(settings) as server:
        caller = Client(server.endpoint, server.credentials, tries=1)
        waiting: list[Any] = []
        poll = threading.Thread(target=lambda: waiting.append(caller.call("PollForTask", POLL)))
        poll.start()
        dispatcher = server.app.context.dispatcher
        eventually(lambda: "group" in {name for _, name in dispatcher.queues()}, "the poll waits")
        made(caller, "before")  # The batch after the poll's own, which is durable then.
        own_cluster.stop()
        refused(lambda: made(caller, "meanwhile"))
        own_cluster.start()
        works_again(caller, "after")
        keys = server.credentials
        boto = boto_client(server.endpoint, keys.access_key_id, keys.secret_access_key)
        activated(boto, "work", ondemand("group"), shell("A"))
        poll.join(60)
        assert waiting[0]["taskObject"]["attemptId"].endswith("_Attempt=1")
        boto.close()
        caller.close()


@pytest.mark.slow
def test_connections_that_are_cut_between_two_calls_are_not_noticed(own_cluster, tmp_path):
    name = own_cluster.create()
    with server_on(own_cluster.url(name), tmp_path / "data") as (_, caller):
        for number in range(3):
            made(caller, f"p{number}")
            listed(caller)
            cut_off(own_cluster, name)
        made(caller, "last")
        assert len(listed(caller)) == 4


@pytest.mark.slow
def test_a_database_that_takes_no_changes_for_a_while(own_cluster, tmp_path):
    name = own_cluster.create()

    def set_read_only(value: str) -> None:
        with own_cluster.connect() as connection:
            connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = {value}")

    with server_on(own_cluster.url(name), tmp_path / "data") as (_, caller):
        made(caller, "before")
        set_read_only("on")
        cut_off(own_cluster, name)
        refused(lambda: made(caller, "meanwhile"))
        assert listed(caller) == ["before"], "reading goes on"
        set_read_only("off")
        works_again(caller, "after")
        assert sorted(listed(caller)) == ["after", "before"]


@pytest.mark.slow
def test_a_pipeline_that_somebody_keeps_locked(own_cluster, tmp_path):
    """Whatever has the lock, calls on other pipelines go on once the wait for it is given up."""
    name = own_cluster.create()
    impatient = own_cluster.url(name, options="-c%20lock_timeout%3D200ms")
    with server_on(impatient, tmp_path / "data") as (_, caller):
        pipeline = made(caller, "one")
        with psycopg.connect(own_cluster.url(name)) as holder:
            holder.execute("SELECT pg_advisory_xact_lock(key) FROM pipeline")
            tags = {"pipelineId": pipeline, "tags": [{"key": "k", "value": "v"}]}
            refused(lambda: caller.call("AddTags", tags))
            holder.rollback()
        caller.call("AddTags", tags)


def describing(pipeline: str, text: str) -> dict[str, Any]:
    """A PutPipelineDefinition of one object."""
    fields = [{"key": "description", "stringValue": text}]
    objects = [{"id": "A", "name": "A", "fields": fields}]
    return {"pipelineId": pipeline, "pipelineObjects": objects}


FULL = """
CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$;
CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON definition EXECUTE FUNCTION no_room();
"""


@pytest.mark.slow
def test_a_postgresql_whose_disk_is_full(own_cluster, tmp_path):
    """Nothing of the batch is kept: neither the definition nor what is written beside it."""
    name = own_cluster.create()
    with server_on(own_cluster.url(name), tmp_path / "data") as (_, caller):
        pipeline = made(caller, "before")
        with own_cluster.connect(name) as operator:
            operator.execute(FULL)
            everything = "SELECT pipeline.*, (SELECT count(*) FROM event) FROM pipeline"
            before = operator.execute(everything).fetchall()
            refused(lambda: caller.call("PutPipelineDefinition", describing(pipeline, "text")))
            assert operator.execute(everything).fetchall() == before
            operator.execute("DROP TRIGGER full_disk ON definition")
        caller.call("PutPipelineDefinition", describing(pipeline, "text"))


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[tuple[Embedded, Client]]:
    """A server on SQLite in this process, so that its store can be tampered with."""
    with Embedded(Settings(data_dir=tmp_path / "data", port=0)) as server:
        caller = Client(server.endpoint, server.credentials, tries=1)
        yield server, caller
        caller.close()


def writer_of(server: Embedded) -> sqlite3.Connection:
    assert isinstance(server.app.store, SqliteStore)
    return server.app.store._writer


def test_a_file_that_another_process_has_locked(embedded, tmp_path):
    _, caller = embedded
    made(caller, "before")
    holder = sqlite3.connect(tmp_path / "data" / DATABASE_FILE, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    refused(lambda: made(caller, "meanwhile"))
    assert listed(caller) == ["before"]
    holder.execute("ROLLBACK")
    holder.close()
    works_again(caller, "after")
    assert listed(caller) == ["before", "after"]


def test_a_file_that_takes_no_changes_for_a_while(embedded):
    server, caller = embedded
    made(caller, "before")
    writer_of(server).execute("PRAGMA query_only = 1")
    refused(lambda: made(caller, "meanwhile"))
    writer_of(server).execute("PRAGMA query_only = 0")
    works_again(caller, "after")
    assert listed(caller) == ["before", "after"]


def test_a_full_disk_leaves_nothing_half_done(embedded):
    server, caller = embedded
    pipeline = made(caller, "before")
    writer = writer_of(server)
    (pages,) = writer.execute("PRAGMA page_count").fetchone()
    writer.execute(f"PRAGMA max_page_count = {pages}")
    definition = describing(pipeline, "".join(map(chr, range(0x4E00, 0x9000))))
    refused(lambda: caller.call("PutPipelineDefinition", definition))
    writer.execute("PRAGMA max_page_count = 1000000000")
    works_again(caller, "after")
    got = caller.call("GetPipelineDefinition", {"pipelineId": pipeline, "version": "latest"})
    assert got["pipelineObjects"] == []
    caller.call("PutPipelineDefinition", definition)
    assert listed(caller) == ["before", "after"]
