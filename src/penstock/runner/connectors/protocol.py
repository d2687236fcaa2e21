"""What a database can do for the activities that use one.

A connection is one transaction at a time, and nothing is committed unless it is asked to. All
methods but `cancel` belong to the thread that opened it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from msgspec import Struct

from penstock.runner.errors import TaskFailed
from penstock.runner.records.batches import Batch
from penstock.runner.records.formats import Column

STATEMENT_FAILED = "DatabaseError"
"""errorId of what the database refused; the message is its own."""

UNREACHABLE = "DatabaseUnreachable"
"""errorId when there is no connection to be had."""

CONNECTION_LOST = "DatabaseConnectionLost"
"""errorId when the connection ended in the middle of the work."""


class DatabaseFault(TaskFailed):
    """What a database said, as the failure of a task. `code` is its own, such as an SQLSTATE."""

    def __init__(self, error_id: str, message: str, code: str = "") -> None:
        super().__init__(error_id, message)
        self.code = code


class Table(Struct, frozen=True):
    """A table that is there: its name, quoted as the database wants it, and its columns."""

    name: str
    columns: tuple[Column, ...]
    transactional: bool = True


class Reading(Struct, frozen=True):
    """The result of a query: what its columns are, and its rows as they come."""

    columns: tuple[Column, ...]
    batches: Iterator[Batch]


class Connection(Protocol):
    """One connection to one database. Errors are `DatabaseFault`."""

    kind: str

    def execute(self, statement: str, arguments: Sequence[str] = ()) -> int:
        """Run one statement, with `?` for the arguments; how many rows it concerned, -1 unknown."""
        ...

    def quote(self, name: str) -> str:
        """A name as an identifier, whatever is in it."""
        ...

    def table(self, name: str, schema: str | None) -> Table | None:
        """The table of that name, in any case of letters if there is none in this, or None."""
        ...

    def read(self, query: str, form: str) -> Reading:
        """The rows of a query, a batch at a time. `form` is the kind of the format that they are
        wanted in, `""` for typed values.
        """
        ...

    def insert(self, statement: str, batches: Iterable[Batch], width: int) -> int:
        """Run a statement with a `?` for each of `width` values once for each row; how many."""
        ...

    def load(self, table: Table, columns: Sequence[Column], batches: Iterable[Batch]) -> int:
        """Add rows to a table by the quickest way there is; how many."""
        ...

    def commit_each(self) -> None:
        """From now on every statement is a transaction of its own, unless it begins one."""
        ...

    def commit(self) -> None:
        """End the transaction for good."""
        ...

    def rollback(self) -> None:
        """Undo the transaction; nothing happens if the connection is lost."""
        ...

    def close(self) -> None:
        """End the connection."""
        ...

    def cancel(self) -> None:
        """Have what runs end soon with an error. For any thread; errors are swallowed."""
        ...
