"""The store for several servers: PostgreSQL.

Within a server one connection writes, a batch at a time, and readers have connections of their own,
as with SQLite. Other servers do the same on the same database; what keeps them apart is said at
`PostgresStore.begin`. Nothing read is kept from one transaction to the next.
"""

import queue
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager

from penstock.model.runtime import PIPELINE_TIMERS, Pipeline, Timer
from penstock.model.times import Instant
from penstock.store.listening import PostgresEar, listen
from penstock.store.migrate import missing
from penstock.store.protocol import Lock, StoreUnavailable, Task, UnsuitableDatabase
from penstock.store.reader import Row, SqlReader, load_statements, task_of
from penstock.store.recent import RecentRows
from penstock.store.session import Session, connect
from penstock.store.statements import load
from penstock.store.transaction import SqlTransaction

_SQL: Mapping[str, str] = {**load_statements("postgres"), **load("postgres.sql", "postgres")}

_BEGIN_WRITING = "BEGIN ISOLATION LEVEL READ COMMITTED"
_BEGIN_READING = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_KEYS_AT_ONCE = 100
PASSED_OVER_MS = 20
"""When to look again at what another server had its hands on; its batch has ended by then."""

_MIGRATION_LOCK = 0x50454E53544F434B
"""No other key is like it: those of pipelines are small, those of names negative."""


class UnlockedWrite(Exception):
    """A command changes a pipeline that it has not named: another server may be changing it too."""


def refuse_unsuitable(session: Session) -> None:
    """Raises `UnsuitableDatabase` for one that takes no changes."""
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


def migrate(session: Session, now: Instant) -> None:
    """Apply what a database lacks, all of it or nothing; of several servers one does it."""
    session.ask("BEGIN")
    # Others that start wait for as long as it takes.
    session.ask("SET LOCAL statement_timeout = 0")
    session.ask("SET LOCAL lock_timeout = 0")
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
        self,
        url: str,
        now: Instant,
        on_time: Callable[[Instant], None] = lambda _now: None,
        guarded: bool = True,
    ) -> None:
        """`url` is libpq's; `on_time` is told the time by the database's clock at each beginning.

        `guarded`: whether a change to a pipeline whose lock is not held is refused as the defect
        that it is.

        Raises `StoreUnavailable`, `UnsuitableDatabase` or `NewerSchema`.
        """
        self._url = url
        self._on_time = on_time
        self._guarded = guarded
        self._writer = Session(connect(url))
        try:
            refuse_unsuitable(self._writer)
            migrate(self._writer, now)
        except BaseException:
            self._writer.close()
            raise
        self._idle_readers: queue.SimpleQueue[Session] = queue.SimpleQueue()
        self._keys: list[int] = []

    def begin(self, locks: Collection[Lock] = ()) -> "PostgresTransaction":
        """A unit of work; the one before must have ended.

        All that belongs to a pipeline is changed only by who has its lock, an advisory one that the
        database holds until the transaction ends, however it ends. What a batch will change is
        mostly known before; those locks are waited for, in ascending order, before anything is
        read. Which tasks are claimed and which timers are due is not known: their locks are tried,
        never waited for, so no two servers can wait for one another. A row is read, or read again,
        after its lock was had, and so is never older than the lock.
        """
        try:
            moment, held = self._enter(locks)
        except StoreUnavailable:
            self._writer.rollback()
            if self._writer.usable:
                raise
            # It may have died long ago, between two batches: nothing is lost by trying anew.
            self._writer.close()
            self._writer = Session(connect(self._url))
            moment, held = self._enter(locks)
        self._on_time(moment)
        return PostgresTransaction(self._writer, self._keys, held, moment, self._guarded)

    def _enter(self, locks: Collection[Lock]) -> tuple[Instant, set[int]]:
        """Begin; answers the database's time and the locks that are held."""
        self._writer.later(_BEGIN_WRITING)
        keys = [lock for lock in locks if isinstance(lock, int)]
        ids = [lock for lock in locks if isinstance(lock, str)]
        ((now, held, _),) = self._writer.ask(_SQL["enter"], {"keys": keys, "ids": ids})
        return now, set(held or ())

    def examine(self) -> None:
        """Raises `UnsuitableDatabase` if servers could not hear each other at this address."""
        self.listen().close()

    def listen(self) -> PostgresEar:
        """A new ear; raises `StoreUnavailable`, `UnsuitableDatabase`."""
        return listen(self._url)

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

    def __init__(
        self, session: Session, keys: list[int], held: set[int], now: Instant, guarded: bool
    ) -> None:
        PostgresReader.__init__(self, session)
        SqlTransaction.__init__(self, RecentRows())
        self._keys = keys
        self._now = now
        self._guarded = guarded
        self._held = held
        """The pipelines, and other things, that no other server changes now."""
        self._busy: set[int] = set()
        """The pipelines that another server had when they were tried."""
        self._passed_over = False
        self._late_timers = False
        self._changes = 0

    def _do(self, statement: str, parameters: Mapping[str, object]) -> None:
        if self._guarded:
            pipeline = parameters.get("key" if statement == "update_pipeline" else "pipeline")
            if pipeline is not None and pipeline not in self._held:
                raise UnlockedWrite(f"{statement} without the lock of pipeline {pipeline}")
        self._changes += 1
        self._session.later(_SQL[statement], parameters)

    def _count(self, statement: str, parameters: Mapping[str, object]) -> int:
        self._changes += 1
        return self._session.ask(_SQL[statement], parameters).rowcount

    def insert_pipeline(self, row: Pipeline) -> int:
        self._changes += 1
        key = super().insert_pipeline(row)
        # Nobody else can see it before the commit.
        self._held.add(key)
        return key

    def reserve_instance_key(self) -> int:
        if not self._keys:
            rows = self._all("reserve_instance_key", {"count": _KEYS_AT_ONCE})
            self._keys.extend(row[0] for row in reversed(rows))
        return self._keys.pop()

    def offered(self, account_id: str, worker_group: str, limit: int) -> list[Task]:
        queue: dict[str, object] = {"account_id": account_id, "worker_group": worker_group}
        while True:
            rows = self._all("offered", {**queue, "limit": limit, "busy": list(self._busy)})
            tasks = [task for row in rows if (task := task_of(row))]
            if self._try_locks({task.instance.pipeline for task in tasks}):
                break
        self._passed_over |= len(tasks) < limit and bool(self._busy)
        return self._remember(tasks)

    def due_timers(self, now: Instant, limit: int) -> list[Timer]:
        parameters = {"now": now, "limit": limit, "pipeline_kinds": list(PIPELINE_TIMERS)}
        while True:
            rows = self._all("due_timers", {**parameters, "busy": list(self._busy)})
            if self._try_locks({row[-1] for row in rows}):
                break
        self._late_timers |= bool(self._busy)
        return [Timer(*row[:-1]) for row in rows]

    def _try_locks(self, pipelines: set[int]) -> bool:
        """Whether all were held already; if not, what was read of them must be read again."""
        wanted = pipelines - self._held
        if not wanted:
            return True
        taken = {row[0] for row in self._all("try_locks", {"keys": sorted(wanted)})}
        self._held |= taken
        self._busy |= wanted - taken
        return False

    def next_due(self) -> Instant | None:
        due = super().next_due()
        if due is None or not self._late_timers:
            return due
        # What is due, and in another's hands, is not to be looked at all the time.
        return max(due, self._now + PASSED_OVER_MS)

    def announce(self, account_id: str, worker_group: str) -> None:
        self._do("announce", {"queue": f"{account_id} {worker_group}"})

    def passed_over(self) -> bool:
        passed_over, self._passed_over = self._passed_over, False
        return passed_over

    def commit(self) -> None:
        """Make all of it durable."""
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
        held = set(self._held)
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
                # With it the database gives back the locks that were taken since.
                self._held = held
                self._session.later("ROLLBACK TO SAVEPOINT command")
                self._session.later("RELEASE SAVEPOINT command")
            raise
        self._session.later("RELEASE SAVEPOINT command")
