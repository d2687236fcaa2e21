"""What docs/engine.md says of spheres, tasks, lateness, zones and preconditions, rule by rule."""

from datetime import datetime

import pytest

from penstock.language.forms import from_cli
from penstock.model.api import ReportTaskProgressRequest
from penstock.model.errors import InvalidRequest, PipelineDeleted, TaskNotFound
from penstock.model.times import DAY_MS, HOUR_MS, format_instant, from_datetime
from penstock.simulation.runners import Runner
from penstock.simulation.world import CALLER
from tests.simulation.scenes import (
    END_OF_TIME,
    T0,
    Hand,
    Server,
    activity,
    alarm,
    condition,
    default,
    hourly,
    instance,
    key_exists,
    name_of,
    node,
    on_demand,
    schedule,
    state,
    statuses,
    thing,
    wait,
)


def by_name(world, pipeline):
    return {each.component: each.status for each in world.instances(pipeline)}


def test_ids_tell_the_sphere(world):
    """Three spheres: component, instance and attempt, each named after the one before."""
    pipeline = world.begin(hourly(activity("Report")))
    Hand(world).take()
    names = ["Report", name_of("Report"), f"{name_of('Report')}_Attempt=1"]
    shown = [world.describe(pipeline, each) for each in names]
    assert [each.id for each in shown] == names
    spheres = [each.string("@sphere") for each in shown]
    assert spheres == ["COMPONENT", "INSTANCE", "ATTEMPT"]
    assert shown[1].ref("@componentParent") == "Report"
    assert shown[2].ref("@instanceParent") == names[1]


@pytest.mark.parametrize("name", ["Hourly", "Default"])
def test_what_is_only_looked_at_has_no_instances(world, name):
    """Three spheres: schedules and the like are components and never run."""
    pipeline = world.begin(hourly(activity("A")))
    assert world.describe(pipeline, name).string("@sphere") == "COMPONENT"
    assert {each.component for each in world.instances(pipeline)} == {"A"}
    with pytest.raises(InvalidRequest, match="has no object"):
        world.describe(pipeline, name_of(name))


def test_a_precondition_has_a_component_for_each_that_refers_to_it(world):
    """Three spheres: a precondition that serves two objects is asked for each by itself."""
    pipeline = world.begin(
        on_demand(
            activity("A", precondition=("Ready",)),
            activity("B", precondition=("Ready",)),
            condition("Ready"),
        )
    )
    shown = world.describe(pipeline, name_of("Ready@A"))
    assert shown.ref("@componentParent") == "Ready"
    assert shown.ref("node") == name_of("A")
    assert world.describe(pipeline, name_of("Ready@B")).ref("node") == name_of("B")


@pytest.mark.parametrize("style", ["cron", "timeseries"])
def test_a_month_keeps_its_local_day(make_world, style):
    """Time zones: months are counted by the zone's clock; a cron run is due at its local start."""
    world = make_world(now=from_datetime(datetime(2026, 1, 1)))
    monthly = schedule(
        "1 month", startDateTime="2026-01-31T00:30:00", timeZone="Europe/Berlin", occurrences="4"
    )
    pipeline = world.begin([default(style), monthly, activity("A")])
    Runner(world)
    assert world.run_out(END_OF_TIME + 1000 * DAY_MS)
    assert [format_instant(each.start) for each in world.instances(pipeline)] == [
        "2026-01-30T23:30:00",
        "2026-02-27T23:30:00",
        "2026-03-30T22:30:00",
        "2026-04-29T22:30:00",
    ]
    for each in world.instances(pipeline):
        assert each.due_at == (each.start if style == "cron" else each.end)


def test_a_backfill_over_a_skipped_night(make_world):
    """Time zones: 02:30 that the clock skips is 03:30 on that day, and each day runs once."""
    world = make_world(now=from_datetime(datetime(2026, 4, 2)))
    daily = schedule("1 day", startDateTime="2026-03-27T02:30:00", timeZone="Europe/Berlin")
    pipeline = world.begin([default(), daily | {"occurrences": "5"}, activity("A")])
    Runner(world)
    assert world.run_out(END_OF_TIME + 1000 * DAY_MS)
    assert [format_instant(each.start)[8:] for each in world.instances(pipeline)] == [
        "27T01:30:00",
        "28T01:30:00",
        "29T01:30:00",
        "30T00:30:00",
        "31T00:30:00",
    ]
    assert state(world, pipeline) == "FINISHED"


def test_activated_at_any_time_it_begins_at_the_next_local_one(make_world):
    """Time zones: startTimestamp stays a moment in UTC, and passes over local days before it."""
    world = make_world(now=from_datetime(datetime(2026, 4, 2)))
    daily = schedule("1 day", startDateTime="2026-03-01T09:00:00", timeZone="Europe/Berlin")
    pipeline = world.create()
    world.put(pipeline, from_cli({"objects": [default(), daily, activity("A")]}))
    world.activate(pipeline, from_datetime(datetime(2026, 3, 30, 7)))
    starts = [format_instant(each.start) for each in world.instances(pipeline)]
    assert starts == [f"2026-{day}T07:00:00" for day in ("03-30", "03-31", "04-01")]


def test_a_task_forged_or_of_nobody_is_refused(world):
    """Tasks and their owners: a task id that the service did not give belongs to nothing."""
    world.begin(on_demand(activity("A")))
    task = Hand(world).take()
    for forged in ("", "x", task.task_id[:-4], task.task_id[4:], task.task_id.swapcase()):
        with pytest.raises(TaskNotFound):
            world.call("ReportTaskProgress", ReportTaskProgressRequest(forged), CALLER)


def test_acknowledging_late_is_being_too_late(world):
    """Tasks and their owners: without a report in 2 minutes the task is another's."""
    pipeline = world.begin(on_demand(activity("A")))
    hand = Hand(world)
    task = hand.take()
    wait(world, minutes=2)
    again = hand.take()
    with pytest.raises(TaskNotFound):
        hand.report(task)
    assert hand.report(again) is False
    assert instance(world, pipeline, "A").tries == 1


def test_the_end_acknowledges_too(world):
    """Tasks and their owners: who ends its task at once needs no report before."""
    pipeline = world.begin(on_demand(activity("A")))
    hand = Hand(world)
    task = hand.take()
    wait(world, minutes=1)
    hand.end(task)
    wait(world, hours=1)
    assert statuses(world, pipeline) == ["FINISHED"]


def test_who_was_lost_is_refused_and_the_next_try_counts(world):
    """Tasks and their owners: silence fails the attempt with Service_RunnerLost."""
    pipeline = world.begin(on_demand(activity("A", maximumRetries="0")))
    hand = Hand(world)
    task = hand.take()
    hand.report(task)
    wait(world, minutes=15)
    assert instance(world, pipeline, "A").error_id == "Service_RunnerLost"
    with pytest.raises(TaskNotFound):
        hand.end(task)
    assert statuses(world, pipeline) == ["FAILED"]


def test_a_task_of_a_deleted_pipeline_is_told_so(world):
    """Tasks and their owners: an owner hears of the deletion by its own exception."""
    pipeline = world.begin(on_demand(activity("A")))
    hand = Hand(world)
    task = hand.take()
    world.delete(pipeline)
    with pytest.raises(PipelineDeleted):
        hand.report(task)


def test_tasks_stand_in_the_order_in_which_they_became_ready(world):
    """Tasks and their owners: first ready, first taken, across pipelines and their priorities."""
    late = world.begin(on_demand(activity("Slow"), activity("Late", "Slow")), "one")
    wait(world, minutes=1)
    world.begin(on_demand(activity("Early")), "two")
    hand = Hand(world)
    slow = hand.take()
    wait(world, minutes=1)
    hand.end(slow)
    taken = [hand.take().attempt_id.split("_")[0] for _ in range(2)]
    assert taken == ["@Early", "@Late"]
    assert state(world, late) == "SCHEDULED"


@pytest.mark.parametrize(("taken", "late"), [(59, False), (60, True), (61, True)])
def test_who_was_begun_in_time_is_not_late(world, taken, late):
    """Lateness: late is who has not been handed over by then; once, and not when in time."""
    pipeline = world.begin(
        hourly(
            activity("A", lateAfterTimeout="1 hour", onLateAction=("Say",)),
            alarm("Say"),
            occurrences=1,
        )
    )
    wait(world, minutes=taken)
    hand = Hand(world)
    task = hand.take()
    hand.end(task)
    wait(world, hours=9)
    sent = Server(world)
    assert bool(sent.poll_once()) is late
    assert sent.poll_once() is None
    assert instance(world, pipeline, "A").status == "FINISHED"


def test_a_retry_is_not_late(world):
    """Lateness: once an attempt has been handed over nothing is late, however it ends."""
    world.begin(
        hourly(
            activity("A", lateAfterTimeout="30 minutes", onLateAction=("Say",)),
            alarm("Say"),
            occurrences=1,
        )
    )
    hand = Hand(world)
    hand.end(hand.take(), "FAILED")
    wait(world, hours=2)
    assert Server(world).poll_once() is None


def test_a_paused_one_is_late_too(world):
    """Lateness: who waits or is paused past the time is late; that is what it is for."""
    pipeline = world.begin(
        hourly(
            activity("A", lateAfterTimeout="30 minutes", onLateAction=("Stop",)),
            thing("Stop", "Terminate"),
            occurrences=1,
        )
    )
    world.set_status(pipeline, "PAUSE", "A")
    wait(world, minutes=31)
    assert statuses(world, pipeline, "A") == ["CANCELED"]


def test_a_held_precondition_is_what_its_owner_waits_on(world):
    """Preconditions: an owner waits on its preconditions, made when nothing else is left."""
    pipeline = world.begin(
        on_demand(activity("A"), activity("B", "A", precondition=("P",)), condition("P"))
    )
    assert world.describe(pipeline, name_of("B")).refs("@waitingOn") == (
        name_of("A"),
        name_of("P@B"),
    )
    hand = Hand(world)
    hand.end(hand.take())
    assert world.describe(pipeline, name_of("B")).refs("@waitingOn") == (name_of("P@B"),)
    assert world.describe(pipeline, name_of("P@B")).refs("@waitingOn") == ()
    hand.end(hand.take(), "FALSE")
    assert by_name(world, pipeline) == {
        "A": "FINISHED",
        "B": "WAITING_ON_DEPENDENCIES",
        "P@B": "WAITING_ON_DEPENDENCIES",
    }


def test_false_counts_no_try(world):
    """Preconditions: FALSE asks the same attempt again, and uses up no try, however often."""
    pipeline = world.begin(
        on_demand(
            activity("A", precondition=("P",)),
            condition("P", retryDelay="1 minute", maximumRetries="0"),
        )
    )
    hand = Hand(world)
    for _ in range(5):
        task = hand.take()
        assert task.attempt_id == f"{name_of('P@A')}_Attempt=1"
        hand.end(task, "FALSE")
        wait(world, minutes=1)
    hand.end(hand.take(), "FAILED")
    assert by_name(world, pipeline)["P@A"] == "FAILED"


def test_nobody_can_poll_for_what_the_server_does(world):
    """Preconditions: system-managed ones are the server's own tasks."""
    world.begin(on_demand(activity("A", precondition=("K",)), key_exists("K")))
    for group in ("workers", "", "@system", "system", "*"):
        assert Hand(world, group).poll_once() is None
    assert Server(world).take().attempt_id.startswith("@K@A_")


def test_a_chain_of_nodes_with_preconditions(world):
    """Preconditions: one of an output is asked after the activity, one of an input before."""
    pipeline = world.begin(
        on_demand(
            node("In", precondition=("P",)),
            condition("P"),
            activity("A", input=("In",), output=("Out",)),
            node("Out", precondition=("Q",)),
            condition("Q"),
            activity("B", input=("Out",)),
        )
    )
    hand = Hand(world)
    order = []
    while (task := hand.poll_once()) is not None:
        order.append(task.attempt_id.split("_")[0])
        hand.end(task)
    assert order == ["@P@In", "@A", "@Q@Out", "@B"]
    assert state(world, pipeline) == "FINISHED"


def test_a_precondition_is_asked_for_its_own_interval(make_world):
    """Preconditions: each interval of the owner has a precondition of its own."""
    world = make_world(now=T0 + 2 * HOUR_MS)
    pipeline = world.begin(
        hourly(activity("A", precondition=("P",)), condition("P"), occurrences=3)
    )
    hand = Hand(world)
    tasks = [hand.take() for _ in range(3)]
    hand.end(tasks[1])
    assert statuses(world, pipeline, "A") == [
        "WAITING_ON_DEPENDENCIES",
        "WAITING_FOR_RUNNER",
        "WAITING_ON_DEPENDENCIES",
    ]
