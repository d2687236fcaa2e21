"""When instances are made: styles, ends, origins, ties, backfill.

See docs/engine.md, "Schedules", "Time zones", "On demand" and "Different periods, tied".
"""

from datetime import datetime

import pytest

from penstock.model.errors import InvalidRequest
from penstock.model.times import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    SECOND_MS,
    format_instant,
    from_datetime,
)
from penstock.simulation.runners import Runner, Work
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


def test_cron_begins_at_the_start_of_an_interval_and_timeseries_at_its_end(make_world):
    for style, seen in (("cron", [1, 2, 3]), ("CRON", [1, 2, 3]), ("timeseries", [0, 1, 2])):
        world = make_world(now=T0)
        pipeline = world.begin(hourly(activity("A"), style=style, maxActiveInstances="9"))
        counts = []
        for _ in range(3):
            counts.append(len(world.instances(pipeline)))
            wait(world, hours=1)
        assert counts == seen, style
        first = instance(world, pipeline, "A")
        assert (first.start, first.end) == (T0, T0 + HOUR_MS)
        assert first.due_at == T0 + (HOUR_MS if style == "timeseries" else 0)


def test_occurrences_end_a_schedule(world):
    pipeline = world.begin(hourly(activity("A"), occurrences=3))
    Runner(world)
    assert world.run_out(END_OF_TIME)
    assert starts(world, pipeline, "A") == [0, 1, 2]
    assert state(world, pipeline) == "FINISHED"


@pytest.mark.parametrize(("minutes", "count"), [(119, 2), (120, 2), (121, 3)])
def test_no_interval_starts_at_or_after_the_end(make_world, minutes, count):
    world = make_world()
    end = format_instant(T0 + minutes * MINUTE_MS)
    pipeline = world.begin([default(), schedule(endDateTime=end), activity("A")])
    Runner(world)
    assert world.run_out(END_OF_TIME)
    assert len(world.instances(pipeline)) == count
    assert state(world, pipeline) == "FINISHED"


def test_first_activation_is_the_origin(make_world):
    world = make_world(now=T0 + 17 * MINUTE_MS + 250)
    at_first = {"id": "Hourly", "type": "Schedule", "period": "1 hour", "occurrences": "2"}
    pipeline = world.begin(
        [default(), at_first | {"startAt": "FIRST_ACTIVATION_DATE_TIME"}, activity("A")]
    )
    Runner(world)
    wait(world, minutes=10)
    world.activate(pipeline)
    assert world.run_out(END_OF_TIME)
    origin = T0 + 17 * MINUTE_MS
    assert [i.start for i in world.instances(pipeline)] == [origin, origin + HOUR_MS]


def test_months_are_counted_from_the_origin(make_world):
    start = T0 + 77 * DAY_MS
    assert format_instant(start).startswith("2024-01-31")
    world = make_world(now=start)
    monthly = schedule("1 month", start, occurrences="4")
    pipeline = world.begin([default(), monthly, activity("A")])
    Runner(world)
    assert world.run_out(END_OF_TIME)
    days = [format_instant(i.start)[:10] for i in world.instances(pipeline)]
    assert days == ["2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30"]
    ends = [format_instant(i.end)[:10] for i in world.instances(pipeline)]
    assert ends == ["2024-02-29", "2024-03-31", "2024-04-30", "2024-05-31"]


def test_days_of_a_zone_keep_their_time_over_the_change_of_the_clock(make_world):
    """09:00 in Berlin, on the days around 29 March 2026; what is shown stays in UTC."""
    world = make_world(now=from_datetime(datetime(2026, 3, 27)))
    zoned = {"timeZone": "Europe/Berlin", "startDateTime": "2026-03-28T09:00:00"}
    pipeline = world.begin(
        [
            default("timeseries", "Daily", maxActiveInstances="5"),
            schedule("1 day", name="Daily", endDateTime="2026-03-31T09:00:00", **zoned),
            schedule("1 hour", name="Short", occurrences="72", **zoned),
            activity("Hour", schedule=("Short",), output=("Data",)),
            node("Data", schedule=("Short",)),
            activity("Day", input=("Data",), command="#{hour(@scheduledStartTime)}"),
        ]
    )
    runner = Runner(world, slots=9)
    assert world.run_out(END_OF_TIME + 1000 * DAY_MS)
    days = [name for name in runner.taken if name.startswith("@Day")]
    assert [name[5:24] for name in days] == [
        "2026-03-28T08:00:00",
        "2026-03-29T07:00:00",
        "2026-03-30T07:00:00",
    ]
    inputs = [world.describe(pipeline, name.rpartition("_")[0]).refs("input") for name in days]
    assert [len(each) for each in inputs] == [23, 24, 24]
    shown = world.describe(pipeline, days[1].rpartition("_")[0])
    assert shown.string("@scheduledEndTime") == "2026-03-30T07:00:00"
    assert state(world, pipeline) == "FINISHED"


def test_one_full_component_goes_on_when_its_next_interval_is_due(world):
    """Full at one instance, its next interval not yet due when that instance ends."""
    pipeline = world.begin(hourly(activity("A"), occurrences=3, maxActiveInstances="1"))
    Runner(world)
    assert world.run_out(END_OF_TIME)
    assert statuses(world, pipeline) == ["FINISHED"] * 3


def test_a_full_component_goes_on_though_the_clock_was_put_back(make_world):
    """What was due when there was no room is not due when there is; so somebody looks again."""
    world = make_world(now=T0 + HOUR_MS)
    pipeline = world.begin(hourly(activity("A"), occurrences=2, maxActiveInstances="1"))
    hand = Hand(world)
    task = hand.take()
    hand.report(task)
    world.now -= 2_000
    hand.end(task)
    Runner(world)
    assert world.run_out(END_OF_TIME)
    assert statuses(world, pipeline) == ["FINISHED"] * 2


def test_a_backfill_runs_oldest_first_within_its_window(make_world):
    world = make_world(now=T0 + 10 * HOUR_MS)
    pipeline = world.begin(hourly(activity("A"), occurrences=8, maxActiveInstances="3"))
    assert starts(world, pipeline, "A") == [0, 1, 2]
    runner = Runner(world)
    assert world.run_out(END_OF_TIME)
    assert runner.taken == [f"{name_of('A', k)}_Attempt=1" for k in range(8)]
    assert state(world, pipeline) == "FINISHED"


def test_a_backfill_of_a_million_intervals_makes_few_rows(make_world):
    world = make_world(now=T0)
    minutely = schedule("1 minute", T0 - 1_000_000 * MINUTE_MS)
    pipeline = world.begin(
        [
            default(),
            minutely,
            node("In"),
            activity("A", input=("In",), output=("Out",)),
            node("Out"),
        ]
    )
    assert starts(world, pipeline, "A")[-1] == pytest.approx((4 - 1_000_000) / 60)
    assert len(world.instances(pipeline)) <= 16
    Runner(world, slots=2)
    wait(world, minutes=1 / 4)
    assert len(world.instances(pipeline, "A")) > 20
    assert len(world.instances(pipeline)) < 150


def test_a_long_backfill_is_refused_unless_it_is_wished_for(make_world):
    world = make_world(now=T0 + 3 * DAY_MS, allow_backfill=False)
    with pytest.raises(InvalidRequest, match=r"72 past interval.*startTimestamp"):
        world.begin(hourly(activity("A")))
    pipeline = world.create()
    assert state(world, pipeline) == "PENDING"
    assert world.instances(pipeline) == []
    world.activate(pipeline, T0 + 3 * DAY_MS - HOUR_MS)
    assert starts(world, pipeline, "A") == [71, 72]


def test_a_start_less_than_a_day_ago_needs_no_permission(make_world):
    world = make_world(now=T0 + DAY_MS, allow_backfill=False)
    pipeline = world.begin(hourly(activity("A")))
    assert starts(world, pipeline, "A") == [0, 1, 2, 3, 4]


def test_only_a_new_schedule_is_asked_about_again(make_world):
    world = make_world(now=T0, allow_backfill=False)
    pipeline = world.begin(hourly(activity("A")))
    wait(world, hours=60)
    world.activate(pipeline)
    assert world.pipeline(pipeline).version == 2


def test_a_weekly_activity_waits_for_all_seven_days(make_world):
    world = make_world()
    pipeline = world.begin(
        [
            default("timeseries", "Daily"),
            schedule("1 day", name="Daily", occurrences="14"),
            schedule("1 week", name="Weekly", occurrences="2"),
            activity("Day", output=("Data",)),
            node("Data"),
            activity("Week", schedule={"ref": "Weekly"}, input=("Data",)),
        ]
    )
    runner = Runner(world)
    assert world.run_out(END_OF_TIME)
    order = [name.split("_")[0] for name in runner.taken]
    assert order == ["@Day"] * 7 + ["@Week"] + ["@Day"] * 7 + ["@Week"]
    shown = world.describe(pipeline, name_of("Week"))
    assert list(shown.refs("input")) == [name_of("Data", 24 * day) for day in range(7)]
    assert state(world, pipeline) == "FINISHED"


def test_short_activities_share_the_longer_interval_that_holds_their_start(make_world):
    world = make_world()
    pipeline = world.begin(
        [
            default(),
            schedule(occurrences="2"),
            schedule("20 minutes", name="Third", occurrences="6"),
            activity("Hour"),
            activity("Third20", "Hour", schedule={"ref": "Third"}, maxActiveInstances="9"),
        ]
    )
    Runner(world, lambda name: Work(takes_ms=50 * MINUTE_MS), slots=9)
    wait(world, minutes=49)
    assert statuses(world, pipeline, "Third20") == ["WAITING_ON_DEPENDENCIES"] * 3
    wait(world, minutes=2)
    assert statuses(world, pipeline, "Third20") == ["RUNNING"] * 3
    assert world.run_out(END_OF_TIME)
    assert statuses(world, pipeline, "Third20") == ["FINISHED"] * 6


def test_a_dependency_whose_schedule_does_not_reach_here_is_not_waited_for(make_world):
    world = make_world()
    pipeline = world.begin(
        [
            default(),
            schedule(occurrences="3"),
            schedule(name="Late", start=T0 + 2 * HOUR_MS, occurrences="1"),
            activity("A", "B"),
            activity("B", schedule={"ref": "Late"}),
        ]
    )
    runner = Runner(world)
    assert world.run_out(END_OF_TIME)
    assert [n.split("_")[0] for n in runner.taken] == ["@A", "@A", "@B", "@A"]
    assert state(world, pipeline) == "FINISHED"


def test_an_on_demand_activation_is_one_run(world):
    pipeline = world.begin(on_demand(activity("A"), activity("B", "A")))
    [first, _] = world.instances(pipeline)
    assert (first.start, first.end) == (T0, T0)
    Runner(world)
    assert world.run_out(END_OF_TIME)
    assert state(world, pipeline) == "FINISHED"
    world.activate(pipeline)
    assert state(world, pipeline) == "SCHEDULED"
    assert world.run_out(END_OF_TIME)
    assert statuses(world, pipeline) == ["FINISHED"] * 4
    assert {i.version for i in world.instances(pipeline)} == {1, 2}


def test_an_explicit_on_demand_schedule_is_the_same(world):
    explicit = {
        "id": "Hourly",
        "type": "Schedule",
        "period": "ONDEMAND_PERIOD",
        "startAt": "ONDEMAND_ACTIVATION_TIME",
    }
    pipeline = world.begin([default("ondemand"), explicit, activity("A")])
    Runner(world)
    assert world.run_out(END_OF_TIME)
    [only] = world.instances(pipeline)
    assert (only.start, only.end, only.status) == (T0, T0, "FINISHED")


def test_two_on_demand_runs_in_one_second_have_times_of_their_own(make_world):
    world = make_world(now=T0 + 300)
    pipeline = world.begin(on_demand(activity("A"), maxActiveInstances="3"))
    world.activate(pipeline)
    world.now += 200
    world.activate(pipeline)
    assert [i.start - T0 for i in world.instances(pipeline)] == [0, SECOND_MS, 2 * SECOND_MS]


def test_on_demand_runs_are_limited_but_blocked_ones_do_not_count(world):
    pipeline = world.begin(on_demand(activity("A", maximumRetries="0"), activity("B", "A")))
    with pytest.raises(InvalidRequest, match=r"1 on-demand run.*allows 1"):
        world.activate(pipeline)
    Runner(world, lambda name: Work("FAILED"))
    wait(world, minutes=1)
    assert statuses(world, pipeline) == ["FAILED", "WAITING_ON_DEPENDENCIES"]
    world.activate(pipeline)
    assert len(world.instances(pipeline)) == 4


def test_a_start_timestamp_makes_no_sense_on_demand(world):
    pipeline = world.begin(on_demand(activity("A")))
    Runner(world)
    assert world.run_out(END_OF_TIME)
    with pytest.raises(InvalidRequest, match="startTimestamp does not apply"):
        world.activate(pipeline, T0)


def test_a_pipeline_without_activities_is_finished_at_once_and_can_be_activated_again(make_world):
    for objects in (
        hourly(),
        hourly(node("Data")),
        on_demand(node("Data")),
    ):
        world = make_world()
        pipeline = world.begin(objects)
        wait(world, minutes=1 / 30)
        assert state(world, pipeline) == "FINISHED", objects
        world.activate(pipeline)
        wait(world, minutes=1 / 30)
        assert world.describe_pipeline(pipeline)["@version"] == "2"
        assert state(world, pipeline) == "FINISHED"


def test_data_nodes_end_with_the_activities_that_use_them(world):
    pipeline = world.begin(
        [
            default(),
            schedule(),
            schedule(name="Short", occurrences="2"),
            node("Endless"),
            activity("A", schedule={"ref": "Short"}, input=("Endless",)),
            {"id": "Unused", "type": "S3DataNode", "directoryPath": "s3://b/u"},
        ]
    )
    Runner(world)
    assert world.run_out(END_OF_TIME)
    assert statuses(world, pipeline, "A") == ["FINISHED"] * 2
    assert state(world, pipeline) == "FINISHED"
