"""Backups: a directory with a copy of the database, the key to its secrets, and a label.

A copy is made under another name and gets its own once it is whole and checked.
"""

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from penstock import __version__
from penstock.access.secrets import KEY_FILE, SecretsUnreadable, open_key_file
from penstock.app import DATABASE_FILE
from penstock.config import CREDENTIALS_FILE
from penstock.model.times import Instant, format_instant
from penstock.store.identity import SqliteIdentityStore
from penstock.store.migrate import is_behind
from penstock.store.sqlite import connect

LABEL_FILE = "backup.json"
PAGES_AT_ONCE = 2_000
MUCH_FREE = 0.25
"""From this share of pages on that hold nothing, a copy is written without them: SQLite keeps what
was freed for what comes, and its file never shrinks.
"""

_CHUNK_BYTES = 1 << 20
_SPARE_BYTES = 1 << 20

Tell = Callable[[int, int], None]
"""Told how many bytes of how many have been copied."""


class Damaged(Exception):
    """A backup is not whole, or the copy of a database is not sound."""


class Label(Struct, frozen=True):
    """What a backup says of itself: who made it when, and the digest of its database."""

    penstock: str
    created: str
    database_bytes: int
    database_sha256: str


class Contents(Struct, frozen=True):
    """What is in a database, for people."""

    pipelines: int
    instances: int


def copy_database(source: Path, target: Path, tell: Tell) -> None:
    """Copy a database that may be in use, as of one moment, and check the copy.

    Raises `Damaged`, OSError or sqlite3.Error.
    """
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    reading = connect(source)
    try:
        pages, free, page_bytes = (
            reading.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        if free > pages * MUCH_FREE:
            reading.execute("VACUUM INTO ?", (str(target),))
        else:
            _copy_pages(reading, target, page_bytes, tell)
    finally:
        reading.close()
    check_database(target)
    sync(target)


def _copy_pages(reading: sqlite3.Connection, target: Path, page_bytes: int, tell: Tell) -> None:
    def progress(_status: int, remaining: int, total: int) -> None:
        tell((total - remaining) * page_bytes, total * page_bytes)

    # With a view of its own the copy need not begin anew each time that the server commits.
    reading.execute("BEGIN")
    reading.execute("SELECT count(*) FROM schema_migration").fetchone()
    writing = sqlite3.connect(target, isolation_level=None)
    try:
        reading.backup(writing, pages=PAGES_AT_ONCE, progress=progress)
        # One file, that can be read from anywhere; a server changes that back.
        writing.execute("PRAGMA journal_mode = DELETE")
    finally:
        writing.close()


def check_database(path: Path) -> Contents:
    """Have SQLite look through a whole database; raises `Damaged`, `NewerSchema`."""
    try:
        with _opened(path) as connection:
            (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
            if found != "ok":
                raise Damaged(f"{path} is damaged: {found}")
            is_behind(connection)
            counts = [
                connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
                for table in ("pipeline WHERE deleted_at IS NULL", "instance")
            ]
    except sqlite3.DatabaseError as error:
        raise Damaged(f"{path} is damaged: {error}") from None
    return Contents(*counts)


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that leaves everything as it is, beside the database too."""
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    try:
        yield connection
    finally:
        connection.close()


def check_key(database: Path, key_file: Path) -> None:
    """Raises `SecretsUnreadable` unless the key file is the one that the secrets need."""
    identity = SqliteIdentityStore(lambda: sqlite3.connect(database, check_same_thread=False))
    try:
        expected = identity.master_key()
    finally:
        identity.close()
    fingerprint = open_key_file(key_file, may_make=False).fingerprint
    if expected not in {None, fingerprint}:
        raise SecretsUnreadable(
            f"{key_file} is not the key that the secrets in {database} are encrypted with"
        )


def write_label(directory: Path, now: Instant) -> None:
    """Describe the database in a directory."""
    database = directory / DATABASE_FILE
    label = Label(
        __version__, format_instant(now), database.stat().st_size, digest(database, lambda *_: None)
    )
    text = msgspec.json.format(msgspec.json.encode(label)) + b"\n"
    write_private(directory / LABEL_FILE, text)


def read_backup(directory: Path, tell: Tell) -> tuple[Label, Contents]:
    """Check a backup whole: label, database, key. Raises `Damaged` and others that say why."""
    try:
        label = msgspec.json.decode((directory / LABEL_FILE).read_bytes(), type=Label)
    except FileNotFoundError:
        raise Damaged(
            f"{directory} is no backup: it has no {LABEL_FILE}; name a directory that"
            " `penstock backup` has made"
        ) from None
    except msgspec.DecodeError as error:
        raise Damaged(f"{directory / LABEL_FILE} is damaged: {error}") from None
    database = directory / DATABASE_FILE
    if digest(database, tell) != label.database_sha256:
        raise Damaged(f"{database} is damaged: it is not as it was when the backup was made")
    contents = check_database(database)
    check_key(database, directory / KEY_FILE)
    return label, contents


def digest(path: Path, tell: Tell) -> str:
    """The SHA-256 of a file."""
    found = hashlib.sha256()
    total, done = path.stat().st_size, 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            found.update(chunk)
            done += len(chunk)
            tell(done, total)
    return found.hexdigest()


def copy_private(source: Path, target: Path) -> None:
    """Copy a file for the owner only, durably; the target must not be there."""
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with source.open("rb") as reading, os.fdopen(descriptor, "wb") as writing:
        shutil.copyfileobj(reading, writing, _CHUNK_BYTES)
    sync(target)


def write_private(path: Path, content: bytes) -> None:
    """Write a new file for the owner only, durably."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    sync(path)


def copy_companions(source: Path, target: Path, key_file: Path | None = None) -> None:
    """Copy what belongs to a database: its key, and the first access key if it is still at hand."""
    copy_private(key_file or source / KEY_FILE, target / KEY_FILE)
    if (source / CREDENTIALS_FILE).exists():
        copy_private(source / CREDENTIALS_FILE, target / CREDENTIALS_FILE)


def sync(path: Path) -> None:
    """Have the disk keep a file, or a directory's entries."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def database_bytes(path: Path) -> int:
    """How much a copy of a database takes, with what has not been put in its place yet."""
    log = path.with_name(path.name + "-wal")
    return path.stat().st_size + (log.stat().st_size if log.exists() else 0)


def refuse_full_disk(directory: Path, needed: int) -> None:
    """Raises OSError if so many bytes will not fit."""
    free = shutil.disk_usage(directory).free
    if free < needed + _SPARE_BYTES:
        raise OSError(
            28,
            f"{needed / 2**20:,.1f} MiB are needed and {free / 2**20:,.1f} MiB are free",
            str(directory),
        )
