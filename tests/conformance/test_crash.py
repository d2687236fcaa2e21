"""A server killed again and again: each task ends once, and no answered call is forgotten."""

from __future__ import annotations

import os
import random
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from penstock.app import DATABASE_FILE
from penstock.wire.client import Client, ConnectionFailed, ServiceError
from tests.support.definitions import Ref, activated, described, instances, ondemand, shell
from tests.support.server import Server

SEED = int(os.environ.get("CRASH_SEED") or 20121029)
TASKS = 200
LAYER = 20
KILLS = 50
RUNNERS = 4
MOST_CALLS_BETWEEN_KILLS = 20
"""A task takes four calls, so fifty kills fall well within the run, whatever is drawn."""
NEVER = 1_000_000


class Journal:
    """What the runners were answered: their own memory, to hold against the server's."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.answered = 0
        self.reported: dict[str, str] = {}
        self.finished: set[str] = set()
        self.created: dict[str, str] = {}
        self.failure: BaseException | None = None
        self.up = threading.Event()
        """Whether a runner may begin a call; those under way when it ends are met by the kill."""
        self._enough = NEVER

    def note(self, write: Callable[[Journal], Any]) -> None:
        with self._changed:
            write(self)
            self.answered += 1
            if self.answered >= self._enough:
                self.up.clear()
            self._changed.notify_all()

    def fail(self, error: BaseException) -> None:
        with self._changed:
            self.failure = self.failure or error
            self._enough = NEVER
            self.up.set()
            self._changed.notify_all()

    def copy(self) -> Journal:
        """The journal as of now; what comes later is not to be asked of the server."""
        copy = Journal()
        with self._changed:
            copy.reported.update(self.reported)
            copy.finished.update(self.finished)
        return copy

    @property
    def over(self) -> bool:
        return self.failure is not None or len(self.finished) >= TASKS

    def let_go(self, calls: int) -> bool:
        """Let so many more calls be answered, or all; whether there is more work then."""
        with self._changed:
            self._enough = enough = self.answered + calls
            self.up.set()
            self._changed.wait_for(lambda: self.over or self.answered >= enough, 120)
            return not self.over


class Runner(threading.Thread):
    """The simplest runner that is honest: it says again what was not answered, until it is."""

    def __init__(self, caller: Client, group: str, journal: Journal) -> None:
        super().__init__(daemon=True)
        self._caller = caller
        self._group = group
        self._journal = journal

    def run(self) -> None:
        try:
            while not self._journal.over:
                task = self._insist("PollForTask", {"workerGroup": self._group}).get("taskObject")
                if task is not None:
                    self._journal.note(lambda journal: None)
                    self._work(task)
        except BaseException as error:  # noqa: BLE001 - the test's thread tells of it
            self._journal.fail(error)

    def _work(self, task: dict[str, Any]) -> None:
        attempt, ids = task["attemptId"], {"taskId": task["taskId"]}
        done = {"key": "done", "stringValue": task["taskId"]}
        unique = {"name": attempt, "uniqueId": attempt}
        try:
            self._insist("ReportTaskProgress", {**ids, "fields": [done]})
            self._journal.note(lambda journal: journal.reported.update({attempt: ids["taskId"]}))
            made = self._insist("CreatePipeline", unique)["pipelineId"]
            self._journal.note(lambda journal: journal.created.update({attempt: made}))
            self._insist("SetTaskStatus", {**ids, "taskStatus": "FINISHED"})
            self._journal.note(lambda journal: journal.finished.add(attempt))
        except ServiceError as refusal:
            # It was away for too long before its acknowledgement arrived: another one's now. Once
            # that has been answered it cannot be.
            mine = self._journal.reported.get(attempt) == ids["taskId"]
            if refusal.code != "TaskNotFoundException" or mine:
                raise

    def _insist(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        while True:
            self._journal.up.wait(60)
            try:
                return self._caller.call(operation, parameters)
            except ConnectionFailed:
                assert not self._journal.failure


def layered(group: str) -> list[dict[str, Any]]:
    """Activities in layers, each one waiting for one of the layer before."""
    activities = []
    for number in range(TASKS):
        after = {"dependsOn": Ref(f"A{number - LAYER:03}")} if number >= LAYER else {}
        activities.append(shell(f"A{number:03}", maximumRetries="0", **after))
    return [ondemand(group), *activities]


def remembered(client: Any, pipeline: str, journal: Journal, rng: random.Random) -> None:
    """Everything that was answered before the kill is known after it."""
    is_finished = {"fieldName": "@status", "operator": {"type": "EQ", "values": ["FINISHED"]}}
    pages = client.get_paginator("query_objects").paginate(
        pipelineId=pipeline, sphere="ATTEMPT", query={"selectors": [is_finished]}
    )
    known = {object_id for page in pages for object_id in page["ids"]}
    assert journal.finished <= known, f"forgotten: {sorted(journal.finished - known)}"
    some = rng.sample(sorted(journal.reported.items()), min(5, len(journal.reported)))
    for attempt, task_id in some:
        assert described(client, pipeline, attempt)["done"] == task_id


@pytest.mark.slow
def test_a_server_killed_fifty_times(start: Callable[..., Server], name: str) -> None:
    rng = random.Random(SEED)
    server = start("acknowledge_timeout=1s", "poll_wait=1s")
    client = server.boto()
    pipeline = activated(client, name, *layered(name))
    journal = Journal()
    caller = server.caller()
    runners = [Runner(caller, name, journal) for _ in range(RUNNERS)]
    for runner in runners:
        runner.start()
    try:
        for kill in range(KILLS):
            more = journal.let_go(rng.randint(1, MOST_CALLS_BETWEEN_KILLS))
            server.kill()
            assert more, f"all is done at kill {kill}: {journal.failure!r}"
            noted = journal.copy()
            server.start()
            remembered(client, pipeline, noted, rng)
        journal.let_go(NEVER)
        assert journal.failure is None
    except BaseException as error:  # noqa: BLE001 - raised again, with the seed
        culprit = journal.failure or error
        culprit.add_note(f"CRASH_SEED={SEED}")
        raise culprit from None
    finally:
        journal.fail(AssertionError("given up"))
        for runner in runners:
            runner.join(60)
    _all_is_well(server, client, pipeline, journal)
    caller.close()
    client.close()


def _all_is_well(server: Server, client: Any, pipeline: str, journal: Journal) -> None:
    (shown,) = client.describe_pipelines(pipelineIds=[pipeline])["pipelineDescriptionList"]
    state = {field["key"]: field["stringValue"] for field in shown["fields"]}
    assert (state["@pipelineState"], state["@healthStatus"]) == ("FINISHED", "HEALTHY")
    # No attempt was lost or repeated: one for each instance, and it is the one that was finished.
    assert len(instances(client, pipeline)) == TASKS
    assert set(instances(client, pipeline, "ATTEMPT")) == journal.finished
    remembered(client, pipeline, journal, random.Random(SEED))
    listed = client.get_paginator("list_pipelines").paginate()
    names = Counter(item["name"] for page in listed for item in page["pipelineIdList"])
    assert set(names.values()) == {1}
    for unique, made in journal.created.items():
        assert client.create_pipeline(name=unique, uniqueId=unique)["pipelineId"] == made
    with sqlite3.connect(server.data / DATABASE_FILE) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        endings = database.execute(
            "SELECT component, count(*) FROM event WHERE what = 'FINISHED' GROUP BY component"
        ).fetchall()
    database.close()
    assert sorted(endings) == [(f"A{number:03}", 1) for number in range(TASKS)]
