"""Brings a database's schema up to date: numbered files, each applied once, in order."""

import re
import sqlite3
from importlib.resources import files

from penstock.model.times import Instant

_FILE = re.compile(r"(\d{4})_[a-z_]+\.sql")


class NewerSchema(Exception):
    """The database was written by a newer version of Penstock."""


def migrations() -> list[tuple[int, str, str]]:
    """All migrations as (number, file name, text), in order."""
    folder = files("penstock.store").joinpath("migrations")
    found = [
        (int(match[1]), item.name, item.read_text(encoding="utf-8"))
        for item in folder.iterdir()
        if (match := _FILE.fullmatch(item.name))
    ]
    return sorted(found)


def migrate(connection: sqlite3.Connection, now: Instant) -> None:
    """Apply what is missing, each migration in a transaction of its own."""
    connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_migration ("
        "number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at INTEGER NOT NULL)"
    )
    known = migrations()
    applied = {row[0] for row in connection.execute("SELECT number FROM schema_migration")}
    newer = applied - {number for number, _, _ in known}
    if newer:
        raise NewerSchema(
            f"the database has migration {max(newer)}, which this version of Penstock does not "
            "know; start the newer version again"
        )
    for number, name, text in known:
        if number not in applied:
            _apply(connection, number, name, text, now)


def _apply(connection: sqlite3.Connection, number: int, name: str, text: str, now: Instant) -> None:
    connection.executescript(
        f"BEGIN IMMEDIATE;\n{text}\n"
        f"INSERT INTO schema_migration VALUES ({number}, '{name}', {now});\nCOMMIT;"
    )
