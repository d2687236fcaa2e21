"""Questions in SQL, the same for every database: parameters out of arguments, structs out of rows.

What differs is how a statement is run; a store's own reader says that in `_all` and `_one`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import msgspec

from penstock.model.api import Tag
from penstock.model.runtime import (
    Attempt,
    ComponentRow,
    HistoryEvent,
    Instance,
    LogPiece,
    Pipeline,
    Wait,
)
from penstock.model.times import Instant
from penstock.store.protocol import HistoryLine, Past, RangeState, Selection, Task
from penstock.store.statements import Dialect, load

PAGES: Mapping[Selection, str] = {
    "all": "tasks_before",
    "unfinished": "unfinished_before",
    "failed": "failed_before",
}
_INSTANCE_WIDTH = len(Instance.__struct_fields__)
_TAGS = Pipeline.__struct_fields__.index("tags")

Row = tuple[Any, ...]


def load_statements(dialect: Dialect) -> dict[str, str]:
    """The statements that readers and transactions run, by name."""
    files = ("pipelines.sql", "instances.sql", "watching.sql", "retention.sql", "logs.sql")
    return {name: text for file in files for name, text in load(file, dialect).items()}


class SqlReader(ABC):
    """Questions; see `store.protocol.Reader`."""

    @abstractmethod
    def _all(self, statement: str, parameters: Mapping[str, object]) -> list[Row]:
        """All rows that a named statement answers."""

    @abstractmethod
    def _one(self, statement: str, parameters: Mapping[str, object]) -> Row | None:
        """The first of them."""

    def _value(self, statement: str, parameters: Mapping[str, object]) -> Any:
        row = self._one(statement, parameters)
        return row[0] if row is not None else None

    def pipeline(self, key: int) -> Pipeline | None:
        return pipeline_of(self._one("pipeline_by_key", {"key": key}))

    def pipeline_by_id(self, account_id: str, pipeline_id: str) -> Pipeline | None:
        parameters = {"id": pipeline_id, "account_id": account_id}
        return pipeline_of(self._one("pipeline_by_id", parameters))

    def pipeline_by_unique_id(self, account_id: str, name: str, unique_id: str) -> Pipeline | None:
        parameters = {"account_id": account_id, "name": name, "unique_id": unique_id}
        return pipeline_of(self._one("pipeline_by_unique_id", parameters))

    def pipelines_after(self, account_id: str, after: int, limit: int) -> list[Pipeline]:
        parameters = {"account_id": account_id, "after": after, "limit": limit}
        rows = self._all("pipelines_after", parameters)
        return [pipeline for row in rows if (pipeline := pipeline_of(row))]

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
            return task_of(self._one("instance", {"key": instance}))
        return task_of(self._one("task", {"instance": instance, "number": number}))

    def task_by_name(self, pipeline: int, component: str, start: Instant) -> Task | None:
        parameters = {"pipeline": pipeline, "component": component, "start": start}
        return task_of(self._one("instance_by_name", parameters))

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
        return [task for row in self._all("attempts_after", parameters) if (task := task_of(row))]

    def history(self, pipeline: int, component: str, start: Instant | None) -> list[HistoryEvent]:
        parameters: dict[str, object] = {"pipeline": pipeline, "component": component}
        if start is None:
            rows = self._all("history_of_component", parameters)
        else:
            rows = self._all("history", {**parameters, "start": start})
        return [HistoryEvent(*row) for row in rows]

    def lines_before(
        self,
        pipeline: int,
        component: str | None,
        start: Instant | None,
        before: int,
        limit: int,
    ) -> list[HistoryLine]:
        parameters: dict[str, object] = {"pipeline": pipeline, "before": before, "limit": limit}
        if component is None:
            rows = self._all("lines_before", parameters)
        elif start is None:
            rows = self._all("lines_of_component_before", {**parameters, "component": component})
        else:
            parameters |= {"component": component, "start": start}
            rows = self._all("lines_of_instance_before", parameters)
        return [HistoryLine(row[0], HistoryEvent(*row[1:])) for row in rows]

    def latest_run(self, pipeline: int) -> Instant | None:
        latest: Instant | None = self._value("latest_run", {"pipeline": pipeline})
        return latest

    def latest_completed_run(self, pipeline: int, component: str) -> Instant | None:
        parameters = {"pipeline": pipeline, "component": component}
        latest: Instant | None = self._value("latest_completed_run", parameters)
        return latest

    def pipelines_before(self, account_id: str, before: int, limit: int) -> list[Pipeline]:
        parameters = {"account_id": account_id, "before": before, "limit": limit}
        rows = self._all("pipelines_before", parameters)
        return [pipeline for row in rows if (pipeline := pipeline_of(row))]

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
        rows = self._all(PAGES[selection], parameters)
        return [task for row in rows if (task := task_of(row))]

    def last_poll(self, account_id: str, worker_group: str) -> Instant | None:
        parameters = {"account_id": account_id, "worker_group": worker_group}
        rows = self._all("last_poll", parameters)
        return rows[0][0] if rows else None

    def polled(self, account_id: str, since: Instant) -> frozenset[str]:
        parameters = {"account_id": account_id, "since": since}
        return frozenset(row[0] for row in self._all("polled", parameters))

    def pipelines_with_past(self, after: int, before: Instant, limit: int) -> list[int]:
        parameters = {"after": after, "before": before, "limit": limit}
        return [row[0] for row in self._all("pipelines_with_past", parameters)]

    def past(
        self, pipeline: int, component: str, first: Instant, last: Instant, limit: int
    ) -> list[Past]:
        parameters = {
            "pipeline": pipeline,
            "component": component,
            "first": first,
            "last": last,
            "limit": limit,
        }
        return [Past(*row) for row in self._all("past", parameters)]

    def logs_after(
        self, instance: int, attempt: int | None, stream: str | None, after: int, limit: int
    ) -> list[LogPiece]:
        parameters = {
            "instance": instance,
            "attempt": attempt or 0,
            "stream": stream or "",
            "after": after,
            "limit": limit,
        }
        return [LogPiece(*row) for row in self._all("logs_after", parameters)]

    def last_logs(self, instance: int, attempt: int, limit: int) -> list[LogPiece]:
        parameters = {"instance": instance, "attempt": attempt, "limit": limit}
        return [LogPiece(*row) for row in self._all("last_logs", parameters)]

    def is_log_complete(self, instance: int, attempt: int) -> bool:
        parameters = {"instance": instance, "attempt": attempt}
        return bool(self._value("is_log_complete", parameters))

    def log_followed_until(self, instance: int) -> Instant | None:
        until: Instant | None = self._value("log_followed_until", {"instance": instance})
        return until

    def stored_log_bytes(self) -> int:
        return int(self._value("stored_log_bytes", {}))

    def oldest_logs(self, limit: int) -> list[tuple[int, int]]:
        return [(row[0], row[1]) for row in self._all("oldest_logs", {"limit": limit})]

    def restored_at(self) -> Instant | None:
        at: Instant | None = self._value("restored_at", {})
        return at


def pipeline_of(row: Row | None) -> Pipeline | None:
    """A pipeline as read."""
    if row is None:
        return None
    values = list(row)
    values[_TAGS] = msgspec.json.decode(values[_TAGS], type=tuple[Tag, ...])
    return Pipeline(*values)


def task_of(row: Row | None) -> Task | None:
    """An instance and an attempt as read together."""
    if row is None:
        return None
    instance = Instance(*row[:_INSTANCE_WIDTH])
    if row[_INSTANCE_WIDTH] is None:
        return Task(instance, None)
    return Task(instance, Attempt(*row[_INSTANCE_WIDTH:]))
