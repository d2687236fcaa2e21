"""Two servers, one killed again and again: every task is finished once, and no call is lost."""

from __future__ import annotations

import itertools
import threading
from typing import Any

import psycopg
import pytest

from penstock.wire.client import Client, ConnectionFailed, ServiceError
from tests.support.definitions import activated, ondemand, shell
from tests.support.server import Server

PIPELINES = 10
TASKS = 2_000
RUNNERS = 20
FINISHED_BETWEEN_KILLS = 1
DEADLINE_SECONDS = 240
"""Only a bound for a machine in trouble."""


class Tally:
    """What the runners were answered."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.finished: set[tuple[str, str]] = set()
        self.failure: BaseException | None = None

    def finish(self, task: dict[str, Any]) -> None:
        with self._changed:
            self.finished.add((task["pipelineId"], task["attemptId"]))
            self._changed.notify_all()

    def fail(self, error: BaseException) -> None:
        with self._changed:
            self.failure = self.failure or error
            self._changed.notify_all()

    @property
    def over(self) -> bool:
        return self.failure is not None or len(self.finished) >= TASKS

    def wait_for_more(self, count: int) -> bool:
        """Until so many more are finished, or all are; whether there is work left."""
        with self._changed:
            enough = len(self.finished) + count
            assert self._changed.wait_for(
                lambda: self.over or len(self.finished) >= enough, DEADLINE_SECONDS
            ), f"{len(self.finished)} are finished, and no more"
            return not self.over


class Runner(threading.Thread):
    """Says again what was not answered, each time to the other server."""

    def __init__(self, callers: list[Client], number: int, group: str, tally: Tally) -> None:
        super().__init__(daemon=True)
        self._callers = itertools.cycle(callers[number % 2 :] + callers[: number % 2])
        self._caller = next(self._callers)
        self._group = group
        self._tally = tally

    def run(self) -> None:
        try:
            while not self._tally.over:
                task = self._insist("PollForTask", {"workerGroup": self._group}).get("taskObject")
                if task is not None:
                    self._work(task)
        except BaseException as error:  # noqa: BLE001 - the test's thread tells of it
            self._tally.fail(error)

    def _work(self, task: dict[str, Any]) -> None:
        ids, reported = {"taskId": task["taskId"]}, False
        try:
            self._insist("ReportTaskProgress", ids)
            reported = True
            self._insist("SetTaskStatus", {**ids, "taskStatus": "FINISHED"})
            self._tally.finish(task)
        except ServiceError as refusal:
            # The hand-over's answer was lost, or late: another one's task by now.
            if refusal.code != "TaskNotFoundException" or reported:
                raise

    def _insist(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        while True:
            try:
                return self._caller.call(operation, parameters)
            except ConnectionFailed:
                assert not self._tally.failure
                self._caller = next(self._callers)


def counts(database: str) -> tuple[int, int, int]:
    """Instances, attempts, and ends of instances in the history."""
    with psycopg.connect(database) as connection:
        row = connection.execute(
            "SELECT (SELECT count(*) FROM instance WHERE status = 'FINISHED'),"
            " (SELECT count(*) FROM attempt),"
            " (SELECT count(*) FROM event WHERE what = 'FINISHED' AND start IS NOT NULL)"
        ).fetchone()
        assert row is not None
        return row


@pytest.mark.slow
def test_one_of_two_servers_is_killed_again_and_again(start, database):
    servers: list[Server] = [start("acknowledge_timeout=2s", "poll_wait=2s")]
    keys = servers[0].credentials
    servers.append(start("acknowledge_timeout=2s", "poll_wait=2s"))
    client = servers[0].boto()
    per_pipeline = TASKS // PIPELINES
    activities = [shell(f"A{n}", maximumRetries="0") for n in range(per_pipeline)]
    for number in range(PIPELINES):
        activated(client, f"p{number}", ondemand("group"), *activities)
    client.close()
    tally = Tally()
    callers = [server.caller(keys) for server in servers]
    runners = [Runner(callers, number, "group", tally) for number in range(RUNNERS)]
    for runner in runners:
        runner.start()
    kills = 0
    try:
        while tally.wait_for_more(FINISHED_BETWEEN_KILLS):
            servers[kills % 2].kill()
            servers[kills % 2].start()
            kills += 1
    finally:
        if not tally.over:
            tally.fail(AssertionError("given up"))
        for runner in runners:
            runner.join(60)
    assert tally.failure is None
    assert kills >= 3
    assert len(tally.finished) == TASKS
    # Each instance once, none lost, no attempt repeated.
    assert counts(database) == (TASKS, TASKS, TASKS)
    for caller in callers:
        caller.close()
