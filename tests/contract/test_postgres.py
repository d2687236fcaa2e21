"""What is PostgreSQL's own: its schema, its migrations, and the plans of what is asked often."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from penstock.model.runtime import Timer
from penstock.store import postgres as adapter
from penstock.store.migrate import NewerSchema, migrations
from penstock.store.postgres import PostgresStore
from penstock.store.protocol import StoreUnavailable, UnsuitableDatabase
from penstock.store.session import Session
from penstock.store.sqlite import SqliteStore
from penstock.store.sqlite import connect as connect_sqlite

TEXTS = frozenset(
    "account_id component worker_group target id cascade_on kind name unique_id".split()
)
LISTS = frozenset("keys ids busy pipeline_kinds".split())


class _Anything(dict[str, Any]):
    def __missing__(self, name: str) -> Any:
        return [] if name in LISTS else "" if name in TEXTS else 0


class _Nothing(dict[str, Any]):
    def __missing__(self, name: str) -> Any:
        return [] if name in LISTS else None


def store_columns(connection: Any) -> dict[str, list[str]]:
    rows = connection.execute(
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = 'public' ORDER BY table_name, ordinal_position"
    )
    found: dict[str, list[str]] = {}
    for table, column in rows:
        found.setdefault(table, []).append(column)
    return found


def sqlite_columns(path: Path) -> dict[str, list[str]]:
    SqliteStore(path, 0).close()
    connection = connect_sqlite(path)
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    found = {
        table: [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        for (table,) in tables
        if not table.startswith("sqlite_")
    }
    connection.close()
    return found


def sqlite_indexes(path: Path) -> set[str]:
    connection = connect_sqlite(path)
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'index'").fetchall()
    connection.close()
    return {name for (name,) in rows if not name.startswith("sqlite_")}


def test_both_databases_have_the_same_tables_and_columns(database, tmp_path):
    """Rows are read by position: the order counts too."""
    expected = sqlite_columns(tmp_path / "s.db")
    with psycopg.connect(database) as connection:
        assert store_columns(connection) == expected


def test_both_databases_have_the_same_indexes(database, tmp_path):
    SqliteStore(tmp_path / "s.db", 0).close()
    with psycopg.connect(database) as connection:
        rows = connection.execute(
            "SELECT indexname FROM pg_indexes JOIN pg_class ON relname = indexname"
            " JOIN pg_index ON indexrelid = pg_class.oid"
            " LEFT JOIN pg_constraint ON conindid = indexrelid"
            " WHERE schemaname = 'public' AND pg_constraint.oid IS NULL"
        )
        assert {name for (name,) in rows} == sqlite_indexes(tmp_path / "s.db")


def test_migrations_have_the_numbers_and_names_of_sqlites():
    assert [each[:2] for each in migrations("postgres")] == [
        each[:2] for each in migrations("sqlite")
    ]


def test_every_statement_is_one_that_the_schema_knows(database):
    with Borrowed(database) as session:
        for name, text in adapter._SQL.items():
            try:
                session.ask(f"EXPLAIN {text}", _Nothing())
            except psycopg.Error as error:
                pytest.fail(f"{name}: {error}")


class Borrowed:
    """A session for the length of a block."""

    def __init__(self, url: str) -> None:
        self._session = Session(adapter.connect(url))

    def __enter__(self) -> Session:
        return self._session

    def __exit__(self, *_: object) -> None:
        self._session.close()


def test_every_statement_is_used():
    source = "".join(file.read_text("utf-8") for file in Path(adapter.__file__).parent.glob("*.py"))
    unused = [name for name in adapter._SQL if f'"{name}"' not in source]
    assert unused == []


def test_a_database_of_any_earlier_version_is_brought_up_to_date(cluster, template, monkeypatch):
    everything = migrations("postgres")
    with cluster.connect(template) as connection:
        expected = store_columns(connection)
    for known in range(len(everything)):
        name = cluster.create()
        with monkeypatch.context() as patch:
            patch.setattr("penstock.store.migrate.migrations", lambda _, k=known: everything[:k])
            PostgresStore(cluster.url(name), 5).close()
        PostgresStore(cluster.url(name), 6).close()
        with cluster.connect(name) as connection:
            assert store_columns(connection) == expected
        cluster.drop(name)


def test_opening_again_applies_nothing(database):
    with psycopg.connect(database) as connection:
        (count,) = connection.execute("SELECT count(*) FROM schema_migration").fetchone()
        PostgresStore(database, 7).close()
        rows = connection.execute("SELECT applied_at FROM schema_migration").fetchall()
    assert rows == [(0,)] * count


def test_a_newer_schema_is_refused_and_left_alone(database):
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("INSERT INTO schema_migration VALUES (9999, 'future', 0)")
        with pytest.raises(NewerSchema, match="9999"):
            PostgresStore(database, 0)


def test_a_schema_is_not_changed_under_a_server_that_runs(cluster, monkeypatch):
    everything = migrations("postgres")
    monkeypatch.setattr(adapter, "_ENDING_MS", 50)
    name = cluster.create()
    with monkeypatch.context() as patch:
        patch.setattr("penstock.store.migrate.migrations", lambda _: everything[:-1])
        older = PostgresStore(cluster.url(name), 0)
    with pytest.raises(UnsuitableDatabase, match="older one still work"):
        PostgresStore(cluster.url(name), 0)
    older.begin().commit()
    # One that was cut off finds out when it comes back.
    older._writer.connection.close()
    PostgresStore(cluster.url(name), 0).close()
    with monkeypatch.context() as patch:
        patch.setattr("penstock.store.migrate.migrations", lambda _: everything[:-1])
        with pytest.raises(StoreUnavailable, match="stop this one"):
            older.begin()
    older.close()
    cluster.drop(name)


def test_a_migration_that_fails_leaves_nothing_of_itself(cluster, monkeypatch):
    name = cluster.create()
    broken = [(1, "0001_broken.sql", "CREATE TABLE half (a INT); CREATE TABLE half (a INT)")]
    monkeypatch.setattr("penstock.store.migrate.migrations", lambda _: broken)
    with pytest.raises(psycopg.errors.DuplicateTable):
        PostgresStore(cluster.url(name), 0)
    with cluster.connect(name) as connection:
        assert store_columns(connection) == {}
    cluster.drop(name)


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        ("offered", "attempt_queue"),
        ("due_timers", "timer_due"),
        ("next_due", "timer_due"),
        ("waits_for", "wait_target"),
        ("has_unfinished", "instance_"),
        ("under_way", "instance_"),
        ("component_with_active", "instance_unfinished"),
        ("range_state", "instance_name"),
        ("revivable", "instance_revivable"),
        ("cascaded", "instance_"),
    ],
)
def test_what_the_engine_asks_all_the_time_is_answered_from_an_index(database, statement, index):
    """Also of tables that the planner has never looked into."""
    with Borrowed(database) as session:
        plan = session.ask(f"EXPLAIN {adapter._SQL[statement]}", _Anything()).fetchall()
    steps = [row[0] for row in plan]
    assert any(index in step for step in steps), steps
    assert not [step for step in steps if "Seq Scan" in step], steps


def test_what_follows_an_undone_savepoint_can_be_asked_again_and_again(database):
    """Not only at first: the driver, which keeps statements ready, must not lose its way by it."""
    store = PostgresStore(database, 0, guarded=False)
    for _ in range(2):
        unit = store.begin()
        with suppress(ZeroDivisionError), unit.savepoint():
            unit.set_timer(Timer("tick", 1, 5))
            unit.flush()
            raise ZeroDivisionError
        for _ in range(3):
            assert unit.component(1, "A") is None
            unit.set_timer(Timer("tick", 2, 7))
            assert unit.next_due() == 7
            assert unit.has_unfinished(1) is False
        unit.clear_timer("tick", 2)
        unit.commit()
    store.close()
