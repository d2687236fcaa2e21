"""One connection to PostgreSQL: statements in order, few journeys, and one kind of failure.

Each statement that is waited for costs a journey to the database and back. Most changes answer
nothing, so they are kept until something has to be waited for, and travel with that.
"""

import logging
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg import pq
from psycopg.abc import Buffer
from psycopg.adapt import Dumper
from psycopg.types.numeric import Int8BinaryDumper

from penstock.store.protocol import StoreUnavailable, UnsuitableDatabase

CONNECT_SECONDS = 5
_SETTINGS: Mapping[str, str] = {
    # Every table is asked by an index, or is tiny. What the planner knows of a table that fills
    # and empties all day is often old, and then it would rather read all of it.
    "enable_seqscan": "off",
    "jit": "off",
    "timezone": "UTC",
    # A server that stands still or was cut off amid a batch must not keep others off for ever.
    "idle_in_transaction_session_timeout": "20s",
    "lock_timeout": "30s",
    "statement_timeout": "60s",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
}
_TRANSPORT: Mapping[str, Any] = {
    "connect_timeout": CONNECT_SECONDS,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "application_name": "penstock",
}
_MOST_PREPARED = 1_000

# What it warns of, that it could not tidy up a connection that is lost, is told as an error anyhow.
logging.getLogger("psycopg").setLevel(logging.CRITICAL)

Parameters = Mapping[str, object]


class _FlagDumper(Dumper):
    """Flags are numbers, 0 or 1, as in SQLite."""

    format = pq.Format.BINARY
    oid = Int8BinaryDumper.oid

    def dump(self, obj: bool) -> Buffer:
        return struct.pack("!q", obj)


class _NumberDumper(Int8BinaryDumper):
    """All whole numbers alike: a statement is prepared anew for every other type of a parameter."""


def connect(url: str, prepares: bool = True) -> "psycopg.Connection[Any]":
    """A connection set up as Penstock needs it; transactions are begun by hand.

    `prepares`: whether statements are prepared, which gains much if they are asked again, and does
    not work where a pooler lends connections for a transaction.

    Raises `StoreUnavailable` or `UnsuitableDatabase`, whose texts never hold the password.
    """
    said = _understand(url)
    more = {**_TRANSPORT, **_among(said)}
    more = {name: value for name, value in more.items() if name not in said}
    connection = None
    try:
        connection = psycopg.connect(url, autocommit=True, **more)
        for name, value in _SETTINGS.items():
            if f"{name}=" not in str(said.get("options")):
                connection.execute(f"SET {name} = '{value}'", prepare=False)
    except psycopg.Error as error:
        if connection is not None:
            connection.close()
        raise StoreUnavailable(_reason(error)) from None
    connection.prepare_threshold = 0 if prepares else None
    connection.prepared_max = _MOST_PREPARED
    connection.adapters.register_dumper(int, _NumberDumper)
    connection.adapters.register_dumper(bool, _FlagDumper)
    return connection


def _understand(url: str) -> dict[str, Any]:
    """What the URL says; an error never quotes it."""
    try:
        return psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.Error:
        raise UnsuitableDatabase(
            "the database URL is not one that PostgreSQL's library understands; in its parts, "
            "characters such as @ : / ? = % are written as %40 %3A %2F %3F %3D %25"
        ) from None


def _among(said: Mapping[str, Any]) -> Mapping[str, Any]:
    """Of several hosts the one that takes changes, whichever that is after a failover."""
    return {"target_session_attrs": "read-write"} if "," in str(said.get("host")) else {}


def _reason(error: psycopg.Error) -> str:
    """In one line."""
    return " ".join(str(error).split()) or type(error).__name__


class Session:
    """A connection, and the statements that wait to be sent."""

    def __init__(self, connection: "psycopg.Connection[Any]") -> None:
        self.connection = connection
        self._pending: list[tuple[str, Parameters | None]] = []
        self._sent = 0
        self.failures = 0
        """How often the database refused something: after that the transaction is lost."""

    @property
    def usable(self) -> bool:
        """Whether anything can still be asked."""
        return not (self.connection.closed or self.connection.broken)

    def later(self, statement: str, parameters: Parameters | None = None) -> None:
        """Have a statement done before the next that is waited for."""
        self._pending.append((statement, parameters))

    def ask(self, statement: str, parameters: Parameters | None = None) -> "psycopg.Cursor[Any]":
        """Have all done that waits, and then this; raises what any of it raises.

        `StoreUnavailable` stands for all that is not the statement's own fault.
        """
        try:
            cursor = self.connection.cursor(binary=True)
            if not self._pending:
                return cursor.execute(statement, parameters)
            with self.connection.pipeline():
                self._send()
                cursor.execute(statement, parameters)
        except psycopg.Error as error:
            raise self._failure(error) from error
        return cursor

    def ask_all(
        self, questions: Sequence[tuple[str, Parameters | None]]
    ) -> list["psycopg.Cursor[Any]"]:
        """As `ask`, for several at once."""
        try:
            cursors = [self.connection.cursor(binary=True) for _ in questions]
            with self.connection.pipeline():
                self._send()
                for cursor, (statement, parameters) in zip(cursors, questions, strict=True):
                    cursor.execute(statement, parameters)
        except psycopg.Error as error:
            raise self._failure(error) from error
        return cursors

    def go_back(self, savepoint: str) -> None:
        """Undo what was done since a savepoint; nothing may wait to be sent.

        Alone, in a journey of its own: at ROLLBACK the driver has all prepared statements thrown
        away, at its next opportunity. In a pipeline that comes after it has prepared others, which
        it then believes to be there still.
        """
        try:
            self.connection.execute(f"ROLLBACK TO SAVEPOINT {savepoint}", prepare=False)
        except psycopg.Error as error:
            raise self._failure(error) from error

    def flush(self) -> None:
        """Have all done that waits."""
        if not self._pending:
            return
        try:
            with self.connection.pipeline():
                self._send()
        except psycopg.Error as error:
            raise self._failure(error) from error

    def _failure(self, error: psycopg.Error) -> Exception:
        self.failures += 1
        if isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
            # The primary has become a replica, or somebody set it so. A new connection may lead to
            # the new primary, or find that lifted; this one would stay as it is for ever.
            self.connection.close()
        if isinstance(error, psycopg.OperationalError | psycopg.InternalError):
            return StoreUnavailable(_reason(error))
        return error

    def _send(self) -> None:
        taken, self._pending = self._pending, []
        self._sent += 1
        cursor = self.connection.cursor(binary=True)
        for statement, parameters in taken:
            cursor.execute(statement, parameters)

    def mark(self) -> tuple[int, int]:
        """The present moment, to come back to; see `undo_to`."""
        return self._sent, len(self._pending)

    def undo_to(self, mark: tuple[int, int]) -> bool:
        """Forget what was to be sent since a moment; False if some of it has been sent."""
        sent, pending = mark
        if sent == self._sent:
            del self._pending[pending:]
            return True
        self._pending.clear()
        return False

    def rollback(self) -> None:
        """Undo the open transaction; a connection that cannot even do that is closed."""
        self._pending.clear()
        try:
            self.connection.execute("ROLLBACK", prepare=False)
        except psycopg.Error:
            self.connection.close()

    def close(self) -> None:
        """Close the connection, whatever state it is in."""
        self._pending.clear()
        self.connection.close()
