"""What docs/engine.md says of failure, cascades and reruns, rule by rule."""

import pytest

from penstock.simulation.runners import Runner, Work
from tests.simulation.scenes import (
    END_OF_TIME,
    Hand,
    Server,
    activity,
    alarm,
    condition,
    default,
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

CASCADE = {"failureAndRerunMode": "cascade", "maximumRetries": "0"}


def by_name(world, pipeline):
    return {each.component: each.status for each in world.instances(pipeline)}


def end(world, component, status="FAILED"):
    """End the next task, which must be the component's."""
    hand = Hand(world)
    task = hand.take()
    assert task.attempt_id.startswith(f"@{component}_")
    hand.end(task, status)


def apart(*activities):
    """Activities in worker groups of their own, named like them, so that each is taken alone."""
    return [{**each, "workerGroup": each["id"]} for each in activities]


def end_own(world, component, status="FAILED"):
    hand = Hand(world, component)
    hand.end(hand.take(), status)


@pytest.mark.parametrize("how", ["FAILED", "CANCELED", "CASCADE_FAILED"])
def test_what_a_consumer_fails_on(world, how):
    """When something fails: failed, cancelled and cascade-failed are all failures to a consumer."""
    pipeline = world.begin(
        on_demand(activity("Z"), activity("A", "Z"), activity("B", "A"), **CASCADE)
    )
    if how == "CASCADE_FAILED":
        end(world, "Z")
    else:
        end(world, "Z", "FINISHED")
        if how == "FAILED":
            end(world, "A")
        else:
            world.set_status(pipeline, "TRY_CANCEL", name_of("A"))
    assert by_name(world, pipeline)["A"] == how
    assert by_name(world, pipeline)["B"] == "CASCADE_FAILED"
    assert world.describe(pipeline, name_of("B")).ref("@cascadeFailedOn") == name_of("A")


@pytest.mark.parametrize("left", ["FINISHED", "FAILED", "CANCELED"])
def test_what_has_ended_is_left_alone(world, left):
    """When something fails: a failure takes down what waits, never what has ended."""
    pipeline = world.begin(
        on_demand(*apart(activity("A"), activity("B", "A"), activity("C", "B")), **CASCADE)
    )
    end_own(world, "A", "FINISHED")
    if left == "CANCELED":
        world.set_status(pipeline, "TRY_CANCEL", name_of("B"))
    else:
        end_own(world, "B", left)
    world.set_status(pipeline, "RERUN", name_of("A"))
    world.set_status(pipeline, "TRY_CANCEL", name_of("A"))
    assert by_name(world, pipeline)["A"] == "CANCELED"
    assert by_name(world, pipeline)["B"] == left
    assert instance(world, pipeline, "B").cascade_on is None


def test_what_is_offered_or_runs_is_left_alone(world):
    """When something fails: only what waits on dependencies is taken down."""
    pipeline = world.begin(
        on_demand(*apart(activity("A"), activity("B", "A"), activity("C", "A")), **CASCADE)
    )
    end_own(world, "A", "FINISHED")
    running = Hand(world, "B").take()
    world.set_status(pipeline, "RERUN", name_of("A"))
    end_own(world, "A")
    assert by_name(world, pipeline)["B"] == "RUNNING"
    Hand(world, "B").end(running)
    assert by_name(world, pipeline)["B"] == "FINISHED"


def test_one_of_several_dependencies_is_enough(world):
    """When something fails: one failed dependency takes the consumer down, whatever the others."""
    pipeline = world.begin(
        on_demand(*apart(activity("A"), activity("B"), activity("C", "A", "B")), **CASCADE)
    )
    end_own(world, "A")
    assert by_name(world, pipeline)["C"] == "CASCADE_FAILED"
    end_own(world, "B", "FINISHED")
    assert by_name(world, pipeline)["C"] == "CASCADE_FAILED"
    assert state(world, pipeline) == "FINISHED"


def test_marking_the_culprit_finished_brings_nobody_back(world):
    """When something fails: who was taken down comes back by RERUN only."""
    pipeline = world.begin(on_demand(activity("A"), activity("B", "A"), **CASCADE))
    end(world, "A")
    world.set_status(pipeline, "MARK_FINISHED", name_of("A"))
    assert by_name(world, pipeline) == {"A": "FINISHED", "B": "CASCADE_FAILED"}
    world.set_status(pipeline, "RERUN", name_of("B"))
    assert by_name(world, pipeline)["B"] == "WAITING_FOR_RUNNER"


def test_a_rerun_takes_back_only_what_has_no_other_failure(world):
    """When something fails: in a rerun with cascade, who also depends on another failed stays."""
    pipeline = world.begin(
        on_demand(
            *apart(
                activity("A1"),
                activity("A2"),
                activity("Both", "A1", "A2"),
                activity("One", "A1"),
                activity("Last", "Both", "One"),
            ),
            **CASCADE,
        )
    )
    end_own(world, "A1")
    end_own(world, "A2")
    world.set_status(pipeline, "RERUN", name_of("A1"))
    assert by_name(world, pipeline) == {
        "A1": "WAITING_FOR_RUNNER",
        "A2": "FAILED",
        "Both": "CASCADE_FAILED",
        "One": "WAITING_ON_DEPENDENCIES",
        "Last": "CASCADE_FAILED",
    }
    end_own(world, "A1", "FINISHED")
    end_own(world, "One", "FINISHED")
    world.set_status(pipeline, "RERUN", name_of("A2"))
    end_own(world, "A2", "FINISHED")
    for each in ("Both", "Last"):
        end_own(world, each, "FINISHED")
    assert state(world, pipeline) == "FINISHED"


def test_a_rerun_of_one_in_the_middle_falls_back(world):
    """What people can ask: who is run again under a failed dependency is CASCADE_FAILED again."""
    pipeline = world.begin(
        on_demand(activity("A"), activity("B", "A"), activity("C", "B"), **CASCADE)
    )
    end(world, "A")
    world.set_status(pipeline, "RERUN", name_of("B"))
    assert by_name(world, pipeline) == {
        "A": "FAILED",
        "B": "CASCADE_FAILED",
        "C": "CASCADE_FAILED",
    }
    assert state(world, pipeline) == "FINISHED"


def test_without_cascade_a_rerun_waits_for_its_failed_dependency(world):
    """What people can ask: in mode none, who is run again waits for what is failed."""
    pipeline = world.begin(
        on_demand(activity("A", maximumRetries="0"), activity("B", "A", maximumRetries="0"))
    )
    end(world, "A", "FINISHED")
    end(world, "B")
    world.set_status(pipeline, "RERUN", name_of("A"))
    end(world, "A")
    world.set_status(pipeline, "RERUN", name_of("B"))
    assert by_name(world, pipeline) == {"A": "FAILED", "B": "WAITING_ON_DEPENDENCIES"}
    assert world.describe(pipeline, name_of("B")).refs("@waitingOn") == (name_of("A"),)


def test_the_mode_of_the_object_named_counts_for_a_rerun(world):
    """What people can ask: the target's mode decides whether its consumers run again too."""
    for mode, expected in (("none", "CASCADE_FAILED"), ("cascade", "WAITING_ON_DEPENDENCIES")):
        pipeline = world.begin(
            on_demand(
                activity("A", failureAndRerunMode=mode, maximumRetries="0"),
                activity("B", "A", **CASCADE),
            ),
            f"mode {mode}",
        )
        end(world, "A")
        world.set_status(pipeline, "RERUN", name_of("A"))
        assert by_name(world, pipeline)["B"] == expected, mode
        world.delete(pipeline)


def test_preconditions_end_with_a_cascade(world):
    """When something fails: preconditions of the failed and of whom it takes down are CANCELED."""
    pipeline = world.begin(
        on_demand(
            *apart(activity("A")),
            activity("B", "A", precondition=("P",)),
            condition("P"),
            activity("C", precondition=("Q", "R")),
            condition("Q"),
            condition("R", workerGroup="r"),
            **CASCADE,
        )
    )
    end_own(world, "A")
    assert by_name(world, pipeline)["B"] == "CASCADE_FAILED"
    assert by_name(world, pipeline).get("P@B") in {None, "CANCELED"}
    hand = Hand(world)
    hand.end(hand.take(), "FAILED")
    assert by_name(world, pipeline)["Q@C"] == "FAILED"
    assert by_name(world, pipeline)["C"] == "CASCADE_FAILED"
    assert by_name(world, pipeline)["R@C"] == "CANCELED"


def test_a_cascade_sets_off_each_alarm_once(world):
    """Actions: CASCADE_FAILED sets off onFail, once for each end."""
    pipeline = world.begin(
        on_demand(
            activity("A"),
            activity("B", "A", onFail=("Say",)),
            alarm("Say"),
            **CASCADE,
        )
    )
    end(world, "A")
    sent = Server(world)
    assert sent.take()
    assert sent.poll_once() is None
    assert by_name(world, pipeline)["B"] == "CASCADE_FAILED"


def test_a_cascade_crosses_periods(world):
    """When something fails: a weekly consumer fails on one bad day of its seven."""
    pipeline = world.begin(
        [
            default(when="Daily", **CASCADE),
            schedule("1 day", name="Daily", occurrences="7"),
            schedule("1 week", name="Weekly", occurrences="1"),
            activity("Day"),
            activity("Week", "Day", schedule=("Weekly",)),
        ]
    )
    Runner(world, lambda name: Work("FAILED" if "11-18" in name else "FINISHED"))
    assert world.run_out(END_OF_TIME)
    assert by_name(world, pipeline)["Week"] == "CASCADE_FAILED"
    culprit = name_of("Day", 72)
    assert world.describe(pipeline, name_of("Week")).ref("@cascadeFailedOn") == culprit
    assert statuses(world, pipeline, "Day").count("FINISHED") == 6
    assert state(world, pipeline) == "FINISHED"


def test_intervals_fail_apart(world):
    """When something fails: a failure reaches consumers of its own interval only."""
    pipeline = world.begin(hourly(activity("A"), activity("B", "A"), occurrences=3, **CASCADE))
    Runner(world, lambda name: Work("FAILED" if name_of("A", 1) in name else "FINISHED"))
    assert world.run_out(END_OF_TIME)
    assert statuses(world, pipeline, "B") == ["FINISHED", "CASCADE_FAILED", "FINISHED"]


def test_an_output_of_a_failed_activity_in_mode_none_waits(world):
    """When something fails: in mode none an output waits for its activity's rerun."""
    pipeline = world.begin(on_demand(activity("A", output=("N",), maximumRetries="0"), node("N")))
    end(world, "A")
    assert by_name(world, pipeline) == {"A": "FAILED", "N": "WAITING_ON_DEPENDENCIES"}
    world.set_status(pipeline, "RERUN", name_of("A"))
    end(world, "A", "FINISHED")
    assert by_name(world, pipeline) == {"A": "FINISHED", "N": "FINISHED"}


def test_a_rerun_of_a_data_node_waits_for_its_activity(world):
    """What people can ask: a data node that is run again is FINISHED again when nothing lacks."""
    pipeline = world.begin(on_demand(activity("A", output=("N",)), node("N")))
    end(world, "A", "FINISHED")
    world.set_status(pipeline, "RERUN", name_of("N"))
    assert by_name(world, pipeline)["N"] == "FINISHED"
    world.set_status(pipeline, "RERUN", name_of("A"), name_of("N"))
    assert by_name(world, pipeline)["N"] == "WAITING_ON_DEPENDENCIES"
    end(world, "A", "FINISHED")
    assert by_name(world, pipeline)["N"] == "FINISHED"


def test_a_rerun_of_a_finished_one_leaves_what_has_begun_alone(world):
    """What people can ask: a rerun makes those that still wait wait anew, and no others."""
    pipeline = world.begin(on_demand(*apart(activity("A"), activity("B", "A"), activity("C", "B"))))
    end_own(world, "A", "FINISHED")
    running = Hand(world, "B").take()
    world.set_status(pipeline, "RERUN", name_of("A"))
    assert by_name(world, pipeline) == {
        "A": "WAITING_FOR_RUNNER",
        "B": "RUNNING",
        "C": "WAITING_ON_DEPENDENCIES",
    }
    Hand(world, "B").end(running)
    assert by_name(world, pipeline)["C"] == "WAITING_FOR_RUNNER"


def test_what_is_offered_goes_on(world):
    """What people can ask: a consumer that is offered already goes on, though nobody has it yet."""
    pipeline = world.begin(on_demand(*apart(activity("A"), activity("B", "A"))))
    end_own(world, "A", "FINISHED")
    world.set_status(pipeline, "RERUN", name_of("A"))
    assert by_name(world, pipeline)["B"] == "WAITING_FOR_RUNNER"


def test_two_reruns_in_a_row(world):
    """What people can ask: a rerun may itself fail, and be run again; attempts are numbered on."""
    pipeline = world.begin(on_demand(activity("A"), activity("B", "A"), **CASCADE))
    for _ in range(3):
        end(world, "A")
        assert by_name(world, pipeline) == {"A": "FAILED", "B": "CASCADE_FAILED"}
        world.set_status(pipeline, "RERUN", name_of("A"))
        assert by_name(world, pipeline)["B"] == "WAITING_ON_DEPENDENCIES"
    end(world, "A", "FINISHED")
    end(world, "B", "FINISHED")
    assert instance(world, pipeline, "A").attempts == 4
    assert state(world, pipeline) == "FINISHED"


def test_a_cancelled_running_task_takes_its_consumers_down_when_it_ends(world):
    """When something fails: until the owner of a cancelled task knows, nothing has failed yet."""
    pipeline = world.begin(on_demand(activity("A"), activity("B", "A"), **CASCADE))
    hand = Hand(world)
    task = hand.take()
    hand.report(task)
    world.set_status(pipeline, "TRY_CANCEL", name_of("A"))
    assert by_name(world, pipeline) == {"A": "RUNNING", "B": "WAITING_ON_DEPENDENCIES"}
    assert hand.report(task) is True
    assert by_name(world, pipeline) == {"A": "CANCELED", "B": "CASCADE_FAILED"}
    wait(world, hours=1)
    assert hand.poll_once() is None
