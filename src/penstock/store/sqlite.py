"""The embedded store: SQLite in WAL mode, every commit synced to disk (`synchronous=FULL`).

One connection writes, in the thread that asks for transactions; readers have connections of their
own and see the last commit.
"""

import json
import queue
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import asdict, replace

from penstock.model.api import Tag
from penstock.model.runtime import (
    Attempt,
    ComponentRow,
    HistoryEvent,
    Instance,
    Pipeline,
    Timer,
    TimerKind,
    Wait,
)
from penstock.model.times import Instant
from penstock.store.migrate import migrate
from penstock.store.protocol import RangeState, Selection, Task, Waiter
from penstock.store.recent import RecentRows
from penstock.store.statements import load

_SQL: Mapping[str, str] = {
    **load("pipelines.sql"),
    **load("instances.sql"),
    **load("watching.sql"),
}
_PAGES: Mapping[Selection, str] = {
    "all": "tasks_before",
    "unfinished": "unfinished_before",
    "failed": "failed_before",
}
_INSTANCE_WIDTH = len(Instance.__struct_fields__)
_WAIT_WIDTH = len(Wait.__struct_fields__)
_TAGS = Pipeline.__struct_fields__.index("tags")
_BUSY_SECONDS = 10.0
_CACHE_KIB = 16_384
_CHECKPOINT_PAGES = 4_000
"""Four times SQLite's default: pages that every commit writes are copied back less often."""

Row = tuple[Any, ...]


def connect(path: Path | str, durable: bool = True) -> sqlite3.Connection:
    """A connection set up as Penstock needs it; transactions are begun by hand.

    `durable=False` leaves syncing to the operating system: for simulations, never for a server.
    """
    connection = sqlite3.connect(
        path,
        timeout=_BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'OFF'}")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


class SqliteStore:
    """A store in one file (created and migrated when opened)."""

    def __init__(self, path: Path, now: Instant, durable: bool = True) -> None:
        self._path = path
        self._durable = durable
        self._writer = connect(path, durable)
        migrate(self._writer, now)
        self._idle_readers: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()
        self._recent = RecentRows()
        self._foreign_commits = 0

    def begin(self) -> "SqliteTransaction":
        """A unit of work; the one before must have ended."""
        self._writer.execute("BEGIN IMMEDIATE")
        # Changes when any other connection has committed.
        (foreign_commits,) = self._writer.execute("PRAGMA data_version").fetchone()
        if foreign_commits != self._foreign_commits:
            self._foreign_commits = foreign_commits
            self._recent.clear()
        return SqliteTransaction(self._writer, self._recent)

    @contextmanager
    def reader(self) -> Iterator["SqliteReader"]:
        """A view of the last commit; the same throughout the block."""
        try:
            connection = self._idle_readers.get_nowait()
        except queue.Empty:
            connection = connect(self._path, self._durable)
        connection.execute("BEGIN")
        try:
            yield SqliteReader(connection)
        finally:
            connection.execute("ROLLBACK")
            self._idle_readers.put(connection)

    def close(self) -> None:
        """Close all connections; what was committed stays."""
        while not self._idle_readers.empty():
            self._idle_readers.get().close()
        self._writer.close()


class SqliteReader:
    """Questions; see `store.protocol.Reader`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def _all(self, statement: str, parameters: Mapping[str, object]) -> list[Row]:
        return self._connection.execute(_SQL[statement], parameters).fetchall()

    def _one(self, statement: str, parameters: Mapping[str, object]) -> Row | None:
        row: Row | None = self._connection.execute(_SQL[statement], parameters).fetchone()
        return row

    def _value(self, statement: str, parameters: Mapping[str, object]) -> Any:
        row = self._one(statement, parameters)
        return row[0] if row is not None else None

    def pipeline(self, key: int) -> Pipeline | None:
        return _pipeline(self._one("pipeline_by_key", {"key": key}))

    def pipeline_by_id(self, account_id: str, pipeline_id: str) -> Pipeline | None:
        parameters = {"id": pipeline_id, "account_id": account_id}
        return _pipeline(self._one("pipeline_by_id", parameters))

    def pipeline_by_unique_id(self, account_id: str, name: str, unique_id: str) -> Pipeline | None:
        parameters = {"account_id": account_id, "name": name, "unique_id": unique_id}
        return _pipeline(self._one("pipeline_by_unique_id", parameters))

    def pipelines_after(self, account_id: str, after: int, limit: int) -> list[Pipeline]:
        parameters = {"account_id": account_id, "after": after, "limit": limit}
        rows = self._all("pipelines_after", parameters)
        return [pipeline for row in rows if (pipeline := _pipeline(row))]

    def definition(self, pipeline: int, version: int) -> bytes | None:
        content: bytes | None = self._value(
            "definition", {"pipeline": pipeline, "version": version}
        )
        return content

    def component(self, pipeline: int, component: str) -> ComponentRow | None:
        row = self._one("component", {"pipeline": pipeline, "id": component})
        return ComponentRow(*row) if row else None

    def components(self, pipeline: int) -> list[ComponentRow]:
        return [ComponentRow(*row) for row in self._all("components", {"pipeline": pipeline})]

    def task(self, instance: int, number: int | None = None) -> Task | None:
        if number is None:
            return _task(self._one("instance", {"key": instance}))
        return _task(self._one("task", {"instance": instance, "number": number}))

    def task_by_name(self, pipeline: int, component: str, start: Instant) -> Task | None:
        parameters = {"pipeline": pipeline, "component": component, "start": start}
        return _task(self._one("instance_by_name", parameters))

    def attempts_of(self, instance: int) -> list[Attempt]:
        return [Attempt(*row) for row in self._all("attempts_of", {"instance": instance})]

    def waits_of(self, instance: int) -> list[Wait]:
        return [Wait(*row) for row in self._all("waits_of", {"waiter": instance})]

    def range_state(
        self, pipeline: int, component: str, first: Instant, last: Instant
    ) -> RangeState:
        parameters = {"pipeline": pipeline, "component": component, "first": first, "last": last}
        row = self._one("range_state", parameters)
        return RangeState(*(row or (0, 0, None)))

    def unfinished(self, pipeline: int, component: str | None = None) -> list[Instance]:
        if component is None:
            rows = self._all("unfinished", {"pipeline": pipeline})
        else:
            parameters = {"pipeline": pipeline, "component": component}
            rows = self._all("unfinished_of_component", parameters)
        return [Instance(*row) for row in rows]

    def instances_after(
        self, pipeline: int, component: str, start: Instant, limit: int
    ) -> list[Instance]:
        parameters = {"pipeline": pipeline, "component": component, "start": start, "limit": limit}
        return [Instance(*row) for row in self._all("instances_after", parameters)]

    def attempts_after(
        self, pipeline: int, component: str, start: Instant, number: int, limit: int
    ) -> list[Task]:
        parameters = {
            "pipeline": pipeline,
            "component": component,
            "start": start,
            "number": number,
            "limit": limit,
        }
        return [task for row in self._all("attempts_after", parameters) if (task := _task(row))]

    def history(self, pipeline: int, component: str, start: Instant | None) -> list[HistoryEvent]:
        parameters = {"pipeline": pipeline, "component": component, "start": start}
        return [HistoryEvent(*row) for row in self._all("history", parameters)]

    def latest_run(self, pipeline: int) -> Instant | None:
        latest: Instant | None = self._value("latest_run", {"pipeline": pipeline})
        return latest

    def pipelines_before(self, account_id: str, before: int, limit: int) -> list[Pipeline]:
        parameters = {"account_id": account_id, "before": before, "limit": limit}
        rows = self._all("pipelines_before", parameters)
        return [pipeline for row in rows if (pipeline := _pipeline(row))]

    def status_counts(self, pipeline: int, most: int) -> dict[str, int]:
        return dict(self._all("status_counts", {"pipeline": pipeline, "most": most}))

    def recent_starts(self, pipeline: int, limit: int) -> list[Instant]:
        parameters = {"pipeline": pipeline, "limit": limit}
        return [row[0] for row in self._all("recent_starts", parameters)]

    def latest_of_component(self, pipeline: int, component: str, limit: int) -> list[Instance]:
        parameters = {"pipeline": pipeline, "component": component, "limit": limit}
        return [Instance(*row) for row in self._all("latest_of_component", parameters)]

    def tasks_before(
        self, pipeline: int, selection: Selection, start: Instant, key: int, limit: int
    ) -> list[Task]:
        parameters = {"pipeline": pipeline, "start": start, "key": key, "limit": limit}
        rows = self._all(_PAGES[selection], parameters)
        return [task for row in rows if (task := _task(row))]


class SqliteTransaction(SqliteReader):
    """A unit of work; see `store.protocol.Transaction`."""

    def __init__(self, connection: sqlite3.Connection, recent: RecentRows) -> None:
        super().__init__(connection)
        self._recent = recent

    def _do(self, statement: str, parameters: Mapping[str, object]) -> None:
        self._connection.execute(_SQL[statement], parameters)

    def commit(self) -> None:
        self._connection.execute("COMMIT")

    def rollback(self) -> None:
        self._recent.clear()
        self._connection.execute("ROLLBACK")

    def changes(self) -> int:
        return self._connection.total_changes

    def component(self, pipeline: int, component: str) -> ComponentRow | None:
        row = self._recent.component(pipeline, component)
        if row is None:
            row = super().component(pipeline, component)
            if row is not None:
                self._recent.remember_component(row)
        return row

    def task(self, instance: int, number: int | None = None) -> Task | None:
        known = self._recent.instances.get(instance)
        if known is not None:
            attempt = self._recent.attempts.get((instance, number or known.attempts))
            if attempt is not None:
                return Task(known, attempt)
        found = super().task(instance, number)
        if found is not None:
            self._recent.remember(found.instance, found.attempt)
        return found

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        self._connection.execute("SAVEPOINT command")
        try:
            yield
        except BaseException:
            self._recent.clear()
            self._connection.execute("ROLLBACK TO command")
            self._connection.execute("RELEASE command")
            raise
        self._connection.execute("RELEASE command")

    def insert_pipeline(self, row: Pipeline) -> int:
        key: int = self._value("insert_pipeline", _pipeline_parameters(row))
        return key

    def update_pipeline(self, row: Pipeline) -> None:
        self._do("update_pipeline", _pipeline_parameters(row))

    def put_definition(self, pipeline: int, version: int, content: bytes) -> None:
        parameters = {"pipeline": pipeline, "version": version, "content": content}
        self._do("put_definition", parameters)

    def put_component(self, row: ComponentRow) -> None:
        before = self._recent.component(row.pipeline, row.id)
        if before is not None and row == replace(
            before, health=row.health, health_start=row.health_start, health_at=row.health_at
        ):
            self._do("update_health", asdict(row))
        else:
            self._do("put_component", asdict(row))
        self._recent.remember_component(row)

    def component_with_active(self, pipeline: int, component: str) -> ComponentRow | None:
        row = self._one("component_with_active", {"pipeline": pipeline, "id": component})
        return ComponentRow(*row) if row else None

    def components_with_active(self, pipeline: int) -> list[ComponentRow]:
        rows = self._all("components_with_active", {"pipeline": pipeline})
        return [ComponentRow(*row) for row in rows]

    def has_open_component(self, pipeline: int) -> bool:
        return bool(self._value("has_open_component", {"pipeline": pipeline}))

    def has_unfinished(self, pipeline: int) -> bool:
        return bool(self._value("has_unfinished", {"pipeline": pipeline}))

    def has_running(self, pipeline: int) -> bool:
        return bool(self._value("has_running", {"pipeline": pipeline}))

    def active_runs(self, pipeline: int) -> int:
        return int(self._value("active_runs", {"pipeline": pipeline}))

    def revivable(self, pipeline: int) -> list[Instance]:
        return [Instance(*row) for row in self._all("revivable", {"pipeline": pipeline})]

    def cascaded(self, pipeline: int, failed_id: str) -> list[Instance]:
        parameters = {"pipeline": pipeline, "cascade_on": failed_id}
        return [Instance(*row) for row in self._all("cascaded", parameters)]

    def reserve_instance_key(self) -> int:
        return int(self._value("reserve_instance_key", {}))

    def insert_instance(self, row: Instance) -> None:
        self._do("insert_instance", asdict(row))

    def update_instance(self, row: Instance) -> None:
        before = self._recent.instances.get(row.key)
        self._do(_instance_statement(before, row), asdict(row))
        if row.ended_at is None:
            self._recent.remember(row, None)
        else:
            self._recent.forget(row.key, row.attempts)

    def insert_attempt(self, row: Attempt) -> None:
        self._do("insert_attempt", asdict(row))

    def update_attempt(self, row: Attempt) -> None:
        key = (row.instance, row.number)
        before = self._recent.attempts.get(key)
        self._do(_attempt_statement(before, row), asdict(row))
        if before is not None:
            self._recent.attempts[key] = row

    def touch_attempt(self, row: Attempt) -> None:
        parameters = {
            "instance": row.instance,
            "number": row.number,
            "reported_at": row.reported_at,
            "fields": row.fields,
        }
        self._do("update_report", parameters)
        key = (row.instance, row.number)
        if key in self._recent.attempts:
            self._recent.attempts[key] = row

    def offered(self, account_id: str, worker_group: str, limit: int) -> list[Task]:
        parameters = {"account_id": account_id, "worker_group": worker_group, "limit": limit}
        tasks = [task for row in self._all("offered", parameters) if (task := _task(row))]
        for task in tasks:
            self._recent.remember(task.instance, task.attempt)
        return tasks

    def put_wait(self, row: Wait) -> None:
        self._do("put_wait", asdict(row))

    def drop_waits(self, waiter: int) -> None:
        self._do("drop_waits", {"waiter": waiter})

    def waits_for(self, pipeline: int, target: str, start: Instant) -> list[Waiter]:
        parameters = {"pipeline": pipeline, "target": target, "start": start}
        return [
            Waiter(Wait(*row[:_WAIT_WIDTH]), Instance(*row[_WAIT_WIDTH:]))
            for row in self._all("waits_for", parameters)
        ]

    def set_timer(self, row: Timer) -> None:
        self._do("set_timer", asdict(row))

    def hasten_timer(self, row: Timer) -> None:
        self._do("hasten_timer", asdict(row))

    def clear_timer(self, kind: TimerKind, subject: int) -> None:
        self._do("clear_timer", {"kind": kind, "subject": subject})

    def due_timers(self, now: Instant, limit: int) -> list[Timer]:
        return [Timer(*row) for row in self._all("due_timers", {"now": now, "limit": limit})]

    def next_due(self) -> Instant | None:
        due: Instant | None = self._value("next_due", {})
        return due

    def record(self, row: HistoryEvent) -> None:
        self._do("record", asdict(row))

    def put_heartbeat(
        self, account_id: str, taskrunner_id: str, worker_group: str, hostname: str, at: Instant
    ) -> None:
        parameters = {
            "account_id": account_id,
            "taskrunner_id": taskrunner_id,
            "worker_group": worker_group,
            "hostname": hostname,
            "at": at,
        }
        self._do("put_heartbeat", parameters)

    def purge(self, pipeline: int, limit: int) -> bool:
        self._recent.clear()
        page = {"pipeline": pipeline, "limit": limit}
        keys = [row[0] for row in self._all("purge_instance_keys", page)]
        for key in keys:
            for statement in (
                "purge_attempts",
                "purge_waits",
                "purge_instance_timers",
                "purge_instance",
            ):
                self._do(statement, {"key": key})
        if len(keys) == limit:
            return True
        removed = self._connection.execute(_SQL["purge_events"], page).rowcount
        if removed == limit:
            return True
        self._do("purge_components", {"pipeline": pipeline})
        self._do("purge_definitions", {"pipeline": pipeline})
        return False


def _instance_statement(before: Instance | None, row: Instance) -> str:
    """The statement that writes what has changed: SQLite updates an index when it is told to write
    any column of it, be it with the value that is there already.
    """
    if before is None:
        return "update_instance"
    moved = replace(
        before, status=row.status, unmet=row.unmet, tries=row.tries, attempts=row.attempts
    )
    if moved == row:
        return "move_instance"
    return "end_instance" if replace(moved, ended_at=row.ended_at) == row else "update_instance"


def _attempt_statement(before: Attempt | None, row: Attempt) -> str:
    """Likewise for an attempt."""
    if before is None:
        return "update_attempt"
    handed = replace(
        before,
        status=row.status,
        offered=row.offered,
        handed_at=row.handed_at,
        hostname=row.hostname,
    )
    if handed == row:
        return "hand_over_attempt"
    ended = replace(before, status=row.status, acknowledged=row.acknowledged, ended_at=row.ended_at)
    return "end_attempt" if ended == row else "update_attempt"


def _pipeline(row: Row | None) -> Pipeline | None:
    if row is None:
        return None
    values = list(row)
    values[_TAGS] = msgspec.json.decode(values[_TAGS], type=tuple[Tag, ...])
    return Pipeline(*values)


def _pipeline_parameters(row: Pipeline) -> dict[str, object]:
    return {**asdict(row), "tags": json.dumps([asdict(tag) for tag in row.tags])}


def _task(row: Row | None) -> Task | None:
    if row is None:
        return None
    instance = Instance(*row[:_INSTANCE_WIDTH])
    if row[_INSTANCE_WIDTH] is None:
        return Task(instance, None)
    return Task(instance, Attempt(*row[_INSTANCE_WIDTH:]))
