"""The store for several servers: PostgreSQL.

Within a server one connection writes, a batch at a time, and readers have connections of their own,
as with SQLite. Other servers do the same on the same database; what keeps them apart is said at
`PostgresStore.begin`. Nothing read is kept from one transaction to the next.
"""

import queue
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress

import psycopg

from penstock.model.times import Instant
from penstock.store.listening import PostgresEar, listen
from penstock.store.migrate import Migration, NewerSchema, missing
from penstock.store.postgres_transaction import STATEMENTS, PostgresReader, PostgresTransaction
from penstock.store.protocol import Lock, StoreUnavailable, UnsuitableDatabase
from penstock.store.session import Session, connect

_SQL = STATEMENTS
_BEGIN_READING = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_MIGRATION_LOCK = 0x50454E53544F434B
_SERVING_LOCK = 0x50454E5353455256
"""No other keys are like these: those of pipelines are small, those of names negative."""

_ENDING_MS = 3_000
"""How long servers that have just been stopped may take to be gone."""


def examine(url: str) -> None:
    """Raises `UnsuitableDatabase` if servers cannot work with what is at this address.

    To be asked before anything is changed there; raises `StoreUnavailable` too.
    """
    session = Session(connect(url, prepares=False))
    try:
        _refuse_unsuitable(session)
    finally:
        session.close()
    listen(url).close()


def _refuse_unsuitable(session: Session) -> None:
    """Some databases take no changes."""
    ((is_replica, is_read_only),) = session.ask(_SQL["suitability"])
    if is_replica:
        raise UnsuitableDatabase(
            "the database is a replica, which takes no changes; name the primary"
        )
    if is_read_only:
        raise UnsuitableDatabase(
            "the database is set to be read only (default_transaction_read_only); lift that for"
            " the server's user"
        )


def _writing(url: str) -> Session:
    """A session for changes. All that they ask is asked by index, whatever the parameters are; so
    a plan of its own for each would be work for nothing, a third of a short statement's.
    """
    session = Session(connect(url))
    session.ask("SET plan_cache_mode = force_generic_plan")
    return session


def migrate(session: Session, now: Instant) -> None:
    """Apply what a database lacks, all of it or nothing; of several servers one does it."""
    session.ask("BEGIN")
    # Others that start wait for as long as it takes.
    session.ask("SET LOCAL statement_timeout = 0")
    session.ask("SET LOCAL lock_timeout = 0")
    session.ask(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
    # Once there is something to do, they must not be at work already.
    session.ask(f"SET LOCAL lock_timeout = {_ENDING_MS}")
    session.ask(
        "CREATE TABLE IF NOT EXISTS schema_migration ("
        "number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL)"
    )
    lacking = _missing(session)
    if lacking:
        _wait_until_alone(session)
    for number, name, text in lacking:
        session.connection.execute(text.encode(), prepare=False)
        session.ask(
            "INSERT INTO schema_migration VALUES (%(number)s, %(name)s, %(now)s)",
            {"number": number, "name": name, "now": now},
        )
    session.ask("COMMIT")


def _missing(session: Session) -> list[Migration]:
    """What the schema lacks; raises `NewerSchema`."""
    applied = {row[0] for row in session.ask("SELECT number FROM schema_migration")}
    return missing(applied, "postgres")


def _wait_until_alone(session: Session) -> None:
    """A server of the version before would misunderstand the new tables."""
    try:
        session.ask(_SQL["be_alone"], {"key": _SERVING_LOCK})
    except StoreUnavailable as error:
        if not isinstance(error.__cause__, psycopg.errors.LockNotAvailable):
            raise
        raise UnsuitableDatabase(
            "the database must be upgraded for this version of Penstock, and servers of an older "
            "one still work with it; stop all of them, then start this one again"
        ) from None


def _enlist(session: Session) -> None:
    """From here on the schema stays as it is; raises `NewerSchema` if that comes too late."""
    session.ask(_SQL["enlist"], {"key": _SERVING_LOCK})
    _missing(session)


class PostgresStore:
    """A store in a database that may have other servers (migrated when opened)."""

    distant = True

    def __init__(
        self,
        url: str,
        now: Instant,
        on_time: Callable[[Instant], None] = lambda _now: None,
        guarded: bool = True,
    ) -> None:
        """`url` is libpq's; `on_time` is told the time by the database's clock at each beginning.

        `guarded`: whether a change to a pipeline whose lock is not held is refused as the defect
        that it is.

        Raises `StoreUnavailable`, `UnsuitableDatabase` (if the URL is none) or `NewerSchema`; what
        else a database may lack `examine` finds out.
        """
        self._url = url
        self._on_time = on_time
        self._guarded = guarded
        self._writer = _writing(url)
        try:
            migrate(self._writer, now)
            _enlist(self._writer)
        except BaseException:
            self._writer.close()
            raise
        self._idle_readers: queue.SimpleQueue[Session] = queue.SimpleQueue()
        self._keys: list[int] = []

    def begin(self, locks: Collection[Lock] = ()) -> PostgresTransaction:
        """A unit of work; the one before must have ended.

        All that belongs to a pipeline is changed only by who has its lock, an advisory one that the
        database holds until the transaction ends, however it ends. What a batch will change is
        mostly known before; those locks are waited for, in ascending order, before anything is
        read. Which tasks are claimed and which timers are due is not known: their locks are tried,
        never waited for, so no two servers can wait for one another. A row is read, or read again,
        after its lock was had, and so is never older than the lock.
        """
        try:
            unit = PostgresTransaction(self._writer, self._keys, locks, self._guarded)
        except StoreUnavailable:
            self._writer.rollback()
            if self._writer.usable:
                raise
            # It may have died long ago, between two batches: nothing is lost by trying anew.
            self._reconnect()
            unit = PostgresTransaction(self._writer, self._keys, locks, self._guarded)
        self._on_time(unit.began_at)
        return unit

    def _reconnect(self) -> None:
        """Perhaps to another machine: those who read must not stay behind."""
        self._writer.close()
        self._close_readers()
        self._writer = _writing(self._url)
        try:
            _enlist(self._writer)
        except NewerSchema as error:
            self._writer.close()
            raise StoreUnavailable(f"{error}; stop this one") from None
        except BaseException:
            self._writer.close()
            raise

    def _close_readers(self) -> None:
        with suppress(queue.Empty):
            while True:
                self._idle_readers.get_nowait().close()

    def listen(self) -> PostgresEar:
        """A new ear; raises `StoreUnavailable`, `UnsuitableDatabase`."""
        return listen(self._url)

    @contextmanager
    def reader(self) -> Iterator[PostgresReader]:
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
        self._close_readers()
        self._writer.close()
