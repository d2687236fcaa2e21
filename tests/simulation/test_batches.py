"""Several commands in one commit, commits that fail, and defects that must stay their own."""

import pytest
import structlog
from msgspec.structs import replace

from penstock.engine import decide as decide_module
from penstock.engine import ownership
from penstock.engine.events import Advance, EndTask, PutComponent, RetryDue
from penstock.model.api import PollForTaskAnswer
from penstock.service.core import Core, fire_timers
from penstock.service.dispatcher import Poll
from penstock.service.unit import Unit
from penstock.simulation.world import CALLER, World
from tests.simulation.scenes import Hand, activity, hourly, name_of, on_demand, statuses, wait

QUEUE = (CALLER.account_id, "workers")


class Polls:
    """Polls of one queue, and who got what."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.got: dict[str, PollForTaskAnswer] = {}

    def arrival(self, name: str):
        poll = Poll(QUEUE, name, lambda answer: self.got.update({name: answer}))
        return lambda unit: self.world.dispatcher.arrive(unit, poll)


def core(world: World) -> Core:
    return world.writer._core


def too_late(unit: Unit) -> None:
    """Fails after it has written."""
    row = unit.row(1, "A")
    unit.save_change(PutComponent(replace(row, paused=True)))
    raise ValueError("planted")


def test_a_batch_that_is_run_again_leaves_no_poll_behind(world):
    """The first poll gets the task, the second waits; a third command fails after it wrote."""
    pipeline = world.begin(on_demand(activity("A")))
    polls = Polls(world)
    with structlog.testing.capture_logs():
        batch = core(world).execute([polls.arrival("one"), polls.arrival("two"), too_late])
    batch.commit()
    batch.deliver()
    first, second, third = batch.outcomes
    assert first.value.task_object.attempt_id == f"{name_of('A')}_Attempt=1"
    assert (second.value, third.value) == (None, None)
    assert third.error is not None
    assert world.dispatcher.waiting_count == 1
    assert statuses(world, pipeline) == ["RUNNING"]
    with world.store.reader() as reader:
        row = reader.component(1, "A")
    assert row is not None
    assert not row.paused


def test_polls_end_with_nothing_when_their_tasks_do_not_become_durable(world):
    polls = Polls(world)
    hand = Hand(world)
    world.execute(polls.arrival("one"))
    pipeline = world.begin(on_demand(activity("B")), "other")
    assert "one" in polls.got
    task = polls.got.pop("one").task_object
    world.execute(polls.arrival("two"))
    hand.end(task, "FAILED")
    world.advance_to(world.now + 10 * 60_000 - 1)
    world.now += 1
    batch = core(world).execute([fire_timers])
    assert [poll.hostname for poll, _ in batch.deliveries] == ["two"]
    batch.transaction.rollback()
    core(world).abandon()
    assert polls.got["two"].task_object is None
    assert world.dispatcher.waiting_count == 0
    world.execute(fire_timers)
    assert statuses(world, pipeline) == ["WAITING_FOR_RUNNER"]
    assert hand.take().attempt_id.endswith("=2")


def test_a_task_that_meets_a_defect_does_not_block_its_queue(world, monkeypatch):
    real = ownership.task_objects

    def broken(plan, instance, attempt, node=None):
        if instance.component == "A":
            raise RuntimeError("planted")
        return real(plan, instance, attempt, node)

    monkeypatch.setattr(ownership, "task_objects", broken)
    pipeline = world.begin(on_demand(activity("A"), activity("B")))
    with structlog.testing.capture_logs() as lines:
        task = Hand(world).take()
    assert task.attempt_id.startswith("@B")
    assert [line["event"] for line in lines] == ["hand-over failed"]
    failed, _ = world.instances(pipeline)
    assert (failed.status, failed.error_id) == ("FAILED", "Service_InternalError")


def test_a_command_that_fails_is_undone_alone(world):
    world.begin(on_demand(activity("A")))

    def pause(unit: Unit) -> str:
        row = unit.row(1, "A")
        unit.save_change(PutComponent(replace(row, health="ERROR", health_at=1)))
        return "done"

    with structlog.testing.capture_logs():
        batch = core(world).execute([pause, too_late, lambda unit: unit.row(1, "A")])
    batch.commit()
    row = batch.outcomes[2].value
    assert (row.health, row.paused) == ("ERROR", False)
    with world.store.reader() as reader:
        assert reader.component(1, "A") == row


@pytest.mark.parametrize("late", [False, True])
def test_polls_that_waited_longer_come_first_in_a_batch(world, late):
    polls = Polls(world)
    world.execute(polls.arrival("early"))
    pipeline = world.begin(on_demand(activity("Z", workerGroup="others"), activity("A", "Z")))
    z = Hand(world, "others").take()

    key = world.task_ids.decode(z.task_id, CALLER.account_id)
    commands = [lambda unit: unit.run(EndTask(key, "FINISHED")), polls.arrival("late")]
    if late:
        commands.append(lambda unit: (unit.row(1, "A"), too_late(unit)))
    with structlog.testing.capture_logs():
        batch = core(world).execute(commands)
    batch.commit()
    batch.deliver()
    assert batch.outcomes[1].value is None
    assert list(polls.got) == ["early"]
    assert statuses(world, pipeline) == ["RUNNING", "FINISHED"]


@pytest.mark.parametrize("what", ["retry_due", "advance"])
def test_what_meets_a_defect_is_tried_again_a_minute_later(world, monkeypatch, what):
    """A timer that fails stops neither the others nor, for ever, what it watches."""
    event, objects = {
        "retry_due": (RetryDue, on_demand(activity("A"))),
        "advance": (Advance, hourly(activity("A"), occurrences=2)),
    }[what]
    pipeline = world.begin(objects)
    hand = Hand(world)
    hand.end(hand.take(), "FAILED" if what == "retry_due" else "FINISHED")
    handlers = decide_module._HANDLERS

    def broken(*_: object) -> None:
        raise RuntimeError("planted")

    with monkeypatch.context() as patch, structlog.testing.capture_logs() as lines:
        patch.setitem(handlers, event, broken)
        wait(world, hours=1)
    assert lines
    assert hand.poll_once() is None
    wait(world, minutes=1)
    assert hand.take()
    assert "RUNNING" in statuses(world, pipeline)
