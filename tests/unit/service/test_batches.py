"""A command that fails is undone alone, whenever it fails, and the others of its batch stand."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from penstock.engine.views import Rules
from penstock.model.errors import InternalServiceError, InvalidRequest
from penstock.service.core import Core
from penstock.service.dispatcher import Dispatcher
from penstock.service.task_ids import TaskIds
from penstock.service.unit import Unit
from penstock.store.sqlite import SqliteStore


class Ran:
    """Commands that leave a heartbeat, and note that they ran."""

    def __init__(self) -> None:
        self.runs: list[str] = []

    def write(self, name: str) -> Callable[[Unit], str]:
        def command(unit: Unit) -> str:
            self.runs.append(name)
            unit.store.put_heartbeat("account", name, "group", "host", unit.now)
            return name

        return command

    def fail(self, name: str, error: Exception, written: bool) -> Callable[[Unit], str]:
        def command(unit: Unit) -> str:
            self.runs.append(name)
            if written:
                unit.store.put_heartbeat("account", name, "group", "host", unit.now)
            raise error

        return command


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "test.db", 0, durable=False)
    yield store
    store.close()


@pytest.fixture
def core(store: SqliteStore) -> Core:
    # No definition is ever asked for here.
    return Core(store, None, Dispatcher(TaskIds(b"key")), Rules(), lambda: 1_000)


def heartbeats(store: SqliteStore) -> list[str]:
    with store.reader() as reader:
        rows = reader._connection.execute("SELECT taskrunner_id FROM heartbeat ")
        return sorted(row[0] for row in rows)


@pytest.fixture
def ran() -> Ran:
    return Ran()


def test_a_command_refused_before_it_wrote_costs_the_others_nothing(core, store, ran):
    refusal = InvalidRequest("no")
    batch = core.execute([ran.write("a"), ran.fail("b", refusal, written=False), ran.write("c")])
    batch.commit()
    assert ran.runs == ["a", "b", "c"]
    assert [outcome.value for outcome in batch.outcomes] == ["a", None, "c"]
    assert batch.outcomes[1].error is refusal
    assert heartbeats(store) == ["a", "c"]


def test_a_command_refused_after_it_wrote_is_undone_alone(core, store, ran):
    refusal = InvalidRequest("no")
    batch = core.execute([ran.write("a"), ran.fail("b", refusal, written=True), ran.write("c")])
    batch.commit()
    assert ran.runs == ["a", "b", "a", "b", "c"]
    assert batch.outcomes[1].error is refusal
    assert heartbeats(store) == ["a", "c"]


def test_a_defect_after_writing_is_undone_alone(core, store, ran):
    batch = core.execute([ran.fail("a", ZeroDivisionError(), written=True), ran.write("b")])
    batch.commit()
    assert isinstance(batch.outcomes[0].error, InternalServiceError)
    assert heartbeats(store) == ["b"]


def test_two_that_fail_late_are_both_undone(core, store, ran):
    late = [ran.fail(name, InvalidRequest(name), written=True) for name in "ab"]
    batch = core.execute([late[0], ran.write("c"), late[1]])
    batch.commit()
    assert [str(outcome.error) for outcome in batch.outcomes] == ["a", "None", "b"]
    assert heartbeats(store) == ["c"]


def test_a_batch_that_is_lost_leaves_nothing(core, store, ran):
    batch = core.execute([ran.write("a")])
    batch.transaction.rollback()
    assert heartbeats(store) == []
