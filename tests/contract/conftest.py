"""The stores that must pass: each is a way to open one, again and again, on the same data."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from penstock.store.postgres import PostgresStore
from penstock.store.protocol import Store, Transaction
from penstock.store.sqlite import SqliteStore

Opener = Callable[[], Store]


@pytest.fixture
def sqlite(tmp_path: Path) -> Opener:
    return lambda: SqliteStore(tmp_path / "store.db", 0)


@pytest.fixture
def postgres(database: str) -> Opener:
    return lambda: PostgresStore(database, 0, guarded=False)


@pytest.fixture(params=["sqlite", "postgres"])
def open_store(request: pytest.FixtureRequest) -> Iterator[Opener]:
    """Opens the same database each time; all are closed in the end."""
    opened: list[Store] = []
    opener: Opener = request.getfixturevalue(request.param)

    def open_one() -> Store:
        opened.append(opener())
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Opener) -> Store:
    return open_store()


@pytest.fixture
def unit(store: Store) -> Iterator[Transaction]:
    """An open transaction, never committed."""
    transaction = store.begin()
    yield transaction
    transaction.rollback()
