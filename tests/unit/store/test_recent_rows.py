"""What the writer remembers and writes in part must never differ from what the database holds."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from penstock.model.runtime import Attempt, ComponentRow, Instance
from penstock.store.sqlite import SqliteStore

INSTANCE = Instance(1, 7, "Work", 1_000, 2_000, 1, "WAITING_FOR_RUNNER", 1_000, tries=1, attempts=1)
ATTEMPT = Attempt(1, 1, 7, "123456789012", "group", "WAITING_FOR_RUNNER", 1_000)
COMPONENT = ComponentRow(7, "Work", 3_000, open=True)

INSTANCE_CHANGES: list[dict[str, Any]] = [
    {"status": "RUNNING"},
    {"status": "FINISHED", "ended_at": 9},
    {"status": "FAILED", "ended_at": 9, "error_id": "E", "error_message": "m"},
    {"status": "CANCELED", "ended_at": 9, "cancel_reason": "why", "revive": True},
    {"status": "CASCADE_FAILED", "ended_at": 9, "cascade_on": "@Other_1970-01-01T00:00:01"},
    {"status": "WAITING_ON_DEPENDENCIES", "retry_at": 5},
    {"unmet": 2, "tries": 3, "attempts": 4},
    {"rerun": True},
    {"error_stack_trace": "trace"},
]
ATTEMPT_CHANGES: list[dict[str, Any]] = [
    {"status": "RUNNING", "offered": False, "handed_at": 4, "hostname": "h"},
    {"status": "FINISHED", "offered": False, "ended_at": 6},
    {"offered": False},
    {"acknowledged": True},
    {"generation": 3},
    {"status": "RUNNING", "offered": False, "cancel_reason": "why"},
    {"fields": "{}", "reported_at": 5},
    {"status": "FAILED", "offered": False, "ended_at": 6, "error_id": "E", "error_message": "m"},
    {"error_stack_trace": "trace"},
]
COMPONENT_CHANGES: list[dict[str, Any]] = [
    {"health": "HEALTHY", "health_start": 1_000, "health_at": 9},
    {"next_start": 4_000},
    {"open": False, "health": "ERROR", "health_start": 1_000, "health_at": 9},
    {"paused": True},
]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "test.db", 0, durable=False)
    transaction = store.begin()
    transaction.insert_instance(INSTANCE)
    transaction.insert_attempt(ATTEMPT)
    transaction.put_component(COMPONENT)
    transaction.commit()
    yield store
    store.close()


def held(store: SqliteStore) -> tuple[Instance, Attempt | None, ComponentRow | None]:
    """What the database holds, by a connection that remembers nothing."""
    with store.reader() as reader:
        task = reader.task(1, 1)
        assert task is not None
        return task.instance, task.attempt, reader.component(7, "Work")


def recalled(store: SqliteStore) -> tuple[Instance, Attempt | None, ComponentRow | None]:
    transaction = store.begin()
    task = transaction.task(1, 1)
    component = transaction.component(7, "Work")
    transaction.commit()
    assert task is not None
    return task.instance, task.attempt, component


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
@pytest.mark.parametrize("change", INSTANCE_CHANGES, ids=str)
def test_whatever_changes_of_an_instance_is_written(store, change, known):
    changed = replace(INSTANCE, **change)
    transaction = store.begin()
    if known:
        transaction.task(1, 1)
    transaction.update_instance(changed)
    transaction.commit()
    assert held(store)[0] == changed
    assert recalled(store)[0] == changed


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
@pytest.mark.parametrize("change", ATTEMPT_CHANGES, ids=str)
def test_whatever_changes_of_an_attempt_is_written(store, change, known):
    changed = replace(ATTEMPT, **change)
    transaction = store.begin()
    if known:
        transaction.task(1, 1)
    transaction.update_attempt(changed)
    transaction.commit()
    assert held(store)[1] == changed
    assert recalled(store)[1] == changed


@pytest.mark.parametrize("change", COMPONENT_CHANGES, ids=str)
def test_whatever_changes_of_a_component_is_written(store, change):
    changed = replace(COMPONENT, **change)
    transaction = store.begin()
    transaction.put_component(replace(changed, active=3))
    transaction.commit()
    assert held(store)[2] == changed
    assert recalled(store)[2] == changed


def test_a_report_is_recalled(store):
    transaction = store.begin()
    task = transaction.task(1, 1)
    reported = replace(task.attempt, acknowledged=True, reported_at=5, fields="{}")
    transaction.touch_attempt(reported)
    transaction.commit()
    assert held(store)[1] == recalled(store)[1] == reported


def test_the_latest_attempt_is_the_one_that_the_instance_counts(store):
    transaction = store.begin()
    transaction.task(1)
    transaction.update_instance(replace(INSTANCE, attempts=2, tries=2))
    transaction.insert_attempt(replace(ATTEMPT, number=2))
    assert transaction.task(1).attempt.number == 2
    assert transaction.task(1, 1).attempt.number == 1
    transaction.rollback()


def test_what_is_rolled_back_is_not_recalled(store):
    transaction = store.begin()
    transaction.task(1, 1)
    transaction.update_instance(replace(INSTANCE, status="RUNNING"))
    transaction.put_component(replace(COMPONENT, paused=True))
    transaction.rollback()
    assert recalled(store) == (INSTANCE, ATTEMPT, COMPONENT)


def test_what_is_undone_alone_is_not_recalled(store):
    transaction = store.begin()
    transaction.task(1, 1)

    def fail() -> None:
        with transaction.savepoint():
            transaction.update_instance(replace(INSTANCE, status="RUNNING"))
            transaction.put_component(replace(COMPONENT, paused=True))
            raise RuntimeError("undone")

    with pytest.raises(RuntimeError, match="undone"):
        fail()
    assert transaction.task(1, 1).instance == INSTANCE
    assert transaction.component(7, "Work") == COMPONENT
    transaction.rollback()


def test_what_another_connection_writes_is_seen(store, tmp_path):
    recalled(store)
    other = sqlite3.connect(tmp_path / "test.db", isolation_level=None)
    other.execute("UPDATE instance SET status = 'RUNNING' WHERE key = 1")
    other.execute("UPDATE component SET paused = 1")
    other.close()
    instance, _, component = recalled(store)
    assert instance.status == "RUNNING"
    assert component is not None
    assert component.paused


def test_writing_shows_in_the_count_of_changes(store):
    transaction = store.begin()
    before = transaction.changes()
    transaction.task(1, 1)
    assert transaction.changes() == before
    transaction.update_instance(INSTANCE)
    assert transaction.changes() != before
    transaction.rollback()
