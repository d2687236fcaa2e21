"""Preconditions: docs/engine.md, "Preconditions"."""

import pytest

from penstock.model.api import Operator, Query, QueryObjectsRequest, Selector
from penstock.model.errors import InvalidRequest, TaskNotFound
from penstock.model.times import HOUR_MS, MINUTE_MS
from tests.simulation.scenes import (
    T0,
    Hand,
    Server,
    activity,
    condition,
    hourly,
    instance,
    key_exists,
    name_of,
    node,
    on_demand,
    state,
    wait,
)

CASCADE = {"failureAndRerunMode": "cascade"}


def by_name(world, pipeline):
    return {each.component: each.status for each in world.instances(pipeline)}


def step(hand, expected: str, status: str = "FINISHED"):
    task = hand.take()
    assert task.attempt_id.startswith(f"@{expected}_")
    hand.report(task)
    hand.end(task, status, "Oops" if status == "FAILED" else None)
    return task


def test_an_activity_waits_for_its_precondition(world):
    pipeline = world.begin(on_demand(activity("A", precondition=("P",)), condition("P")))
    assert by_name(world, pipeline) == {
        "A": "WAITING_ON_DEPENDENCIES",
        "P@A": "WAITING_FOR_RUNNER",
    }
    assert world.describe(pipeline, name_of("A")).refs("@waitingOn") == (name_of("P@A"),)
    hand = Hand(world)
    task = step(hand, "P@A")
    assert task.attempt_id == f"{name_of('P@A')}_Attempt=1"
    assert by_name(world, pipeline) == {"A": "WAITING_FOR_RUNNER", "P@A": "FINISHED"}
    step(hand, "A")
    assert state(world, pipeline) == "FINISHED"


def test_false_asks_the_same_attempt_again_after_the_retry_delay(world):
    pipeline = world.begin(
        on_demand(
            activity("A", precondition=("P",)),
            condition("P", retryDelay="3 minutes", maximumRetries="0"),
        )
    )
    hand = Hand(world)
    for _ in range(5):
        step(hand, "P@A", "FALSE")
        found = instance(world, pipeline, "P@A")
        assert (found.status, found.attempts) == ("WAITING_ON_DEPENDENCIES", 1)
        assert found.retry_at == world.now + 3 * MINUTE_MS
        world.advance_to(found.retry_at - 1)
        assert hand.poll_once() is None
        world.advance_to(found.retry_at)
    step(hand, "P@A")
    step(hand, "A")
    assert state(world, pipeline) == "FINISHED"


def test_a_failed_precondition_is_tried_again_and_then_the_owner_waits_on(world):
    pipeline = world.begin(
        on_demand(activity("A", precondition=("P",)), condition("P", maximumRetries="1"))
    )
    hand = Hand(world)
    step(hand, "P@A", "FAILED")
    wait(world, minutes=10)
    assert step(hand, "P@A", "FAILED").attempt_id.endswith("_Attempt=2")
    wait(world, hours=100)
    assert by_name(world, pipeline) == {"A": "WAITING_ON_DEPENDENCIES", "P@A": "FAILED"}
    assert state(world, pipeline) == "SCHEDULED"


def test_a_precondition_is_evaluated_when_its_owner_waits_for_nothing_else(world):
    pipeline = world.begin(
        on_demand(activity("B"), activity("A", "B", precondition=("P",)), condition("P"))
    )
    hand = Hand(world)
    assert "P@A" not in by_name(world, pipeline)
    assert world.describe(pipeline, name_of("A")).refs("@waitingOn") == (
        name_of("B"),
        name_of("P@A"),
    )
    step(hand, "B")
    step(hand, "P@A")
    step(hand, "A")
    assert state(world, pipeline) == "FINISHED"


def test_a_precondition_of_an_output_is_evaluated_after_the_activity(world):
    pipeline = world.begin(
        on_demand(
            activity("A", output=("N",)),
            node("N", precondition=("P",)),
            activity("B", input=("N",)),
            condition("P"),
        )
    )
    hand = Hand(world)
    for name in ("A", "P@N", "B"):
        step(hand, name)
    assert state(world, pipeline) == "FINISHED"


def test_an_input_that_nobody_makes_waits_for_its_precondition(world):
    pipeline = world.begin(
        hourly(
            activity("A", input=("N",), maxActiveInstances="2"),
            node("N", precondition=("P",)),
            condition("P"),
            occurrences=3,
        )
    )
    hand = Hand(world)
    for hour in (0, 1, 2):
        assert step(hand, "P@N").attempt_id.startswith(name_of("P@N", hour))
        assert instance(world, pipeline, "N", hour).status == "FINISHED"
        step(hand, "A")
        wait(world, hours=1)
    assert state(world, pipeline) == "FINISHED"


def test_several_preconditions_are_all_asked_at_once(world):
    pipeline = world.begin(
        on_demand(activity("A", precondition=("P", "Q")), condition("P"), condition("Q"))
    )
    hand = Hand(world)
    step(hand, "P@A")
    assert by_name(world, pipeline)["A"] == "WAITING_ON_DEPENDENCIES"
    step(hand, "Q@A")
    step(hand, "A")


def test_each_that_refers_to_a_precondition_has_one_of_its_own(world):
    pipeline = world.begin(
        on_demand(
            activity("A", precondition=("P",)), activity("B", precondition=("P",)), condition("P")
        )
    )
    hand = Hand(world)
    step(hand, "P@A", "FALSE")
    step(hand, "P@B")
    assert by_name(world, pipeline) == {
        "A": "WAITING_ON_DEPENDENCIES",
        "B": "WAITING_FOR_RUNNER",
        "P@A": "WAITING_ON_DEPENDENCIES",
        "P@B": "FINISHED",
    }


def test_saying_false_again_is_no_fault_but_only_for_who_said_it(world):
    world.begin(on_demand(activity("A", precondition=("P",)), condition("P")))
    hand = Hand(world)
    lost = hand.take()
    wait(world, minutes=2)
    with pytest.raises(TaskNotFound):
        hand.end(lost, "FALSE")
    task = step(hand, "P@A", "FALSE")
    hand.end(task, "FALSE")
    with pytest.raises(TaskNotFound):
        hand.end(task, "FINISHED")
    wait(world, minutes=10)
    again = hand.take()
    with pytest.raises(TaskNotFound):
        hand.end(task, "FALSE")
    # A second owner that never acknowledges gives no ground to believe the first.
    wait(world, minutes=2)
    with pytest.raises(TaskNotFound):
        hand.end(again, "FALSE")


def test_false_stays_refused_for_activities(world):
    world.begin(on_demand(activity("A")))
    with pytest.raises(InvalidRequest, match="FALSE is for preconditions"):
        Hand(world).end(Hand(world).take(), "FALSE")


def test_a_precondition_asked_again_stands_behind_what_was_ready_before(world):
    world.begin(
        on_demand(activity("A", precondition=("P",)), condition("P", retryDelay="1 minute"))
    )
    hand = Hand(world)
    step(hand, "P@A", "FALSE")
    wait(world, minutes=0.5)
    world.begin(on_demand(activity("C")), "other")
    wait(world, minutes=1)
    step(hand, "C")
    step(hand, "P@A")


def test_the_precondition_timeout_counts_from_its_being_ready_and_is_final(world):
    pipeline = world.begin(
        on_demand(
            activity("A", precondition=("P",)),
            condition("P", retryDelay="20 minutes", preconditionTimeout="1 hour"),
        )
    )
    hand = Hand(world)
    for _ in range(3):
        step(hand, "P@A", "FALSE")
        wait(world, minutes=20)
    found = instance(world, pipeline, "P@A")
    assert (found.status, found.error_id) == ("FAILED", "Service_PreconditionTimeout")
    assert found.ended_at == T0 + HOUR_MS
    assert hand.poll_once() is None


def test_the_precondition_timeout_comes_while_it_is_being_asked(world):
    pipeline = world.begin(
        on_demand(activity("A", precondition=("P",)), condition("P", preconditionTimeout="1 hour"))
    )
    hand = Hand(world)
    wait(world, minutes=59)
    task = hand.take()
    hand.report(task)
    wait(world, minutes=1)
    assert instance(world, pipeline, "P@A").status == "FAILED"
    assert hand.report(task) is True
    with pytest.raises(InvalidRequest, match="Service_PreconditionTimeout"):
        hand.end(task)


def test_the_precondition_timeout_comes_between_two_tries(world):
    pipeline = world.begin(
        on_demand(
            activity("A", precondition=("P",)), condition("P", preconditionTimeout="5 minutes")
        )
    )
    step(Hand(world), "P@A", "FAILED")
    wait(world, minutes=5)
    found = instance(world, pipeline, "P@A")
    assert (found.status, found.error_id) == ("FAILED", "Service_PreconditionTimeout")


def test_who_was_paused_gets_its_time_anew(world):
    pipeline = world.begin(
        on_demand(
            activity("A", precondition=("P",)),
            condition("P", retryDelay="10 minutes", preconditionTimeout="1 hour"),
        )
    )
    hand = Hand(world)
    step(hand, "P@A", "FALSE")
    world.set_status(pipeline, "PAUSE", "P")
    assert instance(world, pipeline, "P@A").status == "PAUSED"
    wait(world, hours=5)
    assert instance(world, pipeline, "P@A").status == "PAUSED"
    world.set_status(pipeline, "RESUME", "P")
    step(hand, "P@A", "FALSE")
    wait(world, minutes=59)
    assert instance(world, pipeline, "P@A").status == "WAITING_FOR_RUNNER"
    wait(world, minutes=1)
    assert instance(world, pipeline, "P@A").error_id == "Service_PreconditionTimeout"


def test_attempt_timeout_and_silence_hold_for_preconditions(world):
    pipeline = world.begin(
        on_demand(
            activity("A", precondition=("P",)),
            condition("P", attemptTimeout="5 minutes", maximumRetries="1", retryDelay="1 minute"),
        )
    )
    hand = Hand(world)
    hand.report(hand.take())
    wait(world, minutes=5)
    assert instance(world, pipeline, "P@A").error_id == "Service_AttemptTimeout"
    wait(world, minutes=1)
    step(hand, "P@A")
    step(hand, "A")


def test_a_cascading_owner_fails_with_its_precondition_and_its_others_are_cancelled(world):
    pipeline = world.begin(
        on_demand(
            activity("A", precondition=("P", "Q", "R"), **CASCADE),
            activity("B", "A", **CASCADE),
            *(condition(name, maximumRetries="0") for name in "PQR"),
        )
    )
    hand = Hand(world)
    first, second = hand.take(), hand.take()
    assert second.attempt_id.startswith("@Q@A")
    hand.report(second)
    hand.end(first, "FAILED")
    assert by_name(world, pipeline) == {
        "A": "CASCADE_FAILED",
        "B": "CASCADE_FAILED",
        "P@A": "FAILED",
        "Q@A": "RUNNING",
        "R@A": "CANCELED",
    }
    assert world.describe(pipeline, name_of("A")).ref("@cascadeFailedOn") == name_of("P@A")
    assert hand.report(second) is True
    assert by_name(world, pipeline)["Q@A"] == "CANCELED"
    assert state(world, pipeline) == "FINISHED"


@pytest.mark.parametrize("status", ["TRY_CANCEL", "MARK_FINISHED"])
def test_nobody_asks_for_an_owner_that_has_ended(world, status):
    pipeline = world.begin(on_demand(activity("A", precondition=("P",)), condition("P")))
    world.set_status(pipeline, status, name_of("A"))
    assert by_name(world, pipeline)["P@A"] == "CANCELED"
    assert state(world, pipeline) == "FINISHED"
    health = world.describe_pipeline(pipeline)["@healthStatus"]
    assert health == ("HEALTHY" if status == "MARK_FINISHED" else "ERROR")


def test_rerun_of_a_precondition_lets_the_owner_go_on(world):
    pipeline = world.begin(
        on_demand(activity("A", precondition=("P",)), condition("P", maximumRetries="0"))
    )
    hand = Hand(world)
    step(hand, "P@A", "FAILED")
    world.set_status(pipeline, "RERUN", name_of("P@A"))
    assert step(hand, "P@A").attempt_id.endswith("_Attempt=2")
    step(hand, "A")
    assert state(world, pipeline) == "FINISHED"


def test_rerun_of_an_owner_asks_again_what_was_not_met_and_keeps_what_was(world):
    pipeline = world.begin(
        on_demand(
            activity("A", precondition=("P", "Q"), **CASCADE),
            condition("P"),
            condition("Q", maximumRetries="0"),
        )
    )
    hand = Hand(world)
    step(hand, "P@A")
    step(hand, "Q@A", "FAILED")
    assert by_name(world, pipeline)["A"] == "CASCADE_FAILED"
    world.set_status(pipeline, "RERUN", name_of("A"))
    assert by_name(world, pipeline) == {
        "A": "WAITING_ON_DEPENDENCIES",
        "P@A": "FINISHED",
        "Q@A": "WAITING_FOR_RUNNER",
    }
    step(hand, "Q@A")
    step(hand, "A")
    world.set_status(pipeline, "RERUN", name_of("A"))
    step(hand, "A")
    assert state(world, pipeline) == "FINISHED"


def test_rerun_of_a_cascading_precondition_brings_its_owner_back(world):
    pipeline = world.begin(
        on_demand(
            activity("A", precondition=("P",)),
            condition("P", maximumRetries="0"),
            **CASCADE,
        )
    )
    hand = Hand(world)
    step(hand, "P@A", "FAILED")
    assert by_name(world, pipeline)["A"] == "CASCADE_FAILED"
    world.set_status(pipeline, "RERUN", name_of("P@A"))
    step(hand, "P@A")
    step(hand, "A")
    assert state(world, pipeline) == "FINISHED"


def test_a_rerun_owner_that_waits_for_others_first_holds_its_preconditions(world):
    pipeline = world.begin(
        on_demand(
            activity("B", maximumRetries="0"),
            activity("A", "B", precondition=("P",), **CASCADE),
            condition("P", maximumRetries="0"),
        )
    )
    hand = Hand(world)
    step(hand, "B")
    step(hand, "P@A", "FAILED")
    world.set_status(pipeline, "RERUN", name_of("B"))
    world.set_status(pipeline, "RERUN", name_of("A"))
    assert by_name(world, pipeline)["P@A"] == "WAITING_ON_DEPENDENCIES"
    for name in ("B", "P@A", "A"):
        step(hand, name)
    assert state(world, pipeline) == "FINISHED"


def test_an_owner_that_runs_again_while_its_precondition_is_being_cancelled(world):
    pipeline = world.begin(on_demand(activity("A", precondition=("P",)), condition("P")))
    hand = Hand(world)
    task = hand.take()
    hand.report(task)
    world.set_status(pipeline, "TRY_CANCEL", name_of("A"))
    world.set_status(pipeline, "RERUN", name_of("A"))
    assert hand.report(task) is True
    step(hand, "P@A")
    step(hand, "A")
    assert state(world, pipeline) == "FINISHED"


def test_a_failed_precondition_is_the_error_of_its_owner(world):
    pipeline = world.begin(
        on_demand(activity("A", precondition=("P",)), condition("P", maximumRetries="0"))
    )
    hand = Hand(world)
    step(hand, "P@A", "FAILED")
    assert world.describe(pipeline, "A").string("@healthStatus") == "ERROR"
    assert world.describe(pipeline, "P").string("@healthStatus") is None
    world.set_status(pipeline, "RERUN", name_of("P@A"))
    step(hand, "P@A")
    step(hand, "A")
    assert world.describe_pipeline(pipeline)["@healthStatus"] == "HEALTHY"


def test_pausing_a_precondition_pauses_it_for_all_its_owners(world):
    pipeline = world.begin(
        hourly(
            activity("A", precondition=("P",)),
            activity("B", precondition=("P",)),
            condition("P"),
            occurrences=2,
        )
    )
    assert world.describe(pipeline, "P").string("@status") == "SCHEDULED"
    assert world.describe(pipeline, "P").refs("@activeInstances") == (
        name_of("P@A"),
        name_of("P@B"),
    )
    world.set_status(pipeline, "PAUSE", "P")
    wait(world, hours=1.5)
    assert {i.status for i in world.instances(pipeline) if i.component[0] == "P"} == {"PAUSED"}
    assert world.describe(pipeline, "P").string("@status") == "PAUSED"
    assert Hand(world).poll_once() is None
    world.set_status(pipeline, "RESUME", "P")
    hand = Hand(world)
    for _ in range(8):
        hand.end(hand.take())
    wait(world, hours=1)
    assert state(world, pipeline) == "FINISHED"
    assert world.describe(pipeline, "P").string("@status") == "FINISHED"


def test_a_paused_owner_is_ready_once_its_preconditions_are_met(world):
    pipeline = world.begin(on_demand(activity("A", precondition=("P",)), condition("P")))
    world.set_status(pipeline, "PAUSE", "A")
    hand = Hand(world)
    step(hand, "P@A")
    assert by_name(world, pipeline)["A"] == "PAUSED"
    world.set_status(pipeline, "RESUME", "A")
    step(hand, "A")


@pytest.mark.parametrize("running", [False, True])
def test_deactivation_holds_preconditions_and_activation_goes_on_with_them(world, running):
    pipeline = world.begin(
        hourly(activity("A", precondition=("P",)), condition("P"), occurrences=1)
    )
    hand = Hand(world)
    if running:
        task = hand.take()
        hand.report(task)
    else:
        step(hand, "P@A", "FALSE")
    world.deactivate(pipeline)
    if running:
        assert hand.report(task) is True
    wait(world, hours=5)
    assert state(world, pipeline) == "INACTIVE"
    assert hand.poll_once() is None
    world.activate(pipeline)
    step(hand, "P@A")
    step(hand, "A")
    assert state(world, pipeline) == "FINISHED"


def test_what_is_skipped_needs_no_precondition(world):
    pipeline = world.begin(
        hourly(activity("A", precondition=("P",)), condition("P"), occurrences=3)
    )
    wait(world, hours=1.5)
    world.deactivate(pipeline)
    world.activate(pipeline, T0 + HOUR_MS)
    assert instance(world, pipeline, "A").status == "SKIPPED"
    assert instance(world, pipeline, "P@A").status == "CANCELED"
    assert instance(world, pipeline, "P@A", 1).status == "WAITING_FOR_RUNNER"


def test_nothing_new_is_asked_while_the_pipeline_is_deactivated(world):
    pipeline = world.begin(
        on_demand(activity("B"), activity("A", "B", precondition=("P",)), condition("P"))
    )
    hand = Hand(world)
    task = hand.take()
    hand.report(task)
    world.deactivate(pipeline, cancel_active=False)
    hand.end(task)
    assert state(world, pipeline) == "INACTIVE"
    assert "P@A" not in by_name(world, pipeline)
    world.activate(pipeline)
    step(hand, "P@A")
    step(hand, "A")


@pytest.mark.parametrize(
    ("precondition", "owner", "group"),
    [
        ({"workerGroup": "mine"}, {"workerGroup": "theirs"}, "mine"),
        ({}, {"workerGroup": "theirs"}, "theirs"),
        ({}, {}, "workers"),
        ({}, {"workerGroup": "#{name}-group"}, "A-group"),
    ],
)
def test_whose_worker_group_evaluates_a_precondition(world, precondition, owner, group):
    world.begin(
        on_demand(activity("A", precondition=("P",), **owner), condition("P", **precondition))
    )
    step(Hand(world, group), "P@A")


def test_a_data_nodes_precondition_goes_where_the_first_activity_that_uses_it_runs(world):
    world.begin(
        on_demand(
            node("N", precondition=("P",), workerGroup="not this"),
            activity("A", input=("N",), workerGroup="here"),
            activity("B", input=("N",)),
            condition("P"),
        )
    )
    step(Hand(world, "here"), "P@N")


def test_system_managed_preconditions_are_the_servers(world):
    pipeline = world.begin(on_demand(activity("A", precondition=("K",)), key_exists("K")))
    hand = Hand(world)
    assert hand.poll_once() is None
    assert Hand(world, "@system").poll_once() is None
    server = Server(world)
    task = step(server, "K@A", "FALSE")
    with pytest.raises(TaskNotFound, match="another account"):
        hand.report(task)
    wait(world, minutes=10)
    step(server, "K@A")
    step(hand, "A")
    assert state(world, pipeline) == "FINISHED"


def test_what_a_runner_is_told_of_a_precondition(world):
    world.begin(
        on_demand(
            activity("A", input=("N",), output=("O",)),
            node("N", precondition=("P",), dataFormat={"ref": "F"}),
            node("O"),
            {"id": "F", "type": "CSV"},
            condition(
                "P", command="look at #{node.directoryPath} from #{node.@scheduledStartTime}"
            ),
        )
    )
    task = Hand(world).take()
    told = task.objects[task.attempt_id]
    assert told.string("type") == "ShellCommandPrecondition"
    assert told.string("command") == "look at s3://bucket/N from 2023-11-15T00:00:00"
    assert told.ref("@componentParent") == "P"
    assert told.ref("@instanceParent") == name_of("P@N")
    assert told.ref("node") == name_of("N")
    about = task.objects[name_of("N")]
    assert about.string("directoryPath") == "s3://bucket/N"
    assert task.objects["F"].string("type") == "CSV"


def test_how_preconditions_are_described(world):
    pipeline = world.begin(on_demand(activity("A", precondition=("P",)), condition("P")))
    owner = world.describe(pipeline, name_of("A"))
    assert owner.refs("precondition") == (name_of("P@A"),)
    step(Hand(world), "P@A", "FALSE")
    shown = world.describe(pipeline, name_of("P@A"))
    assert shown.string("@sphere") == "INSTANCE"
    assert (shown.ref("@componentParent"), shown.ref("node")) == ("P", name_of("A"))
    assert shown.string("@attemptCount") == "1"
    assert shown.ref("@headAttempt") == f"{name_of('P@A')}_Attempt=1"
    assert shown.string("@nextRetryTime") == "2023-11-15T00:10:00"
    assert world.describe(pipeline, f"{name_of('P@A')}_Attempt=1").ref("parent") == "P"
    query = QueryObjectsRequest(
        pipeline, "INSTANCE", Query((Selector("@componentParent", Operator("EQ", ("P",))),))
    )
    assert world.call("QueryObjects", query).ids == [name_of("P@A")]


def test_an_id_that_an_attached_one_would_have_is_refused(world):
    with pytest.raises(InvalidRequest, match="another object is called so"):
        world.begin(on_demand(activity("A", precondition=("P",)), condition("P"), activity("P@A")))


@pytest.mark.parametrize("first", ["resumed", "reached"])
def test_a_paused_precondition_that_is_told_to_run_again_too_early_stays_paused(world, first):
    """It is held, because its owner waits for something else; and paused all the same."""
    pipeline = world.begin(
        on_demand(
            activity("A", output=("N",)),
            node("N", precondition=("P",)),
            condition("P", maximumRetries="0"),
        )
    )
    hand = Hand(world)
    step(hand, "A")
    step(hand, "P@N", "FAILED")
    world.set_status(pipeline, "RERUN", name_of("A"))
    world.set_status(pipeline, "PAUSE", "P")
    world.set_status(pipeline, "RERUN", name_of("P@N"))
    assert by_name(world, pipeline)["P@N"] == "PAUSED"
    if first == "resumed":
        world.set_status(pipeline, "RESUME", "P")
        assert by_name(world, pipeline)["P@N"] == "WAITING_ON_DEPENDENCIES"
        step(hand, "A")
    else:
        step(hand, "A")
        assert by_name(world, pipeline)["P@N"] == "PAUSED"
        world.set_status(pipeline, "RESUME", "P")
    step(hand, "P@N")
    assert state(world, pipeline) == "FINISHED"


def test_a_precondition_whose_time_ran_out_while_it_ran_and_was_paused_gets_a_new_one(world):
    pipeline = world.begin(
        on_demand(
            activity("A", precondition=("P",)), condition("P", preconditionTimeout="10 minutes")
        )
    )
    hand = Hand(world)
    task = hand.take()
    hand.report(task)
    world.set_status(pipeline, "PAUSE", "P")
    wait(world, minutes=11)
    world.set_status(pipeline, "RESUME", "P")
    hand.end(task, "FALSE")
    wait(world, minutes=9)
    assert by_name(world, pipeline)["P@A"] == "WAITING_ON_DEPENDENCIES"
    wait(world, minutes=1)
    assert by_name(world, pipeline)["P@A"] == "FAILED"
