"""Resources: what people ask of them, and what is shown; docs/engine.md, "Resources"."""

import pytest

from penstock.model.errors import InvalidRequest, PipelineDeleted
from penstock.model.times import HOUR_MS, MINUTE_MS
from penstock.simulation.machines import Habits, MachineRoom
from penstock.simulation.runners import Runner, Work, at_once
from penstock.simulation.world import World
from tests.simulation.machine_scenes import (
    CASCADE,
    ON_M,
    QUICK,
    by_number,
    done_in,
    status,
    steps,
)
from tests.simulation.scenes import (
    T0,
    Hand,
    activity,
    default,
    hourly,
    instance,
    machine,
    name_of,
    on_demand,
    schedule,
    starts,
    state,
    wait,
)


def test_rerun_of_an_activity_starts_its_resource_anew(world):
    room = MachineRoom(world)
    pipeline = world.begin(on_demand(activity("A", **ON_M), machine("M")))
    wait(world, minutes=10)
    world.set_status(pipeline, "RERUN", name_of("A"))
    assert state(world, pipeline) == "SCHEDULED"
    assert status(world, pipeline, "M") == "VALIDATING"
    wait(world, minutes=10)
    assert state(world, pipeline) == "FINISHED"
    assert instance(world, pipeline, "M").attempts == 2
    assert len(room.provider.machines) == 2


def test_rerun_while_it_shuts_down_starts_it_anew_when_that_is_through(world):
    room = MachineRoom(world, lambda order: Habits(stops=4))
    pipeline = world.begin(on_demand(activity("A", **ON_M), machine("M")))
    wait(world, minutes=1.2)
    assert status(world, pipeline, "M") == "SHUTTING_DOWN"
    world.set_status(pipeline, "RERUN", name_of("A"))
    assert status(world, pipeline, "M") == "SHUTTING_DOWN"
    wait(world, minutes=10)
    assert state(world, pipeline) == "FINISHED"
    assert len(room.provider.machines) == 2
    assert instance(world, pipeline, "A").attempts == 2


def test_rerun_of_a_resource_reruns_what_it_took_down(world):
    room = MachineRoom(
        world,
        by_number(Habits(dies_ms=10 * MINUTE_MS), Habits()),
        lambda attempt: Work(takes_ms=(30 if attempt.endswith("1") else 1) * MINUTE_MS),
    )
    pipeline = world.begin(
        on_demand(
            activity("A", **ON_M),
            activity("C", "A", **CASCADE, **ON_M),
            machine("M", maximumRetries="0"),
            **CASCADE,
        )
    )
    wait(world, minutes=15)
    assert [status(world, pipeline, each) for each in "MAC"] == [
        "FAILED",
        "CANCELED",
        "CASCADE_FAILED",
    ]
    world.set_status(pipeline, "RERUN", name_of("M"))
    world.run_out(T0 + 3 * HOUR_MS)
    assert state(world, pipeline) == "FINISHED"
    assert {status(world, pipeline, each) for each in "MAC"} == {"FINISHED"}
    assert room.provider.left() == []


def test_try_cancel_of_a_resource_cancels_those_that_use_it(world):
    room = MachineRoom(world, rule=done_in(60))
    pipeline = world.begin(
        on_demand(activity("A", **ON_M), activity("B", "C", **ON_M), activity("C"), machine("M"))
    )
    wait(world, minutes=5)
    world.set_status(pipeline, "TRY_CANCEL", name_of("M"))
    assert [status(world, pipeline, each) for each in "MAB"] == [
        "SHUTTING_DOWN",
        "CANCELED",
        "CANCELED",
    ]
    wait(world, minutes=5)
    m = instance(world, pipeline, "M")
    assert (m.status, m.cancel_reason) == ("CANCELED", "cancelled by simulant")
    assert room.provider.left() == []


def test_cancelled_before_anything_was_made_it_ends_at_once(world):
    pipeline = world.begin(on_demand(activity("A", **ON_M), machine("M")))
    world.set_status(pipeline, "TRY_CANCEL", name_of("M"))
    assert status(world, pipeline, "M") == "CANCELED"
    assert status(world, pipeline, "A") == "CANCELED"


def test_cancelled_while_it_is_being_created_it_is_stopped_once_that_is_through(world):
    """Two steps of one machine never go on at a time: what is being made could not be found."""
    room = MachineRoom(world, takes_ms=30_000)
    pipeline = world.begin(on_demand(activity("A", **ON_M), machine("M")))
    world.advance_to(T0 + 45_000)
    world.set_status(pipeline, "TRY_CANCEL", name_of("M"))
    assert steps(room) == ["check"]
    wait(world, minutes=10)
    assert steps(room) == ["check", "create", "stop"]
    assert status(world, pipeline, "M") == "CANCELED"
    assert room.provider.left() == []


def test_mark_finished_is_refused_while_there_may_be_a_machine(world):
    MachineRoom(world, rule=done_in(60))
    pipeline = world.begin(on_demand(activity("A", **ON_M), machine("M")))
    wait(world, minutes=5)
    with pytest.raises(InvalidRequest, match="is RUNNING, so it cannot be set to MARK_FINISHED"):
        world.set_status(pipeline, "MARK_FINISHED", name_of("M"))


def test_paused_it_is_not_started_and_resumed_it_is(world):
    room = MachineRoom(world)
    pipeline = world.begin(
        hourly(activity("A", **ON_M), machine("M"), occurrences=1, style="timeseries")
    )
    world.set_status(pipeline, "PAUSE", "M")
    wait(world, hours=2)
    assert status(world, pipeline, "M") == "PAUSED"
    assert status(world, pipeline, "A") == "WAITING_ON_DEPENDENCIES"
    assert steps(room) == []
    world.set_status(pipeline, "RESUME", "M")
    wait(world, minutes=10)
    assert state(world, pipeline) == "FINISHED"


def test_a_paused_activity_requests_nothing(world):
    room = MachineRoom(world)
    pipeline = world.begin(on_demand(activity("B"), activity("A", "B", **ON_M), machine("M")))
    world.set_status(pipeline, "PAUSE", "A")
    Hand(world).end(Hand(world).take())
    wait(world, hours=1)
    assert steps(room) == []
    world.set_status(pipeline, "RESUME", "A")
    wait(world, minutes=10)
    assert state(world, pipeline) == "FINISHED"


@pytest.mark.parametrize("cancel_active", [True, False])
def test_a_deactivation_shuts_resources_down_before_it_is_through(world, cancel_active):
    """With cancelActive at once; without, when nothing else runs. And it all comes back."""
    room = MachineRoom(world, lambda order: Habits(stops=4), done_in(20))
    pipeline = world.begin(
        on_demand(activity("A", **ON_M), activity("B", "A", **ON_M), machine("M"))
    )
    wait(world, minutes=5)
    world.deactivate(pipeline, cancel_active)
    assert status(world, pipeline, "M") == ("SHUTTING_DOWN" if cancel_active else "RUNNING")
    assert status(world, pipeline, "A") == ("CANCELED" if cancel_active else "RUNNING")
    assert state(world, pipeline) == "DEACTIVATING"
    wait(world, minutes=30)
    assert state(world, pipeline) == "INACTIVE"
    assert status(world, pipeline, "A") == ("CANCELED" if cancel_active else "FINISHED")
    assert status(world, pipeline, "B") == "WAITING_ON_DEPENDENCIES"
    assert room.provider.left() == []
    world.activate(pipeline)
    world.run_out(world.now + 3 * HOUR_MS)
    assert state(world, pipeline) == "FINISHED"
    assert {status(world, pipeline, each) for each in "ABM"} == {"FINISHED"}


def test_a_deleted_pipeline_is_forgotten_when_its_machines_are_stopped(world):
    room = MachineRoom(world, lambda order: Habits(stops=30), done_in(60))
    pipeline = world.begin(on_demand(activity("A", **ON_M), machine("M")))
    wait(world, minutes=5)
    world.delete(pipeline)
    wait(world, minutes=5)
    with pytest.raises(PipelineDeleted):
        world.describe_pipeline(pipeline)
    assert len(world.instances(pipeline)) == 2
    assert len(room.provider.left()) == 1
    wait(world, hours=1)
    assert room.provider.left() == []
    assert world.instances(pipeline) == []


def test_intervals_passed_over_leave_the_resource_of_those_that_come(world):
    """The interval of a resource that holds `startTimestamp` is made, though it begins before."""
    MachineRoom(world)
    pipeline = world.create()
    from penstock.language.forms import from_cli

    world.put(
        pipeline,
        from_cli(
            {
                "objects": [
                    default("cron", "Short"),
                    schedule("1 hour", name="Short", occurrences="4"),
                    schedule("4 hours", name="Long", occurrences="1"),
                    activity("A", **ON_M),
                    machine("M", schedule=("Long",)),
                ]
            }
        ),
    )
    wait(world, hours=3.5)
    world.activate(pipeline, T0 + 2 * HOUR_MS)
    wait(world, hours=2)
    assert starts(world, pipeline, "A") == [2, 3]
    assert starts(world, pipeline, "M") == [0]
    assert state(world, pipeline) == "FINISHED"


def test_it_has_no_health_of_its_own(world):
    MachineRoom(world, lambda order: Habits(refuses=True))
    pipeline = world.begin(on_demand(activity("A", **ON_M), machine("M", maximumRetries="0")))
    wait(world, minutes=10)
    assert world.describe(pipeline, "M").string("@healthStatus") is None
    assert world.describe(pipeline, "A").string("@healthStatus") == "ERROR"


def test_other_runners_have_nothing_to_do_with_it(world):
    MachineRoom(world)
    other = Runner(world, at_once)
    pipeline = world.begin(on_demand(activity("A", **ON_M), activity("B"), machine("M")))
    wait(world, minutes=10)
    assert state(world, pipeline) == "FINISHED"
    assert other.taken == [f"{name_of('B')}_Attempt=1"]


def test_an_instance_says_what_it_runs_on_and_the_resource_who_runs_on_it(world):
    MachineRoom(world, rule=done_in(30))
    pipeline = world.begin(on_demand(activity("A", **ON_M), activity("B", **ON_M), machine("M")))
    assert world.describe(pipeline, name_of("A")).refs("@waitingOn") == (name_of("M"),)
    wait(world, minutes=5)
    assert world.describe(pipeline, name_of("A")).ref("@resource") == name_of("M")
    shown = world.describe(pipeline, name_of("M"))
    assert shown.refs("input") == (name_of("A"), name_of("B"))
    assert shown.string("@resourceId") == f"machine of {pipeline}_{name_of('M')}_Attempt=1"
    assert shown.ref("@headAttempt") == f"{name_of('M')}_Attempt=1"
    attempt = world.describe(pipeline, f"{name_of('M')}_Attempt=1")
    assert attempt.string("@status") == "RUNNING"
    assert attempt.string("@resourceId") == shown.string("@resourceId")


def test_a_failed_one_gives_its_failure_reason(world):
    MachineRoom(world, lambda order: Habits(refuses=True))
    pipeline = world.begin(on_demand(activity("A", **ON_M), machine("M", maximumRetries="0")))
    wait(world, minutes=5)
    shown = world.describe(pipeline, name_of("M"))
    assert shown.string("@failureReason") == "there is no room for such a machine"
    assert shown.string("errorId") == "Service_ResourceNotCreated"


def explained(world: World, pipeline: str, component: str = "A") -> str:
    return world.describe(pipeline, name_of(component)).string("@explanation") or ""


def test_the_explanation_leads_to_the_resource(world):
    MachineRoom(world, lambda order: Habits(silent_ms=0, faults={"create": 2}))
    pipeline = world.begin(on_demand(activity("A", **ON_M), machine("M")))
    waits = f"Waits for {name_of('M')}, which "
    assert explained(world, pipeline) == waits + "is being checked by its provider."
    wait(world, minutes=0.05)
    assert "is being created since 2023-11-15T00:00:01, which met a fault once; it is tried " in (
        explained(world, pipeline)
    )
    wait(world, minutes=5)
    assert explained(world, pipeline).startswith(waits + "is up since 2023-11-15T00:00:01, and no ")
    world.set_status(pipeline, "TRY_CANCEL", name_of("M"))
    assert explained(world, pipeline, "M").startswith("Is being shut down")
    assert "its resource @M_" in explained(world, pipeline)


def test_a_resource_that_nobody_asks_for_yet_says_so(world):
    pipeline = world.begin(on_demand(activity("B"), activity("A", "B", **ON_M), machine("M")))
    assert explained(world, pipeline, "M").startswith(
        "Is not started before something that runs on it waits for nothing else: "
        f"{name_of('A')}, which runs on it, waits for {name_of('B')} (and 1 more), which has been "
    )


def test_the_last_try_asks_for_no_spot_instance_if_it_says_so(world):
    """useOnDemandOnLastAttempt."""
    room = MachineRoom(world, by_number(Habits(dies_ms=5 * MINUTE_MS), Habits()), done_in(10))
    spot = {"spotBidPrice": "0.5", "useOnDemandOnLastAttempt": "true", "maximumRetries": "1"}
    pipeline = world.begin(on_demand(activity("A", **ON_M, **QUICK), machine("M", **spot, **QUICK)))
    world.run_out(T0 + 3 * HOUR_MS)
    assert state(world, pipeline) == "FINISHED"
    assert [each.order.spot for each in room.provider.machines.values()] == [True, False]
