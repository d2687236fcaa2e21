"""The store for several servers: PostgreSQL.

Within a server one connection writes, a batch at a time, and readers have connections of their own,
as with SQLite. Other servers do the same on the same database; what keeps them apart is said at
`PostgresStore.begin`. Nothing read is kept from one transaction to the next.
"""

import queue
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from penstock.model.runtime import Pipeline
from penstock.model.times import Instant
from penstock.store.migrate import missing
from penstock.store.protocol import StoreUnavailable
from penstock.store.reader import Row, SqlReader, load_statements
from penstock.store.recent import RecentRows
from penstock.store.session import Session, connect
from penstock.store.statements import load
from penstock.store.transaction import SqlTransaction

_SQL: Mapping[str, str] = {**load_statements("postgres"), **load("postgres.sql", "postgres")}

_BEGIN_WRITING = "BEGIN ISOLATION LEVEL READ COMMITTED"
_BEGIN_READING = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_KEYS_AT_ONCE = 100
_MIGRATION_LOCK = 0x50454E53544F434B
"""No other key is like it: those of pipelines are small, those of names negative."""


def migrate(session: Session, now: Instant) -> None:
    """Apply what a database lacks, all of it or nothing; of several servers one does it."""
    session.ask("BEGIN")
    session.ask(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
    session.ask(
        "CREATE TABLE IF NOT EXISTS schema_migration ("
        "number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL)"
    )
    applied = {row[0] for row in session.ask("SELECT number FROM schema_migration")}
    for number, name, text in missing(applied, "postgres"):
        session.connection.execute(text.encode(), prepare=False)
        session.ask(
            "INSERT INTO schema_migration VALUES (%(number)s, %(name)s, %(now)s)",
            {"number": number, "name": name, "now": now},
        )
    session.ask("COMMIT")


class PostgresStore:
    """A store in a database that may have other servers (migrated when opened)."""

    distant = True

    def __init__(
        self, url: str, now: Instant, on_time: Callable[[Instant], None] = lambda _now: None
    ) -> None:
        """`url` is libpq's; `on_time` is told the time by the database's clock at each beginning.

        Raises `StoreUnavailable` or `NewerSchema`.
        """
        self._url = url
        self._on_time = on_time
        self._writer = Session(connect(url))
        try:
            migrate(self._writer, now)
        except BaseException:
            self._writer.close()
            raise
        self._idle_readers: queue.SimpleQueue[Session] = queue.SimpleQueue()
        self._keys: list[int] = []

    def begin(self) -> "PostgresTransaction":
        """A unit of work; the one before must have ended."""
        try:
            moment = self._enter()
        except StoreUnavailable:
            self._writer.rollback()
            if self._writer.usable:
                raise
            # It may have died long ago, between two batches: nothing is lost by trying anew.
            self._writer = Session(connect(self._url))
            moment = self._enter()
        self._on_time(moment)
        return PostgresTransaction(self._writer, self._keys)

    def _enter(self) -> Instant:
        self._writer.later(_BEGIN_WRITING)
        row = self._writer.ask(_SQL["enter"], {"keys": [], "ids": []}).fetchone()
        moment: Instant = row[0] if row else 0
        return moment

    @contextmanager
    def reader(self) -> Iterator["PostgresReader"]:
        """A view of the last commit; the same throughout the block."""
        session = self._idle_reader()
        try:
            yield PostgresReader(session)
        finally:
            if session.usable:
                # Not ROLLBACK, after which the driver forgets its prepared statements.
                session.ask("COMMIT")
                self._idle_readers.put(session)

    def _idle_reader(self) -> Session:
        """A reader in a transaction; those that have died meanwhile are thrown away."""
        while True:
            try:
                session = self._idle_readers.get_nowait()
            except queue.Empty:
                session = Session(connect(self._url))
                session.ask(_BEGIN_READING)
                return session
            try:
                session.ask(_BEGIN_READING)
                return session
            except StoreUnavailable:
                session.close()

    def close(self) -> None:
        """Close all connections; what was committed stays."""
        while not self._idle_readers.empty():
            self._idle_readers.get().close()
        self._writer.close()


class PostgresReader(SqlReader):
    """Questions on a connection of its own."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def _all(self, statement: str, parameters: Mapping[str, object]) -> list[Row]:
        return self._session.ask(_SQL[statement], parameters).fetchall()

    def _one(self, statement: str, parameters: Mapping[str, object]) -> Row | None:
        row: Row | None = self._session.ask(_SQL[statement], parameters).fetchone()
        return row


class PostgresTransaction(PostgresReader, SqlTransaction):
    """A unit of work on the one connection that writes."""

    def __init__(self, session: Session, keys: list[int]) -> None:
        PostgresReader.__init__(self, session)
        SqlTransaction.__init__(self, RecentRows())
        self._keys = keys
        self._changes = 0

    def _do(self, statement: str, parameters: Mapping[str, object]) -> None:
        self._changes += 1
        self._session.later(_SQL[statement], parameters)

    def _count(self, statement: str, parameters: Mapping[str, object]) -> int:
        self._changes += 1
        return self._session.ask(_SQL[statement], parameters).rowcount

    def insert_pipeline(self, row: Pipeline) -> int:
        self._changes += 1
        return super().insert_pipeline(row)

    def reserve_instance_key(self) -> int:
        if not self._keys:
            rows = self._all("reserve_instance_key", {"count": _KEYS_AT_ONCE})
            self._keys.extend(row[0] for row in reversed(rows))
        return self._keys.pop()

    def commit(self) -> None:
        # After a failure, COMMIT succeeds and means ROLLBACK.
        if self._session.ask("COMMIT").statusmessage != "COMMIT":
            raise StoreUnavailable("the database has undone what was written")

    def rollback(self) -> None:
        self._session.rollback()

    def flush(self) -> None:
        self._session.flush()

    def changes(self) -> int:
        return self._changes + self._session.failures

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        before = self._session.mark()
        self._session.later("SAVEPOINT command")
        begun = self._session.mark()
        try:
            yield
            if self._session.mark() == begun:
                self._session.undo_to(before)
                return
            self._session.flush()
        except BaseException:
            self._recent.clear()
            if not self._session.undo_to(before):
                self._session.later("ROLLBACK TO SAVEPOINT command")
                self._session.later("RELEASE SAVEPOINT command")
            raise
        self._session.later("RELEASE SAVEPOINT command")
