"""The real store without a file: for worlds that are thought up, looked at and forgotten."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from importlib.resources import files
from pathlib import Path
from typing import Self

from penstock.model.times import Instant
from penstock.store.recent import RecentRows
from penstock.store.sqlite import SqliteReader, SqliteStore
from penstock.store.statements import parse

_SHIFT_FILE = "shift.sql"
_SHIFT = parse(
    files("penstock.simulation").joinpath("sql", _SHIFT_FILE).read_text(encoding="utf-8"),
    _SHIFT_FILE,
)


class MemoryStore(SqliteStore):
    """SQLite in memory, behind one connection.

    A second connection would see an empty database of its own; so readers share the writer's, which
    is sound where nobody reads while a transaction is open.
    """

    def __init__(self, now: Instant) -> None:
        super().__init__(Path(":memory:"), now, durable=False)

    def over(self, connection: sqlite3.Connection) -> Self:
        """Another store, over a database that is a copy of this one's and outlives the store."""
        store = copy(self)
        store._writer = connection
        store._recent = RecentRows()
        return store

    @property
    def connection(self) -> sqlite3.Connection:
        """The one connection."""
        return self._writer

    @contextmanager
    def reader(self) -> Iterator[SqliteReader]:
        """A view of the last commit."""
        yield SqliteReader(self._writer)

    def shift(self, by_ms: int) -> None:
        """Move everything that has happened, or is due, so much later. No transaction is open."""
        self._recent.clear()
        self._writer.execute("BEGIN")
        for statement in _SHIFT.values():
            self._writer.execute(statement, {"by": by_ms})
        self._writer.execute("COMMIT")
