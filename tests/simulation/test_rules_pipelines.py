"""What docs/engine.md says of a pipeline's life: activation, edits, deactivation, its end."""

import pytest

from penstock.language.forms import from_cli
from penstock.model.api import PutPipelineDefinitionRequest
from penstock.model.errors import InvalidRequest, PipelineDeleted
from penstock.model.times import HOUR_MS, MINUTE_MS, SECOND_MS, format_instant
from penstock.simulation.runners import Runner
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


def draft(world, pipeline, objects):
    """Put a draft that may have errors; answers them by object."""
    definition = from_cli({"objects": objects})
    request = PutPipelineDefinitionRequest(pipeline, definition.pipeline_objects)
    answer = world.call("PutPipelineDefinition", request)
    return {found.id: found.errors for found in answer.validation_errors}


BEFORE = [
    default(),
    schedule(),
    schedule("2 hours", name="Long", occurrences="9"),
    node("Old"),
    node("In"),
    activity("A", input=("In",), output=("Old",)),
    activity("B", "A"),
]


def changed(key, **fields):
    return [each | fields if each["id"] == key else each for each in BEFORE]


def without(key):
    return [each for each in BEFORE if each["id"] != key]


FORBIDDEN = {
    "an object removed": (without("B"), "B", "cannot be removed"),
    "a period": (changed("Hourly", period="30 minutes"), "Hourly", "'period'"),
    "a start": (changed("Hourly", startDateTime="2023-11-14"), "Hourly", "'startDateTime'"),
    "a zone": (changed("Hourly", timeZone="Asia/Tokyo"), "Hourly", "'timeZone'"),
    "a schedule": (changed("B", schedule={"ref": "Long"}), "B", "'schedule'"),
    "a dependency gone": (changed("B", dependsOn=[]), "B", "'dependsOn'"),
    "a dependency more": (changed("A", dependsOn={"ref": "B"}), "A", "'dependsOn'"),
    "an input": (changed("A", input={"ref": "Old"}), "A", "'input'"),
    "an old output of a new object": (
        [*BEFORE, activity("C", output=("In",))], "C", "'output'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", FORBIDDEN)
def test_what_an_edit_may_not_do(world, what):
    """Deactivation, and activating again: each forbidden edit names the object and the field."""
    objects, at, told = FORBIDDEN[what]
    pipeline = world.begin(BEFORE)
    errors = draft(world, pipeline, objects)
    assert at in errors
    assert any(told in text for text in errors[at]), errors
    with pytest.raises(InvalidRequest, match=at):
        world.activate(pipeline)
    assert world.pipeline(pipeline).version == 1
    put(world, pipeline, BEFORE)
    world.activate(pipeline)
    assert world.pipeline(pipeline).version == 2


ALLOWED = {
    "a command": changed("B", command="false"),
    "retries": changed("A", maximumRetries="7"),
    "a window": changed("A", maxActiveInstances="2"),
    "an end": changed("Long", occurrences="5"),
    "a new activity": [*BEFORE, activity("C", "B")],
    "a new chain": [*BEFORE, activity("C", "B", output=("New",)), node("New")],
    "a new schedule": [*BEFORE, schedule("3 hours", name="S"), activity("C", schedule=("S",))],
    "another name": changed("B", name="Bertha"),
}


@pytest.mark.parametrize("what", ALLOWED)
def test_what_an_edit_may_do(world, what):
    """Deactivation, and activating again: an edit applies to what is made after it."""
    pipeline = world.begin(BEFORE)
    put(world, pipeline, ALLOWED[what])
    before = {i.key: i.version for i in world.instances(pipeline)}
    world.activate(pipeline)
    assert {i.key: i.version for i in world.instances(pipeline) if i.key in before} == before
    Runner(world)
    wait(world, hours=1)
    made = [i for i in world.instances(pipeline) if i.key not in before]
    assert {i.version for i in made} == {2}
    assert "FAILED" not in statuses(world, pipeline)


def test_an_edit_does_not_apply_before_an_activation(world):
    """Deactivation, and activating again: a draft is nothing but a draft until it is activated."""
    pipeline = world.begin(hourly(activity("A", command="old")))
    put(world, pipeline, hourly(activity("A", command="new")))
    wait(world, hours=1)
    assert world.describe(pipeline, name_of("A", 1)).string("command") == "old"
    world.activate(pipeline)
    wait(world, hours=1)
    told = [world.describe(pipeline, name_of("A", k)).string("command") for k in range(3)]
    assert told == ["old", "old", "new"]


def until(**ends):
    return [default(), schedule(**ends), activity("A")]


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ({"occurrences": "2"}, {"occurrences": "4"}),
        ({"endDateTime": format_instant(T0 + 2 * HOUR_MS)}, {"occurrences": "4"}),
        ({"occurrences": "2"}, {"endDateTime": format_instant(T0 + 4 * HOUR_MS)}),
    ],
)
def test_a_finished_pipeline_runs_on_with_a_later_end(world, first, then):
    """States: a FINISHED pipeline takes a new end, in either way of saying it, and runs on."""
    pipeline = world.begin(until(**first))
    Runner(world)
    assert world.run_out(END_OF_TIME)
    assert state(world, pipeline) == "FINISHED"
    finished = world.describe_pipeline(pipeline)["@finishedTime"]
    put(world, pipeline, until(**then))
    assert world.describe_pipeline(pipeline)["@finishedTime"] == finished
    wait(world, hours=24)
    assert len(statuses(world, pipeline)) == 2, "not before it is activated"
    world.activate(pipeline)
    assert "@finishedTime" not in world.describe_pipeline(pipeline)
    assert world.run_out(END_OF_TIME)
    assert starts(world, pipeline, "A") == [0, 1, 2, 3]
    assert state(world, pipeline) == "FINISHED"


@pytest.mark.parametrize(
    "objects",
    [
        [default(), schedule(occurrences="3"), activity("A", command="other")],
        [default(), schedule(occurrences="3"), activity("A"), activity("B")],
        [default(), schedule("2 hours", occurrences="3"), activity("A")],
        [default(workerGroup="others"), schedule(occurrences="3"), activity("A")],
    ],
)
def test_a_finished_pipeline_takes_nothing_else(world, objects):
    """States: of a FINISHED pipeline only endDateTime and occurrences can change."""
    pipeline = world.begin(until(occurrences="1"))
    Runner(world)
    assert world.run_out(END_OF_TIME)
    with pytest.raises(InvalidRequest, match="only endDateTime and occurrences"):
        put(world, pipeline, objects)


def test_an_end_brought_forward_stops_what_is_to_come(world):
    """Deactivation, and activating again: an earlier end of a running pipeline leaves what is."""
    pipeline = world.begin(until(occurrences="9"))
    wait(world, hours=2)
    put(world, pipeline, until(occurrences="2"))
    world.activate(pipeline)
    assert starts(world, pipeline, "A") == [0, 1, 2]
    Runner(world)
    assert world.run_out(END_OF_TIME)
    assert starts(world, pipeline, "A") == [0, 1, 2]
    assert state(world, pipeline) == "FINISHED"


def test_a_finished_pipeline_without_more_to_do_is_finished_again(world):
    """States: activating a FINISHED pipeline whose schedule is over finishes it again."""
    pipeline = world.begin(until(occurrences="1"))
    Runner(world)
    assert world.run_out(END_OF_TIME)
    world.activate(pipeline)
    assert state(world, pipeline) == "FINISHED"
    assert len(statuses(world, pipeline)) == 1


def test_mark_finished_revives_and_finishes(make_world):
    """What people can ask: a FINISHED pipeline is revived by MARK_FINISHED too, and ends again."""
    world = make_world()
    pipeline = world.begin(on_demand(activity("A", maximumRetries="0")))
    hand = Hand(world)
    hand.end(hand.take(), "FAILED")
    assert state(world, pipeline) == "FINISHED"
    wait(world, minutes=3)
    world.set_status(pipeline, "MARK_FINISHED", name_of("A"))
    assert state(world, pipeline) == "FINISHED"
    shown = world.describe_pipeline(pipeline)
    assert (shown["@healthStatus"], shown["@finishedTime"]) == ("HEALTHY", "2023-11-15T00:03:00")


def test_each_activation_counts(world):
    """Deactivation, and activating again: @version grows by one with each activation."""
    pipeline = world.begin(hourly(activity("A")))
    versions = [world.describe_pipeline(pipeline)["@version"]]
    for _ in range(3):
        wait(world, minutes=1)
        world.activate(pipeline)
        versions.append(world.describe_pipeline(pipeline)["@version"])
    assert versions == ["1", "2", "3", "4"]
    shown = world.describe_pipeline(pipeline)
    assert shown["@firstActivationTime"] == "2023-11-15T00:00:00"
    assert shown["@lastActivationTime"] == "2023-11-15T00:03:00"


def test_it_goes_on_after_the_last_run_that_was_made(world):
    """Deactivation, and activating again: it continues where it stood, with what fell due since."""
    pipeline = world.begin(hourly(activity("A"), activity("B", "A")))
    hand = Hand(world)
    hand.end(hand.take())
    wait(world, hours=1)
    world.deactivate(pipeline)
    assert world.describe_pipeline(pipeline)["@lastDeactivatedTime"] == "2023-11-15T01:00:00"
    kept = statuses(world, pipeline)
    wait(world, hours=3)
    assert statuses(world, pipeline) == kept
    world.activate(pipeline)
    assert starts(world, pipeline, "A") == [0, 1, 2, 3, 4]
    assert instance(world, pipeline, "A").status == "FINISHED"
    Runner(world)
    wait(world, minutes=5)
    assert set(statuses(world, pipeline)) == {"FINISHED"}


def test_a_start_timestamp_within_an_interval(world):
    """Deactivation, and activating again: who starts before startTimestamp is passed over."""
    pipeline = world.begin(hourly(activity("A")))
    wait(world, hours=2)
    world.activate(pipeline, T0 + HOUR_MS + 1)
    assert statuses(world, pipeline) == ["SKIPPED", "SKIPPED", "WAITING_FOR_RUNNER"]


def test_a_start_timestamp_to_come(world):
    """Deactivation, and activating again: a startTimestamp may lie ahead."""
    pipeline = world.create()
    put(world, pipeline, hourly(activity("A"), occurrences=6))
    world.activate(pipeline, T0 + 4 * HOUR_MS)
    wait(world, hours=3)
    assert world.instances(pipeline) == []
    assert state(world, pipeline) == "SCHEDULED"
    Runner(world)
    assert world.run_out(END_OF_TIME)
    assert starts(world, pipeline, "A") == [4, 5]


def test_a_start_timestamp_beyond_the_end_finishes(world):
    """Deactivation, and activating again: with all intervals passed over nothing is left."""
    pipeline = world.create()
    put(world, pipeline, hourly(activity("A"), node("N"), occurrences=3))
    world.activate(pipeline, T0 + 9 * HOUR_MS)
    wait(world, minutes=1)
    assert world.instances(pipeline) == []
    assert state(world, pipeline) == "FINISHED"


def test_a_start_timestamp_leaves_what_has_begun(world):
    """Deactivation, and activating again: what runs, or was tried before, is not passed over."""
    pipeline = world.begin(hourly(activity("A"), maxActiveInstances="9"))
    wait(world, hours=3)
    hand = Hand(world)
    hand.end(hand.take(), "FAILED")
    running = hand.take()
    world.activate(pipeline, world.now)
    assert statuses(world, pipeline) == [
        "WAITING_ON_DEPENDENCIES",
        "RUNNING",
        "SKIPPED",
        "WAITING_FOR_RUNNER",
    ]
    hand.end(running)


def test_a_deactivation_that_cancels_nothing_is_over_at_once(world):
    """Deactivation, and activating again: INACTIVE as soon as nothing runs."""
    pipeline = world.begin(hourly(activity("A")))
    world.deactivate(pipeline)
    assert state(world, pipeline) == "INACTIVE"
    world.activate(pipeline)
    assert state(world, pipeline) == "SCHEDULED"


def test_the_two_ways_to_deactivate(world):
    """Deactivation, and activating again: cancelActive cancels what runs, else it may end."""
    for cancel in (True, False):
        pipeline = world.begin(on_demand(activity("A")), f"cancel {cancel}")
        hand = Hand(world)
        task = hand.take()
        world.deactivate(pipeline, cancel)
        assert hand.report(task) is cancel
        if not cancel:
            hand.end(task)
        assert statuses(world, pipeline) == ["CANCELED" if cancel else "FINISHED"]
        world.delete(pipeline)


def test_a_deleted_pipeline_takes_nothing(world):
    """Deactivation, and activating again: after a deletion all is refused, and owners are told."""
    pipeline = world.begin(hourly(activity("A")))
    hand = Hand(world)
    task = hand.take()
    world.delete(pipeline)
    with pytest.raises(PipelineDeleted, match=f"Pipeline with id: {pipeline} does not exist"):
        hand.report(task)
    for call in (
        lambda: put(world, pipeline, BEFORE),
        lambda: world.set_status(pipeline, "PAUSE", "A"),
        lambda: world.describe(pipeline, "A"),
    ):
        with pytest.raises(PipelineDeleted):
            call()
    wait(world, hours=1)
    assert hand.poll_once() is None


def test_what_depends_on_the_skipped_is_skipped_too(world):
    """Deactivation, and activating again: nothing is FINISHED, or offered, for want of a run."""
    pipeline = world.begin(
        hourly(activity("A", output=("N",)), node("N"), activity("B", input=("N",)))
    )
    wait(world, hours=1)
    world.activate(pipeline, world.now)
    first = {i.component: i.status for i in world.instances(pipeline) if i.start == T0}
    assert first == {"A": "SKIPPED", "N": "SKIPPED", "B": "SKIPPED"}
    assert instance(world, pipeline, "B").attempts == 0
    assert world.describe(pipeline, "N").string("@healthStatus") is None
    assert instance(world, pipeline, "B", 1).status == "WAITING_ON_DEPENDENCIES"


def test_a_schedule_that_gives_way_to_runs_on_demand(world):
    """On demand: a run is named after its activation, whatever interval would have come next."""
    pipeline = world.begin(hourly(activity("A")))
    hand = Hand(world)
    hand.end(hand.take())
    put(world, pipeline, [default("ondemand"), schedule(), activity("A")])
    world.activate(pipeline)
    assert [i.start - T0 for i in world.instances(pipeline)] == [0, SECOND_MS]
    hand.end(hand.take())
    wait(world, minutes=10)
    world.activate(pipeline)
    assert world.instances(pipeline)[-1].start == T0 + 10 * MINUTE_MS
