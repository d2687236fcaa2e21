"""The life of resources: docs/engine.md, "Resources". Each test says the rule that it holds."""

import pytest

from penstock.model.api import ReportTaskRunnerHeartbeatRequest
from penstock.model.times import HOUR_MS, MINUTE_MS
from penstock.simulation.machines import Habits, MachineRoom
from penstock.simulation.runners import Work
from tests.simulation.machine_scenes import (
    CASCADE,
    ON_M,
    QUICK,
    by_number,
    done_in,
    group,
    lived,
    status,
    steps,
)
from tests.simulation.scenes import (
    T0,
    Hand,
    activity,
    condition,
    default,
    hourly,
    instance,
    machine,
    name_of,
    node,
    on_demand,
    schedule,
    starts,
    state,
    wait,
)


def test_a_resource_is_made_for_an_activity_and_shut_down_after_it(world):
    """The whole life: checked, created, up, heard, used, shut down, FINISHED."""
    room = MachineRoom(world, lambda order: Habits(boots_ms=5 * MINUTE_MS))
    pipeline = world.begin(on_demand(activity("A", **ON_M), machine("M")))
    assert status(world, pipeline, "M") == "VALIDATING"
    wait(world, minutes=1)
    assert status(world, pipeline, "M") == "CREATING"
    assert status(world, pipeline, "A") == "WAITING_ON_DEPENDENCIES"
    wait(world, minutes=9)
    assert state(world, pipeline) == "FINISHED"
    assert lived(world, pipeline)[:3] == ["VALIDATING", "CREATING", "RUNNING"]
    assert lived(world, pipeline)[-2:] == ["SHUTTING_DOWN", "FINISHED"]
    assert room.provider.left() == []
    assert steps(room, "check", "create", "stop") == ["check", "create", "stop"]


def test_it_is_activating_when_it_is_up_and_no_runner_was_heard(world):
    room = MachineRoom(world, lambda order: Habits(silent_ms=0))
    pipeline = world.begin(on_demand(activity("A", **ON_M), machine("M")))
    wait(world, minutes=3)
    assert status(world, pipeline, "M") == "ACTIVATING"
    assert status(world, pipeline, "A") == "WAITING_ON_DEPENDENCIES"
    assert steps(room, "create") == ["create"]
    Hand(world, group(world, pipeline)).poll_once()
    assert status(world, pipeline, "M") == "RUNNING"
    assert status(world, pipeline, "A") == "RUNNING"


@pytest.mark.parametrize("how", ["poll", "heartbeat"])
def test_a_poll_or_a_heartbeat_of_its_group_is_what_is_heard(world, how):
    MachineRoom(world, lambda order: Habits(silent_ms=0))
    pipeline = world.begin(on_demand(activity("A", **ON_M), machine("M")))
    wait(world, minutes=3)
    own = group(world, pipeline)
    if how == "poll":
        Hand(world, own + "x").poll_once()
        assert status(world, pipeline, "M") == "ACTIVATING"
        assert Hand(world, own).poll_once() is not None
    else:
        request = ReportTaskRunnerHeartbeatRequest("r", worker_group=own)
        assert world.call("ReportTaskRunnerHeartbeat", request).terminate is False
    assert status(world, pipeline, "M") == "RUNNING"


def test_a_runner_heard_before_its_machine_was_known_counts(world):
    """The answer of create may come later than the first poll."""
    MachineRoom(world, lambda order: Habits(boots_ms=0, silent_ms=0), takes_ms=30_000)
    pipeline = world.begin(on_demand(activity("A", **ON_M), machine("M")))
    world.advance_to(T0 + 45_000)
    assert status(world, pipeline, "M") == "CREATING"
    Hand(world, group(world, pipeline)).poll_once()
    world.advance_to(T0 + 60_000)
    assert status(world, pipeline, "M") == "RUNNING"


def test_a_heartbeat_is_told_to_end_when_the_resource_shuts_down(world):
    MachineRoom(world, lambda order: Habits(stops=10))
    pipeline = world.begin(on_demand(activity("A", **ON_M), machine("M")))
    wait(world, minutes=2)
    assert status(world, pipeline, "M") == "SHUTTING_DOWN"
    request = ReportTaskRunnerHeartbeatRequest("r", worker_group=group(world, pipeline))
    assert world.call("ReportTaskRunnerHeartbeat", request).terminate is True


def test_its_activities_are_tasks_of_its_own_worker_group_whatever_theirs(world):
    MachineRoom(world, lambda order: Habits(silent_ms=0))
    pipeline = world.begin(
        on_demand(activity("A", workerGroup="workers", **ON_M), machine("M"), workerGroup="x")
    )
    wait(world, minutes=3)
    Hand(world, group(world, pipeline)).poll_once()
    (attempt,) = world.attempts(instance(world, pipeline, "A"))
    assert attempt.worker_group == f"resource:{pipeline}_{name_of('M')}"


def test_it_is_requested_when_a_waiter_waits_for_nothing_else(world):
    """Dependencies, then preconditions, then the resource."""
    room = MachineRoom(world)
    pipeline = world.begin(
        on_demand(
            activity("B"),
            activity("A", "B", precondition=("P",), **ON_M),
            condition("P", workerGroup="workers"),
            machine("M"),
        )
    )
    hand = Hand(world)
    for expected in ("@B_", "@P@A_"):
        wait(world, minutes=30)
        assert status(world, pipeline, "M") == "WAITING_ON_DEPENDENCIES"
        task = hand.take()
        assert task.attempt_id.startswith(expected)
        hand.end(task)
    assert status(world, pipeline, "M") == "VALIDATING"
    world.run_out(world.now + HOUR_MS)
    assert state(world, pipeline) == "FINISHED"
    assert len(room.provider.machines) == 1


def test_a_precondition_runs_on_its_owners_resource_and_requests_it(world):
    room = MachineRoom(world)
    pipeline = world.begin(
        on_demand(activity("A", precondition=("P",), **ON_M), condition("P"), machine("M"))
    )
    assert status(world, pipeline, "M") == "VALIDATING"
    wait(world, minutes=10)
    assert state(world, pipeline) == "FINISHED"
    assert [each.name for each in room.runners] == [
        each.handle for each in room.provider.machines.values()
    ]
    assert room.runners[0].taken == [f"{name_of(n)}_Attempt=1" for n in ("P@A", "A")]


def test_a_data_nodes_precondition_runs_where_the_activity_does_that_uses_it(world):
    room = MachineRoom(world)
    pipeline = world.begin(
        on_demand(
            node("N", precondition=("P",)),
            activity("A", input=("N",), **ON_M),
            condition("P"),
            machine("M"),
        )
    )
    wait(world, minutes=10)
    assert room.runners[0].taken == [f"{name_of(n)}_Attempt=1" for n in ("P@N", "A")]
    assert state(world, pipeline) == "FINISHED"


def test_a_preconditions_own_resource_comes_first(world):
    """And it goes when the precondition has, though the activity goes on elsewhere."""
    room = MachineRoom(world)
    pipeline = world.begin(
        on_demand(
            activity("B"),
            activity("A", "B", precondition=("P",)),
            condition("P", **ON_M),
            machine("M"),
        )
    )
    assert status(world, pipeline, "M") == "WAITING_ON_DEPENDENCIES"
    hand = Hand(world)
    hand.end(hand.take())
    wait(world, minutes=10)
    assert room.runners[0].taken == [f"{name_of('P@A')}_Attempt=1"]
    assert status(world, pipeline, "M") == "FINISHED"
    assert status(world, pipeline, "A") == "WAITING_FOR_RUNNER"


def test_several_activities_of_one_interval_share_it(world):
    room = MachineRoom(world, rule=done_in(10))
    pipeline = world.begin(
        on_demand(activity("A", **ON_M), activity("B", "A", **ON_M), machine("M"))
    )
    wait(world, hours=1)
    assert len(room.provider.machines) == 1
    assert state(world, pipeline) == "FINISHED"


def test_three_short_intervals_share_the_one_that_holds_their_starts(world):
    """And the resource stays for those that are still to come."""
    room = MachineRoom(world)
    pipeline = world.begin(
        [
            default("cron", "Short"),
            schedule("20 minutes", name="Short", occurrences="6"),
            schedule("1 hour", name="Hourly", occurrences="2"),
            activity("A", **ON_M),
            machine("M", schedule=("Hourly",)),
        ]
    )
    wait(world, minutes=30)
    assert starts(world, pipeline, "M") == [0]
    assert status(world, pipeline, "M") == "RUNNING"
    wait(world, minutes=20)
    assert status(world, pipeline, "M") == "FINISHED"
    wait(world, minutes=80)
    assert starts(world, pipeline, "M") == [0, 1]
    assert len(room.provider.machines) == 2
    assert state(world, pipeline) == "FINISHED"


def test_a_long_interval_runs_on_the_short_one_that_holds_its_start(world):
    room = MachineRoom(world)
    pipeline = world.begin(
        [
            default("cron", "Long"),
            schedule("3 hours", name="Long", occurrences="1"),
            schedule("1 hour", name="Hourly", occurrences="3"),
            activity("A", **ON_M),
            machine("M", schedule=("Hourly",)),
        ]
    )
    wait(world, hours=4)
    assert len(room.provider.machines) == 1
    assert state(world, pipeline) == "FINISHED"
    assert {each.status for each in world.instances(pipeline, "M")} == {"FINISHED"}


def test_it_has_its_instance_at_the_start_of_the_interval_also_in_timeseries(world):
    room = MachineRoom(world)
    pipeline = world.begin(
        hourly(activity("A", **ON_M), machine("M"), occurrences=2, style="timeseries")
    )
    wait(world, minutes=30)
    assert status(world, pipeline, "M") == "WAITING_ON_DEPENDENCIES"
    assert starts(world, pipeline, "A") == []
    wait(world, hours=3)
    assert state(world, pipeline) == "FINISHED"
    assert len(room.provider.machines) == 2


def test_what_has_no_interval_of_its_resource_fails_and_says_so(world):
    pipeline = world.begin(
        [
            default("cron", "Hourly"),
            schedule("1 hour", occurrences="2"),
            schedule("1 hour", name="Once", occurrences="1"),
            activity("A", **ON_M),
            machine("M", schedule=("Once",)),
        ]
    )
    MachineRoom(world)
    wait(world, hours=2)
    late = instance(world, pipeline, "A", 1)
    assert (late.status, late.error_id) == ("FAILED", "Service_ExpressionError")
    assert "its resource M has no interval that holds" in late.error_message


def test_what_its_provider_refuses_is_failed_at_once_and_nothing_is_made(world):
    room = MachineRoom(world, lambda order: Habits(problems=("imageId is no image",)))
    pipeline = world.begin(
        on_demand(activity("A", **ON_M), activity("B", "A", **CASCADE), machine("M"))
    )
    wait(world, minutes=1)
    found = instance(world, pipeline, "M")
    assert (found.status, found.error_id) == ("FAILED", "Service_ResourceInvalid")
    assert found.error_message == "imageId is no image"
    a = instance(world, pipeline, "A")
    assert (a.status, a.cascade_on) == ("CANCELED", name_of("M"))
    assert "has failed: imageId is no image" in a.cancel_reason
    assert status(world, pipeline, "B") == "CASCADE_FAILED"
    assert steps(room) == ["check"]


def test_a_step_that_meets_a_passing_fault_is_asked_again(world):
    room = MachineRoom(
        world, lambda order: Habits(faults={"check": 2, "create": 2, "look": 2, "stop": 2})
    )
    pipeline = world.begin(on_demand(activity("A", **ON_M), machine("M")))
    world.run_out(T0 + HOUR_MS)
    assert state(world, pipeline) == "FINISHED"
    assert instance(world, pipeline, "M").attempts == 1
    assert steps(room, "stop") == ["stop"] * 3
    assert room.provider.left() == []


def test_a_machine_that_cannot_be_created_is_tried_again_and_then_failed(world):
    room = MachineRoom(world, lambda order: Habits(refuses=True))
    pipeline = world.begin(
        on_demand(activity("A", **ON_M), machine("M", maximumRetries="1", **QUICK))
    )
    wait(world, minutes=1)
    found = instance(world, pipeline, "M")
    assert (found.status, found.attempts) == ("WAITING_ON_DEPENDENCIES", 1)
    assert status(world, pipeline, "A") == "WAITING_ON_DEPENDENCIES"
    wait(world, minutes=2)
    found = instance(world, pipeline, "M")
    assert (found.status, found.attempts) == ("FAILED", 2)
    assert found.error_id == "Service_ResourceNotCreated"
    assert status(world, pipeline, "A") == "CANCELED"
    # Nothing is known to have been made, but something may have been: it is stopped by its token.
    assert steps(room, "create", "stop") == ["create", "stop"] * 2


def test_a_create_whose_answer_was_lost_makes_one_machine(world):
    room = MachineRoom(world, lambda order: Habits(forgets=True))
    pipeline = world.begin(on_demand(activity("A", **ON_M), machine("M")))
    wait(world, minutes=10)
    assert state(world, pipeline) == "FINISHED"
    assert steps(room, "create") == ["create", "create"]
    assert len(room.provider.machines) == 1
    assert room.provider.left() == []


def test_a_step_lost_with_its_server_is_offered_again_and_no_try_used_up(world):
    room = MachineRoom(world)
    pipeline = world.begin(on_demand(activity("A", **ON_M), machine("M")))
    world.advance_to(T0 + 500)
    world.restart()
    wait(world, minutes=4)
    assert steps(room) == []
    wait(world, minutes=6)
    assert state(world, pipeline) == "FINISHED"
    assert instance(world, pipeline, "M").attempts == 1


def test_no_runner_within_init_timeout_fails_the_try(world):
    room = MachineRoom(world, by_number(Habits(boots_ms=24 * HOUR_MS), Habits()))
    pipeline = world.begin(
        on_demand(activity("A", **ON_M), machine("M", initTimeout="20 minutes", **QUICK))
    )
    wait(world, minutes=20)
    assert status(world, pipeline, "M") == "CREATING"
    wait(world, minutes=2)
    first, _ = world.attempts(instance(world, pipeline, "M"))
    assert (first.status, first.error_id) == ("FAILED", "Service_ResourceInitTimeout")
    wait(world, minutes=10)
    assert state(world, pipeline) == "FINISHED"
    assert room.provider.left() == []


def test_a_machine_that_dies_fails_its_tasks_and_both_are_tried_again(world):
    """retryAll, which is the default: a try of the activity is used up."""
    room = MachineRoom(world, by_number(Habits(dies_ms=10 * MINUTE_MS), Habits()), done_in(30))
    pipeline = world.begin(
        on_demand(activity("A", **ON_M, **QUICK), activity("B", "A", **ON_M), machine("M", **QUICK))
    )
    world.run_out(T0 + 3 * HOUR_MS)
    assert state(world, pipeline) == "FINISHED"
    a, m = instance(world, pipeline, "A"), instance(world, pipeline, "M")
    first, second = world.attempts(a)
    assert (first.status, first.error_id) == ("FAILED", "Service_ResourceFailed")
    assert "has died" in first.error_message
    assert second.status == "FINISHED"
    assert [each.status for each in world.attempts(m)] == ["FAILED", "FINISHED"]
    assert world.attempts(m)[0].error_id == "Service_ResourceLost"
    assert room.provider.left() == []


def test_retry_none_fails_for_good_what_ran_on_it(world):
    MachineRoom(world, lambda order: Habits(dies_ms=10 * MINUTE_MS), done_in(30))
    pipeline = world.begin(
        on_demand(activity("A", **ON_M), machine("M", actionOnResourceFailure="retryNone", **QUICK))
    )
    wait(world, minutes=15)
    a = instance(world, pipeline, "A")
    assert (a.status, a.error_id, a.cascade_on) == (
        "FAILED",
        "Service_ResourceFailed",
        name_of("M"),
    )
    # Nobody is left who would use another.
    assert status(world, pipeline, "M") == "FINISHED"


def test_a_machine_whose_users_are_stuck_is_shut_down_and_comes_back(world):
    """B and, through it, C wait for X, which fails elsewhere for good: nobody pays for waiting."""
    room = MachineRoom(world)
    pipeline = world.begin(
        on_demand(
            activity("X", maximumRetries="0"),
            activity("A", **ON_M),
            activity("B", "X", **ON_M),
            activity("C", "B", **ON_M),
            machine("M"),
        )
    )
    wait(world, minutes=30)
    assert status(world, pipeline, "A") == "FINISHED"
    assert status(world, pipeline, "M") == "RUNNING", "X may yet finish"
    hand = Hand(world)
    hand.end(hand.take(), "FAILED")
    wait(world, minutes=5)
    assert status(world, pipeline, "M") == "FINISHED"
    assert room.provider.left() == []
    assert {status(world, pipeline, each) for each in "BC"} == {"WAITING_ON_DEPENDENCIES"}
    world.set_status(pipeline, "RERUN", name_of("X"))
    wait(world, minutes=5)
    assert len(room.provider.machines) == 1, "it is not wanted yet"
    hand.end(hand.take())
    wait(world, minutes=30)
    assert state(world, pipeline) == "FINISHED"
    assert len(room.provider.machines) == 2


def test_a_machine_waits_for_what_is_tried_again(world):
    """Between two tries nothing has failed for good."""
    room = MachineRoom(world)
    pipeline = world.begin(
        on_demand(activity("X"), activity("A", **ON_M), activity("B", "X", **ON_M), machine("M"))
    )
    hand = Hand(world)
    hand.end(hand.take(), "FAILED")
    wait(world, minutes=9)
    assert status(world, pipeline, "M") == "RUNNING"
    wait(world, minutes=2)
    hand.end(hand.take())
    wait(world, minutes=30)
    assert state(world, pipeline) == "FINISHED"
    assert len(room.provider.machines) == 1


@pytest.mark.parametrize("habits", [Habits(dies_ms=10 * MINUTE_MS), Habits(refuses=True)])
def test_retry_none_fails_what_has_not_begun_as_well(world, habits):
    """All that is unfinished: who runs, who is queued or waits for others, who is paused."""
    room = MachineRoom(world, lambda order: habits, done_in(30))
    pipeline = world.begin(
        on_demand(
            activity("A", **ON_M),
            activity("B", "A", **ON_M),
            activity("C", "A", **ON_M),
            activity("D", **ON_M),
            activity("E", "B", **CASCADE),
            machine("M", actionOnResourceFailure="retryNone", **QUICK),
        )
    )
    world.set_status(pipeline, "PAUSE", "C")
    wait(world, minutes=20)
    for each in (instance(world, pipeline, name) for name in "ABCD"):
        found = (each.status, each.error_id, each.cascade_on)
        assert found == ("FAILED", "Service_ResourceFailed", name_of("M"))
    assert status(world, pipeline, "E") == "CASCADE_FAILED"
    assert len(steps(room, "create")) == 1, "nobody is left who would use another"
    assert room.provider.left() == []


def test_a_task_that_nobody_took_waits_for_the_next_machine_without_losing_a_try(world):
    """Two activities, one slot: the second stands in the queue when the machine dies."""
    room = MachineRoom(world, by_number(Habits(dies_ms=10 * MINUTE_MS), Habits()), done_in(30))
    pipeline = world.begin(
        on_demand(activity("A", **ON_M, **QUICK), activity("B", **ON_M), machine("M", **QUICK))
    )
    wait(world, minutes=9)
    waiting = sorted(status(world, pipeline, each) for each in "AB")
    assert waiting == ["RUNNING", "WAITING_FOR_RUNNER"]
    wait(world, minutes=2.5)
    assert {status(world, pipeline, each) for each in "AB"} == {"WAITING_ON_DEPENDENCIES"}
    world.run_out(T0 + 3 * HOUR_MS)
    assert state(world, pipeline) == "FINISHED"
    tries = sorted(instance(world, pipeline, each).attempts for each in "AB")
    assert tries == [1, 2]
    assert len(room.provider.machines) == 2


def test_failed_for_good_it_cancels_those_that_use_it(world):
    room = MachineRoom(world, lambda order: Habits(dies_ms=10 * MINUTE_MS), done_in(30))
    pipeline = world.begin(
        on_demand(
            activity("A", **ON_M),
            activity("B", **ON_M),
            activity("C", "A", **CASCADE),
            machine("M", maximumRetries="0"),
        )
    )
    wait(world, minutes=15)
    assert [status(world, pipeline, each) for each in "MABC"] == [
        "FAILED",
        "CANCELED",
        "CANCELED",
        "CASCADE_FAILED",
    ]
    assert room.provider.left() == []


def test_a_silent_runner_is_started_anew_and_goes_on(world):
    room = MachineRoom(world, lambda order: Habits(silent_ms=10 * MINUTE_MS))
    pipeline = world.begin(
        on_demand(activity("B"), activity("A", "B", **ON_M), activity("D", **ON_M), machine("M"))
    )
    wait(world, minutes=12)
    assert status(world, pipeline, "D") == "FINISHED"
    assert status(world, pipeline, "M") == "RUNNING"
    assert steps(room, "restart") == []
    wait(world, minutes=15)
    assert steps(room, "restart") == ["restart"]
    Hand(world).end(Hand(world).take())
    wait(world, minutes=2)
    assert state(world, pipeline) == "FINISHED"
    assert instance(world, pipeline, "M").attempts == 1


def test_one_that_stays_silent_after_that_has_failed(world):
    MachineRoom(world, lambda order: Habits(silent_ms=5 * MINUTE_MS, heals=False))
    pipeline = world.begin(
        on_demand(
            activity("B"), activity("A", "B", **ON_M), activity("D", **ON_M), machine("M", **QUICK)
        )
    )
    wait(world, minutes=40)
    first = world.attempts(instance(world, pipeline, "M"))[0]
    assert (first.status, first.error_id) == ("FAILED", "Service_ResourceSilent")


def test_terminate_after_ends_it_timed_out_whatever_tries_are_left(world):
    room = MachineRoom(world, rule=done_in(600))
    pipeline = world.begin(
        on_demand(
            activity("A", **ON_M),
            activity("B", "A", **CASCADE),
            machine("M", terminateAfter="2 hours"),
        )
    )
    wait(world, hours=2.1)
    found = instance(world, pipeline, "M")
    assert (found.status, found.error_id, found.attempts) == (
        "TIMEDOUT",
        "Service_TerminateAfter",
        1,
    )
    a = instance(world, pipeline, "A")
    assert a.status == "CANCELED"
    assert "ran out of time" in a.cancel_reason
    assert status(world, pipeline, "B") == "CASCADE_FAILED"
    assert room.provider.left() == []
    # The runner hears that it is to stop.
    assert [what for _, _, what in world.history if "stop" in what] == []


def test_what_comes_after_a_failed_resource_is_cancelled(world):
    """New intervals do not start a resource anew that has failed for good."""
    MachineRoom(world, rule=done_in(600))
    pipeline = world.begin(
        [
            default("cron", "Short"),
            schedule("1 hour", name="Short", occurrences="4"),
            schedule("4 hours", name="Long", occurrences="1"),
            activity("A", **ON_M),
            machine("M", schedule=("Long",), terminateAfter="90 minutes"),
        ]
    )
    wait(world, hours=5)
    assert status(world, pipeline, "M") == "TIMEDOUT"
    assert [each.status for each in world.instances(pipeline, "A")] == ["CANCELED"] * 4
    assert state(world, pipeline) == "FINISHED"


def test_an_activity_that_fails_leaves_the_resource_unless_it_says_terminate(world):
    MachineRoom(world, rule=lambda attempt: Work("FAILED" if "@A_" in attempt else "FINISHED"))
    pipeline = world.begin(
        on_demand(
            activity("A", maximumRetries="0", **ON_M),
            activity("B", "C", **ON_M),
            activity("C"),
            machine("M"),
        )
    )
    wait(world, minutes=10)
    assert status(world, pipeline, "A") == "FAILED"
    assert status(world, pipeline, "M") == "RUNNING"


def test_action_on_task_failure_terminate_shuts_it_down_with_all_others(world):
    room = MachineRoom(
        world, rule=lambda attempt: Work("FAILED" if "@A_" in attempt else "FINISHED")
    )
    pipeline = world.begin(
        on_demand(
            activity("A", maximumRetries="0", **ON_M),
            activity("B", "C", **ON_M),
            activity("C"),
            machine("M", actionOnTaskFailure="terminate"),
        )
    )
    wait(world, minutes=10)
    m, b = instance(world, pipeline, "M"), instance(world, pipeline, "B")
    assert (m.status, m.cancel_reason) == (
        "CANCELED",
        f"{name_of('A')} has failed, and actionOnTaskFailure is terminate",
    )
    assert b.status == "CANCELED"
    assert room.provider.left() == []


def test_a_waiting_resource_whose_users_have_ended_is_finished_without_being_made(world):
    room = MachineRoom(world)
    pipeline = world.begin(
        on_demand(
            activity("B", maximumRetries="0"), activity("A", "B", **CASCADE, **ON_M), machine("M")
        )
    )
    hand = Hand(world)
    hand.end(hand.take(), "FAILED", "Oops")
    assert status(world, pipeline, "A") == "CASCADE_FAILED"
    assert status(world, pipeline, "M") == "FINISHED"
    assert steps(room) == []


def test_stopping_is_asked_until_it_is_so(world):
    room = MachineRoom(world, lambda order: Habits(stops=8))
    pipeline = world.begin(on_demand(activity("A", **ON_M), machine("M")))
    wait(world, minutes=2)
    assert status(world, pipeline, "M") == "SHUTTING_DOWN"
    assert state(world, pipeline) == "SCHEDULED"
    wait(world, minutes=5)
    assert steps(room, "stop") == ["stop"] * 8
    assert state(world, pipeline) == "FINISHED"


def test_a_machine_that_cannot_be_stopped_says_so_and_is_not_forgotten(world):
    room = MachineRoom(world, lambda order: Habits(faults={"stop": 25}))
    pipeline = world.begin(on_demand(activity("A", **ON_M), machine("M")))
    wait(world, hours=2)
    found = instance(world, pipeline, "M")
    assert found.status == "SHUTTING_DOWN"
    assert found.error_message.startswith("The machine cannot be stopped, tried ")
    world.run_out(T0 + 24 * HOUR_MS)
    assert state(world, pipeline) == "FINISHED"
    assert instance(world, pipeline, "M").error_message is None
    assert room.provider.left() == []
