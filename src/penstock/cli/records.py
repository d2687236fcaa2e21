"""The records of a server, for commands that work beside it and not through its API."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from msgspec import Struct

from penstock.app import (
    DATABASE_FILE,
    DirectoryInUse,
    lock_directory,
    open_identity,
    open_master_key,
    open_store,
    rules_of,
)
from penstock.clock import Clock, CorrectedClock, system_clock
from penstock.config import Settings
from penstock.service.core import Core
from penstock.service.definitions import Definitions
from penstock.service.dispatcher import Dispatcher
from penstock.service.task_ids import TaskIds
from penstock.store.migrate import is_behind
from penstock.store.protocol import Store
from penstock.store.sqlite import connect


class Records(Struct, frozen=True):
    """The store, and `core`, which changes it as the server does; the ids of all accounts."""

    store: Store
    definitions: Definitions
    core: Core
    accounts: tuple[str, ...]


@contextmanager
def open_records(settings: Settings, clock: Clock = system_clock) -> Iterator[Records]:
    """The records of a server that has been started before, and may be running.

    Raises what `App.open` does; `DirectoryInUse` if an older server is running.
    """
    service_clock = CorrectedClock(clock)
    with ExitStack() as closing:
        identity = open_identity(settings)
        closing.callback(identity.close)
        cipher = open_master_key(settings, identity)
        accounts = tuple(account.account_id for account in identity.accounts())
        if settings.database is None and is_in_use(settings.data_dir):
            _refuse_older(settings.data_dir)
        store = open_store(settings, service_clock)
        closing.callback(store.close)
        definitions = Definitions(cipher, settings.report_timeout_ms)
        dispatcher = Dispatcher(TaskIds(cipher.derive("task ids")))
        core = Core(store, definitions, dispatcher, rules_of(settings), service_clock)
        yield Records(store, definitions, core, accounts)


def is_in_use(directory: Path) -> bool:
    """Whether a server works in a data directory."""
    try:
        lock_directory(directory).close()
    except DirectoryInUse:
        return True
    return False


def _refuse_older(directory: Path) -> None:
    """Opening the database brings it up to date, which a server that runs would know nothing of."""
    connection = connect(directory / DATABASE_FILE)
    try:
        behind = is_behind(connection)
    finally:
        connection.close()
    if behind:
        raise DirectoryInUse(
            f"the server that uses {directory} is of an older version; end it and start it anew "
            "with this one"
        )
