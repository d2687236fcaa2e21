"""Changes in SQL, the same for every database; and what need not be asked or written again."""

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence

from msgspec.structs import asdict, replace

from penstock.model.runtime import (
    Attempt,
    ComponentRow,
    HistoryEvent,
    Instance,
    LogPiece,
    Pipeline,
    Timer,
    TimerKind,
    Wait,
)
from penstock.model.times import Instant
from penstock.store.protocol import Past, Task, Waiter
from penstock.store.reader import SqlReader, task_of
from penstock.store.recent import RecentRows

_WAIT_WIDTH = len(Wait.__struct_fields__)


class SqlTransaction(SqlReader):
    """A unit of work but for its beginning and end; see `store.protocol.Transaction`."""

    def __init__(self, recent: RecentRows) -> None:
        self._recent = recent

    @abstractmethod
    def _do(self, statement: str, parameters: Mapping[str, object]) -> None:
        """Run a named statement that changes something."""

    @abstractmethod
    def _count(self, statement: str, parameters: Mapping[str, object]) -> int:
        """Run a named statement that changes something; how many rows it touched."""

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

    def under_way(self, pipeline: int) -> list[Instance]:
        return [Instance(*row) for row in self._all("under_way", {"pipeline": pipeline})]

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
        tasks = [task for row in self._all("offered", parameters) if (task := task_of(row))]
        return self._remember(tasks)

    def _remember(self, tasks: list[Task]) -> list[Task]:
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

    def put_poll(self, account_id: str, worker_group: str, at: Instant) -> None:
        parameters = {"account_id": account_id, "worker_group": worker_group, "at": at}
        self._do("put_poll", parameters)

    def append_log(self, pipeline: int, row: LogPiece) -> None:
        self._do("append_log", {**asdict(row), "final": int(row.final), "pipeline": pipeline})

    def trim_log(
        self, pipeline: int, instance: int, attempt: int, stream: str, before: int
    ) -> None:
        parameters = {
            "pipeline": pipeline,
            "instance": instance,
            "attempt": attempt,
            "stream": stream,
            "before": before,
        }
        self._do("trim_log", parameters)

    def drop_logs(self, through: int) -> None:
        self._do("drop_logs", {"through": through})

    def follow_log(self, instance: int, until: Instant) -> None:
        self._do("follow_log", {"instance": instance, "until": until})

    def followed_logs(self, instances: Sequence[int], now: Instant) -> set[int]:
        parameters = {"instances": self._array(instances), "now": now}
        return {row[0] for row in self._all("followed_logs", parameters)}

    def purge(self, pipeline: int, limit: int) -> bool:
        self._recent.clear()
        page = {"pipeline": pipeline, "limit": limit}
        keys = [row[0] for row in self._all("purge_instance_keys", page)]
        for key in keys:
            for statement in (
                "purge_attempts",
                "purge_waits",
                "purge_instance_timers",
                "purge_logs",
                "purge_followers",
                "purge_instance",
            ):
                self._do(statement, {"key": key})
        if len(keys) == limit:
            return True
        if self._count("purge_events", page) == limit:
            return True
        self._do("purge_components", {"pipeline": pipeline})
        self._do("purge_definitions", {"pipeline": pipeline})
        return False

    @abstractmethod
    def _array(self, numbers: Sequence[int]) -> object:
        """Numbers as one parameter of a statement."""

    def prune(self, pipeline: int, component: str, rows: Sequence[Past]) -> None:
        self._recent.clear()
        parameters = {
            "pipeline": pipeline,
            "component": component,
            "keys": self._array([row.key for row in rows]),
            "starts": self._array([row.start for row in rows]),
        }
        for statement in (
            "prune_attempts",
            "prune_waits",
            "prune_timers",
            "prune_events",
            "prune_logs",
            "prune_followers",
            "prune_instances",
        ):
            self._do(statement, parameters)

    def drop_definitions(self, pipeline: int, before: int) -> None:
        self._do("drop_definitions", {"pipeline": pipeline, "before": before})

    def forget_runners(self, before: Instant) -> None:
        self._do("forget_heartbeats", {"before": before})
        self._do("forget_polls", {"before": before})

    def claim_sweep(self, now: Instant, until: Instant) -> bool:
        return self._count("claim_sweep", {"now": now, "until": until}) > 0

    def note_restoration(self, at: Instant) -> None:
        self._do("note_restoration", {"at": at})


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


def _pipeline_parameters(row: Pipeline) -> dict[str, object]:
    return {**asdict(row), "tags": json.dumps([asdict(tag) for tag in row.tags])}
