"""PostgreSQL under chaos: a server that dies is a connection that closes, at any statement."""

from collections.abc import Callable
from typing import Any

from penstock.model.runtime import HistoryEvent
from penstock.simulation.chaos.database import ALL_OF, Database, Fuse, Rows, gather
from penstock.store.postgres import PostgresStore
from penstock.store.protocol import UnsuitableDatabase
from penstock.store.session import connect

_EAR = """
CREATE TABLE IF NOT EXISTS heard (number BIGSERIAL, instance BIGINT, before TEXT, after TEXT);
CREATE OR REPLACE FUNCTION hear() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO heard (instance, before, after) VALUES (new.key, old.status, new.status);
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER hear AFTER UPDATE OF status ON instance FOR EACH ROW
WHEN (old.status <> new.status) EXECUTE FUNCTION hear();
"""
_OURS = "SELECT to_regclass('heard') IS NOT NULL OR NOT EXISTS (SELECT 1 FROM pipeline)"
_TABLE_NAMES = """
SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'schema_migration'
"""
_EVENTS = (
    "SELECT pipeline, component, start, attempt, at, what, detail, user_name, key FROM event"
    " WHERE key > %s ORDER BY key"
)


class PostgresDatabase:
    """A database of its own, emptied for each history."""

    options = " --database-url URL"

    def __init__(self, fuse: Fuse, url: str) -> None:
        self.fuse = fuse
        self._url = url
        self._store: PostgresStore | None = None
        self.open()
        self._connection: Any = connect(url)
        self._empty()
        self._last_event = 0

    def _empty(self) -> None:
        """Remove all that an earlier history has left; raises `UnsuitableDatabase`."""
        ((ours,),) = self._connection.execute(_OURS).fetchall()
        if not ours:
            self.close()
            raise UnsuitableDatabase(
                "the database has pipelines, and chaos removes all that is in it; name another"
            )
        self._connection.execute(_EAR, prepare=False)
        names = [f'"{name}"' for (name,) in self._connection.execute(_TABLE_NAMES).fetchall()]
        self._connection.execute(f"TRUNCATE {', '.join(names)} RESTART IDENTITY")

    def open(self) -> PostgresStore:
        """A store for a server that starts; the connections of the one before are closed."""
        if self._store is not None:
            self._store.close()
        self._store = PostgresStore(self._url, 0)
        connection: Any = self._store._writer.connection
        connection.cursor_factory = _fragile(connection.cursor_factory, self.fuse)
        return self._store

    def rows(self) -> Rows:
        """What has been committed."""
        ask = self._connection.execute
        with self._connection.pipeline():
            cursors = [ask(statement) for statement in ALL_OF]
            lines = ask(_EVENTS, [self._last_event])
            heard = ask("DELETE FROM heard RETURNING number, instance, before, after")
        tables = [sorted(cursor.fetchall(), key=str) for cursor in cursors]
        events = []
        for *line, self._last_event in lines.fetchall():
            events.append(HistoryEvent(*line))
        return gather(tables, events, [each[1:] for each in sorted(heard.fetchall())])

    def close(self) -> None:
        """Close all connections."""
        if self._store is not None:
            self._store.close()
        self._connection.close()


_FAILING = "DO $$ BEGIN RAISE EXCEPTION 'no space left on device' USING ERRCODE = '53100'; END $$"
"""What the database does in the place of a statement that it cannot do."""


def _fragile(base: Any, fuse: Fuse) -> Any:
    """A class of cursors whose statements pass a fuse."""

    class FragileCursor(base):  # type: ignore[misc]
        def execute(self, query: str, *arguments: Any, **options: Any) -> Any:
            fuse.before(query)
            if fuse.fails(query) is not None:
                return super().execute(_FAILING, prepare=False)
            answer = super().execute(query, *arguments, **options)
            fuse.after(query)
            return answer

    return FragileCursor


def on_postgres(url: str) -> Callable[[Fuse], Database]:
    """What `run_seed` takes to run on a database at a URL, which must have nothing else in it."""
    return lambda fuse: PostgresDatabase(fuse, url)
