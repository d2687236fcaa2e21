"""What the drivers have in common: Python's database API, with its known differences as fields."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

from msgspec import Struct

from penstock.runner.connectors.lexing import put_placeholders
from penstock.runner.connectors.names import split_name
from penstock.runner.connectors.protocol import (
    CONNECTION_LOST,
    STATEMENT_FAILED,
    DatabaseFault,
    Reading,
    Table,
)
from penstock.runner.records.batches import Batch, Rows, as_rows, as_text
from penstock.runner.records.formats import Column

FETCHED_ROWS = 2_000
"""Rows fetched, and sent, at a time."""

CANCEL_SECONDS = 1.0
"""Pause between two tries to cancel: one that comes between two statements has no effect."""


class Driver(Struct, frozen=True):
    """How a driver differs: its errors, its placeholders, and how identifiers are quoted."""

    kind: str
    error: Any
    style: str = "format"
    marks: str = '""'


class DbapiConnection:
    """A connection through a driver of Python's database API.

    `cancel` is what ends a running statement from another thread.
    """

    def __init__(self, raw: Any, driver: Driver, cancel: Callable[[], None]) -> None:
        self.kind = driver.kind
        self._raw = raw
        self._driver = driver
        self._cancel = cancel
        self._closed = threading.Event()

    def execute(self, statement: str, arguments: Sequence[str] = ()) -> int:
        """As `Connection.execute`. Rows that a statement returns are left."""
        with self._errors(), self._cursor() as cursor:
            if arguments:
                text = put_placeholders(statement, self.kind, self._driver.style)
                cursor.execute(text, tuple(arguments))
            else:
                cursor.execute(statement)
            count = int(cursor.rowcount)
            # A procedure may have several results, and its error may come with the last.
            following = getattr(cursor, "nextset", None)
            while following is not None and following():
                pass
            return count

    def quote(self, name: str) -> str:
        """As `Connection.quote`."""
        first, last = self._driver.marks[0], self._driver.marks[1]
        return first + name.replace(last, last * 2) + last

    def table(self, name: str, schema: str | None) -> Table | None:
        """As `Connection.table`, by asking for no row of it.

        A name without anything unusual is not quoted, so the database folds it as it does in the
        user's own statements.
        """
        parts = [part for part in split_name(name, schema) if part]
        spelled = ".".join(
            part if part.replace("_", "a").isalnum() else self.quote(part) for part in parts
        )
        try:
            with self._errors(), self._cursor() as cursor:
                cursor.execute(f"SELECT * FROM {spelled} WHERE 1 = 0")  # noqa: S608 - a name
                return Table(spelled, self._described(cursor))
        except DatabaseFault as fault:
            if fault.error_id != STATEMENT_FAILED:
                raise
            self.rollback()
            return None

    def read(self, query: str, form: str) -> Reading:
        """As `Connection.read`."""
        cursor = self._raw.cursor()
        with self._errors():
            cursor.execute(query)
        columns = self._described(cursor)
        return Reading(columns, self._fetched(cursor))

    def _fetched(self, cursor: Any) -> Iterator[Batch]:
        try:
            while True:
                with self._errors():
                    rows = cursor.fetchmany(FETCHED_ROWS)
                if not rows:
                    return
                yield Rows(rows)
        finally:
            # The cursor of a broken connection need not close.
            with suppress(Exception):
                cursor.close()

    def insert(self, statement: str, batches: Iterable[Batch], width: int) -> int:
        """As `Connection.insert`."""
        text, count = put_placeholders(statement, self.kind, self._driver.style), 0
        for batch in batches:
            rows = [self._arguments(row) for row in as_rows(batch, width)]
            for start in range(0, len(rows), FETCHED_ROWS):
                with self._errors(), self._cursor() as cursor:
                    cursor.executemany(text, rows[start : start + FETCHED_ROWS])
            count += len(rows)
        return count

    def load(self, table: Table, columns: Sequence[Column], batches: Iterable[Batch]) -> int:
        """As `Connection.load`: where nothing better is known, a plain INSERT."""
        names = ", ".join(self.quote(column.name) for column in columns)
        values = ", ".join("?" * len(columns))
        statement = f"INSERT INTO {table.name} ({names}) VALUES ({values})"  # noqa: S608 - names
        return self.insert(statement, batches, len(columns))

    def commit(self) -> None:
        """As `Connection.commit`."""
        with self._errors():
            self._raw.commit()

    def rollback(self) -> None:
        """As `Connection.rollback`."""
        with suppress(Exception):
            self._raw.rollback()

    def commit_each(self) -> None:
        """From now on every statement is a transaction of its own, unless it begins one."""
        self._raw.autocommit = True

    def close(self) -> None:
        """As `Connection.close`."""
        self._closed.set()
        with suppress(Exception):
            self._raw.close()

    def cancel(self) -> None:
        """As `Connection.cancel`, until the connection is closed."""
        threading.Thread(target=self._cancel_until_closed, name="cancel", daemon=True).start()

    def _cancel_until_closed(self) -> None:
        while not self._closed.is_set():
            # Perhaps nothing runs, or nobody is there.
            with suppress(Exception):
                self._cancel()
            self._closed.wait(CANCEL_SECONDS)

    def _arguments(self, row: Sequence[Any]) -> tuple[Any, ...]:
        """Values as the driver takes them; text and numbers pass."""
        return tuple(as_text(value) if isinstance(value, (dict, list)) else value for value in row)

    def _cursor(self) -> AbstractContextManager[Any]:
        return _closing(self._raw.cursor())

    def _described(self, cursor: Any) -> tuple[Column, ...]:
        return tuple(Column(str(each[0])) for each in cursor.description or ())

    def _errors(self) -> AbstractContextManager[None]:
        return translated(self._driver.error, self._fault)

    def _fault(self, error: Exception) -> DatabaseFault:
        """The failure for a driver's error."""
        lost = type(error).__name__ in ("OperationalError", "InterfaceError") and self._is_lost()
        return DatabaseFault(CONNECTION_LOST if lost else STATEMENT_FAILED, sentence(str(error)))

    def _is_lost(self) -> bool:
        return False


@contextmanager
def _closing(cursor: Any) -> Iterator[Any]:
    try:
        yield cursor
    finally:
        with suppress(Exception):
            cursor.close()


@contextmanager
def translated(error: Any, fault: Callable[[Exception], DatabaseFault]) -> Iterator[None]:
    """Turn a driver's errors into failures of the task."""
    try:
        yield
    except error as raised:
        raise fault(raised) from raised


def sentence(text: str) -> str:
    """A message in one piece, with a full stop."""
    joined = "; ".join(line.strip() for line in text.splitlines() if line.strip())
    return joined if joined.endswith((".", "!", "?")) else joined + "."
