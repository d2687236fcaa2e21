"""Where accounts, users and access keys are kept."""

import sqlite3
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from msgspec import Struct

from penstock.model.times import Instant
from penstock.store.statements import load

_SQL = load("identity.sql")


class AccountRecord(Struct, frozen=True):
    """An account; `account_id` has twelve digits."""

    account_id: str
    name: str
    created_at: Instant


class UserRecord(Struct, frozen=True):
    """A user of an account; `user_id` looks like `AIDA…`, the name is unique in the account."""

    user_id: str
    account_id: str
    user_name: str
    created_at: Instant


class KeyRecord(Struct, frozen=True):
    """An access key and whose it is; the secret is encrypted, as it is kept."""

    access_key_id: str
    encrypted_secret: str
    created_at: Instant
    revoked_at: Instant | None
    user_id: str
    user_name: str
    account_id: str

    @property
    def active(self) -> bool:
        """Whether the key still opens anything."""
        return self.revoked_at is None


class AlreadyExists(Exception):
    """An account, user or key of that id or name is there already; the text names it."""


class IdentityStore(Protocol):
    """What `access` needs of a store. Every change raises the version, in one transaction."""

    def add_account(self, account: AccountRecord) -> None:
        """Keep a new account; raises AlreadyExists."""

    def add_user(self, user: UserRecord) -> None:
        """Keep a new user of an account that exists; raises AlreadyExists."""

    def add_key(self, key: KeyRecord) -> None:
        """Keep a new, active key of a user that exists; raises AlreadyExists."""

    def revoke_key(self, access_key_id: str, now: Instant) -> bool:
        """End a key for good; False if there is no such active key."""

    def remove_key(self, access_key_id: str) -> bool:
        """End a key and forget it; False if there is none of that id."""

    def find_key(self, access_key_id: str) -> KeyRecord | None:
        """The key of that id, active or not."""

    def keys(self) -> list[KeyRecord]:
        """All keys, oldest first, the revoked ones too."""

    def accounts(self) -> list[AccountRecord]:
        """All accounts, oldest first."""

    def users(self) -> list[UserRecord]:
        """All users, oldest first."""

    def version(self) -> int:
        """A number that grows with every change, whichever process made it."""

    def master_key(self) -> str | None:
        """The fingerprint of the master key that encrypts the secrets here; None before it."""

    def put_master_key(self, fingerprint: str) -> None:
        """Remember it."""


class SqlIdentityStore(ABC):
    """The store of identity in SQL; how statements are run is each database's own."""

    def add_account(self, account: AccountRecord) -> None:
        """Keep a new account; raises AlreadyExists."""
        self._change("insert_account", _fields(account))

    def add_user(self, user: UserRecord) -> None:
        """Keep a new user of an account that exists; raises AlreadyExists."""
        self._change("insert_user", _fields(user))

    def add_key(self, key: KeyRecord) -> None:
        """Keep a new, active key of a user that exists; raises AlreadyExists."""
        self._change("insert_key", _fields(key))

    def revoke_key(self, access_key_id: str, now: Instant) -> bool:
        """End a key for good; False if there is no such active key."""
        changed = self._change("revoke_key", {"access_key_id": access_key_id, "revoked_at": now})
        return changed > 0

    def remove_key(self, access_key_id: str) -> bool:
        """End a key and forget it; False if there is none of that id."""
        return self._change("remove_key", {"access_key_id": access_key_id}) > 0

    def find_key(self, access_key_id: str) -> KeyRecord | None:
        """The key of that id, active or not."""
        rows = self._read("find_key", {"access_key_id": access_key_id})
        return KeyRecord(*rows[0]) if rows else None

    def keys(self) -> list[KeyRecord]:
        """All keys, oldest first, the revoked ones too."""
        return [KeyRecord(*row) for row in self._read("list_keys", {})]

    def accounts(self) -> list[AccountRecord]:
        """All accounts, oldest first."""
        return [AccountRecord(*row) for row in self._read("list_accounts", {})]

    def users(self) -> list[UserRecord]:
        """All users, oldest first."""
        return [UserRecord(*row) for row in self._read("list_users", {})]

    def version(self) -> int:
        """A number that grows with every change, whichever process made it."""
        return int(self._read("read_version", {})[0][0])

    def master_key(self) -> str | None:
        """The fingerprint of the master key that this database belongs to; None before the first.

        A database from before fingerprints were kept has none either, though it has secrets.
        """
        rows = self._read("master_key", {})
        return str(rows[0][0]) if rows else None

    def put_master_key(self, fingerprint: str) -> None:
        """Remember the fingerprint of the first server's master key."""
        self._change("put_master_key", {"fingerprint": fingerprint})

    @abstractmethod
    def alone(self) -> AbstractContextManager[None]:
        """Only one process at a time gets into such a block: for what a first start does."""

    @abstractmethod
    def close(self) -> None:
        """Close the connection."""

    @abstractmethod
    def _read(self, statement: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """All rows that a named statement answers."""

    @abstractmethod
    def _change(self, statement: str, parameters: Mapping[str, Any]) -> int:
        """Run a change and raise the version, both or neither; how many rows it touched."""


class SqliteIdentityStore(SqlIdentityStore):
    """The store of identity in SQLite.

    It has a connection of its own, which any thread may use in turn: `connect` must open it with
    `check_same_thread=False`. Reads never wait for the writer (WAL).
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connection = connect()
        self._connection.isolation_level = None  # Transactions are begun and ended below.
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._connection.close()

    def alone(self) -> AbstractContextManager[None]:
        """The directory's lock keeps others off."""
        return nullcontext()

    def _read(self, statement: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        with self._lock:
            cursor = self._connection.execute(_SQL[statement], parameters)
            cursor.row_factory = None  # Rows are taken by position, whatever `connect` has set.
            return cursor.fetchall()

    def _change(self, statement: str, parameters: Mapping[str, Any]) -> int:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                changed = self._connection.execute(_SQL[statement], parameters).rowcount
                if changed:
                    self._connection.execute(_SQL["raise_version"])
                self._connection.execute("COMMIT")
            except BaseException as error:
                self._connection.execute("ROLLBACK")
                if isinstance(error, sqlite3.IntegrityError) and "UNIQUE" in str(error):
                    raise AlreadyExists(already(parameters)) from error
                raise
            return changed


def _fields(record: Struct) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__struct_fields__}


def already(parameters: Mapping[str, Any]) -> str:
    """What exists already, by the most telling of its names."""
    for name in ("access_key_id", "user_name", "account_id"):
        if name in parameters:
            return f"{name} {parameters[name]!r} exists already"
    return "it exists already"
