"""What a failure does to those that depend on it, and how one goes on from there.

See docs/engine.md, "When something fails" and "What people can ask".
"""

import pytest

from penstock.model.errors import InvalidRequest
from penstock.simulation.runners import Runner, Work
from tests.simulation.scenes import (
    END_OF_TIME,
    Hand,
    activity,
    hourly,
    instance,
    name_of,
    node,
    on_demand,
    schedule,
    state,
    statuses,
    wait,
)

CASCADE = {"failureAndRerunMode": "CASCADE", "maximumRetries": "0"}


def by_name(world, pipeline):
    return {each.component: each.status for each in world.instances(pipeline)}


def fail(world, component):
    hand = Hand(world)
    task = hand.take()
    assert task.attempt_id.startswith(f"@{component}_")
    hand.end(task, "FAILED", "Oops")


def test_without_cascade_dependents_wait_on(world):
    pipeline = world.begin(on_demand(activity("A", maximumRetries="0"), activity("B", "A")))
    fail(world, "A")
    wait(world, hours=100)
    assert by_name(world, pipeline) == {"A": "FAILED", "B": "WAITING_ON_DEPENDENCIES"}
    assert state(world, pipeline) == "SCHEDULED"
    assert world.describe(pipeline, name_of("B")).refs("@waitingOn") == (name_of("A"),)


def test_with_cascade_all_that_follows_fails(world):
    pipeline = world.begin(
        on_demand(
            activity("A", output=("Data",)),
            node("Data"),
            activity("B", input=("Data",)),
            activity("C", "B"),
            **CASCADE,
        )
    )
    fail(world, "A")
    assert by_name(world, pipeline) == {
        "A": "FAILED",
        "B": "CASCADE_FAILED",
        "C": "CASCADE_FAILED",
        "Data": "CASCADE_FAILED",
    }
    assert world.describe(pipeline, name_of("C")).ref("@cascadeFailedOn") == name_of("B")
    assert state(world, pipeline) == "FINISHED"
    assert world.describe_pipeline(pipeline)["@healthStatus"] == "ERROR"


def test_the_consumers_own_mode_counts(world):
    pipeline = world.begin(
        on_demand(
            activity("A", maximumRetries="0"),
            activity("B", "A", failureAndRerunMode="cascade"),
            activity("C", "A"),
        )
    )
    fail(world, "A")
    assert by_name(world, pipeline) == {
        "A": "FAILED",
        "B": "CASCADE_FAILED",
        "C": "WAITING_ON_DEPENDENCIES",
    }


def test_the_output_of_a_cascading_activity_fails_with_it(world):
    pipeline = world.begin(on_demand(activity("A", output=("Data",), **CASCADE), node("Data")))
    fail(world, "A")
    assert by_name(world, pipeline) == {"A": "FAILED", "Data": "CASCADE_FAILED"}


def test_an_instance_made_after_the_failure_cascades_too(world):
    pipeline = world.begin(
        hourly(activity("A"), activity("B", "A", maxActiveInstances="1"), occurrences=2, **CASCADE)
    )
    fail(world, "A")
    wait(world, hours=1)
    fail(world, "A")
    assert statuses(world, pipeline, "B") == ["CASCADE_FAILED"] * 2
    assert state(world, pipeline) == "FINISHED"


def test_a_retry_pending_is_no_failure(world):
    pipeline = world.begin(
        on_demand(activity("A"), activity("B", "A"), failureAndRerunMode="cascade")
    )
    fail(world, "A")
    assert by_name(world, pipeline)["B"] == "WAITING_ON_DEPENDENCIES"


def test_a_paused_consumer_learns_of_the_failure_when_it_is_resumed(world):
    pipeline = world.begin(on_demand(activity("A"), activity("B", "A"), **CASCADE))
    world.set_status(pipeline, "PAUSE", "B")
    fail(world, "A")
    assert by_name(world, pipeline)["B"] == "PAUSED"
    world.set_status(pipeline, "RESUME", "B")
    assert by_name(world, pipeline)["B"] == "CASCADE_FAILED"
    assert state(world, pipeline) == "FINISHED"


def test_a_rerun_is_a_new_set_of_attempts_numbered_on(world):
    pipeline = world.begin(
        on_demand(activity("A", maximumRetries="1", retryDelay="5 minutes"), activity("B", "A"))
    )
    runner = Runner(
        world, lambda name: Work("FAILED" if "@A" in name and name[-1] in "123" else "FINISHED")
    )
    wait(world, minutes=10)
    assert by_name(world, pipeline)["A"] == "FAILED"
    world.set_status(pipeline, "rerun", name_of("A"))
    wait(world, minutes=10)
    assert by_name(world, pipeline) == {"A": "FINISHED", "B": "FINISHED"}
    assert [n[-1] for n in runner.taken if n.startswith("@A")] == list("1234")
    found = instance(world, pipeline, "A")
    assert (found.tries, found.attempts, found.error_id) == (2, 4, None)


def test_without_cascade_only_the_target_runs_again(world):
    pipeline = world.begin(
        on_demand(
            activity("A", maximumRetries="0"),
            activity("B", "A", failureAndRerunMode="cascade"),
        )
    )
    fail(world, "A")
    world.set_status(pipeline, "RERUN", name_of("A"))
    assert by_name(world, pipeline) == {"A": "WAITING_FOR_RUNNER", "B": "CASCADE_FAILED"}


def test_with_cascade_all_that_it_took_down_runs_again(world):
    """Also by way of an object that has no mode of its own: the target's counts."""
    pipeline = world.begin(
        on_demand(
            activity("A", output=("Data",), **CASCADE),
            node("Data"),
            activity("B", input=("Data",), failureAndRerunMode="cascade"),
            activity("C", "B", failureAndRerunMode="cascade"),
        )
    )
    fail(world, "A")
    assert set(statuses(world, pipeline)) == {"FAILED", "CASCADE_FAILED"}
    world.set_status(pipeline, "RERUN", name_of("A"))
    Runner(world)
    assert world.run_out(END_OF_TIME)
    assert set(statuses(world, pipeline)) == {"FINISHED"}


def test_a_consumer_with_another_failed_dependency_stays_failed(world):
    pipeline = world.begin(
        on_demand(activity("A1"), activity("A2"), activity("B", "A1", "A2"), **CASCADE)
    )
    fail(world, "A1")
    fail(world, "A2")
    world.set_status(pipeline, "RERUN", name_of("A1"))
    assert by_name(world, pipeline)["B"] == "CASCADE_FAILED"
    assert instance(world, pipeline, "B").cascade_on == name_of("A2")
    Runner(world)
    wait(world, minutes=1)
    world.set_status(pipeline, "RERUN", name_of("A2"))
    assert world.run_out(END_OF_TIME)
    assert set(statuses(world, pipeline)) == {"FINISHED"}


def test_rerunning_a_cascade_failed_one_whose_dependency_is_failed_puts_it_back(world):
    pipeline = world.begin(on_demand(activity("A"), activity("B", "A"), **CASCADE))
    fail(world, "A")
    world.set_status(pipeline, "RERUN", name_of("B"))
    assert by_name(world, pipeline) == {"A": "FAILED", "B": "CASCADE_FAILED"}
    assert state(world, pipeline) == "FINISHED"


def test_rerunning_a_finished_one_makes_those_that_still_wait_wait_for_it(world):
    pipeline = world.begin(on_demand(activity("A1"), activity("A2"), activity("B", "A1", "A2")))
    hand = Hand(world)
    first, second = hand.take(), hand.take()
    hand.end(first)
    world.set_status(pipeline, "RERUN", name_of("A1"))
    hand.end(second)
    assert by_name(world, pipeline)["B"] == "WAITING_ON_DEPENDENCIES"
    hand.end(hand.take())
    assert by_name(world, pipeline)["B"] == "WAITING_FOR_RUNNER"


def test_reruns_do_not_count_as_active(world):
    pipeline = world.begin(hourly(activity("A"), maxActiveInstances="1"))
    hand = Hand(world)
    hand.end(hand.take())
    world.set_status(pipeline, "RERUN", name_of("A"))
    wait(world, hours=1)
    assert statuses(world, pipeline) == ["WAITING_FOR_RUNNER"] * 2


def test_mark_finished_counts_for_dependents_and_for_health(world):
    pipeline = world.begin(on_demand(activity("A", maximumRetries="0"), activity("B", "A")))
    fail(world, "A")
    assert world.describe(pipeline, "A").string("@healthStatus") == "ERROR"
    world.set_status(pipeline, "MARK_FINISHED", name_of("A"))
    assert by_name(world, pipeline) == {"A": "FINISHED", "B": "WAITING_FOR_RUNNER"}
    assert world.describe(pipeline, "A").string("@healthStatus") == "HEALTHY"


def test_marking_a_skipped_one_finished_tells_nobody_twice(world):
    pipeline = world.begin(
        [
            *hourly(activity("C", "B", "D"), activity("D"), occurrences=3),
            schedule("2 hours", name="Long"),
            activity("B", schedule={"ref": "Long"}),
        ]
    )
    wait(world, hours=1)
    world.activate(pipeline, world.now)
    assert instance(world, pipeline, "B").status == "SKIPPED"
    assert world.describe(pipeline, "B").string("@healthStatus") is None
    assert world.describe(pipeline, name_of("C", 1)).refs("@waitingOn") == (name_of("D", 1),)
    world.set_status(pipeline, "MARK_FINISHED", name_of("B"))
    assert world.describe(pipeline, "B").string("@healthStatus") == "HEALTHY"
    assert instance(world, pipeline, "C", 1).status == "WAITING_ON_DEPENDENCIES"
    hand = Hand(world)
    hand.end(hand.take())
    assert instance(world, pipeline, "C", 1).status == "WAITING_FOR_RUNNER"


@pytest.mark.parametrize("how", ["waiting", "offered", "paused", "skipped"])
def test_mark_finished_from_states_that_are_not_failures(world, how):
    pipeline = world.begin(hourly(activity("A"), activity("B", "A"), activity("C", "B", "A")))
    target = "A" if how == "offered" else "B"
    if how == "paused":
        world.set_status(pipeline, "PAUSE", "B")
    if how == "skipped":
        wait(world, hours=1)
        world.activate(pipeline, world.now)
        assert instance(world, pipeline, "B").status == "SKIPPED"
    world.set_status(pipeline, "MARK_FINISHED", name_of(target))
    assert instance(world, pipeline, target).status == "FINISHED"
    assert Hand(world).take()


def test_a_finished_pipeline_is_revived_by_a_rerun(make_world):
    for revive in (True, False):
        world = make_world(revive_finished=revive)
        pipeline = world.begin(on_demand(activity("A")))
        hand = Hand(world)
        hand.end(hand.take())
        assert state(world, pipeline) == "FINISHED"
        if revive:
            world.set_status(pipeline, "RERUN", name_of("A"))
            assert state(world, pipeline) == "SCHEDULED"
            assert "@finishedTime" not in world.describe_pipeline(pipeline)
            hand.end(hand.take())
            assert state(world, pipeline) == "FINISHED"
        else:
            for status, name in (("RERUN", name_of("A")), ("PAUSE", "A")):
                with pytest.raises(InvalidRequest, match="FINISHED"):
                    world.set_status(pipeline, status, name)
