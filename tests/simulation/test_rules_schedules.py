"""What docs/engine.md says of schedules and of runs on demand, rule by rule."""

import pytest

from penstock.language.forms import from_cli
from penstock.language.periods import parse_datetime
from penstock.model.api import PutPipelineDefinitionRequest
from penstock.model.errors import InvalidRequest
from penstock.model.times import DAY_MS, HOUR_MS, MINUTE_MS, format_instant, from_datetime
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


def at(text):
    return from_datetime(parse_datetime(text))


def days(world, pipeline, component="A"):
    return [format_instant(each.start)[:10] for each in world.instances(pipeline, component)]


@pytest.mark.parametrize(
    ("period", "start", "expected"),
    [
        ("1 month", "2023-12-31", ["2023-12-31", "2024-01-31", "2024-02-29", "2024-03-31"]),
        ("1 month", "2022-12-30", ["2022-12-30", "2023-01-30", "2023-02-28", "2023-03-30"]),
        ("1 year", "2020-02-29", ["2020-02-29", "2021-02-28", "2022-02-28", "2023-02-28"]),
        ("2 months", "2022-08-31", ["2022-08-31", "2022-10-31", "2022-12-31", "2023-02-28"]),
    ],
)
def test_months_and_years_are_counted_from_the_start(make_world, period, start, expected):
    """Schedules: months and years go by the calendar, each counted from the start."""
    world = make_world(now=at("2026-01-01"))
    monthly = schedule(period, at(start), occurrences="4")
    pipeline = world.begin([default(), monthly, activity("A")])
    Runner(world)
    assert world.run_out(END_OF_TIME + 1000 * DAY_MS)
    assert days(world, pipeline) == expected


@pytest.mark.parametrize("style", ["cron", "timeseries"])
def test_one_occurrence_is_one_run(make_world, style):
    """Schedules: a schedule ends with its occurrences; in both styles the interval is the same."""
    world = make_world()
    pipeline = world.begin(hourly(activity("A"), occurrences=1, style=style))
    Runner(world)
    assert world.run_out(END_OF_TIME)
    [only] = world.instances(pipeline)
    assert (only.start, only.end) == (T0, T0 + HOUR_MS)
    shown = world.describe(pipeline, name_of("A"))
    assert shown.string("@scheduledStartTime") == format_instant(T0)
    assert shown.string("@scheduledEndTime") == format_instant(T0 + HOUR_MS)
    assert state(world, pipeline) == "FINISHED"


def test_a_timeseries_runs_the_interval_that_the_end_cuts(world):
    """Schedules: no interval starts at or after the end, but one may reach beyond it."""
    end = format_instant(T0 + 90 * MINUTE_MS)
    pipeline = world.begin([default("timeseries"), schedule(endDateTime=end), activity("A")])
    Runner(world)
    assert world.run_out(END_OF_TIME)
    assert [i.end for i in world.instances(pipeline)] == [T0 + HOUR_MS, T0 + 2 * HOUR_MS]


def test_a_later_activation_does_not_move_the_first(world):
    """Schedules: FIRST_ACTIVATION_DATE_TIME is the first activation's moment, also after others."""
    at_first = {"id": "Hourly", "type": "Schedule", "period": "1 hour", "occurrences": "3"}
    at_first |= {"startAt": "FIRST_ACTIVATION_DATE_TIME"}
    pipeline = world.begin([default(), at_first, activity("A")])
    world.deactivate(pipeline)
    wait(world, minutes=90)
    world.activate(pipeline)
    Runner(world)
    assert world.run_out(END_OF_TIME)
    assert starts(world, pipeline, "A") == [0, 1, 2]


def test_a_new_schedule_in_the_past_is_asked_about(make_world):
    """Schedules: a start more than a day ago is refused also when an edit brings it."""
    world = make_world(allow_backfill=False)
    pipeline = world.begin(hourly(activity("A")))
    wait(world, hours=2)
    late = schedule("1 hour", T0 - 3 * DAY_MS, name="Old")
    world.put(
        pipeline,
        from_cli({"objects": [*hourly(activity("A")), late, activity("B", schedule=("Old",))]}),
    )
    with pytest.raises(InvalidRequest, match=r"Schedule Old starts at 2023-11-12T00:00:00.*74"):
        world.activate(pipeline)
    assert world.pipeline(pipeline).version == 1
    world.activate(pipeline, world.now - HOUR_MS)
    assert starts(world, pipeline, "B") == [1, 2]


def test_five_instances_are_unfinished_at_once_unless_an_activity_says_otherwise(make_world):
    """Schedules: maxActiveInstances is five where nothing is said, and counts waiting ones."""
    world = make_world(now=T0 + 20 * HOUR_MS)
    pipeline = world.begin(
        hourly(activity("A"), activity("B", maxActiveInstances="2"), activity("C", "B"))
    )
    assert [len(world.instances(pipeline, each)) for each in "ABC"] == [5, 2, 5]


def test_data_nodes_come_as_far_as_their_users(make_world):
    """Schedules: data nodes are made as far as the activities that use them have come."""
    world = make_world(now=T0 + 20 * HOUR_MS)
    pipeline = world.begin(
        hourly(node("N"), activity("A", input=("N",), maxActiveInstances="2"), node("Unused"))
    )
    assert len(world.instances(pipeline, "N")) <= 3
    hand = Hand(world)
    hand.end(hand.take())
    assert instance(world, pipeline, "N", 2)


def test_a_run_on_demand_ends_when_it_starts(world):
    """On demand: a run is named after its second, and its interval has no length."""
    pipeline = world.begin(on_demand(node("N"), activity("A", input=("N",))))
    shown = world.describe(pipeline, name_of("A"))
    assert shown.string("@scheduledStartTime") == shown.string("@scheduledEndTime")
    assert shown.ref("input") == name_of("N")


def test_runs_on_demand_have_room_again_when_one_ends(world):
    """On demand: maxActiveInstances of Default bounds the runs under way, and no more than that."""
    pipeline = world.begin(on_demand(activity("A"), maxActiveInstances="2"))
    world.activate(pipeline)
    with pytest.raises(InvalidRequest, match="has 2 on-demand"):
        world.activate(pipeline)
    hand = Hand(world)
    hand.end(hand.take())
    world.activate(pipeline)
    assert statuses(world, pipeline).count("FINISHED") == 1
    assert len(statuses(world, pipeline)) == 3


def test_a_paused_run_counts_as_under_way(world):
    """On demand: a run that a resume would move on takes room."""
    pipeline = world.begin(on_demand(activity("A")))
    world.set_status(pipeline, "PAUSE", "A")
    with pytest.raises(InvalidRequest, match="1 on-demand"):
        world.activate(pipeline)


def test_a_first_run_on_demand_takes_no_start_timestamp(world):
    """On demand: there are no intervals to pass over, so startTimestamp is refused."""
    pipeline = world.create()
    world.put(pipeline, from_cli({"objects": on_demand(activity("A"))}))
    with pytest.raises(InvalidRequest, match="startTimestamp does not apply"):
        world.activate(pipeline, T0)
    assert state(world, pipeline) == "PENDING"


def test_offset_origins_tie_by_what_lies_within(make_world):
    """Different periods, tied: only what lies wholly within one's own interval is waited for."""
    world = make_world()
    pipeline = world.begin(
        [
            default(),
            schedule("3 hours", name="Hourly", occurrences="1"),
            schedule("1 hour", T0 + 30 * MINUTE_MS, name="Shifted", occurrences="4"),
            activity("Long", "Short"),
            activity("Short", schedule=("Shifted",)),
        ]
    )
    shown = world.describe(pipeline, name_of("Long"))
    assert shown.refs("@waitingOn") == (name_of("Short", 0.5), name_of("Short", 1.5))
    Runner(world)
    assert world.run_out(END_OF_TIME)
    done = {
        i.component: i.ended_at for i in world.instances(pipeline) if i.start < T0 + 2 * HOUR_MS
    }
    assert done["Long"] >= done["Short"]
    assert state(world, pipeline) == "FINISHED"


def test_a_longer_one_that_is_not_aligned_holds_the_start(make_world):
    """Different periods, tied: the interval of the longer schedule that holds one's own start."""
    world = make_world(now=T0 + 3 * HOUR_MS)
    pipeline = world.begin(
        [
            default(),
            schedule(occurrences="3"),
            schedule("2 hours", T0 - 90 * MINUTE_MS, name="Long"),
            activity("A", "B"),
            activity("B", schedule=("Long",)),
        ]
    )
    waits = [world.describe(pipeline, name_of("A", k)).refs("@waitingOn") for k in range(3)]
    assert waits == [(name_of("B", -1.5),), (name_of("B", 0.5),), (name_of("B", 0.5),)]


def test_chains_of_data_nodes_carry_a_run_through(world):
    """What an instance waits for: an output waits for its activity, an input for its node."""
    pipeline = world.begin(
        on_demand(
            node("N0"),
            activity("A", input=("N0",), output=("N1",)),
            node("N1"),
            activity("B", input=("N1",), output=("N2", "N3")),
            node("N2"),
            node("N3"),
            activity("C", input=("N2", "N3")),
        )
    )
    assert instance(world, pipeline, "N0").status == "FINISHED"
    assert world.describe(pipeline, name_of("C")).refs("@waitingOn") == (
        name_of("N2"),
        name_of("N3"),
    )
    taken = Runner(world).taken
    assert world.run_out(END_OF_TIME)
    assert [each[1] for each in taken] == ["A", "B", "C"]
    assert set(statuses(world, pipeline)) == {"FINISHED"}


def test_what_is_skipped_counts_as_met(world):
    """What an instance waits for: a dependency that is SKIPPED is no longer waited for."""
    pipeline = world.begin(
        [
            default(),
            schedule(),
            schedule("2 hours", name="Long"),
            activity("A", "B"),
            activity("B", schedule=("Long",)),
        ]
    )
    wait(world, hours=1)
    world.activate(pipeline, world.now)
    assert instance(world, pipeline, "A").status == "SKIPPED"
    assert instance(world, pipeline, "A", 1).status == "WAITING_FOR_RUNNER"


def test_a_draft_without_a_schedule_names_the_object(world):
    """Schedules: what is scheduled needs a schedule, and the message names who lacks it."""
    pipeline = world.create()
    definition = from_cli({"objects": [default(when=None), activity("A")]})
    request = PutPipelineDefinitionRequest(pipeline, definition.pipeline_objects)
    answer = world.call("PutPipelineDefinition", request)
    assert answer.errored
    with pytest.raises(InvalidRequest, match=r"A\b.*schedule"):
        world.activate(pipeline)


def test_a_backfill_behind_a_failure_stays_within_its_window(make_world):
    """Schedules: what a failure blocks is unfinished and takes room; a rerun gives it back."""
    world = make_world(now=T0 + 10 * HOUR_MS)
    pipeline = world.begin(
        hourly(
            activity("A", maximumRetries="0"),
            activity("B", "A", maxActiveInstances="2"),
            occurrences=6,
        )
    )
    failing = {f"{name_of('A', k)}_Attempt=1" for k in (0, 1)}
    Runner(world, lambda name: Work("FAILED" if name in failing else "FINISHED"))
    wait(world, hours=10)
    assert starts(world, pipeline, "B") == [0, 1]
    assert statuses(world, pipeline, "A") == ["FAILED"] * 2 + ["FINISHED"] * 4
    world.set_status(pipeline, "RERUN", name_of("A", 0), name_of("A", 1))
    assert world.run_out(END_OF_TIME)
    assert set(statuses(world, pipeline)) == {"FINISHED"}
    assert state(world, pipeline) == "FINISHED"
