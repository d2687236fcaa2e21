"""The one place that puts everything together: store, access, service and wire, from settings."""

import asyncio
import contextlib
import fcntl
import os
import random
import socket
import string
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import uvloop
from msgspec.structs import replace

from penstock.access.identity import Credential, Directory
from penstock.access.runner_keys import RunnerKeys
from penstock.access.secrets import KEY_FILE, Cipher, SecretsUnreadable, open_key_file
from penstock.clock import Clock, CorrectedClock, system_clock
from penstock.config import CREDENTIALS_FILE, CREDENTIALS_PROFILE, Settings
from penstock.console.site import Console
from penstock.engine.views import Rules
from penstock.equipment import Equipment, evaluators, resource_types, system_types
from penstock.service.context import Context
from penstock.service.core import Core
from penstock.service.definitions import Definitions
from penstock.service.dispatcher import Dispatcher
from penstock.service.server import PenstockService
from penstock.service.task_ids import TaskIds
from penstock.service.writer import Writer
from penstock.store.identity import SqlIdentityStore, SqliteIdentityStore
from penstock.store.protocol import Store, StoreUnavailable
from penstock.store.sqlite import SqliteStore, connect
from penstock.wire.app import Application
from penstock.wire.serve import endpoint, listen, make_server
from penstock.wire.sigv4 import Credentials

DATABASE_FILE = "penstock.db"
LOCK_FILE = "server.lock"
IDENTITIES_SECONDS = 1.0
KEY_ID_VARIABLE = "PENSTOCK_ACCESS_KEY_ID"
SECRET_VARIABLE = "PENSTOCK_SECRET_ACCESS_KEY"  # noqa: S105 - the variable's name, no secret

_ID_ALPHABET = string.digits + string.ascii_uppercase


class DirectoryInUse(Exception):
    """Another server works in the data directory."""


class DriverMissing(Exception):
    """PostgreSQL is asked for, and its driver is not installed."""


class App:
    """A server put together on a data directory, not yet listening."""

    def __init__(
        self,
        settings: Settings,
        clock: CorrectedClock,
        store: Store,
        identity: SqlIdentityStore,
        cipher: Cipher,
        randomness: random.Random,
        lock: BinaryIO | None,
    ) -> None:
        self._lock = lock
        self.settings = settings
        self.clock = clock
        self.store = store
        self.directory = Directory(identity, cipher, clock, randomness, store.distant)
        self.first_credential: Credential | None = None
        """The key made at the first start, the only time that its secret is at hand."""
        self._identity = identity
        self._console_key = cipher.derive("console sessions")
        self._installation = cipher.derive("installation").hex()[:16]
        self.context = make_context(settings, clock, store, cipher, randomness)

    @classmethod
    def open(
        cls,
        settings: Settings,
        clock: Clock = system_clock,
        environ: Mapping[str, str] = os.environ,
    ) -> Self:
        """Open or create the data directory; the first start makes account, user and key.

        Raises OSError, `DirectoryInUse`, `SecretsUnreadable`, `NewerSchema`, `StoreUnavailable`,
        `UnsuitableDatabase` or `DriverMissing`, with what to do about it.
        """
        directory = settings.data_dir
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = lock_directory(directory) if settings.database is None else None
        # What the service goes by is the time that the database tells, if it has a clock.
        service_clock = CorrectedClock(clock)
        with contextlib.ExitStack() as undoing:
            if lock is not None:
                undoing.callback(lock.close)
            store = open_store(settings, service_clock)
            undoing.callback(store.close)
            identity = open_identity(settings)
            undoing.callback(identity.close)
            with identity.alone():
                cipher = open_master_key(settings, identity)
                randomness = random.SystemRandom()
                app = cls(settings, service_clock, store, identity, cipher, randomness, lock)
                app._ensure_first_key(environ)
            undoing.pop_all()
        return app

    def _ensure_first_key(self, environ: Mapping[str, str]) -> None:
        if self.directory.keys():
            self.directory.refresh()
            return
        account = self.directory.create_account("penstock")
        user = self.directory.create_user(account.account_id, "admin")
        self.first_credential = self.directory.create_key(
            user, environ.get(KEY_ID_VARIABLE), environ.get(SECRET_VARIABLE)
        )
        write_credentials(self.settings.data_dir / CREDENTIALS_FILE, self.first_credential)

    def serve(
        self, on_ready: Callable[[str], None] | None = None, listener: socket.socket | None = None
    ) -> None:
        """Listen and answer until SIGINT or SIGTERM, then close; `on_ready` is told the URL."""
        bound = listener or listen(self.settings.host, self.settings.port)
        try:
            uvloop.run(self.run(bound, on_ready))
        finally:
            self.close()

    async def run(
        self,
        listener: socket.socket,
        on_ready: Callable[[str], None] | None = None,
        stopping: asyncio.Event | None = None,
    ) -> None:
        """Serve on a socket until a signal comes, or `stopping` is set."""
        keys = RunnerKeys(self.directory)
        equipment = Equipment(self.settings, endpoint(listener), keys, self._installation)
        able = evaluators(self.settings, os.environ)
        service = PenstockService(self.context, able, equipment.providers, equipment.traceable)
        application = Application(
            service,
            self.directory.find,
            # Signatures carry the time of this machine's neighbours, not of the database's.
            self.clock.own,
            self.settings,
            access_log=self.settings.access_log,
            console=Console(self.context, self.directory.find, self._console_key),
        )

        def ready() -> None:
            if on_ready is not None:
                on_ready(endpoint(listener))

        server = make_server(application, ready)

        async def stop_when_asked() -> None:
            if stopping is not None:
                await stopping.wait()
                server.should_exit = True

        await service.start()
        watching = asyncio.create_task(stop_when_asked())
        refreshing = asyncio.create_task(self._keep_identities())
        try:
            await server.serve(sockets=[listener])
        finally:
            watching.cancel()
            refreshing.cancel()
            await service.stop()
            await asyncio.to_thread(equipment.close)

    async def _keep_identities(self) -> None:
        """Where looking is a journey, look beside the calls for keys that were made or revoked."""
        while self.store.distant:
            with contextlib.suppress(StoreUnavailable):
                await asyncio.to_thread(self.directory.refresh)
            await asyncio.sleep(IDENTITIES_SECONDS)

    def close(self) -> None:
        """Close the database; all that was answered is in it."""
        self._identity.close()
        self.store.close()
        if self._lock is not None:
            self._lock.close()


def lock_directory(directory: Path) -> BinaryIO:
    """Keep other servers off a data directory until the file is closed, or this process ends.

    Two would not lose anything, but polls that wait at one would not hear of tasks that the other
    makes ready. Raises `DirectoryInUse`.
    """
    lock = (directory / LOCK_FILE).open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise DirectoryInUse(
            f"{directory} is in use by another server; end that one, or choose another directory "
            "with --data"
        ) from None
    return lock


def open_store(settings: Settings, clock: CorrectedClock) -> Store:
    """The database that the settings name, its schema up to date."""
    if settings.database is None:
        path = settings.data_dir / DATABASE_FILE
        # The log and the shared memory that SQLite puts beside it get the same mode.
        path.touch(mode=0o600)
        return SqliteStore(path, clock())
    require_driver()
    from penstock.store.postgres import PostgresStore, examine

    examine(settings.database.text)
    return PostgresStore(settings.database.text, clock(), clock.correct)


def open_identity(settings: Settings) -> SqlIdentityStore:
    """Its accounts, users and keys."""
    if settings.database is None:
        path = settings.data_dir / DATABASE_FILE
        return SqliteIdentityStore(lambda: connect(path))
    require_driver()
    from penstock.store.postgres_identity import PostgresIdentityStore

    return PostgresIdentityStore(settings.database.text)


def require_driver() -> None:
    """Raises `DriverMissing`, which says how to get it."""
    try:
        import psycopg  # noqa: F401
    except ImportError:
        raise DriverMissing(
            "PostgreSQL needs its driver, psycopg; run: pip install 'penstock[postgres]'"
        ) from None


def open_master_key(settings: Settings, identity: SqlIdentityStore) -> Cipher:
    """The cipher that belongs to the database; made by the first server ever.

    Raises `SecretsUnreadable` if the key file is missing or another database's.
    """
    path = settings.key_file or settings.data_dir / KEY_FILE
    expected = identity.master_key()
    is_first = expected is None and not identity.keys()
    cipher = open_key_file(path, may_make=is_first)
    if expected is None:
        identity.put_master_key(cipher.fingerprint)
    elif cipher.fingerprint != expected:
        raise SecretsUnreadable(
            f"{path} is not the key that the secrets in this database are encrypted with; copy "
            f"{KEY_FILE} from a server that uses the same database, or name it with --key-file"
        )
    return cipher


@contextmanager
def open_directory(settings: Settings, clock: Clock = system_clock) -> Iterator[Directory]:
    """The identities of a database that a server has used, which may be running."""
    identity = open_identity(settings)
    try:
        yield Directory(identity, open_master_key(settings, identity), clock)
    finally:
        identity.close()


def make_context(
    settings: Settings,
    clock: Clock,
    store: Store,
    cipher: Cipher,
    randomness: random.Random,
) -> Context:
    """The service's parts, from settings and a store."""
    with store.reader() as reader:
        restored_at = reader.restored_at()
    task_ids = TaskIds(cipher.derive(task_id_purpose(restored_at)))
    definitions = Definitions(cipher, settings.report_timeout_ms)
    dispatcher = Dispatcher(task_ids)
    core = Core(store, definitions, dispatcher, rules_of(settings), clock)
    return Context(
        settings,
        store,
        definitions,
        dispatcher,
        Writer(core, store.distant),
        task_ids,
        clock,
        lambda: "df-" + "".join(randomness.choices(_ID_ALPHABET, k=20)),
        system_types(),
        resource_types(settings.provider),
    )


def task_id_purpose(restored_at: int | None) -> str:
    """What the key to task ids is derived for. After a restoration it is another: the database
    gives numbers a second time, and a task from before must not be taken for a new one.
    """
    return "task ids" if restored_at is None else f"task ids since {restored_at}"


def rules_of(settings: Settings) -> Rules:
    """What the settings let the engine do."""
    return Rules(
        settings.acknowledge_timeout_ms,
        settings.allow_backfill,
        settings.backfill_grace_ms,
        settings.revive_finished,
        settings.limits.on_demand_runs,
    )


def write_credentials(path: Path, credential: Credential) -> None:
    """Write a key in the AWS credentials-file format, readable by the owner only."""
    draft = path.with_name(path.name + ".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(credential.as_profile(CREDENTIALS_PROFILE) + "\n")
    draft.replace(path)


class Embedded:
    """A server in a thread of this process, on a free loopback port, for the length of a block.

    It has a key of its own when the directory's first key is not at hand any more.
    """

    def __init__(self, settings: Settings, clock: Clock = system_clock) -> None:
        self._settings = replace(settings, host="127.0.0.1")
        self._clock = clock
        self.endpoint = ""
        self.credentials = Credentials("", "")

    def __enter__(self) -> Self:
        self.app = App.open(self._settings, self._clock)
        credential = self.app.first_credential or self._own_key()
        self.credentials = Credentials(credential.access_key_id, credential.secret)
        listener = listen(self._settings.host, self._settings.port)
        self.endpoint = endpoint(listener)
        self._started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self._thread = threading.Thread(
            target=self._run, args=(listener,), name="penstock-server", daemon=True
        )
        self._thread.start()
        self._loop, self._stopping = self._started.result()
        return self

    def _own_key(self) -> Credential:
        return self.app.directory.create_key(self.app.directory.users()[0])

    def _run(self, listener: socket.socket) -> None:
        async def main() -> None:
            stopping = asyncio.Event()

            def ready(_url: str) -> None:
                self._started.set_result((asyncio.get_running_loop(), stopping))

            await self.app.run(listener, ready, stopping)

        try:
            uvloop.run(main())
        except BaseException as error:
            if self._started.done():
                raise
            self._started.set_exception(error)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        if self.credentials.access_key_id and self.app.first_credential is None:
            self.app.directory.revoke_key(self.credentials.access_key_id)
        self.app.close()
