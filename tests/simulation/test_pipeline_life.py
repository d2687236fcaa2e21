"""Activation anew, edits, deletion: docs/engine.md, "Deactivation, and activating again"."""

import pytest

from penstock.language.forms import from_cli
from penstock.model.api import PollForTaskAnswer
from penstock.model.errors import ApiError, InvalidRequest, PipelineDeleted
from penstock.model.times import HOUR_MS, format_instant
from penstock.service.operations.tasks import take_back
from penstock.simulation.immediate import run
from penstock.simulation.runners import Runner, Work
from penstock.simulation.world import CALLER
from tests.simulation.scenes import (
    END_OF_TIME,
    T0,
    Hand,
    activity,
    default,
    hourly,
    instance,
    name_of,
    node,
    on_demand,
    schedule,
    starts,
    state,
    statuses,
    wait,
)


def put(world, pipeline, objects):
    world.put(pipeline, from_cli({"objects": objects}))


def test_deactivation_cancels_what_runs_and_activation_runs_it_again(world):
    pipeline = world.begin(hourly(activity("A"), activity("B", "A"), occurrences=2))
    wait(world, hours=1)
    hand = Hand(world)
    running = hand.take()
    hand.report(running)
    world.deactivate(pipeline)
    assert state(world, pipeline) == "DEACTIVATING"
    assert hand.poll_once() is None, "waiting tasks are not offered"
    assert statuses(world, pipeline, "A") == ["RUNNING", "WAITING_FOR_RUNNER"]
    with pytest.raises(InvalidRequest, match="DEACTIVATING"):
        world.activate(pipeline)
    assert hand.report(running) is True
    assert state(world, pipeline) == "INACTIVE"
    assert statuses(world, pipeline, "A") == ["CANCELED", "WAITING_FOR_RUNNER"]
    world.activate(pipeline)
    Runner(world)
    assert world.run_out(END_OF_TIME)
    assert statuses(world, pipeline) == ["FINISHED"] * 4
    assert state(world, pipeline) == "FINISHED"


@pytest.mark.parametrize("how", ["FINISHED", "FAILED", "unacknowledged", "silent"])
def test_deactivation_can_let_what_runs_finish(world, how):
    pipeline = world.begin(on_demand(activity("A"), activity("B", "A")))
    hand = Hand(world)
    task = hand.take()
    world.deactivate(pipeline, cancel_active=False)
    if how != "unacknowledged":
        assert hand.report(task) is False
    assert state(world, pipeline) == "DEACTIVATING"
    if how in {"FINISHED", "FAILED"}:
        hand.end(task, how)
    else:
        wait(world, minutes=2 if how == "unacknowledged" else 15)
    assert state(world, pipeline) == "INACTIVE"
    wait(world, hours=1)
    assert hand.poll_once() is None
    world.activate(pipeline)
    Runner(world)
    assert world.run_out(END_OF_TIME)
    assert set(statuses(world, pipeline)) == {"FINISHED"}


def test_a_hung_up_poll_lets_a_deactivation_complete(world):
    pipeline = world.begin(on_demand(activity("A")))
    task = Hand(world).take()
    world.deactivate(pipeline, cancel_active=False)
    run(take_back(world.context, CALLER, PollForTaskAnswer(task)))
    assert state(world, pipeline) == "INACTIVE"


def test_what_a_person_cancelled_is_not_run_again_by_an_activation(world):
    pipeline = world.begin(on_demand(activity("A"), activity("B"), maxActiveInstances="5"))
    hand = Hand(world)
    tasks = [hand.take(), hand.take()]
    for task in tasks:
        hand.report(task)
    world.set_status(pipeline, "TRY_CANCEL", name_of("A"))
    world.deactivate(pipeline)
    world.set_status(pipeline, "TRY_CANCEL", name_of("B"))
    for task in tasks:
        hand.report(task)
    assert statuses(world, pipeline) == ["CANCELED"] * 2
    assert state(world, pipeline) == "INACTIVE"
    world.activate(pipeline)
    assert instance(world, pipeline, "A").status == "CANCELED"
    assert instance(world, pipeline, "B").status == "CANCELED"


def test_an_inactive_pipeline_makes_no_instances_until_it_is_activated(world):
    pipeline = world.begin(hourly(activity("A"), occurrences=6))
    world.deactivate(pipeline)
    assert state(world, pipeline) == "INACTIVE"
    wait(world, hours=3)
    assert starts(world, pipeline, "A") == [0]
    world.activate(pipeline)
    assert starts(world, pipeline, "A") == [0, 1, 2, 3]


def test_a_retry_that_falls_due_while_inactive_is_made_up_for(world):
    pipeline = world.begin(on_demand(activity("A")))
    hand = Hand(world)
    hand.end(hand.take(), "FAILED")
    world.deactivate(pipeline)
    wait(world, hours=1)
    assert statuses(world, pipeline) == ["WAITING_ON_DEPENDENCIES"]
    world.activate(pipeline)
    assert hand.take().attempt_id.endswith("=2")


def test_commands_on_an_inactive_pipeline_take_effect_with_its_activation(world):
    pipeline = world.begin(hourly(activity("A"), activity("B", "A"), occurrences=1))
    hand = Hand(world)
    world.deactivate(pipeline)
    world.set_status(pipeline, "PAUSE", "A")
    world.set_status(pipeline, "RESUME", "A")
    world.set_status(pipeline, "TRY_CANCEL", name_of("A"))
    world.set_status(pipeline, "RERUN", name_of("A"))
    assert hand.poll_once() is None
    world.activate(pipeline)
    Runner(world)
    assert world.run_out(END_OF_TIME)
    assert statuses(world, pipeline) == ["FINISHED"] * 2


def test_intervals_before_the_start_timestamp_are_skipped(make_world):
    world = make_world(now=T0 + 10 * HOUR_MS)
    pipeline = world.begin(
        hourly(activity("A", maximumRetries="0"), activity("B", "A"), maxActiveInstances="3")
    )
    hand = Hand(world)
    hand.end(hand.take(), "FAILED")
    begun = hand.take()
    hand.report(begun)
    world.deactivate(pipeline)
    assert hand.report(begun) is True
    world.activate(pipeline, T0 + 8 * HOUR_MS)
    status = {i.start: i.status for i in world.instances(pipeline, "A")}
    assert [status.get(T0 + k * HOUR_MS) for k in range(11)] == [
        "FAILED",
        "WAITING_FOR_RUNNER",  # it had begun
        "SKIPPED",
        "SKIPPED",
        *[None] * 4,
        *["WAITING_FOR_RUNNER"] * 3,
    ]
    Runner(world)
    wait(world, minutes=1)
    ended = {i.start: i.status for i in world.instances(pipeline, "B")}
    assert ended[T0 + 9 * HOUR_MS] == "FINISHED"
    assert world.describe(pipeline, name_of("A", 2)).string("@status") == "SKIPPED"


def test_a_paused_instance_that_never_ran_has_not_begun(world):
    pipeline = world.begin(hourly(activity("A")))
    world.set_status(pipeline, "PAUSE", "A")
    wait(world, hours=2)
    world.activate(pipeline, T0 + HOUR_MS)
    assert statuses(world, pipeline) == ["SKIPPED", "PAUSED", "PAUSED"]


def test_an_instance_that_was_asked_to_run_again_has_begun(world):
    pipeline = world.begin(hourly(activity("A")))
    hand = Hand(world)
    hand.end(hand.take())
    world.set_status(pipeline, "RERUN", name_of("A"))
    wait(world, hours=2)
    world.activate(pipeline, T0 + 2 * HOUR_MS)
    assert statuses(world, pipeline) == ["WAITING_FOR_RUNNER", "SKIPPED", "WAITING_FOR_RUNNER"]


def test_states_that_forbid_a_call(world):
    pipeline = world.create()
    with pytest.raises(InvalidRequest, match=r"Pipeline definition is empty: $"):
        world.activate(pipeline)
    with pytest.raises(InvalidRequest, match="is PENDING"):
        world.deactivate(pipeline)
    put(world, pipeline, hourly(activity("A"), occurrences=1))
    world.activate(pipeline)
    world.deactivate(pipeline)
    with pytest.raises(InvalidRequest, match="is INACTIVE"):
        world.deactivate(pipeline)
    world.activate(pipeline)
    Runner(world)
    assert world.run_out(END_OF_TIME)
    with pytest.raises(InvalidRequest, match="is FINISHED"):
        world.deactivate(pipeline)


def test_a_deactivated_on_demand_run_goes_on_with_the_next_activation(world):
    pipeline = world.begin(on_demand(activity("A"), activity("B", "A")))
    world.deactivate(pipeline)
    world.activate(pipeline)
    Runner(world)
    assert world.run_out(END_OF_TIME)
    assert set(statuses(world, pipeline)) == {"FINISHED"}
    assert state(world, pipeline) == "FINISHED"


def test_existing_instances_keep_their_definition_and_new_ones_get_the_latest(world):
    pipeline = world.begin(hourly(activity("A", command="old", maximumRetries="0")))
    put(world, pipeline, hourly(activity("A", command="new", maximumRetries="5")))
    wait(world, hours=1)
    world.activate(pipeline)
    wait(world, hours=1)
    hand = Hand(world)
    seen = []
    for _ in range(3):
        task = hand.take()
        shown = task.objects[task.attempt_id]
        seen.append((shown.string("command"), shown.string("@version")))
        hand.end(task, "FAILED")
    assert seen == [("old", "1"), ("old", "1"), ("new", "2")]
    assert statuses(world, pipeline) == ["FAILED", "FAILED", "WAITING_ON_DEPENDENCIES"]


def test_a_new_object_joins_a_running_pipeline(world):
    old = hourly(activity("A", output=("Data",)), node("Data"), occurrences=3)
    pipeline = world.begin(old)
    wait(world, hours=1)
    put(world, pipeline, [*old, activity("B", input=("Data",))])
    world.activate(pipeline)
    Runner(world)
    assert world.run_out(END_OF_TIME)
    assert starts(world, pipeline, "B") == [0, 1, 2]
    assert set(statuses(world, pipeline)) == {"FINISHED"}
    assert state(world, pipeline) == "FINISHED"


def test_forbidden_edits_keep_a_draft_from_coming_into_force(world):
    pipeline = world.begin(hourly(activity("A"), activity("B", "A")))
    with pytest.raises(ValueError, match="cannot be removed"):
        put(world, pipeline, hourly(activity("A")))
    with pytest.raises(InvalidRequest, match="cannot be removed"):
        world.activate(pipeline)
    assert world.pipeline(pipeline).version == 1


def test_a_finished_pipeline_can_be_given_a_later_end(world):
    def until(hours):
        end = format_instant(T0 + hours * HOUR_MS)
        return [default(), schedule(endDateTime=end), node("In"), activity("A", input=("In",))]

    pipeline = world.begin(until(2))
    Runner(world)
    assert world.run_out(END_OF_TIME)
    assert state(world, pipeline) == "FINISHED"
    with pytest.raises(InvalidRequest, match="only endDateTime and occurrences"):
        put(world, pipeline, [*until(2), activity("B")])
    put(world, pipeline, until(4))
    world.activate(pipeline)
    assert state(world, pipeline) == "SCHEDULED"
    assert world.run_out(END_OF_TIME)
    assert starts(world, pipeline, "A") == [0, 1, 2, 3]
    assert state(world, pipeline) == "FINISHED"


def test_a_deleted_pipeline_leaves_a_tombstone_and_nothing_else(world):
    pipeline = world.begin(hourly(activity("A"), activity("B", "A"), node("N")))
    hand = Hand(world)
    task = hand.take()
    wait(world, hours=2)
    key = world.pipeline(pipeline).key
    world.delete(pipeline)
    for call in (hand.report, hand.end):
        with pytest.raises(PipelineDeleted):
            call(task)
    assert hand.poll_once() is None
    for call in (world.activate, world.deactivate, world.delete, world.describe_pipeline):
        with pytest.raises(ApiError):
            call(pipeline)
    assert world.run_out(END_OF_TIME), "no timer is left"
    with world.store.reader() as reader:
        assert reader.instances_after(key, "", 0, 10) == []
        assert reader.components(key) == []
        assert reader.definition(key, 1) is None
        assert reader.pipeline(key) is not None
    assert world.create() != pipeline, "its name and unique id are free again"


def test_a_pipeline_is_not_finished_while_a_dependent_is_blocked(world):
    pipeline = world.begin(
        hourly(activity("A", maximumRetries="0"), activity("B", "A"), occurrences=1)
    )
    Runner(world, lambda name: Work("FAILED"))
    assert world.run_out(END_OF_TIME)
    assert state(world, pipeline) == "SCHEDULED"
    world.set_status(pipeline, "MARK_FINISHED", name_of("B"))
    assert state(world, pipeline) == "FINISHED"


def test_nobody_waits_for_an_interval_that_an_edit_has_cut_off(world):
    """B has come further than A, whose schedule then ends earlier."""

    def objects(occurrences):
        return hourly(
            activity("A", maxActiveInstances="1"), activity("B", "A"), occurrences=occurrences
        )

    pipeline = world.begin(objects(4))
    wait(world, hours=4)
    assert statuses(world, pipeline, "B") == ["WAITING_ON_DEPENDENCIES"] * 4
    put(world, pipeline, objects(2))
    world.activate(pipeline)
    assert (
        statuses(world, pipeline, "B")
        == ["WAITING_ON_DEPENDENCIES"] * 2 + ["WAITING_FOR_RUNNER"] * 2
    )
    Runner(world)
    assert world.run_out(END_OF_TIME)
    assert statuses(world, pipeline) == ["FINISHED"] * 6
    assert state(world, pipeline) == "FINISHED"


def test_a_data_node_is_not_made_for_intervals_beyond_the_end_of_its_users(world):
    """An activation's startTimestamp may be later than an activity's last interval."""
    objects = [
        default(),
        schedule("3 hours", occurrences="2"),
        schedule("1 hour", name="Fine", occurrences="12"),
        activity("A", input=("N",)),
        node("N", schedule=("Fine",)),
    ]
    pipeline = world.begin(objects)
    world.deactivate(pipeline)
    wait(world, hours=8)
    world.activate(pipeline, T0 + 7 * HOUR_MS)
    Runner(world)
    assert world.run_out(END_OF_TIME)
    assert starts(world, pipeline, "N") == [0]
    assert state(world, pipeline) == "FINISHED"
