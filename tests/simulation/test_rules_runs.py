"""Rules of runs that no other file holds: each test cites its chapter of docs/engine.md."""

import pytest

from penstock.language.forms import from_cli
from penstock.model.api import Operator, Query, QueryObjectsRequest, Selector
from penstock.model.times import HOUR_MS
from penstock.simulation.machines import MachineRoom
from penstock.simulation.runners import Work
from tests.simulation.machine_scenes import ON_M, QUICK
from tests.simulation.scenes import (
    Hand,
    activity,
    hourly,
    instance,
    machine,
    name_of,
    node,
    on_demand,
    starts,
    state,
    statuses,
    wait,
)


@pytest.mark.parametrize("name", ["@actualEndTime", "@healthStatus"])
def test_what_is_not_known_yet_is_the_empty_text(world, name):
    """States: a field of a run that is not set yet evaluates to the empty text."""
    world.begin(on_demand(activity("A", command=f"[#{{{name}}}]")))
    task = Hand(world).take()
    assert task.objects[task.attempt_id].string("command") == "[]"


def test_another_try_runs_on_the_same_machine(world):
    """Resources: a failed activity is tried again on the resource that is there."""
    outcomes = iter([Work("FAILED"), Work("FAILED"), Work()])
    room = MachineRoom(world, rule=lambda _: next(outcomes))
    pipeline = world.begin(on_demand(activity("A", **ON_M, **QUICK), machine("M")))
    wait(world, hours=2)
    assert instance(world, pipeline, "A").attempts == 3
    assert (len(room.provider.machines), instance(world, pipeline, "M").attempts) == (1, 1)
    assert state(world, pipeline) == "FINISHED"


def test_a_window_that_an_edit_narrows_empties_before_it_fills(world):
    """Schedules: what there was room for stays; new ones come when the new number allows them."""
    pipeline = world.begin(hourly(activity("A", maxActiveInstances="3")))
    wait(world, hours=2)
    assert starts(world, pipeline, "A") == [0, 1, 2]
    narrowed = hourly(activity("A", maxActiveInstances="1"))
    world.put(pipeline, from_cli({"objects": narrowed}))
    world.activate(pipeline)
    wait(world, hours=3)
    hand = Hand(world)
    for _ in range(2):
        hand.end(hand.take())
        assert starts(world, pipeline, "A") == [0, 1, 2]
    hand.end(hand.take())
    assert starts(world, pipeline, "A") == [0, 1, 2, 3]
    assert statuses(world, pipeline)[-1] == "WAITING_FOR_RUNNER"


def test_components_are_found_by_their_type(world):
    """Three spheres: a component has the type that its definition gives it, to select it by."""
    pipeline = world.begin(on_demand(activity("A"), activity("B"), node("N")))
    selector = Selector("type", Operator("EQ", ("ShellCommandActivity",)))
    request = QueryObjectsRequest(pipeline, "COMPONENT", Query((selector,)))
    assert sorted(world.call("QueryObjects", request).ids) == ["A", "B"]


def test_a_run_that_is_stuck_with_a_machine_makes_room_for_another(world):
    """On demand: a run in which nothing can move any more does not count, machine or none."""
    MachineRoom(world)
    pipeline = world.begin(
        on_demand(
            activity("X", maximumRetries="0"),
            activity("A", **ON_M),
            activity("B", "X", **ON_M),
            machine("M"),
        )
    )
    hand = Hand(world)
    hand.end(hand.take(), "FAILED")
    wait(world, minutes=30)
    assert instance(world, pipeline, "M").status == "FINISHED"
    world.activate(pipeline)
    assert len(starts(world, pipeline, "X")) == 2


def test_a_cancelled_task_whose_owner_falls_silent_is_not_tried_again(world):
    """What people can ask: TRY_CANCEL of what runs takes effect at its report timeout at last."""
    pipeline = world.begin(hourly(activity("A", reportProgressTimeout="1 hour"), occurrences=1))
    hand = Hand(world)
    task = hand.take()
    hand.report(task)
    world.set_status(pipeline, "TRY_CANCEL", name_of("A"))
    assert instance(world, pipeline, "A").status == "RUNNING"
    world.advance_to(world.now + HOUR_MS)
    found = instance(world, pipeline, "A")
    assert (found.status, found.attempts, found.retry_at) == ("CANCELED", 1, None)
