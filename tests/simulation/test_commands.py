"""Pause, resume, cancel: docs/engine.md, "What people can ask"."""

import pytest

from penstock.language.forms import from_cli
from penstock.model.errors import InvalidRequest
from penstock.model.times import MINUTE_MS
from tests.simulation.scenes import (
    T0,
    Hand,
    activity,
    hourly,
    instance,
    name_of,
    on_demand,
    state,
    statuses,
    wait,
)


def by_name(world, pipeline):
    return {each.component: each.status for each in world.instances(pipeline)}


def test_a_paused_component_is_not_offered_and_ticks_go_on(world):
    pipeline = world.begin(hourly(activity("A"), activity("B", "A"), maxActiveInstances="3"))
    world.set_status(pipeline, "pause", "A", "B")
    wait(world, hours=1)
    assert statuses(world, pipeline) == ["PAUSED"] * 4
    hand = Hand(world)
    assert hand.poll_once() is None
    wait(world, hours=5)
    assert statuses(world, pipeline, "A") == ["PAUSED"] * 3, "they count as active"
    assert world.describe(pipeline, "A").string("@status") == "PAUSED"
    world.set_status(pipeline, "RESUME", "A", "B")
    assert statuses(world, pipeline, "A") == ["WAITING_FOR_RUNNER"] * 3
    assert statuses(world, pipeline, "B") == ["WAITING_ON_DEPENDENCIES"] * 3
    assert [hand.take().attempt_id for _ in range(3)] == [
        f"{name_of('A', k)}_Attempt=1" for k in range(3)
    ]


def test_what_runs_goes_on_when_its_component_is_paused(world):
    pipeline = world.begin(on_demand(activity("A"), activity("B", "A")))
    hand = Hand(world)
    task = hand.take()
    world.set_status(pipeline, "PAUSE", "A")
    assert by_name(world, pipeline)["A"] == "RUNNING"
    assert hand.report(task) is False
    hand.end(task, "FAILED")
    assert by_name(world, pipeline)["A"] == "PAUSED"
    wait(world, hours=1)
    assert hand.poll_once() is None
    world.set_status(pipeline, "RESUME", "A")
    hand.end(hand.take())
    assert by_name(world, pipeline) == {"A": "FINISHED", "B": "WAITING_FOR_RUNNER"}


def test_a_pause_shorter_than_the_retry_delay_changes_nothing(world):
    pipeline = world.begin(on_demand(activity("A")))
    hand = Hand(world)
    hand.end(hand.take(), "FAILED")
    world.set_status(pipeline, "PAUSE", "A")
    wait(world, minutes=5)
    world.set_status(pipeline, "RESUME", "A")
    assert by_name(world, pipeline)["A"] == "WAITING_ON_DEPENDENCIES"
    world.advance_to(T0 + 10 * MINUTE_MS - 1)
    assert hand.poll_once() is None
    world.advance_to(T0 + 10 * MINUTE_MS)
    assert hand.take().attempt_id.endswith("=2")


def test_an_unacknowledged_task_of_a_paused_component_is_not_offered_again(world):
    pipeline = world.begin(on_demand(activity("A")))
    hand = Hand(world)
    hand.take()
    world.set_status(pipeline, "PAUSE", "A")
    wait(world, minutes=3)
    assert by_name(world, pipeline)["A"] == "PAUSED"
    assert hand.poll_once() is None
    world.set_status(pipeline, "RESUME", "A")
    assert hand.take().attempt_id.endswith("=1")


def test_a_dependency_met_during_a_pause_is_met_after_it(world):
    pipeline = world.begin(on_demand(activity("A"), activity("B", "A")))
    world.set_status(pipeline, "PAUSE", "B")
    hand = Hand(world)
    hand.end(hand.take())
    assert by_name(world, pipeline) == {"A": "FINISHED", "B": "PAUSED"}
    assert hand.poll_once() is None
    world.set_status(pipeline, "RESUME", "B")
    hand.end(hand.take())
    assert state(world, pipeline) == "FINISHED"


@pytest.mark.parametrize("status", ["TRY_CANCEL", "cancel"])
def test_a_waiting_instance_is_cancelled_at_once(world, status):
    pipeline = world.begin(on_demand(activity("A"), activity("B", "A")))
    world.set_status(pipeline, status, name_of("A"), name_of("B"))
    assert by_name(world, pipeline) == {"A": "CANCELED", "B": "CANCELED"}
    assert "simulant" in (instance(world, pipeline, "A").cancel_reason or "")
    [attempt] = world.attempts(instance(world, pipeline, "A"))
    assert attempt.status == "CANCELED"
    assert Hand(world).poll_once() is None
    assert state(world, pipeline) == "FINISHED"


@pytest.mark.parametrize("learns", ["report", "finished", "failed", "silence", "hang-up"])
def test_a_running_task_is_cancelled_when_its_owner_learns_it(world, learns):
    pipeline = world.begin(on_demand(activity("A")))
    hand = Hand(world)
    task = hand.take()
    if learns != "hang-up":
        hand.report(task)
    world.set_status(pipeline, "TRY_CANCEL", name_of("A"))
    shown = world.describe(pipeline, name_of("A"))
    assert shown.string("@status") == "RUNNING"
    assert shown.string("cancellationReason") == "cancelled by simulant"
    if learns == "report":
        assert hand.report(task) is True
        assert hand.report(task) is True
    elif learns in {"finished", "failed"}:
        hand.end(task, learns.upper())
        hand.end(task, learns.upper())
    else:
        wait(world, minutes=2 if learns == "hang-up" else 15)
    assert by_name(world, pipeline)["A"] == "CANCELED"
    wait(world, hours=1)
    assert hand.poll_once() is None, "it is never retried"
    assert state(world, pipeline) == "FINISHED"


def test_a_cancelled_retry_is_not_tried_again(world):
    pipeline = world.begin(on_demand(activity("A")))
    hand = Hand(world)
    hand.end(hand.take(), "FAILED")
    world.set_status(pipeline, "TRY_CANCEL", name_of("A"))
    wait(world, hours=1)
    assert hand.poll_once() is None
    assert by_name(world, pipeline)["A"] == "CANCELED"


def test_set_status_is_all_or_nothing(world):
    pipeline = world.begin(on_demand(activity("A"), activity("B", "A")))
    refused = [
        ("TRY_CANCEL", [name_of("A"), "B"], "applies to instances"),
        ("PAUSE", ["A", name_of("B")], "applies to components"),
        ("TRY_CANCEL", [name_of("A"), name_of("Z")], "has no object"),
        ("PAUSE", ["A", "Z"], "not a component"),
        ("RERUN", [name_of("A")], "is WAITING_FOR_RUNNER"),
        ("SLEEP", ["A"], "must be one of"),
        ("TRY_CANCEL", [f"{name_of('A')}_Attempt=1"], "applies to instances"),
    ]
    before = world.instances(pipeline)
    for status, names, text in refused:
        with pytest.raises(InvalidRequest, match=text):
            world.set_status(pipeline, status, *names)
    assert world.instances(pipeline) == before
    assert world.describe(pipeline, "A").string("@status") == "SCHEDULED"


def test_each_command_is_refused_where_the_state_forbids_it(world):
    pipeline = world.begin(on_demand(activity("A")))
    hand = Hand(world)
    task = hand.take()
    for status in ("RERUN", "MARK_FINISHED"):
        with pytest.raises(InvalidRequest, match="RUNNING"):
            world.set_status(pipeline, status, name_of("A"))
    hand.end(task)
    for status in ("TRY_CANCEL", "MARK_FINISHED"):
        with pytest.raises(InvalidRequest, match="FINISHED"):
            world.set_status(pipeline, status, name_of("A"))


@pytest.mark.parametrize("status", ["PAUSE", "RESUME"])
def test_nothing_can_be_paused_before_the_first_activation(world, status):
    pipeline = world.create()
    world.put(pipeline, from_cli({"objects": on_demand(activity("A"))}))
    with pytest.raises(InvalidRequest, match="has not been activated yet"):
        world.set_status(pipeline, status, "A")
