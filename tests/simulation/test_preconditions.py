"""Preconditions: docs/engine.md, "Preconditions"."""

from penstock.model.times import MINUTE_MS
from tests.simulation.scenes import (
    Hand,
    activity,
    condition,
    instance,
    name_of,
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
