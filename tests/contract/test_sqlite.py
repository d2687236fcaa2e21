"""What is SQLite's own: its schema, its migrations, and how durable it is."""

import sqlite3
from pathlib import Path

import pytest
from msgspec import Struct

from penstock.model.runtime import Attempt, ComponentRow, HistoryEvent, Instance, Pipeline, Timer
from penstock.model.runtime import Wait as WaitRow
from penstock.store import sqlite as adapter
from penstock.store.migrate import NewerSchema, migrate, migrations
from penstock.store.sqlite import SqliteStore, connect

TABLES: dict[str, type[Struct]] = {
    "pipeline": Pipeline,
    "instance": Instance,
    "attempt": Attempt,
    "wait": WaitRow,
    "timer": Timer,
}


def columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]


def schema(path: Path) -> list[tuple[str, str]]:
    connection = connect(path)
    rows = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name"
    ).fetchall()
    connection.close()
    return rows


@pytest.mark.parametrize("table", TABLES)
def test_columns_are_the_structs_fields_in_their_order(tmp_path, table):
    """Rows are read by position: a row is a struct."""
    SqliteStore(tmp_path / "s.db", 0).close()
    connection = connect(tmp_path / "s.db")
    assert columns(connection, table) == list(TABLES[table].__struct_fields__)
    stored = list(ComponentRow.__struct_fields__)[:-1]
    assert columns(connection, "component") == stored, "active is counted, never stored"
    assert columns(connection, "event")[1:] == list(HistoryEvent.__struct_fields__)
    connection.close()


def test_every_statement_is_sql_that_the_schema_knows(tmp_path):
    SqliteStore(tmp_path / "s.db", 0).close()
    connection = connect(tmp_path / "s.db")
    for name, text in adapter._SQL.items():
        try:
            connection.execute(f"EXPLAIN {text}", _Anything())
        except sqlite3.Error as error:
            pytest.fail(f"{name}: {error}")
    connection.close()


class _Anything(dict):
    def __missing__(self, key: str) -> int:
        return 0


def test_every_statement_is_used():
    source = "".join(file.read_text("utf-8") for file in Path(adapter.__file__).parent.glob("*.py"))
    unused = [name for name in adapter._SQL if f'"{name}"' not in source]
    assert unused == []


def test_migrations_are_numbered_without_gaps():
    assert [number for number, _, _ in migrations()] == list(range(1, len(migrations()) + 1))


def test_a_database_of_any_earlier_version_is_brought_up_to_date(tmp_path, monkeypatch):
    SqliteStore(tmp_path / "whole.db", 0).close()
    everything = migrations()
    for known in range(len(everything)):
        path = tmp_path / f"{known}.db"
        with monkeypatch.context() as patch:
            patch.setattr("penstock.store.migrate.migrations", lambda _, k=known: everything[:k])
            connection = connect(path)
            migrate(connection, 5)
            connection.close()
        SqliteStore(path, 6).close()
        assert schema(path) == schema(tmp_path / "whole.db")


def test_making_the_instances_table_anew_loses_neither_rows_nor_the_counter(tmp_path, monkeypatch):
    """Migration 6: a key that was ever given must never be given again, used or not."""
    everything = migrations()
    path = tmp_path / "s.db"
    with monkeypatch.context() as patch:
        patch.setattr("penstock.store.migrate.migrations", lambda _: everything[:5])
        connection = connect(path)
        migrate(connection, 0)
        connection.execute("UPDATE sqlite_sequence SET seq = 41 WHERE name = 'instance'")
        connection.execute(
            "INSERT INTO instance VALUES (7, 1, 'A', 0, 1, 1, 'RUNNING', 0, 0, 1, 1, 0, 0,"
            " NULL, NULL, NULL, NULL, NULL, NULL, NULL)"
        )
        connection.close()
    store = SqliteStore(path, 1)
    transaction = store.begin()
    assert [each.key for each in transaction.under_way(1)] == [7]
    assert transaction.reserve_instance_key() == 42
    transaction.rollback()
    store.close()


def test_opening_again_applies_nothing(tmp_path):
    SqliteStore(tmp_path / "s.db", 1).close()
    SqliteStore(tmp_path / "s.db", 2).close()
    connection = connect(tmp_path / "s.db")
    times = connection.execute("SELECT DISTINCT applied_at FROM schema_migration").fetchall()
    connection.close()
    assert times == [(1,)]


def test_a_newer_schema_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "s.db"
    SqliteStore(path, 0).close()
    connection = connect(path)
    connection.execute("INSERT INTO schema_migration VALUES (9999, 'future', 0)")
    connection.close()
    with pytest.raises(NewerSchema, match="9999"):
        SqliteStore(path, 0)


def test_a_migration_that_fails_leaves_nothing_of_itself(tmp_path, monkeypatch):
    connection = connect(tmp_path / "s.db")
    broken = [(1, "0001_broken.sql", "CREATE TABLE half (a INTEGER);\nCREATE TABLE half (a);")]
    monkeypatch.setattr("penstock.store.migrate.migrations", lambda _: broken)
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, 0)
    connection.close()
    names = {name for name, _ in schema(tmp_path / "s.db")}
    assert names == {"schema_migration"}


def test_a_server_syncs_every_commit_and_a_simulation_none(tmp_path):
    for durable, synchronous in ((True, 2), (False, 0)):
        connection = connect(tmp_path / "s.db", durable)
        assert connection.execute("PRAGMA synchronous").fetchone() == (synchronous,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        connection.close()


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        ("offered", "attempt_queue"),
        ("due_timers", "timer_due"),
        ("waits_for", "wait_target"),
        ("has_unfinished", "instance_unfinished"),
        ("under_way", "instance_unfinished"),
        ("component_with_active", "instance_unfinished"),
        ("range_state", "instance_name"),
        ("revivable", "instance_revivable"),
        ("cascaded", "instance_cascaded"),
    ],
)
def test_what_the_engine_asks_all_the_time_is_answered_from_an_index(tmp_path, statement, index):
    """Work costs by what changes, not by how much has been."""
    SqliteStore(tmp_path / "s.db", 0).close()
    connection = connect(tmp_path / "s.db")
    plan = connection.execute(f"EXPLAIN QUERY PLAN {adapter._SQL[statement]}", _Anything())
    steps = [row[3] for row in plan]
    connection.close()
    assert any(index in step for step in steps), steps
    scans = [step for step in steps if step.startswith("SCAN") and "CONSTANT" not in step]
    assert all("INDEX" in step for step in scans), steps
