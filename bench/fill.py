"""Fills a store with finished instances, as years of runs would leave them, quickly.

Rows go past the service, straight into the tables, in the order of the structs that the store's
schema follows; the server must not be running. Seeded: the same call makes the same rows.
"""

import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec.structs import astuple

from penstock.app import DATABASE_FILE
from penstock.model.runtime import Attempt, HistoryEvent, Instance
from penstock.store.sqlite import connect

_CHUNK = 20_000
_HOUR_MS = 3_600_000
_SEED = 20_121_029

Row = tuple[Any, ...]


def fill(data: Path, account_id: str, worker_group: str, count: int) -> None:
    """Give the pipelines of a data directory a past of so many finished instances, evenly."""
    connection = connect(data / DATABASE_FILE)
    connection.execute("PRAGMA cache_size = -400000")
    components = connection.execute(
        "SELECT component.pipeline, component.id, pipeline.version, pipeline.created_at"
        " FROM component JOIN pipeline ON pipeline.key = component.pipeline"
        " ORDER BY component.pipeline, component.id"
    ).fetchall()
    first_key = _last_key(connection) + 1
    draw = random.Random(_SEED)
    for begin in range(0, count, _CHUNK):
        numbers = range(begin, min(begin + _CHUNK, count))
        lives = [
            _life(components, first_key, number, account_id, worker_group, draw)
            for number in numbers
        ]
        connection.execute("BEGIN IMMEDIATE")
        _insert(connection, "instance", (astuple(instance) for instance, _ in lives))
        _insert(connection, "attempt", (astuple(attempt) for _, attempt in lives))
        _insert_events(connection, lives)
        connection.execute("COMMIT")
    connection.execute(
        "UPDATE sqlite_sequence SET seq = ? WHERE name = 'instance'", (first_key + count,)
    )
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _last_key(connection: sqlite3.Connection) -> int:
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'instance'").fetchone()
    return int(row[0])


def _life(
    components: list[Row],
    first_key: int,
    number: int,
    account_id: str,
    worker_group: str,
    draw: random.Random,
) -> tuple[Instance, Attempt]:
    """The number-th finished instance, the oldest first: each component ran once an hour."""
    turn, place = divmod(number, len(components))
    pipeline, component, version, created_at = components[place]
    key = first_key + number
    start = created_at - created_at % 1000 - (1_000_000 - turn) * _HOUR_MS
    handed = start + draw.randrange(2_000)
    ended = handed + draw.randrange(600_000)
    instance = Instance(
        key,
        pipeline,
        component,
        start,
        start,
        version,
        "FINISHED",
        start,
        tries=1,
        attempts=1,
        ended_at=ended,
    )
    attempt = Attempt(
        key,
        1,
        pipeline,
        account_id,
        worker_group,
        "FINISHED",
        start,
        offered=False,
        acknowledged=True,
        handed_at=handed,
        reported_at=handed,
        ended_at=ended,
        hostname=f"runner-{draw.randrange(20)}.example",
    )
    return instance, attempt


def _insert(connection: sqlite3.Connection, table: str, rows: Iterator[Row]) -> None:
    first = next(rows)
    places = ", ".join("?" * len(first))
    connection.execute(f"INSERT INTO {table} VALUES ({places})", first)
    connection.executemany(f"INSERT INTO {table} VALUES ({places})", rows)


def _insert_events(connection: sqlite3.Connection, lives: list[tuple[Instance, Attempt]]) -> None:
    """Two lines of history each, as the engine writes them for a life without trouble."""
    rows = [
        astuple(
            HistoryEvent(instance.pipeline, instance.component, instance.start, 1, at, what, detail)
        )
        for instance, attempt in lives
        for at, what, detail in (
            (attempt.handed_at or 0, "RUNNING", attempt.hostname or ""),
            (attempt.ended_at or 0, "FINISHED", ""),
        )
    ]
    columns = ", ".join(HistoryEvent.__struct_fields__)
    places = ", ".join("?" * len(HistoryEvent.__struct_fields__))
    connection.executemany(f"INSERT INTO event ({columns}) VALUES ({places})", rows)
