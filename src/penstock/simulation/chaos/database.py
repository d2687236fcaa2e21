"""Databases that can fail under the store at any statement, and what the auditor reads of them.

The store itself is the real one. What is wrapped is the connection below it: each statement first
passes a *fuse*, which may have the server die there, or the database fail. What a server that died
had not committed is gone; what was committed stays.
"""

import sqlite3
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final, Literal, Protocol

from msgspec import Struct
from msgspec.structs import replace

from penstock.model.runtime import (
    Attempt,
    ComponentRow,
    HistoryEvent,
    Instance,
    Pipeline,
    TimerKind,
    Wait,
)
from penstock.model.times import Instant
from penstock.simulation.immediate import Crashed
from penstock.simulation.memory import MemoryStore
from penstock.store.protocol import Store

Trouble = Literal["locked", "full", "broken", "unsynced"]
"""How a database fails: no transaction can begin; nothing can be written; nothing at all works;
nothing can be made durable.
"""

_SAYS: Final[Mapping[Trouble, str]] = {
    "locked": "database is locked",
    "full": "database or disk is full",
    "broken": "disk I/O error",
    "unsynced": "disk I/O error",
}
_ENDS = ("ROLLBACK", "RELEASE")
_WRITES = ("INSERT", "UPDATE", "DELETE", "COMMIT")


class Fuse:
    """Decides at each statement whether it is reached."""

    def __init__(self) -> None:
        self.statements = 0
        """All that were asked for so far."""
        self.dies_at: int | None = None
        """The statement before which the server dies."""
        self.dies_committed = False
        """Whether it dies just after the next COMMIT."""
        self.trouble: Trouble | None = None
        self.dead: str | None = None
        """Where it died."""

    def reset(self) -> None:
        """A new server, and a sound database."""
        self.dies_at, self.dies_committed, self.trouble, self.dead = None, False, None, None

    def die_after(self, statements: int) -> None:
        """Have the server die before the statement after so many more."""
        self.dies_at = self.statements + statements + 1

    def before(self, statement: str) -> None:
        """Raises `Crashed` if the server is dead by then."""
        self.statements += 1
        if self.dead or self.statements == self.dies_at:
            self._die(statement)

    def after(self, statement: str) -> None:
        """Likewise, when it has been done."""
        if self.dies_committed and statement == "COMMIT":
            self._die("the answer")

    def _die(self, where: str) -> None:
        # What it still tries to do after its end, to tidy up, must not come to pass either.
        self.dead = self.dead or " ".join(where.split()[:3])
        raise Crashed(self.dead)

    def fails(self, statement: str) -> str | None:
        """What the database says if it does not do a statement."""
        trouble, words = self.trouble, statement.split(None, 2)
        if trouble is None or words[0] in _ENDS:
            return None
        if trouble == "locked" and words[0] != "BEGIN":
            return None
        if trouble == "full" and words[0] not in _WRITES:
            return None
        if trouble == "unsynced" and words[0] != "COMMIT":
            return None
        return _SAYS[trouble]


class Heard(Struct, frozen=True):
    """A change of an instance's state, as the database made it."""

    instance: int
    before: str
    after: str


class Rows(Struct, frozen=True):
    """All that is stored of pipelines, by keys; `heard` and `events` are new since the last."""

    pipelines: Mapping[int, Pipeline] = {}
    components: Mapping[tuple[int, str], ComponentRow] = {}
    instances: Mapping[int, Instance] = {}
    attempts: Mapping[tuple[int, int], Attempt] = {}
    waits: Mapping[tuple[int, str], Wait] = {}
    timers: Mapping[tuple[TimerKind, int], Instant] = {}
    events: tuple[HistoryEvent, ...] = ()
    heard: tuple[Heard, ...] = ()

    def same(self, other: "Rows") -> bool:
        """Whether nothing has changed from the one to the other."""
        if self.unchanged_since(other):
            return True
        quiet = replace(self, events=(), heard=())
        return self == quiet == replace(other, events=(), heard=())

    def unchanged_since(self, other: "Rows") -> bool:
        """Whether these are the very same."""
        return self.instances is other.instances


class Database(Protocol):
    """A database for one history; `fuse` stands before each of its statements."""

    fuse: Fuse
    options: str
    """What the command line is told to use it."""

    def open(self) -> Store:
        """A store as a server that starts would open it; the one before is dead."""
        ...

    def rows(self) -> Rows:
        """What has been committed."""
        ...

    def close(self) -> None:
        """Nothing will be asked any more."""
        ...


TABLES = ("pipeline", "component", "instance", "attempt", "wait", "timer")
ALL_OF = tuple(f"SELECT * FROM {name}" for name in TABLES)  # noqa: S608 - names of our own
_EAR = """
CREATE TEMP TABLE heard (instance, before, after);
CREATE TEMP TRIGGER hear AFTER UPDATE OF status ON main.instance WHEN old.status <> new.status
BEGIN INSERT INTO heard VALUES (new.key, old.status, new.status); END;
CREATE TEMP TABLE told (pipeline, component, start, attempt, at, what, detail, user_name);
CREATE TEMP TRIGGER tell AFTER INSERT ON main.event
BEGIN INSERT INTO told VALUES (
    new.pipeline, new.component, new.start, new.attempt, new.at, new.what, new.detail,
    new.user_name
); END;
"""
"""What happens within a transaction, which the rows after it do not show; undone as it is."""


def gather(tables: Iterable[list[Any]], events: list[HistoryEvent], heard: Iterable[Any]) -> Rows:
    """Rows from what the tables hold, in the order of `TABLES`."""
    pipelines, components, instances, attempts, waits, timers = tables
    return Rows(
        {row[0]: Pipeline(*row) for row in pipelines},
        {(row[0], row[1]): ComponentRow(*row) for row in components},
        {row[0]: Instance(*row) for row in instances},
        {(row[0], row[1]): Attempt(*row) for row in attempts},
        {(row[0], row[2]): Wait(*row) for row in waits},
        {(row[0], row[1]): row[2] for row in timers},
        tuple(events),
        tuple(Heard(*each) for each in heard),
    )


class FragileConnection(sqlite3.Connection):
    """A connection to SQLite whose statements pass a fuse."""

    fuse: Fuse

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """Run a statement, if the fuse lets it pass."""
        fuse = self.fuse
        fuse.before(sql)
        if fuse.trouble is not None and (said := fuse.fails(sql)) is not None:
            if fuse.trouble == "full" and self.in_transaction:
                # As SQLite does it: a full disk may end the transaction without another word.
                self.sound("ROLLBACK")
            raise sqlite3.OperationalError(said)
        cursor = super().execute(sql, parameters)
        if fuse.dies_committed:
            fuse.after(sql)
        return cursor

    def sound(self, sql: str) -> sqlite3.Cursor:
        """Run a statement past the fuse."""
        return super().execute(sql)


@cache
def _empty() -> MemoryStore:
    """A database with the schema and nothing else, from which others are copied."""
    return MemoryStore(0)


class SqliteDatabase:
    """SQLite in memory: one connection, which outlives the servers that use it."""

    options = ""

    def __init__(self, fuse: Fuse) -> None:
        self.fuse = fuse
        self._connection = sqlite3.connect(
            ":memory:",
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
            factory=FragileConnection,
        )
        self._connection.fuse = fuse
        _empty().connection.backup(self._connection)
        self._connection.executescript(_EAR)
        self._seen = Rows()
        self._changes = -1

    def open(self) -> MemoryStore:
        """A store for a server that starts."""
        if self._connection.in_transaction:
            self._connection.sound("ROLLBACK")
        return _empty().over(self._connection)

    def rows(self) -> Rows:
        """What has been committed."""
        ask = self._connection.sound
        if self._connection.total_changes == self._changes:
            return replace(self._seen, events=(), heard=())
        tables = [ask(statement).fetchall() for statement in ALL_OF]
        events = [HistoryEvent(*line) for line in ask("SELECT * FROM told ORDER BY rowid")]
        heard = ask("SELECT * FROM heard ORDER BY rowid").fetchall()
        ask("DELETE FROM told")
        ask("DELETE FROM heard")
        self._seen = gather(tables, events, heard)
        self._changes = self._connection.total_changes
        return self._seen

    def close(self) -> None:
        """Forget it."""
        self._connection.close()
