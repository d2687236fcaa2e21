"""Hand-over, acknowledgement, progress, retries, timeouts: one owner, every try counted.

See docs/engine.md, "Tasks and their owners", "Trying again" and "What an instance waits for".
"""

import pytest

from penstock.model.api import PollForTaskAnswer
from penstock.model.errors import InvalidRequest, TaskNotFound
from penstock.model.times import HOUR_MS, MINUTE_MS, SECOND_MS
from penstock.service.operations.tasks import take_back
from penstock.simulation.immediate import run
from penstock.simulation.world import CALLER, World
from tests.simulation.scenes import (
    T0,
    Hand,
    activity,
    hourly,
    instance,
    name_of,
    node,
    on_demand,
    state,
    statuses,
    wait,
)


def begin(world: World, **fields) -> str:
    return world.begin(on_demand(activity("A", **fields)))


def only(world: World, pipeline: str):
    [found] = world.instances(pipeline, "A")
    return found


def test_a_task_from_hand_over_to_its_end(world):
    pipeline = begin(world)
    hand = Hand(world)
    task = hand.take()
    assert task.attempt_id == f"{name_of('A')}_Attempt=1"
    assert task.objects[task.attempt_id].string("@status") == "WAITING_FOR_RUNNER"
    assert only(world, pipeline).status == "RUNNING"
    assert hand.report(task) is False
    hand.end(task)
    assert only(world, pipeline).status == "FINISHED"
    [attempt] = world.attempts(only(world, pipeline))
    assert (attempt.status, attempt.handed_at, attempt.hostname) == ("FINISHED", T0, "hand")
    assert state(world, pipeline) == "FINISHED"


def test_a_waiting_poll_gets_the_task_that_becomes_ready(world):
    hand = Hand(world)
    assert hand.poll() is None
    begin(world)
    assert [task.attempt_id for task in hand.got] == [f"{name_of('A')}_Attempt=1"]


def test_polls_are_served_in_order_of_arrival_and_tasks_in_order_of_readiness(world):
    first, second = Hand(world), Hand(world)
    first.poll()
    second.poll()
    world.begin(on_demand(activity("A")), "one")
    wait(world, minutes=1 / 4)
    world.begin(on_demand(activity("B")), "two")
    assert [task.attempt_id.split("_")[0] for task in first.got + second.got] == ["@A", "@B"]
    world.begin(on_demand(activity("C")), "three")
    wait(world, minutes=1 / 4)
    world.begin(on_demand(activity("D")), "four")
    taken = [first.take().attempt_id.split("_")[0] for _ in range(2)]
    assert taken == ["@C", "@D"]


def test_worker_groups_match_exactly(world):
    begin(world, workerGroup="Group")
    for other in ("group", "Group ", "workers", "*"):
        assert Hand(world, other).poll_once() is None
    assert Hand(world, "Group").take()


def test_saying_the_same_end_again_is_no_fault_and_another_is_refused(world):
    begin(world)
    hand = Hand(world)
    task = hand.take()
    hand.end(task)
    hand.end(task)
    with pytest.raises(InvalidRequest, match="has ended as FINISHED"):
        hand.end(task, "FAILED")


def test_an_unacknowledged_task_is_offered_again_without_counting(world):
    pipeline = begin(world, maximumRetries="0")
    hand = Hand(world)
    stale = hand.take()
    world.advance_to(T0 + 2 * MINUTE_MS - 1)
    assert hand.poll_once() is None
    world.advance_to(T0 + 2 * MINUTE_MS)
    again = hand.take()
    assert again.attempt_id == stale.attempt_id
    assert again.task_id != stale.task_id
    for call in (hand.report, hand.end):
        with pytest.raises(TaskNotFound):
            call(stale)
    hand.end(again)
    assert only(world, pipeline).attempts == 1
    assert state(world, pipeline) == "FINISHED"


def test_a_task_put_back_keeps_its_place_in_the_queue(world):
    world.begin(on_demand(activity("A")), "one")
    hand = Hand(world)
    task = hand.take()
    wait(world, minutes=1)
    world.begin(on_demand(activity("B")), "two")
    run(take_back(world.context, CALLER, PollForTaskAnswer(task)))
    assert [hand.take().attempt_id.split("_")[0] for _ in range(2)] == ["@A", "@B"]
    run(take_back(world.context, CALLER, PollForTaskAnswer(task)))
    assert hand.poll_once() is None, "a stale hand-over takes nothing back"


def test_a_task_that_arrived_after_all_is_not_put_back(world):
    pipeline = begin(world)
    hand = Hand(world)
    task = hand.take()
    hand.report(task)
    run(take_back(world.context, CALLER, PollForTaskAnswer(task)))
    assert hand.poll_once() is None
    hand.end(task)
    assert state(world, pipeline) == "FINISHED"


def test_failures_are_tried_again_after_the_delay_until_the_retries_are_used_up(world):
    pipeline = begin(world)
    hand = Hand(world)
    for number in (1, 2, 3):
        task = hand.take()
        assert task.attempt_id.endswith(f"_Attempt={number}")
        hand.end(task, "FAILED", f"E{number}")
        found = only(world, pipeline)
        if number == 3:
            break
        assert (found.status, found.retry_at) == (
            "WAITING_ON_DEPENDENCIES",
            world.now + 10 * MINUTE_MS,
        )
        world.advance_to(world.now + 10 * MINUTE_MS - 1)
        assert hand.poll_once() is None
        wait(world, minutes=1 / 60)
    assert (found.status, found.error_id, found.error_message) == ("FAILED", "E3", "E3")
    errors = [(a.status, a.error_id) for a in world.attempts(found)]
    assert errors == [("FAILED", "E1"), ("FAILED", "E2"), ("FAILED", "E3")]
    assert state(world, pipeline) == "FINISHED"


def test_retries_and_delay_are_the_objects_own(world):
    pipeline = begin(world, maximumRetries="1", retryDelay="1 hour")
    hand = Hand(world)
    hand.end(hand.take(), "FAILED")
    assert only(world, pipeline).retry_at == T0 + HOUR_MS
    wait(world, hours=1)
    hand.end(hand.take(), "FAILED")
    assert only(world, pipeline).status == "FAILED"


def test_a_success_after_a_failure_leaves_no_error_on_the_instance(world):
    pipeline = begin(world)
    hand = Hand(world)
    hand.end(hand.take(), "FAILED", "Oops")
    assert only(world, pipeline).error_id == "Oops"
    wait(world, minutes=10)
    hand.end(hand.take())
    assert only(world, pipeline).status == "FINISHED"
    assert only(world, pipeline).error_id is None


def test_the_service_keeps_its_error_ids_to_itself(world):
    pipeline = begin(world)
    hand = Hand(world)
    task = hand.take()
    with pytest.raises(InvalidRequest, match="Service_"):
        hand.end(task, "FAILED", "Service_Oops")
    assert only(world, pipeline).status == "RUNNING"


def test_false_is_for_preconditions(world):
    pipeline = begin(world)
    hand = Hand(world)
    task = hand.take()
    with pytest.raises(InvalidRequest, match="FALSE is for preconditions"):
        hand.end(task, "FALSE")
    assert only(world, pipeline).status == "RUNNING"


def test_a_silent_owner_is_lost_after_the_report_timeout(world):
    pipeline = begin(world)
    hand = Hand(world)
    task = hand.take()
    wait(world, minutes=1)
    hand.report(task)
    wait(world, minutes=14)
    hand.report(task)
    last = world.now
    world.advance_to(last + 15 * MINUTE_MS - 1)
    assert only(world, pipeline).status == "RUNNING"
    world.advance_to(last + 15 * MINUTE_MS)
    found = only(world, pipeline)
    assert (found.status, found.error_id) == ("WAITING_ON_DEPENDENCIES", "Service_RunnerLost")
    for call in (hand.report, hand.end):
        with pytest.raises(TaskNotFound):
            call(task)
    wait(world, minutes=10)
    assert hand.take().attempt_id.endswith("_Attempt=2")


def test_the_report_timeout_is_the_objects_own(world):
    pipeline = begin(world, reportProgressTimeout="1 hour", maximumRetries="0")
    hand = Hand(world)
    hand.report(hand.take())
    world.advance_to(T0 + HOUR_MS - 1)
    assert only(world, pipeline).status == "RUNNING"
    world.advance_to(T0 + HOUR_MS)
    assert only(world, pipeline).status == "FAILED"


def test_an_attempt_that_takes_too_long_fails_however_often_it_reports(world):
    pipeline = begin(world, attemptTimeout="20 minutes")
    hand = Hand(world)
    task = hand.take()
    for _ in range(3):
        assert hand.report(task) is False
        wait(world, minutes=6)
    world.advance_to(T0 + 20 * MINUTE_MS)
    [attempt] = world.attempts(only(world, pipeline))
    assert (attempt.status, attempt.error_id) == ("FAILED", "Service_AttemptTimeout")
    assert hand.report(task) is True, "its last owner is told to stop"
    wait(world, minutes=10)
    second = hand.take()
    assert hand.report(task) is True, "also when the next attempt runs"
    assert hand.report(second) is False


def test_the_attempt_timeout_counts_from_the_hand_over(world):
    pipeline = begin(world, attemptTimeout="20 minutes")
    wait(world, hours=5)
    hand = Hand(world)
    task = hand.take()
    hand.report(task)
    wait(world, minutes=14)
    hand.report(task)
    world.advance_to(T0 + 5 * HOUR_MS + 20 * MINUTE_MS - 1)
    assert only(world, pipeline).status == "RUNNING"
    wait(world, minutes=1)
    assert only(world, pipeline).error_id == "Service_AttemptTimeout"


def test_an_expression_that_cannot_be_evaluated_fails_its_task_alone(world):
    broken = activity("A", command="#{1 / hour(@scheduledStartTime)}")
    pipeline = world.begin(on_demand(broken, activity("B")))
    hand = Hand(world)
    assert hand.take().attempt_id.startswith("@B")
    found = only(world, pipeline)
    assert (found.status, found.error_id) == ("FAILED", "Service_ExpressionError")


def test_input_output_and_depends_on_hold_an_activity_back(world):
    pipeline = world.begin(
        on_demand(
            activity("Make", output=("Data",)),
            node("Data"),
            activity("Use", input=("Data",)),
            activity("After", "Use"),
        )
    )
    hand = Hand(world)
    order = []
    while (task := hand.poll_once()) is not None:
        order.append(task.attempt_id.split("_")[0])
        hand.end(task)
    assert order == ["@Make", "@Use", "@After"]
    assert set(statuses(world, pipeline)) == {"FINISHED"}
    shown = world.describe(pipeline, name_of("Use"))
    assert shown.ref("input") == name_of("Data")


def test_a_node_that_is_there_at_once_is_counted_once(world):
    """On demand everything is made in one go, the node and those that wait for it."""
    pipeline = world.begin(
        on_demand(node("Data"), activity("A"), activity("B", "A", input=("Data",)))
    )
    hand = Hand(world)
    hand.end(hand.take())
    hand.end(hand.take())
    assert set(statuses(world, pipeline)) == {"FINISHED"}


def test_finished_time_is_known_once_finished(world):
    pipeline = begin(world)
    assert world.describe(pipeline, name_of("A")).string("@finishedTime") is None
    hand = Hand(world)
    task = hand.take()
    wait(world, minutes=1)
    hand.end(task)
    assert world.describe(pipeline, name_of("A")).string("@finishedTime") == "2023-11-15T00:01:00"
    assert world.describe_pipeline(pipeline)["@finishedTime"] == "2023-11-15T00:01:00"


def test_actual_start_is_when_an_instance_became_due_and_an_attempt_was_handed_over(world):
    pipeline = world.begin(hourly(activity("A"), style="timeseries", occurrences=1))
    world.advance_to(T0 + HOUR_MS + 30 * SECOND_MS)
    Hand(world).take()
    shown = world.describe(pipeline, name_of("A"))
    assert shown.string("@actualStartTime") == "2023-11-15T01:00:00"
    attempt = world.describe(pipeline, f"{name_of('A')}_Attempt=1")
    assert attempt.string("@actualStartTime") == "2023-11-15T01:00:30"


def test_health_follows_the_last_ended_instance(world):
    pipeline = world.begin(hourly(activity("A", maximumRetries="0"), occurrences=3))
    hand = Hand(world)
    seen = []
    for status in ("FINISHED", "FAILED", "FINISHED"):
        assert "@healthStatus" in world.describe_pipeline(pipeline) or not seen
        hand.end(hand.take(), status)
        shown = world.describe(pipeline, "A")
        seen.append(shown.string("@healthStatus"))
        assert world.describe_pipeline(pipeline)["@healthStatus"] == seen[-1]
        assert shown.string("@healthStatusFromInstanceId") == name_of("A", len(seen) - 1)
        wait(world, hours=1)
    assert seen == ["HEALTHY", "ERROR", "HEALTHY"]
    assert instance(world, pipeline, "A", 1).status == "FAILED"
