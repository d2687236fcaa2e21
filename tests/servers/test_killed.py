"""Two servers, one killed again and again, or cut off: each task is done once, no call is lost.

As it stands the test is of a size for every day, and gives the servers no rest: the next is killed
as soon as the last is back and something has been finished. `make killed` runs it at full size.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from penstock.wire.client import Client, ConnectionFailed, ServiceError
from tests.support.definitions import activated, ondemand, shell
from tests.support.server import Server

PIPELINES = 10
TASKS = int(os.environ.get("KILLED_TASKS", "600"))
RUNNERS = 20
PAUSE_SECONDS = float(os.environ.get("KILLED_PAUSE", "0"))
"""Between the return of one server and the end of the next, at full size."""

FINISHED_BETWEEN = 1
BEGUN_BETWEEN = TASKS // 4
"""Tasks between two disturbances, at least and at most: however slow a start is, there are some."""

DEADLINE_SECONDS = 240
"""Only a bound for a machine in trouble."""


class Tally:
    """What the runners did, by their own account: how often each instance was done, and told of."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.done: Counter[tuple[str, str]] = Counter()
        self.finished: Counter[tuple[str, str]] = Counter()
        self._allowed = BEGUN_BETWEEN
        self.refusals = 0
        """Calls that a server could not carry out, and said so."""
        self.failure: BaseException | None = None

    def allow_more(self) -> None:
        with self._changed:
            self._allowed += BEGUN_BETWEEN
            self._changed.notify_all()

    def wait_for_leave(self) -> bool:
        """Before another task is asked for; whether there is work left."""
        with self._changed:
            self._changed.wait_for(lambda: self.over or len(self.done) < self._allowed)
            return not self.over

    def do(self, task: dict[str, Any]) -> None:
        """The task's work."""
        with self._changed:
            self.done[instance_of(task)] += 1

    def finish(self, task: dict[str, Any]) -> None:
        with self._changed:
            self.finished[instance_of(task)] += 1
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
            self._changed.wait_for(lambda: self.over, PAUSE_SECONDS)
            return not self.over


def instance_of(task: dict[str, Any]) -> tuple[str, str]:
    """Whatever the attempt: a second one would be a second time."""
    return task["pipelineId"], task["attemptId"].partition("_Attempt=")[0]


class Runner(threading.Thread):
    """Says again what was not answered, or not carried out, each time to the other server."""

    def __init__(self, callers: list[Client], number: int, group: str, tally: Tally) -> None:
        super().__init__(daemon=True)
        self._callers = itertools.cycle(callers[number % 2 :] + callers[: number % 2])
        self._caller = next(self._callers)
        self._group = group
        self._tally = tally

    def run(self) -> None:
        try:
            while self._tally.wait_for_leave():
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
            self._tally.do(task)
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
                pass
            except ServiceError as refusal:
                if refusal.code != "InternalServiceError":
                    raise
                self._tally.refusals += 1
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


@pytest.fixture
def pair(tmp_path: Path, database: str) -> Iterator[list[Server]]:
    """Two servers; what their logs tell of outages is no defect."""
    options = ("acknowledge_timeout=2s", "poll_wait=2s")
    arguments = ("--database-url", database, "--key-file", str(tmp_path / "shared.key"))
    servers = [Server(tmp_path / name, *options, arguments=arguments) for name in ("one", "two")]
    try:
        for server in servers:
            server.start()
        yield servers
        for server in servers:
            assert server.stop() == 0
            assert "Traceback" not in server.log, server.log
    finally:
        for server in servers:
            server.kill()


def make_work(server: Server) -> None:
    """Tasks of which none would be tried a second time."""
    client = server.boto()
    activities = [shell(f"A{n}", maximumRetries="0") for n in range(TASKS // PIPELINES)]
    for number in range(PIPELINES):
        activated(client, f"p{number}", ondemand("group"), *activities)
    client.close()


def run_through(pair: list[Server], disturb: Callable[[int], None]) -> tuple[Tally, int]:
    """Have all tasks done under disturbances; answers how often there was one, too."""
    make_work(pair[0])
    tally, count = Tally(), 0
    callers = [server.caller(pair[0].credentials) for server in pair]
    runners = [Runner(callers, number, "group", tally) for number in range(RUNNERS)]
    for runner in runners:
        runner.start()
    try:
        while tally.wait_for_more(FINISHED_BETWEEN):
            disturb(count)
            tally.allow_more()
            count += 1
    finally:
        if not tally.over:
            tally.fail(AssertionError("given up"))
        for runner in runners:
            runner.join(60)
    for caller in callers:
        caller.close()
    assert tally.failure is None
    return tally, count


def assert_each_once(tally: Tally, database: str) -> None:
    """As the runners have it, and as the database has it."""
    assert len(tally.done) == len(tally.finished) == TASKS
    assert set(tally.done.values()) == set(tally.finished.values()) == {1}
    # Each instance once, none lost, no attempt repeated.
    assert counts(database) == (TASKS, TASKS, TASKS)


@pytest.mark.slow
def test_one_of_two_servers_is_killed_again_and_again(pair, database):
    def kill(number: int) -> None:
        pair[number % 2].kill()
        pair[number % 2].start()

    tally, kills = run_through(pair, kill)
    assert kills >= 3
    assert tally.refusals == 0, "a call is answered, or its connection ends with the server"
    assert_each_once(tally, database)


@pytest.mark.slow
def test_connections_to_the_database_are_cut_again_and_again(pair, database):
    """Those of both servers, whatever they are used for just then."""
    with psycopg.connect(database, autocommit=True) as operator:

        def cut(_number: int) -> None:
            operator.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

        tally, cuts = run_through(pair, cut)
    assert cuts >= 3
    assert_each_once(tally, database)
