"""Resources: what comes while one is on its way down, or after; docs/engine.md, "Resources"."""

from penstock.model.times import MINUTE_MS
from penstock.simulation.machines import Habits, MachineRoom
from penstock.simulation.runners import Runner, at_once
from tests.simulation.machine_scenes import (
    ON_M,
    QUICK,
    by_number,
    done_in,
    lived,
    status,
)
from tests.simulation.scenes import (
    activity,
    condition,
    default,
    hourly,
    instance,
    machine,
    name_of,
    on_demand,
    schedule,
    statuses,
    wait,
)

STUBBORN = Habits(stops=60)
"""It takes a quarter of an hour until such a machine is gone."""


def shared(**fields):
    """Three runs of an activity in one interval of their resource."""
    return [
        default(),
        schedule(occurrences="1"),
        schedule("20 minutes", name="Short", occurrences="3"),
        activity("A", schedule=("Short",), **ON_M),
        machine("M", **fields),
    ]


def test_what_comes_while_it_shuts_down_for_good_is_cancelled_and_starts_nothing(world):
    room = MachineRoom(world, lambda order: STUBBORN, done_in(30))
    pipeline = world.begin(shared(terminateAfter="15 minutes"))
    wait(world, minutes=25)
    assert status(world, pipeline, "M") == "SHUTTING_DOWN"
    assert statuses(world, pipeline, "A") == ["CANCELED", "CANCELED"]
    wait(world, hours=3)
    assert statuses(world, pipeline, "A") == ["CANCELED"] * 3
    assert lived(world, pipeline)[-2:] == ["SHUTTING_DOWN", "TIMEDOUT"]
    assert len(room.provider.machines) == 1


def test_cancelled_by_a_person_it_is_not_brought_back_by_the_next_run(world):
    room = MachineRoom(world, lambda order: STUBBORN, done_in(3))
    pipeline = world.begin(shared())
    wait(world, minutes=15)
    world.set_status(pipeline, "TRY_CANCEL", name_of("M"))
    wait(world, hours=3)
    assert statuses(world, pipeline, "A") == ["FINISHED", "CANCELED", "CANCELED"]
    assert status(world, pipeline, "M") == "CANCELED"
    assert len(room.provider.machines) == 1


def test_what_comes_while_a_try_shuts_down_waits_for_the_next(world):
    room = MachineRoom(world, by_number(Habits(boots_ms=2**40, stops=60), Habits()))
    pipeline = world.begin(shared(initTimeout="15 minutes", **QUICK))
    wait(world, minutes=25)
    assert status(world, pipeline, "M") == "SHUTTING_DOWN"
    assert statuses(world, pipeline, "A") == ["WAITING_ON_DEPENDENCIES"] * 2
    wait(world, hours=3)
    assert statuses(world, pipeline, "A") == ["FINISHED"] * 3
    assert len(room.provider.machines) == 2


def test_rerun_while_it_shuts_down_for_good_starts_it_anew(world):
    room = MachineRoom(world, by_number(STUBBORN, Habits()), done_in(5))
    pipeline = world.begin(shared())
    wait(world, minutes=3)
    world.set_status(pipeline, "TRY_CANCEL", name_of("M"))
    world.set_status(pipeline, "RERUN", name_of("A"))
    wait(world, hours=3)
    assert statuses(world, pipeline, "A")[0] == "FINISHED"
    assert len(room.provider.machines) == 2


def test_a_precondition_of_what_runs_again_starts_the_resource_anew_as_its_owner_would(world):
    MachineRoom(world, by_number(Habits(refuses=True), Habits()))
    pipeline = world.begin(
        on_demand(
            activity("B", workerGroup="elsewhere"),
            activity("A", "B", **ON_M, precondition=("P",)),
            activity("C", **ON_M),
            condition("P"),
            machine("M", maximumRetries="0"),
        )
    )
    wait(world, minutes=5)
    assert status(world, pipeline, "A") == "CANCELED"
    world.set_status(pipeline, "RERUN", name_of("A"))
    Runner(world, at_once, "elsewhere")
    wait(world, minutes=10)
    assert status(world, pipeline, "P@A") == "FINISHED"
    assert status(world, pipeline, "A") == "FINISHED"


def test_what_a_person_has_cancelled_is_not_run_again_with_its_resource(world):
    MachineRoom(world, by_number(Habits(dies_ms=10 * MINUTE_MS), Habits()), done_in(30))
    never = {"reportProgressTimeout": "3 hours"}
    pipeline = world.begin(
        on_demand(activity("A", **ON_M, **never), machine("M", maximumRetries="0"))
    )
    wait(world, minutes=9.9)
    world.set_status(pipeline, "TRY_CANCEL", name_of("A"))
    wait(world, minutes=10)
    assert instance(world, pipeline, "A").cancel_reason == "cancelled by simulant"
    world.set_status(pipeline, "RERUN", name_of("M"))
    wait(world, hours=1)
    assert status(world, pipeline, "A") == "CANCELED"
    assert status(world, pipeline, "M") == "FINISHED"


def explained(world, pipeline, component):
    return world.describe(pipeline, name_of(component)).string("@explanation")


def test_who_runs_again_is_told_what_it_waits_for_not_that_its_resource_had_failed(world):
    MachineRoom(world, lambda order: Habits(refuses=True))
    pipeline = world.begin(
        on_demand(
            activity("B", workerGroup="elsewhere"),
            activity("A", "B", **ON_M),
            activity("C", **ON_M),
            machine("M", maximumRetries="0"),
        )
    )
    wait(world, minutes=5)
    world.set_status(pipeline, "RERUN", name_of("A"))
    told = explained(world, pipeline, "A")
    assert told.startswith(f"Waits for {name_of('B')} (and 1 more), which has been ready since")


def test_who_waits_for_a_resource_that_had_ended_and_is_paused_is_told_so(world):
    MachineRoom(world)
    pipeline = world.begin(
        on_demand(activity("A", **ON_M), activity("B", workerGroup="x"), machine("M"))
    )
    wait(world, minutes=10)
    world.set_status(pipeline, "PAUSE", "M")
    world.set_status(pipeline, "RERUN", name_of("A"))
    told = explained(world, pipeline, "A")
    assert told == (
        f"Waits for {name_of('M')}, which was paused by simulant at 2023-11-15T00:10:00. "
        "To go on, set RESUME on M."
    )
    assert explained(world, pipeline, "M") is None
    world.set_status(pipeline, "RESUME", "M")
    wait(world, minutes=10)
    assert status(world, pipeline, "A") == "FINISHED"


def test_out_of_time_it_says_for_whom_more_of_it_would_hold(world):
    MachineRoom(world, rule=done_in(30))
    pipeline = world.begin(
        hourly(activity("A", **ON_M), machine("M", terminateAfter="10 minutes"), occurrences=1)
    )
    wait(world, hours=1)
    assert explained(world, pipeline, "M").endswith(
        "terminateAfter of 600 s. A longer terminateAfter holds for intervals that are made after "
        f"it is activated; to try this one again as it is, set RERUN on {name_of('M')}."
    )


def test_one_that_is_there_says_for_whom_it_stays(world):
    MachineRoom(world)
    pipeline = world.begin(
        on_demand(
            activity("B", workerGroup="elsewhere"),
            activity("A", **ON_M),
            activity("C", "A", "B", **ON_M),
            machine("M"),
        )
    )
    wait(world, minutes=10)
    told = explained(world, pipeline, "M")
    assert told.startswith("Is there (its runner was last heard at 2023-11-15T00:")
    assert f"stays while something may need it: {name_of('C')}, which runs on it, waits for" in told
    assert "worker group 'elsewhere'" in told


def test_a_precondition_that_waits_for_its_resource_says_so_and_its_owner_too(world):
    MachineRoom(world, lambda order: Habits(boots_ms=20 * MINUTE_MS))
    pipeline = world.begin(
        on_demand(activity("A", **ON_M, precondition=("P",)), condition("P"), machine("M"))
    )
    wait(world, minutes=5)
    waits = f"aits for {name_of('M')}, which is being created since 2023-11-15T00:00:01."
    assert explained(world, pipeline, "P@A") == f"W{waits}"
    assert (
        explained(world, pipeline, "A")
        == f"Waits for {name_of('P@A')} (and 1 more), which w{waits}"
    )


def test_a_step_in_hand_when_its_pipeline_is_forgotten_comes_to_nothing(world):
    room = MachineRoom(world, takes_ms=5 * MINUTE_MS)
    pipeline = world.begin(on_demand(activity("A", **ON_M), machine("M")))
    wait(world, minutes=1)
    assert status(world, pipeline, "M") == "VALIDATING"
    world.delete(pipeline)
    wait(world, minutes=30)
    assert not room.provider.asked
