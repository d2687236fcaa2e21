"""Where accounts, users and access keys are kept, in PostgreSQL."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from psycopg.errors import UniqueViolation

from penstock.store.identity import AlreadyExists, SqlIdentityStore, already
from penstock.store.protocol import StoreUnavailable
from penstock.store.session import Session, connect
from penstock.store.statements import load

_SQL = load("identity.sql", "postgres")
_START_LOCK = 0x50454E5354415254


class PostgresIdentityStore(SqlIdentityStore):
    """The store of identity in PostgreSQL, on a connection of its own, which any thread may use."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = Session(connect(url, prepares=False))
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._session.close()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Of several servers that start at once, one goes first."""
        own = Session(connect(self._url, prepares=False))
        try:
            own.ask(f"SELECT pg_advisory_lock({_START_LOCK})")
            yield
        finally:
            own.close()

    def _read(self, statement: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        with self._lock:
            try:
                return self._session.ask(_SQL[statement], parameters).fetchall()
            except StoreUnavailable:
                if self._session.usable:
                    raise
                self._session = Session(connect(self._url, prepares=False))
                return self._session.ask(_SQL[statement], parameters).fetchall()

    def _change(self, statement: str, parameters: Mapping[str, Any]) -> int:
        with self._lock:
            self._session.later("BEGIN")
            try:
                changed = self._session.ask(_SQL[statement], parameters).rowcount
                if changed:
                    self._session.later(_SQL["raise_version"])
                self._session.ask("COMMIT")
            except BaseException as error:
                self._session.rollback()
                if isinstance(error, UniqueViolation):
                    raise AlreadyExists(already(parameters)) from error
                raise
            return changed
