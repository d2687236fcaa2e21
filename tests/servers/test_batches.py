"""What the database refuses only at the end of a batch is one command's fault, not the batch's."""

from __future__ import annotations

import pytest
import structlog

from penstock.access.secrets import Cipher
from penstock.engine.views import Rules
from penstock.model.errors import InternalServiceError
from penstock.model.runtime import ComponentRow
from penstock.service.core import Core
from penstock.service.definitions import Definitions
from penstock.service.dispatcher import Dispatcher
from penstock.service.task_ids import TaskIds
from penstock.service.unit import Unit
from penstock.store.postgres import PostgresStore
from tests.contract.rows import pipeline


def created(name: str):
    return lambda unit: unit.store.insert_pipeline(pipeline(name))


def refused_late(unit: Unit) -> None:
    """A row that no constraint allows; it is kept back until something has to be asked."""
    unit.store.put_component(ComponentRow(1, "A", 0, False, False, "POORLY"))


@pytest.mark.parametrize("others", [["one"], ["one", "other"]], ids=["at the commit", "before"])
def test_what_is_refused_late_is_found_and_undone_alone(database, others):
    """Asking for something sends what was kept back: the last command may get another's refusal."""
    store = PostgresStore(database, 0)
    dispatcher = Dispatcher(TaskIds(bytes(32)))
    core = Core(store, Definitions(Cipher(bytes(32)), 0), dispatcher, Rules(), lambda: 0)
    commands = [created(name) for name in others]
    commands.insert(1, refused_late)
    with structlog.testing.capture_logs() as log:
        outcomes = core.complete(commands, [1]).outcomes
    assert isinstance(outcomes.pop(1).error, InternalServiceError)
    assert [line["event"] for line in log] == ["command failed"]
    with store.reader() as reader:
        assert [reader.pipeline(outcome.value).name for outcome in outcomes] == others
    store.close()
