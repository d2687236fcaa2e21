"""Copies of a database that is in use."""

import sqlite3
import stat
from pathlib import Path

import pytest

from penstock.cli.copies import Damaged, check_database, copy_database
from penstock.store.migrate import migrations
from penstock.store.sqlite import SqliteStore, connect
from tests.contract.rows import instance, pipeline

ROWS = 3_000


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    """A store with some megabytes in it."""
    store = SqliteStore(tmp_path / "penstock.db", 0)
    unit = store.begin()
    unit.insert_pipeline(pipeline())
    for key in range(1, ROWS + 1):
        unit.insert_instance(instance(key, key, error_stack_trace="x" * 1_000))
    unit.commit()
    return store


def count(path: Path) -> int:
    connection = sqlite3.connect(path)
    (found,) = connection.execute("SELECT count(*) FROM instance").fetchone()
    connection.close()
    return int(found)


def test_a_copy_is_of_one_moment_however_much_is_written_meanwhile(
    store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("penstock.cli.copies.PAGES_AT_ONCE", 50)
    told: list[tuple[int, int]] = []

    def tell(done: int, total: int) -> None:
        """A server that commits after every piece that has been copied."""
        told.append((done, total))
        unit = store.begin()
        unit.insert_instance(instance(ROWS + len(told), ROWS + len(told)))
        unit.commit()

    copy_database(tmp_path / "penstock.db", tmp_path / "copy.db", tell)
    assert len(told) > 5
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1]
    assert len({total for _, total in told}) == 1, "it never began anew"
    assert count(tmp_path / "copy.db") == ROWS
    assert stat.S_IMODE((tmp_path / "copy.db").stat().st_mode) == 0o600
    contents = check_database(tmp_path / "copy.db")
    assert (contents.pipelines, contents.instances) == (1, ROWS)
    assert sorted(path.name for path in tmp_path.glob("copy*")) == ["copy.db"]
    store.close()


def test_a_copy_has_no_room_for_what_was_removed(store: SqliteStore, tmp_path: Path) -> None:
    unit = store.begin()
    unit.prune(1, "A", unit.past(1, "A", 0, ROWS - 10, ROWS))
    unit.commit()
    copy_database(tmp_path / "penstock.db", tmp_path / "copy.db", lambda *_: None)
    store.close()
    assert count(tmp_path / "copy.db") == 10
    assert (tmp_path / "copy.db").stat().st_size * 4 < (tmp_path / "penstock.db").stat().st_size
    again = SqliteStore(tmp_path / "copy.db", 1)
    unit = again.begin()
    assert unit.reserve_instance_key() == ROWS + 1, "the counter of keys came along"
    assert len(unit.instances_after(1, "", 0, 99)) == 10
    unit.rollback()
    again.close()


def test_a_copy_writes_over_nothing(store: SqliteStore, tmp_path: Path) -> None:
    store.close()
    (tmp_path / "copy.db").write_text("mine")
    with pytest.raises(FileExistsError):
        copy_database(tmp_path / "penstock.db", tmp_path / "copy.db", lambda *_: None)
    assert (tmp_path / "copy.db").read_text() == "mine"


def test_what_is_damaged_is_told(store: SqliteStore, tmp_path: Path) -> None:
    store.close()
    path = tmp_path / "penstock.db"
    content = bytearray(path.read_bytes())
    content[4_096 * 40 : 4_096 * 60] = bytes(4_096 * 20)
    path.write_bytes(content)
    with pytest.raises(Damaged, match="is damaged"):
        check_database(path)
    path.write_bytes(b"no database" * 100)
    with pytest.raises(Damaged, match="not a database"):
        check_database(path)


def test_what_is_looked_at_is_not_brought_up_to_date(tmp_path: Path, monkeypatch) -> None:
    everything = migrations()
    with monkeypatch.context() as patch:
        patch.setattr("penstock.store.migrate.migrations", lambda _: everything[:6])
        SqliteStore(tmp_path / "old.db", 0).close()
    before = (tmp_path / "old.db").read_bytes()
    assert check_database(tmp_path / "old.db").instances == 0
    assert (tmp_path / "old.db").read_bytes() == before
    connection = connect(tmp_path / "old.db")
    found = connection.execute("SELECT max(number) FROM schema_migration").fetchone()
    connection.close()
    assert found == (6,)
