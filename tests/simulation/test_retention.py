"""What is forgotten, and that nothing misses it: docs/operations.md, "Retention"."""

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import pytest
from msgspec.structs import replace

from penstock.model.api import (
    EvaluateExpressionRequest,
    GetHistoryRequest,
    QueryObjectsRequest,
    SetTaskStatusRequest,
)
from penstock.model.errors import InvalidRequest, TaskNotFound
from penstock.model.status import ENDED
from penstock.model.times import DAY_MS, HOUR_MS, MINUTE_MS
from penstock.service import retention
from penstock.service.retention import Rehearsal, Removed
from penstock.service.sweeping import Sweep, sweep_all
from penstock.simulation.immediate import Crashed, run
from penstock.simulation.machines import MachineRoom
from penstock.simulation.runners import Runner
from penstock.simulation.world import World
from tests.simulation.random_worlds import (
    LIMIT,
    careless,
    meddle,
    put_in_order,
    random_definition,
    staff,
)
from tests.simulation.scenes import (
    T0,
    Hand,
    Server,
    activity,
    alarm,
    condition,
    hourly,
    name_of,
    node,
    on_demand,
    schedule,
    starts,
    state,
    statuses,
    thing,
    wait,
)


def sweep(world: World, days: float = 90) -> Removed:
    """Forget what ended longer ago."""
    settings = replace(world.settings, retention_ms=int(days * DAY_MS))
    world.context.settings = settings
    return run(sweep_all(world.context, 0))


def rehearse(world: World, pipeline: str, days: float = 90) -> Removed:
    before = world.now - int(days * DAY_MS)
    way = Sweep(world.pipeline(pipeline).key, before, Rehearsal(before))
    while not way.done:
        with world.store.reader() as reader:
            way.rehearse(reader, world.definitions)
    return way.removed


def left(world: World, pipeline: str) -> dict[str, list[float]]:
    """The starts of what is there, in hours, by component."""
    names = sorted({each.component for each in world.instances(pipeline)})
    return {name: starts(world, pipeline, name) for name in names}


def each(components: str, hours: list[float]) -> dict[str, list[float]]:
    return dict.fromkeys(components, hours)


@pytest.fixture(params=[None, 1, 2, 3], ids=lambda step: f"steps of {step or 'many'}")
def steps(request, monkeypatch) -> None:
    """Whatever the size of the steps, the result is the same."""
    if request.param is not None:
        monkeypatch.setattr(retention, "STEP", request.param)
        monkeypatch.setattr(retention, "NEIGHBOURS", request.param)


def test_what_ended_long_ago_goes_but_for_the_last_interval(world, steps):
    pipeline = world.begin(
        hourly(activity("A", output=("N",)), activity("B", input=("N",)), node("N"), occurrences=5)
    )
    Runner(world)
    wait(world, hours=4.5)
    assert state(world, pipeline) == "FINISHED"
    assert sweep(world) == Removed()
    wait(world, hours=90 * 24 - 2)
    assert sweep(world) == Removed(9, 6, T0, T0 + 2 * HOUR_MS)
    assert left(world, pipeline) == each("ABN", [3, 4])
    wait(world, hours=24)
    assert sweep(world).instances == 3
    assert left(world, pipeline) == each("ABN", [4])
    assert sweep(world) == Removed()
    assert state(world, pipeline) == "FINISHED"
    assert world.describe_pipeline(pipeline)["@latestRunTime"] == "2023-11-15T04:00:00"


def test_what_fails_is_kept_for_those_who_wait_for_it(world, steps):
    pipeline = world.begin(
        hourly(activity("A", maximumRetries="0"), activity("B", "A"), occurrences=4)
    )
    hand = Hand(world)
    hand.end(hand.take(), "FAILED", "Oops")
    Runner(world)
    wait(world, hours=100 * 24)
    assert sweep(world).instances == 4
    assert left(world, pipeline) == {"A": [0, 3], "B": [0, 3]}
    assert world.describe(pipeline, name_of("B")).refs("@waitingOn") == (name_of("A"),)
    world.set_status(pipeline, "RERUN", name_of("A"))
    wait(world, hours=1)
    assert set(statuses(world, pipeline)) == {"FINISHED"}
    assert state(world, pipeline) == "FINISHED"
    wait(world, hours=100 * 24)
    # The run again was the last to end, so health speaks of it.
    assert (sweep(world).instances, left(world, pipeline)) == (0, {"A": [0, 3], "B": [0, 3]})


def test_what_fails_is_kept_for_those_who_are_yet_to_come(world, steps):
    """B has no room: what it will ask for when it has some must still be there."""
    pipeline = world.begin(
        hourly(
            activity("A", maximumRetries="0"),
            activity("B", "A", workerGroup="others", maxActiveInstances="1"),
            occurrences=6,
        )
    )
    hand = Hand(world)
    for hour in range(6):
        hand.end(hand.take(), "FAILED" if hour in {2, 3} else "FINISHED", "Oops")
        wait(world, hours=1)
    wait(world, hours=100 * 24)
    sweep(world)
    assert left(world, pipeline) == {"A": [0, 2, 3, 5], "B": [0]}
    Runner(world, worker_group="others")
    wait(world, hours=1)
    assert starts(world, pipeline, "B") == [0, 1, 2]
    assert statuses(world, pipeline, "B")[-1] == "WAITING_ON_DEPENDENCIES"
    for hour in (2, 3):
        world.set_status(pipeline, "MARK_FINISHED", name_of("A", hour))
        wait(world, hours=1)
    assert set(statuses(world, pipeline, "B")) == {"FINISHED"}
    assert starts(world, pipeline, "B") == [0, 1, 2, 3, 4, 5]


def test_short_intervals_stay_as_long_as_the_long_one_that_needs_them(world, steps):
    pipeline = world.begin(
        hourly(
            activity("A"),
            schedule("4 hours", name="Long"),
            activity("B", "A", schedule=("Long",), workerGroup="others"),
            occurrences=9,
        )
    )
    Runner(world)
    wait(world, hours=50 * 24)
    others = Hand(world, "others")
    for _ in range(2):
        others.end(others.take())
    wait(world, hours=60 * 24)
    assert sweep(world) == Removed()
    wait(world, hours=40 * 24)
    assert sweep(world) == Removed(5, 5, T0, T0 + 3 * HOUR_MS)
    assert left(world, pipeline)["A"] == [4, 5, 6, 7, 8]


def test_a_long_interval_stays_as_long_as_the_short_ones_that_need_it(world, steps):
    pipeline = world.begin(
        hourly(
            schedule("4 hours", name="Long", occurrences="3"),
            activity("A", schedule=("Long",)),
            activity("B", "A"),
            activity("C", "B", workerGroup="others"),
            occurrences=9,
        )
    )
    Runner(world)
    wait(world, hours=10)
    others = Hand(world, "others")
    for _ in range(2):
        others.end(others.take())
    wait(world, hours=100 * 24)
    sweep(world)
    assert left(world, pipeline) == {
        "A": [0, 4, 8],
        "B": [1, 2, 3, 4, 5, 6, 8],
        "C": [1, 2, 3, 4, 5, 6],
    }


def test_a_run_on_demand_goes_as_a_whole(world, steps):
    pipeline = world.begin(
        on_demand(
            activity("A"),
            activity("B", "A"),
            activity("C", "B", workerGroup="others"),
            maxActiveInstances="3",
        )
    )
    Runner(world)
    others = Hand(world, "others")
    wait(world, hours=1)
    world.activate(pipeline)
    wait(world, hours=1)
    others.end(others.take())
    wait(world, hours=1)
    world.activate(pipeline)
    wait(world, hours=100 * 24)
    task = others.take()
    others.end(task, "FAILED", "Oops")
    assert sweep(world) == Removed(), "the first is the one that health speaks of"
    wait(world, minutes=11)
    others.end(others.take())
    wait(world, minutes=11)
    others.end(others.take())
    wait(world, hours=80 * 24)
    assert sweep(world).instances == 3
    assert left(world, pipeline) == each("ABC", [1, 3])
    world.set_status(pipeline, "RERUN", name_of("B", 1))
    wait(world, hours=1)
    assert set(statuses(world, pipeline, "B")) == {"FINISHED"}


def test_what_a_deactivation_cancelled_is_kept_for_the_next_activation(world):
    pipeline = world.begin(hourly(activity("A"), activity("B", "A"), occurrences=3))
    hand = Hand(world)
    task = hand.take()
    world.deactivate(pipeline)
    assert hand.report(task)
    assert state(world, pipeline) == "INACTIVE"
    wait(world, hours=100 * 24)
    assert sweep(world) == Removed()
    world.activate(pipeline)
    Runner(world)
    wait(world, hours=1)
    assert statuses(world, pipeline) == ["FINISHED"] * 6
    assert state(world, pipeline) == "FINISHED"


def test_preconditions_go_with_their_owner_and_keep_it(world, steps):
    pipeline = world.begin(
        hourly(activity("A", precondition=("P",)), condition("P", retryDelay="1 hour"))
    )
    hand = Hand(world)
    for _ in range(2):
        hand.end(hand.take())
    wait(world, hours=1)
    for _ in range(2):
        hand.end(hand.take())
    wait(world, hours=1)
    hand.end(hand.take())
    wait(world, hours=50 * 24)
    world.deactivate(pipeline)
    wait(world, hours=45 * 24)
    world.set_status(pipeline, "RERUN", name_of("P@A", 1))
    assert sweep(world) == Removed(2, 2, T0, T0)
    assert left(world, pipeline)["A"][:2] == [1, 2]
    assert left(world, pipeline)["P@A"][:2] == [1, 2]


def test_an_instance_stays_as_long_as_its_alarm(world, steps):
    pipeline = world.begin(hourly(activity("A", onSuccess=("Bell",)), alarm("Bell"), occurrences=3))
    Runner(world)
    wait(world, hours=95 * 24)
    server = Server(world)
    server.end(server.take())
    assert sweep(world) == Removed()
    assert left(world, pipeline) == {"A": [0, 1, 2], "Bell@A": [0, 1, 2]}
    while (task := server.poll_once()) is not None:
        server.end(task)
    wait(world, hours=95 * 24)
    sweep(world)
    assert left(world, pipeline) == {"A": [2], "Bell@A": [2]}, "the last stays, with its alarm"


def test_a_machine_stays_as_long_as_what_has_run_on_it(world, steps):
    # The audit knows nothing of machines.
    world.watch = lambda world: None
    pipeline = world.begin(
        hourly(
            schedule("4 hours", name="Long", occurrences="3"),
            thing("M", "Ec2Resource", schedule=("Long",), maximumRetries="0"),
            activity("A", runsOn=("M",)),
            activity("B", "A", workerGroup="others"),
            occurrences=9,
        )
    )
    MachineRoom(world)
    wait(world, hours=12)
    assert set(statuses(world, pipeline, "A")) == {"FINISHED"}
    others = Hand(world, "others")
    for _ in range(3):
        others.end(others.take())
    wait(world, hours=100 * 24)
    expected = rehearse(world, pipeline)
    assert sweep(world) == expected
    assert left(world, pipeline) == {
        "A": [2, 3, 4, 5, 6, 7, 8],
        "B": [2, 3, 4, 5, 6, 7],
        "M": [0, 4, 8],
    }
    world.set_status(pipeline, "RERUN", name_of("A", 3))
    wait(world, hours=1)
    assert set(statuses(world, pipeline, "A")) == {"FINISHED"}
    for _ in range(6):
        others.end(others.take())
    wait(world, hours=100 * 24)
    assert sweep(world).instances == 12
    assert left(world, pipeline) == {"A": [3, 8], "B": [8], "M": [0, 8]}
    assert state(world, pipeline) == "FINISHED"


def test_the_instance_that_health_speaks_of_stays(world):
    pipeline = world.begin(hourly(activity("A", maximumRetries="0"), occurrences=4))
    Runner(world)
    wait(world, hours=5)
    world.set_status(pipeline, "RERUN", name_of("A", 1))
    wait(world, hours=100 * 24)
    sweep(world)
    assert left(world, pipeline) == {"A": [1, 3]}
    component = world.describe(pipeline, "A")
    assert component.string("@healthStatus") == "HEALTHY"
    assert component.string("@healthStatusFromInstanceId") == name_of("A", 1)
    assert world.describe(pipeline, name_of("A", 1)).string("@status") == "FINISHED"


def test_a_backfill_that_ended_lately_stays_however_old_its_intervals_are(make_world):
    world = make_world(now=T0 + 200 * DAY_MS)
    pipeline = world.begin(hourly(activity("A"), occurrences=20))
    Runner(world)
    wait(world, hours=24)
    assert statuses(world, pipeline) == ["FINISHED"] * 20
    assert sweep(world) == Removed()
    wait(world, hours=90 * 24)
    assert sweep(world).instances == 19


@pytest.fixture
def forgetful(world) -> tuple[World, str]:
    """A world that has forgotten the first of three hours."""
    pipeline = world.begin(hourly(activity("A"), occurrences=3))
    Runner(world)
    wait(world, hours=91 * 24)
    assert sweep(world).instances == 2
    return world, pipeline


def test_what_is_forgotten_is_as_if_it_had_never_been(forgetful):
    world, pipeline = forgetful
    gone = name_of("A")
    for name in (gone, f"{gone}_Attempt=1"):
        with pytest.raises(InvalidRequest, match=r"has no object '@A_.*; QueryObjects lists"):
            world.describe(pipeline, name)
        with pytest.raises(InvalidRequest, match="has no object"):
            world.call("EvaluateExpression", EvaluateExpressionRequest(pipeline, name, "#{name}"))
    for command in ("RERUN", "MARK_FINISHED", "TRY_CANCEL"):
        with pytest.raises(InvalidRequest, match="has no object"):
            world.set_status(pipeline, command, name_of("A", 2), gone)
    assert statuses(world, pipeline) == ["FINISHED"]


def test_a_task_of_what_is_forgotten_is_not_found(world):
    pipeline = world.begin(hourly(activity("A"), occurrences=2))
    hand = Hand(world)
    task = hand.take()
    hand.end(task)
    wait(world, hours=1)
    hand.end(hand.take())
    wait(world, hours=91 * 24)
    assert sweep(world).instances == 1
    for call in (lambda: hand.report(task), lambda: hand.end(task)):
        with pytest.raises(TaskNotFound, match="not known"):
            call()
    forged = replace(task, task_id=task.task_id[:-2] + "AA")
    with pytest.raises(TaskNotFound):
        world.call("SetTaskStatus", SetTaskStatusRequest(forged.task_id, "FINISHED"))
    assert state(world, pipeline) == "FINISHED"


def test_pages_go_on_over_what_has_been_forgotten_meanwhile(world):
    pipeline = world.begin(hourly(activity("A"), activity("B"), occurrences=4))
    Runner(world)
    wait(world, hours=91 * 24)

    def page(sphere: str, marker: str | None) -> tuple[list[str], str | None]:
        answer = world.call(
            "QueryObjects", QueryObjectsRequest(pipeline, sphere, marker=marker, limit=2)
        )
        return answer.ids, answer.marker

    markers = {sphere: page(sphere, None)[1] for sphere in ("INSTANCE", "ATTEMPT")}
    assert markers["INSTANCE"] == name_of("A", 1)
    sweep(world)
    assert page("INSTANCE", markers["INSTANCE"]) == ([name_of("A", 3), name_of("B", 3)], None)
    last = [f"{name_of(each, 3)}_Attempt=1" for each in "AB"]
    assert page("ATTEMPT", markers["ATTEMPT"]) == (last, None)


def test_history_goes_with_its_instance_and_the_commands_stay(world):
    pipeline = world.begin(hourly(activity("A"), occurrences=3))
    Runner(world)
    wait(world, hours=4)
    world.set_status(pipeline, "PAUSE", "A")
    world.set_status(pipeline, "RERUN", name_of("A"))
    world.set_status(pipeline, "RESUME", "A")
    wait(world, hours=1)
    world.set_status(pipeline, "RERUN", name_of("A", 2))
    wait(world, hours=91 * 24)
    sweep(world)
    events = world.call("GetHistory", GetHistoryRequest(pipeline, limit=1_000)).events
    assert {line.object_id.partition("_Attempt")[0] for line in events} == {
        "",
        "A",
        name_of("A", 2),
    }
    commands = [line.event for line in events if line.user_name]
    assert commands == ["SET_STATUS"] * 3 + ["ACTIVATE", "PUT_DEFINITION", "CREATE"]


def test_definitions_go_with_the_last_instance_that_follows_them(world):
    pipeline = world.begin(on_demand(activity("A"), activity("B", "A")))
    Runner(world)
    key = world.pipeline(pipeline).key

    def versions() -> list[int]:
        with world.store.reader() as reader:
            return [v for v in range(9) if reader.definition(key, v) is not None]

    for _ in range(4):
        wait(world, hours=24)
        world.activate(pipeline)
    assert versions() == [0, 1, 2, 3, 4, 5]
    wait(world, hours=88 * 24)
    sweep(world)
    assert left(world, pipeline) == each("AB", [48, 72, 96])
    # The second was still in force 90 days ago, for all that can be told.
    assert versions() == [0, 2, 3, 4, 5]
    for name in ("A", "B"):
        assert world.describe(pipeline, name_of(name, 48)).string("@status") == "FINISHED"
    world.set_status(pipeline, "RERUN", name_of("A", 48))
    wait(world, hours=91 * 24)
    sweep(world)
    assert versions() == [0, 3, 4, 5], "health speaks of the third run"
    assert world.call("GetHistory", GetHistoryRequest(pipeline)).events


def test_a_deleted_pipeline_and_a_draft_are_nothing_to_sweep(world):
    gone = world.begin(hourly(activity("A"), occurrences=2), "gone")
    world.create("draft")
    Runner(world)
    wait(world, hours=91 * 24)
    way = Sweep(world.pipeline(gone).key, world.now)
    world.delete(gone)
    way.take(world.execute(way.step))
    assert (way.done, way.removed) == (True, Removed())
    assert sweep(world) == Removed()


def test_a_sweep_that_a_crash_ends_is_taken_up_by_the_next(world, monkeypatch):
    monkeypatch.setattr(retention, "STEP", 3)
    pipeline = world.begin(hourly(activity("A"), activity("B", "A"), occurrences=20))
    Runner(world)
    wait(world, hours=91 * 24)
    chances = Random(4)

    def hazard(moment: str) -> None:
        if chances.random() < 0.2:
            raise Crashed(moment)

    world.hazard = hazard
    crashes = 0
    while len(world.instances(pipeline)) > 2:
        try:
            sweep(world)
        except Crashed:
            world.restart()
            crashes += 1
    assert crashes > 1
    assert left(world, pipeline) == {"A": [19], "B": [19]}


@contextmanager
def small_steps(monkeypatch, random: Random) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setattr(retention, "STEP", random.choice((1, 2, 5, 200)))
        patch.setattr(retention, "NEIGHBOURS", random.choice((1, 3, 1_000)))
        yield


@pytest.mark.parametrize("seed", range(25))
def test_a_wild_world_that_forgets_keeps_the_rules(make_world, seed, monkeypatch):
    """Every commit is audited, those of the sweeps too; what is there can be seen through."""
    world = make_world()
    random = Random(seed)
    pipeline = world.begin(random_definition(random, terminating=True))
    staff(world, careless(seed), random)
    for _ in range(12):
        world.advance_to(world.now + random.randint(0, 90) * MINUTE_MS)
        meddle(world, pipeline, random)
        if random.random() < 0.5:
            with small_steps(monkeypatch, random):
                days = random.choice((0, 1, 2, 5)) / 24
                expected = rehearse(world, pipeline, days)
                assert sweep(world, days) == expected
    put_in_order(world, pipeline)
    assert world.now <= LIMIT * 2
    assert state(world, pipeline) == "FINISHED"
    sweep(world, 0)
    assert {each.status for each in world.instances(pipeline)} <= ENDED
