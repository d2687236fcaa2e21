"""Pages stay quick in a pipeline with a million instances because of the indexes they go by."""

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.store.sqlite import SqliteStore, connect
from penstock.store.statements import load

WATCHING = load("watching.sql")
INSTANCES = load("instances.sql")


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    path = tmp_path / "penstock.db"
    SqliteStore(path, 0).close()
    connection = connect(path)
    yield connection
    connection.close()


def indexes_of(connection: sqlite3.Connection, statement: str) -> set[str]:
    """The indexes by which a statement looks for instances; raises for one that scans them."""
    parameters = dict.fromkeys(re.findall(r":(\w+)", statement), 0)
    steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]
    scans = [step for step in steps if re.match(r"SCAN (instance|attempt|event)\b", step)]
    assert not scans, steps
    return set(re.findall(r"INDEX (instance_\w+)", " ".join(steps)))


@pytest.mark.parametrize(
    ("name", "indexes"),
    [
        ("status_counts", {"instance_unfinished", "instance_failed"}),
        ("recent_starts", {"instance_ended", "instance_unfinished"}),
        ("latest_of_component", {"instance_name"}),
        ("tasks_before", {"instance_ended", "instance_unfinished"}),
        ("failed_before", {"instance_failed"}),
        ("unfinished_before", {"instance_unfinished"}),
    ],
)
def test_pages_go_by_their_indexes(
    connection: sqlite3.Connection, name: str, indexes: set[str]
) -> None:
    assert indexes_of(connection, WATCHING[name]) == indexes


@pytest.mark.parametrize("name", ["unfinished", "has_unfinished", "under_way", "active_runs"])
def test_the_engines_questions_keep_to_what_is_unfinished(
    connection: sqlite3.Connection, name: str
) -> None:
    assert indexes_of(connection, INSTANCES[name]) == {"instance_unfinished"}
