"""Brings a database's schema up to date: numbered files, each applied once, in order.

Each database has files of its own, of the same numbers and names, in `migrations/`.
"""

import re
import sqlite3
from collections.abc import Set as AbstractSet
from importlib.resources import files

from penstock.model.times import Instant
from penstock.store.statements import Dialect

Migration = tuple[int, str, str]
"""Number, file name, text."""

_FILE = re.compile(r"(\d{4})_[a-z_]+\.sql")


class NewerSchema(Exception):
    """The database was written by a newer version of Penstock."""


def migrations(dialect: Dialect = "sqlite") -> list[Migration]:
    """All migrations of a kind of database, in order."""
    folder = files("penstock.store").joinpath("migrations", dialect)
    found = [
        (int(match[1]), item.name, item.read_text(encoding="utf-8"))
        for item in folder.iterdir()
        if (match := _FILE.fullmatch(item.name))
    ]
    return sorted(found)


def missing(applied: AbstractSet[int], dialect: Dialect) -> list[Migration]:
    """The migrations that a database still needs; raises `NewerSchema`."""
    known = migrations(dialect)
    newer = applied - {number for number, _, _ in known}
    if newer:
        raise NewerSchema(
            f"the database has migration {max(newer)}, which this version of Penstock does not "
            "know; start the newer version again"
        )
    return [each for each in known if each[0] not in applied]


def migrate(connection: sqlite3.Connection, now: Instant) -> None:
    """Apply what a SQLite database lacks, each migration in a transaction of its own."""
    connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_migration ("
        "number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at INTEGER NOT NULL)"
    )
    applied = {row[0] for row in connection.execute("SELECT number FROM schema_migration")}
    for number, name, text in missing(applied, "sqlite"):
        _apply(connection, number, name, text, now)


def is_behind(connection: sqlite3.Connection) -> bool:
    """Whether a SQLite database lacks any migration; raises `NewerSchema`."""
    applied = {row[0] for row in connection.execute("SELECT number FROM schema_migration")}
    return bool(missing(applied, "sqlite"))


def _apply(connection: sqlite3.Connection, number: int, name: str, text: str, now: Instant) -> None:
    connection.executescript(
        f"BEGIN IMMEDIATE;\n{text}\n"
        f"INSERT INTO schema_migration VALUES ({number}, '{name}', {now});\nCOMMIT;"
    )
