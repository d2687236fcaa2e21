"""The stores that must pass: each is a way to open one, again and again, on the same data."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from penstock.store.protocol import Store, Transaction
from penstock.store.sqlite import SqliteStore

Opener = Callable[[], Store]


def sqlite_opener(directory: Path) -> Opener:
    return lambda: SqliteStore(directory / "store.db", 0)


ADAPTERS: dict[str, Callable[[Path], Opener]] = {"sqlite": sqlite_opener}


@pytest.fixture(params=list(ADAPTERS))
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    """Opens the same database each time; all are closed in the end."""
    opened: list[Store] = []
    opener = ADAPTERS[request.param](tmp_path)

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
