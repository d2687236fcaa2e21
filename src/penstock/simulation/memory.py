"""The real store without a file: for worlds that are thought up, looked at and forgotten."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from penstock.model.times import Instant
from penstock.store.sqlite import SqliteReader, SqliteStore


class MemoryStore(SqliteStore):
    """SQLite in memory, behind one connection.

    A second connection would see an empty database of its own; so readers share the writer's, which
    is sound where nobody reads while a transaction is open.
    """

    def __init__(self, now: Instant) -> None:
        super().__init__(Path(":memory:"), now, durable=False)

    @contextmanager
    def reader(self) -> Iterator[SqliteReader]:
        """A view of the last commit."""
        yield SqliteReader(self._writer)
