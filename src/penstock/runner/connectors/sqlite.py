"""SQLite, a file of the runner's machine, through the standard library."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from penstock.model.definition import PipelineObject
from penstock.runner.activities.context import Context
from penstock.runner.connectors.address import INVALID_DATABASE, Address
from penstock.runner.connectors.dbapi import DbapiConnection, Driver
from penstock.runner.connectors.names import split_name
from penstock.runner.connectors.protocol import UNREACHABLE, DatabaseFault, Table
from penstock.runner.errors import TaskFailed
from penstock.runner.records.formats import Column

BUSY_SECONDS = 60
"""How long another writer is waited for."""


def open_sqlite(address: Address, _node: PipelineObject, _context: Context) -> SqliteConnection:
    """Open, and create if the directory is there; raises `TaskFailed`.

    What looks like a location elsewhere is refused: two runners would each write a copy.
    """
    path = address.database
    if re.match(r"\w+://", path) or not path or path == ":memory:":
        message = f"SQLite is a file of the runner's disk: jdbc:sqlite:/data/shop.db, not {path!r}."
        raise TaskFailed(INVALID_DATABASE, message)
    try:
        raw = sqlite3.connect(
            Path(path), timeout=BUSY_SECONDS, isolation_level="IMMEDIATE", check_same_thread=False
        )
        raw.execute("PRAGMA schema_version")
    except sqlite3.Error as error:
        raise DatabaseFault(UNREACHABLE, f"{path} cannot be opened: {error}.") from error
    return SqliteConnection(raw, Driver("sqlite", sqlite3.Error, "qmark"), raw.interrupt)


class SqliteConnection(DbapiConnection):
    """A connection to a SQLite file."""

    def execute(self, statement: str, arguments: Sequence[str] = ()) -> int:
        """As `Connection.execute`; a table is created within the transaction, too."""
        if not self._raw.in_transaction and self._raw.isolation_level is not None:
            with self._errors():
                self._raw.execute("BEGIN IMMEDIATE")
        return super().execute(statement, arguments)

    def commit_each(self) -> None:
        """As `DbapiConnection.commit_each`."""
        self._raw.isolation_level = None

    def table(self, name: str, schema: str | None) -> Table | None:
        """As `Connection.table`."""
        wanted, table = split_name(name, schema)
        with self._errors():
            rows = self._raw.execute(
                "SELECT name, type FROM pragma_table_info(?, ?)", (table, wanted or "main")
            ).fetchall()
        if not rows:
            return None
        parts = [part for part in (wanted, table) if part]
        columns = tuple(Column(row[0], row[1].upper()) for row in rows)
        return Table(".".join(map(self.quote, parts)), columns)
