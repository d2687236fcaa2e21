"""How servers on one PostgreSQL wake each other: LISTEN and NOTIFY on one channel.

A notification is sent when its transaction commits, and lost by those who do not listen just then;
so whoever begins to listen has to look for himself first.
"""

import contextlib
import select
from typing import Any

import psycopg

from penstock.store.protocol import StoreUnavailable, UnsuitableDatabase
from penstock.store.session import Session, connect
from penstock.store.statements import load

_SQL = dict(load("postgres.sql", "postgres"))
_PROOF_SECONDS = 5.0
_PROOF = "listening"
"""What words begin with that announce no queue."""


class PostgresEar:
    """See `store.protocol.Ear`."""

    def __init__(self, connection: "psycopg.Connection[Any]") -> None:
        self._connection = connection

    def fileno(self) -> int:
        """The connection's socket."""
        return self._connection.fileno()

    def hear(self) -> list[tuple[str, str]]:
        """The queues that were announced since."""
        heard = (word.partition(" ") for word in self.words())
        return [(account, group) for account, _, group in heard if account != _PROOF]

    def words(self) -> list[str]:
        """All that was said since, as it was said."""
        found = []
        try:
            self._connection.pgconn.consume_input()
            while (notice := self._connection.pgconn.notifies()) is not None:
                found.append(notice.extra.decode("utf-8", "replace"))
        except psycopg.Error as error:
            raise StoreUnavailable(" ".join(str(error).split())) from error
        return found

    def close(self) -> None:
        """Hear no more."""
        with contextlib.suppress(psycopg.Error):
            self._connection.close()


def listen(url: str) -> PostgresEar:
    """An ear that has been proved: a word said elsewhere came through.

    A pooler that lends its connections for a transaction takes LISTEN without complaint, and then
    nothing is ever heard. Raises `UnsuitableDatabase`, `StoreUnavailable`.
    """
    # Unprepared: such a pooler would refuse the second with the same name, and not say why.
    session = Session(connect(url, prepares=False))
    try:
        session.ask("LISTEN penstock")
        ear = PostgresEar(session.connection)
        word = f"{_PROOF} {session.connection.info.backend_pid}"
        speaker = Session(connect(url, prepares=False))
        try:
            speaker.ask(_SQL["prove_listening"], {"word": word})
        finally:
            speaker.close()
        while word not in ear.words():
            if not select.select([ear], [], [], _PROOF_SECONDS)[0]:
                raise UnsuitableDatabase(
                    "notifications (LISTEN, NOTIFY) do not come through to this server; most "
                    "likely a pooler lends it connections for a transaction at a time: name the "
                    "database itself, or a pooler of whole sessions (PgBouncer's pool_mode = "
                    "session)"
                )
    except BaseException:
        session.close()
        raise
    return ear
