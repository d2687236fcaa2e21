"""What docs/engine.md says of states, attempts, commands and health, rule by rule."""

import pytest

from penstock.model.errors import InvalidRequest
from penstock.model.times import MINUTE_MS
from penstock.simulation.runners import Runner
from tests.simulation.scenes import (
    T0,
    Hand,
    activity,
    condition,
    hourly,
    instance,
    name_of,
    node,
    on_demand,
    starts,
    state,
    statuses,
    wait,
)

NO_RETRY = {"maximumRetries": "0"}


def by_name(world, pipeline):
    return {each.component: each.status for each in world.instances(pipeline)}


def bring(world, status, component="B"):
    """A pipeline whose instance of B, which comes after A, is in a state of the table."""
    cascade = {"failureAndRerunMode": "cascade"} if status == "CASCADE_FAILED" else {}
    pipeline = world.begin(
        hourly(activity("A"), activity("B", "A", **cascade), occurrences=2, **NO_RETRY)
    )
    hand = Hand(world)
    if status in {"WAITING_FOR_RUNNER", "RUNNING", "FINISHED", "FAILED"}:
        hand.end(hand.take())
    if status in {"RUNNING", "FINISHED", "FAILED"}:
        task = hand.take()
        hand.report(task)
        if status != "RUNNING":
            hand.end(task, status)
    if status == "CASCADE_FAILED":
        hand.end(hand.take(), "FAILED")
    if status == "PAUSED":
        world.set_status(pipeline, "PAUSE", component)
    if status == "CANCELED":
        world.set_status(pipeline, "TRY_CANCEL", name_of(component))
    if status == "SKIPPED":
        wait(world, hours=1)
        world.activate(pipeline, world.now)
    assert instance(world, pipeline, component).status == status
    return pipeline


UNFINISHED = ["WAITING_ON_DEPENDENCIES", "WAITING_FOR_RUNNER", "RUNNING", "PAUSED"]
ENDED = ["FINISHED", "FAILED", "CANCELED", "CASCADE_FAILED", "SKIPPED"]


@pytest.mark.parametrize("status", UNFINISHED + ENDED)
def test_whom_a_cancel_reaches(world, status):
    """What people can ask: TRY_CANCEL reaches every unfinished instance, and no other."""
    pipeline = bring(world, status)
    if status in ENDED:
        with pytest.raises(InvalidRequest, match=f"is {status}, so it cannot be set to TRY_CANCEL"):
            world.set_status(pipeline, "TRY_CANCEL", name_of("B"))
        return
    world.set_status(pipeline, "TRY_CANCEL", name_of("B"))
    expected = "RUNNING" if status == "RUNNING" else "CANCELED"
    assert instance(world, pipeline, "B").status == expected


@pytest.mark.parametrize("status", UNFINISHED + ENDED)
def test_whom_a_rerun_reaches(world, status):
    """What people can ask: RERUN reaches every ended instance, and no other."""
    pipeline = bring(world, status)
    if status in UNFINISHED:
        with pytest.raises(InvalidRequest, match=f"is {status}, so it cannot be set to RERUN"):
            world.set_status(pipeline, "RERUN", name_of("B"))
        return
    if status == "CASCADE_FAILED":
        world.set_status(pipeline, "RERUN", name_of("A"))
    world.set_status(pipeline, "RERUN", name_of("B"))
    assert instance(world, pipeline, "B").status.startswith("WAITING")
    Runner(world)
    wait(world, hours=3)
    assert instance(world, pipeline, "B").status == "FINISHED"
    assert state(world, pipeline) == "FINISHED"


@pytest.mark.parametrize("status", UNFINISHED + ENDED)
def test_whom_mark_finished_reaches(world, status):
    """What people can ask: MARK_FINISHED reaches all but what runs and what has finished."""
    pipeline = bring(world, status)
    if status in {"RUNNING", "FINISHED"}:
        with pytest.raises(InvalidRequest, match=f"is {status}, so it cannot be set to MARK_FIN"):
            world.set_status(pipeline, "MARK_FINISHED", name_of("B"))
        return
    world.set_status(pipeline, "mark_finished", name_of("B"))
    assert instance(world, pipeline, "B").status == "FINISHED"
    assert world.describe(pipeline, "B").string("@healthStatus") == "HEALTHY"


def test_an_instance_is_named_once_or_twice_all_the_same(world):
    """What people can ask: an object that is named twice is asked once."""
    pipeline = world.begin(on_demand(activity("A")))
    world.set_status(pipeline, "TRY_CANCEL", name_of("A"), name_of("A"))
    world.set_status(pipeline, "RERUN", name_of("A"), name_of("A"))
    assert statuses(world, pipeline) == ["WAITING_FOR_RUNNER"]


@pytest.mark.parametrize(
    ("status", "name", "told"),
    [
        ("PAUSE", "Hourly", "is not a component that runs"),
        ("PAUSE", "Default", "is not a component that runs"),
        ("PAUSE", "Nobody", "Nobody.* is not a component"),
        ("RESUME", "@A_2023-11-15T00:00:00", "applies to components"),
        ("RERUN", "A", "applies to instances"),
        ("RERUN", "@A_2023-11-15T00:00:00_Attempt=1", "applies to instances"),
        ("TRY_CANCEL", "@A_2023-11-15T07:00:00", "has no object"),
        ("TRY_CANCEL", "@A_yesterday", "has no object|something else|applies"),
        ("FINISHED", "@A_2023-11-15T00:00:00", "status is 'FINISHED'; it must be one of"),
        ("", "A", "must be one of"),
    ],
)
def test_what_cannot_be_asked_is_refused_whole(world, status, name, told):
    """What people can ask: either all objects named change, or none; the one in the way is told."""
    pipeline = world.begin(hourly(activity("A"), activity("B")))
    fine = "B" if status in {"PAUSE", "RESUME"} else name_of("B")
    before = world.instances(pipeline)
    with pytest.raises(InvalidRequest, match=told):
        world.set_status(pipeline, status, fine, name)
    assert world.instances(pipeline) == before
    assert world.describe(pipeline, "B").string("@status") == "SCHEDULED"


def test_a_mix_of_states_changes_nothing(world):
    """What people can ask: one of several in the wrong state refuses the others too."""
    pipeline = world.begin(hourly(activity("A"), activity("B"), occurrences=1))
    hand = Hand(world)
    hand.end(hand.take())
    with pytest.raises(InvalidRequest, match=f"{name_of('B')} is WAITING_FOR_RUNNER"):
        world.set_status(pipeline, "RERUN", name_of("A"), name_of("B"))
    assert instance(world, pipeline, "A").status == "FINISHED"


def test_pausing_twice_and_resuming_what_is_not_paused_do_no_harm(world):
    """What people can ask: PAUSE and RESUME say how a component shall be, not what shall change."""
    pipeline = world.begin(hourly(activity("A"), occurrences=1))
    world.set_status(pipeline, "RESUME", "A")
    assert statuses(world, pipeline) == ["WAITING_FOR_RUNNER"]
    for _ in range(2):
        world.set_status(pipeline, "PAUSE", "A")
    assert statuses(world, pipeline) == ["PAUSED"]
    world.set_status(pipeline, "Resume", "A")
    assert statuses(world, pipeline) == ["WAITING_FOR_RUNNER"]


def test_a_rerun_of_a_paused_component_is_paused(world):
    """What people can ask: what runs again under a pause waits for its end."""
    pipeline = world.begin(hourly(activity("A"), occurrences=1))
    hand = Hand(world)
    hand.end(hand.take())
    world.set_status(pipeline, "RERUN", name_of("A"))
    world.set_status(pipeline, "PAUSE", "A")
    assert statuses(world, pipeline) == ["PAUSED"]
    world.set_status(pipeline, "TRY_CANCEL", name_of("A"))
    world.set_status(pipeline, "RERUN", name_of("A"))
    assert statuses(world, pipeline) == ["PAUSED"]
    assert hand.poll_once() is None
    world.set_status(pipeline, "RESUME", "A")
    assert hand.take().attempt_id.endswith("_Attempt=3")


def test_a_data_node_can_be_paused_and_holds_its_consumers(world):
    """What people can ask: a paused data node is not FINISHED, so its consumers wait."""
    pipeline = world.begin(
        on_demand(activity("A", output=("N",)), node("N"), activity("B", input=("N",)))
    )
    world.set_status(pipeline, "PAUSE", "N")
    hand = Hand(world)
    hand.end(hand.take())
    assert by_name(world, pipeline)["N"] == "PAUSED"
    assert by_name(world, pipeline)["B"] == "WAITING_ON_DEPENDENCIES"
    world.set_status(pipeline, "RESUME", "N")
    assert by_name(world, pipeline)["N"] == "FINISHED"
    assert by_name(world, pipeline)["B"] == "WAITING_FOR_RUNNER"


def test_reruns_and_paused_ones_in_the_window(world):
    """Schedules: paused instances take room under maxActiveInstances, reruns do not."""
    pipeline = world.begin(hourly(activity("A"), maxActiveInstances="2"))
    hand = Hand(world)
    hand.end(hand.take())
    world.set_status(pipeline, "RERUN", name_of("A"))
    world.set_status(pipeline, "PAUSE", "A")
    wait(world, hours=5)
    assert starts(world, pipeline, "A") == [0, 1, 2], "two, and the rerun"
    world.set_status(pipeline, "TRY_CANCEL", name_of("A", 1))
    assert starts(world, pipeline, "A") == [0, 1, 2, 3]


def test_no_rest_of_a_failure_stays_on_the_next_try(world):
    """Trying again: the error fields are those of the last attempt; all attempts stay readable."""
    pipeline = world.begin(on_demand(activity("A", maximumRetries="1", retryDelay="1 minute")))
    hand = Hand(world)
    hand.end(hand.take(), "FAILED", "First")
    shown = world.describe(pipeline, name_of("A"))
    assert shown.string("errorId") == "First"
    assert shown.string("@nextRetryTime") == "2023-11-15T00:01:00"
    wait(world, minutes=1)
    hand.end(hand.take(), "FAILED", "Second")
    shown = world.describe(pipeline, name_of("A"))
    for key in ("errorId", "errorMessage", "errorStackTrace"):
        assert shown.strings(key) == ("Second",)
    told = [
        world.describe(pipeline, f"{name_of('A')}_Attempt={n}").string("errorId") for n in (1, 2)
    ]
    assert told == ["First", "Second"]
    world.set_status(pipeline, "RERUN", name_of("A"))
    assert world.describe(pipeline, name_of("A")).string("errorId") is None
    third = hand.take()
    assert third.attempt_id.endswith("_Attempt=3")
    hand.end(third)
    assert world.describe(pipeline, name_of("A")).string("errorId") is None


def test_a_rerun_has_all_its_tries_again(world):
    """Trying again: a rerun is a new set of tries, numbered on."""
    pipeline = world.begin(on_demand(activity("A", maximumRetries="1", retryDelay="1 minute")))
    hand = Hand(world)
    for _ in range(2):
        hand.end(hand.take(), "FAILED")
        wait(world, minutes=1)
    assert world.describe(pipeline, name_of("A")).string("@triesLeft") == "0"
    world.set_status(pipeline, "RERUN", name_of("A"))
    numbers = []
    for _ in range(2):
        task = hand.take()
        numbers.append(task.attempt_id[-1])
        hand.end(task, "FAILED")
        wait(world, minutes=1)
    assert numbers == ["3", "4"]
    assert statuses(world, pipeline) == ["FAILED"]


def test_an_activity_never_times_out_as_a_state(world):
    """States: TIMEDOUT is kept for resources; an activity that takes too long has FAILED."""
    pipeline = world.begin(on_demand(activity("A", attemptTimeout="5 minutes", **NO_RETRY)))
    hand = Hand(world)
    task = hand.take()
    hand.report(task)
    wait(world, minutes=5)
    assert statuses(world, pipeline) == ["FAILED"]
    assert instance(world, pipeline, "A").error_id == "Service_AttemptTimeout"


def test_the_times_of_an_instance_and_of_its_attempts(world):
    """States: an instance starts when it is due and begins to wait, an attempt when handed over."""
    pipeline = world.begin(hourly(activity("A"), activity("B", "A"), occurrences=1))
    wait(world, minutes=5)
    hand = Hand(world)
    task = hand.take()
    wait(world, minutes=1)
    hand.end(task)
    shown = world.describe(pipeline, name_of("B"))
    assert shown.string("@actualStartTime") == "2023-11-15T00:00:00"
    task = hand.take()
    wait(world, minutes=1)
    hand.end(task)
    attempt = world.describe(pipeline, f"{name_of('B')}_Attempt=1")
    assert attempt.string("@actualStartTime") == "2023-11-15T00:06:00"
    assert attempt.string("@actualEndTime") == "2023-11-15T00:07:00"


def test_the_retry_delay_counts_from_the_failure(world):
    """Trying again: after `retryDelay`, counted from the end of the attempt before."""
    pipeline = world.begin(on_demand(activity("A", retryDelay="7 minutes")))
    hand = Hand(world)
    task = hand.take()
    hand.report(task)
    wait(world, minutes=11)
    hand.end(task, "FAILED")
    assert instance(world, pipeline, "A").retry_at == T0 + 18 * MINUTE_MS


def test_a_rerun_between_two_tries_is_refused(world):
    """Trying again: in between the instance waits, so there is nothing to run again."""
    pipeline = world.begin(on_demand(activity("A")))
    hand = Hand(world)
    hand.end(hand.take(), "FAILED")
    with pytest.raises(InvalidRequest, match="is WAITING_ON_DEPENDENCIES"):
        world.set_status(pipeline, "RERUN", name_of("A"))
    world.set_status(pipeline, "MARK_FINISHED", name_of("A"))
    wait(world, hours=1)
    assert hand.poll_once() is None
    assert state(world, pipeline) == "FINISHED"


@pytest.mark.parametrize("status", ["FAILED", "CANCELED", "CASCADE_FAILED"])
def test_every_failure_is_an_error_of_health(world, status):
    """When something fails: ERROR if it failed in any way, and the pipeline with it."""
    pipeline = bring(world, status)
    shown = world.describe(pipeline, "B")
    assert shown.string("@healthStatus") == "ERROR"
    assert shown.string("@healthStatusFromInstanceId") == name_of("B")
    assert world.describe_pipeline(pipeline)["@healthStatus"] == "ERROR"


def test_health_is_of_what_ended_last_and_not_of_the_latest_interval(world):
    """When something fails: health is that of the instance that ended last."""
    pipeline = world.begin(hourly(activity("A"), occurrences=2, **NO_RETRY))
    wait(world, hours=1)
    hand = Hand(world)
    first, second = hand.take(), hand.take()
    hand.end(second)
    wait(world, minutes=1)
    hand.end(first, "FAILED")
    shown = world.describe(pipeline, "A")
    assert shown.string("@healthStatus") == "ERROR"
    assert shown.string("@healthStatusFromInstanceId") == name_of("A")
    assert shown.string("@healthStatusUpdatedTime") == "2023-11-15T01:01:00"


def test_data_nodes_have_a_health_and_preconditions_have_none(world):
    """Preconditions: a precondition has no health of its own, and makes its owner's bad."""
    pipeline = world.begin(
        on_demand(
            node("N", precondition=("P",)), condition("P"), activity("A", input=("N",)), **NO_RETRY
        )
    )
    hand = Hand(world)
    hand.end(hand.take(), "FAILED")
    assert world.describe(pipeline, "P").string("@healthStatus") is None
    assert world.describe(pipeline, "N").string("@healthStatus") == "ERROR"
    world.set_status(
        pipeline,
        "RERUN",
        next(
            f"@{i.component}_2023-11-15T00:00:00"
            for i in world.instances(pipeline)
            if i.component.startswith("P")
        ),
    )
    hand.end(hand.take())
    assert world.describe(pipeline, "N").string("@healthStatus") == "HEALTHY"


def test_a_pipeline_has_no_health_before_anything_has_ended(world):
    """When something fails: nothing is said of health before a first end."""
    pipeline = world.begin(on_demand(activity("A")))
    assert "@healthStatus" not in world.describe_pipeline(pipeline)
    assert world.describe(pipeline, "A").string("@healthStatus") is None
