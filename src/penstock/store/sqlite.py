"""The embedded store: SQLite in WAL mode, every commit synced to disk (`synchronous=FULL`).

One connection writes, in the thread that asks for transactions; readers have connections of their
own and see the last commit.
"""

import json
import queue
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from penstock.model.times import Instant
from penstock.store.migrate import migrate
from penstock.store.protocol import Lock, StoreUnavailable
from penstock.store.reader import Row, SqlReader, load_statements
from penstock.store.recent import RecentRows
from penstock.store.transaction import SqlTransaction

_SQL: Mapping[str, str] = load_statements("sqlite")
_BUSY_SECONDS = 10.0
_WRITER_BUSY_SECONDS = 1.0
"""The loop stands still meanwhile. Who else writes (`penstock keys`, a backup) is done by then."""

_CACHE_KIB = 16_384
_CHECKPOINT_PAGES = 4_000
"""Four times SQLite's default: pages that every commit writes are copied back less often."""


def connect(path: Path | str, durable: bool = True) -> sqlite3.Connection:
    """A connection set up as Penstock needs it; transactions are begun by hand.

    `durable=False` leaves syncing to the operating system: for simulations, never for a server.
    """
    connection = sqlite3.connect(
        path,
        timeout=_BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'OFF'}")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


class SqliteStore:
    """A store in one file (created and migrated when opened)."""

    distant = False

    def __init__(self, path: Path, now: Instant, durable: bool = True) -> None:
        self._path = path
        self._durable = durable
        self._writer = connect(path, durable)
        migrate(self._writer, now)
        self._writer.execute(f"PRAGMA busy_timeout = {int(_WRITER_BUSY_SECONDS * 1000)}")
        self._idle_readers: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()
        self._recent = RecentRows()
        self._foreign_commits = 0

    def begin(self, _locks: Collection[Lock] = ()) -> "SqliteTransaction":
        """A unit of work; the one before must have ended."""
        try:
            self._writer.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            raise StoreUnavailable(str(error)) from error
        # Changes when any other connection has committed.
        (foreign_commits,) = self._writer.execute("PRAGMA data_version").fetchone()
        if foreign_commits != self._foreign_commits:
            self._foreign_commits = foreign_commits
            self._recent.clear()
        return SqliteTransaction(self._writer, self._recent)

    @contextmanager
    def reader(self) -> Iterator["SqliteReader"]:
        """A view of the last commit; the same throughout the block."""
        try:
            connection = self._idle_readers.get_nowait()
        except queue.Empty:
            connection = connect(self._path, self._durable)
        connection.execute("BEGIN")
        try:
            yield SqliteReader(connection)
        finally:
            connection.execute("ROLLBACK")
            self._idle_readers.put(connection)

    def listen(self) -> None:
        """There is nobody else."""

    def close(self) -> None:
        """Close all connections; what was committed stays."""
        while not self._idle_readers.empty():
            self._idle_readers.get().close()
        self._writer.close()


class SqliteReader(SqlReader):
    """Questions on a connection of its own."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def _all(self, statement: str, parameters: Mapping[str, object]) -> list[Row]:
        try:
            return self._connection.execute(_SQL[statement], parameters).fetchall()
        except sqlite3.OperationalError as error:
            raise StoreUnavailable(str(error)) from error

    def _one(self, statement: str, parameters: Mapping[str, object]) -> Row | None:
        try:
            row: Row | None = self._connection.execute(_SQL[statement], parameters).fetchone()
        except sqlite3.OperationalError as error:
            raise StoreUnavailable(str(error)) from error
        return row


class SqliteTransaction(SqliteReader, SqlTransaction):
    """A unit of work on the one connection that writes."""

    def __init__(self, connection: sqlite3.Connection, recent: RecentRows) -> None:
        SqliteReader.__init__(self, connection)
        SqlTransaction.__init__(self, recent)
        self._due: tuple[Instant | None] | None = None
        """When the first timer was due at the commit."""

    def _do(self, statement: str, parameters: Mapping[str, object]) -> None:
        # A full disk ends the whole transaction, without a word: whatever came after it would be
        # committed by itself. So this failure must be the batch's.
        try:
            self._connection.execute(_SQL[statement], parameters)
        except sqlite3.OperationalError as error:
            raise StoreUnavailable(str(error)) from error

    def _count(self, statement: str, parameters: Mapping[str, object]) -> int:
        try:
            return self._connection.execute(_SQL[statement], parameters).rowcount
        except sqlite3.OperationalError as error:
            raise StoreUnavailable(str(error)) from error

    def _array(self, numbers: Sequence[int]) -> object:
        return json.dumps(numbers)

    def reserve_instance_key(self) -> int:
        return int(self._value("reserve_instance_key", {}))

    def next_due(self) -> Instant | None:
        if self._due is None:
            return super().next_due()
        return self._due[0]

    def commit(self) -> None:
        try:
            self._due = (super().next_due(),)
            self._connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise StoreUnavailable(str(error)) from error

    def rollback(self) -> None:
        self._recent.clear()
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def flush(self) -> None:
        """Nothing is kept back."""

    def announce(self, account_id: str, worker_group: str) -> None:
        """There is nobody to tell."""

    def passed_over(self) -> Collection[int]:
        return ()

    def changes(self) -> int:
        return self._connection.total_changes

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        self._connection.execute("SAVEPOINT command")
        try:
            yield
        except BaseException:
            self._recent.clear()
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK TO command")
                self._connection.execute("RELEASE command")
            raise
        self._connection.execute("RELEASE command")
