"""Seeded random worlds, audited after every commit; a failing case names its seed."""

from collections.abc import Callable
from itertools import count
from random import Random

import pytest
from msgspec.structs import replace

from penstock.model.status import ENDED
from penstock.model.times import MINUTE_MS
from penstock.simulation.audit import Violated, audit
from penstock.simulation.immediate import Crashed
from penstock.simulation.machines import MachineRoom
from penstock.simulation.world import CALLER, World
from tests.simulation.random_worlds import (
    LIMIT,
    careless,
    habits,
    is_alarm,
    is_condition,
    meddle,
    put_in_order,
    random_definition,
    staff,
    steady,
)


def outcome(world: World, pipeline: str) -> dict[tuple[str, int], tuple[str, int]]:
    """How all but the alarms have ended: what is late, and so set off twice, goes by the clock."""
    return {
        (i.component, i.start): (i.status, i.attempts)
        for i in world.instances(pipeline)
        if not is_alarm(i.component)
    }


def ends(world: World, pipeline: str) -> list[tuple[str, int, int | None]]:
    """Each end of an attempt that is on record as FINISHED."""
    key = world.pipeline(pipeline).key
    with world.store.reader() as reader:
        return [
            (each.component, each.start, line.attempt)
            for each in world.instances(pipeline)
            for line in reader.history(key, each.component, each.start)
            if line.what == "FINISHED" and not is_alarm(each.component)
        ]


@pytest.mark.parametrize("seed", range(12))
def test_a_world_without_failures_always_finishes(make_world, seed):
    random = Random(seed)
    world = make_world()
    pipeline = world.begin(random_definition(random))
    runners = staff(world, steady(seed), random)
    assert world.run_out(LIMIT)
    assert world.pipeline(pipeline).state == "FINISHED"
    assert {each.status for each in world.instances(pipeline)} <= {"FINISHED"}
    taken = [name for runner in runners for name in runner.taken if not is_alarm(name[1:])]
    asked = [name for name in taken if is_condition(name)]
    done = [name for name in taken if not is_condition(name)]
    assert len(done) == len(set(done)), "a task was handed over twice"
    assert len(ends(world, pipeline)) == len(set(asked)) + len(done)


def live(world: World, seed: int) -> str:
    random = Random(seed)
    pipeline = world.begin(random_definition(random, terminating=True))
    staff(world, careless(seed), random)
    for _ in range(12):
        world.advance_to(world.now + random.randint(0, 90) * MINUTE_MS)
        meddle(world, pipeline, random)
    return pipeline


@pytest.mark.parametrize("seed", range(12))
def test_a_wild_world_keeps_the_rules_and_can_be_put_in_order(make_world, seed):
    world = make_world()
    pipeline = live(world, seed)
    put_in_order(world, pipeline)
    assert world.pipeline(pipeline).state == "FINISHED"
    assert {each.status for each in world.instances(pipeline)} <= ENDED
    found = ends(world, pipeline)
    assert len(found) == len(set(found)), "an attempt finished twice"


def now_and_then(every: int = 8) -> Callable[[World], None]:
    """An audit of every so many commits: machines are looked at, and make one, all the time."""
    commits = count()

    def watch(world: World) -> None:
        if next(commits) % every == 0:
            audit(world)

    return watch


@pytest.mark.parametrize("seed", range(6))
def test_a_world_with_machines_without_failures_always_finishes(make_world, seed):
    random = Random(seed)
    world = make_world()
    world.watch = now_and_then()
    pipeline = world.begin(random_definition(random, hosted=0.6))
    staff(world, steady(seed), random)
    room = MachineRoom(world, habits(seed, troubled=0.0), steady(seed), slots=2)
    assert world.run_out(LIMIT)
    assert world.pipeline(pipeline).state == "FINISHED"
    assert room.provider.left() == []
    found = ends(world, pipeline)
    assert len(found) == len(set(found)), "an attempt finished twice"


@pytest.mark.parametrize("seed", range(8))
def test_a_wild_world_with_machines_leaves_none_behind(make_world, seed):
    """Machines that die, fall silent, or never come; people who meddle; servers that restart."""
    world = make_world()
    world.watch = now_and_then()
    random = Random(seed)
    pipeline = world.begin(random_definition(random, terminating=True, hosted=0.6))
    staff(world, careless(seed), random)
    room = MachineRoom(world, habits(seed, troubled=0.4), careless(seed))
    for _ in range(12):
        world.advance_to(world.now + random.randint(0, 90) * MINUTE_MS)
        meddle(world, pipeline, random)
    put_in_order(world, pipeline)
    assert world.pipeline(pipeline).state == "FINISHED"
    assert {each.status for each in world.instances(pipeline)} <= ENDED
    assert room.provider.left() == []


@pytest.mark.parametrize("seed", range(3))
def test_crashes_leave_no_machine_behind(make_world, seed):
    world = make_world()
    chances = Random(seed)

    def hazard(moment: str) -> None:
        if chances.random() < 0.1:
            raise Crashed(moment)

    world.watch = now_and_then()
    pipeline = world.begin(random_definition(Random(seed), terminating=True, hosted=0.7))
    world.hazard = hazard
    staff(world, steady(seed, failing=0.2), Random(seed))
    room = MachineRoom(world, habits(seed, troubled=0.3), steady(seed, failing=0.2))
    world.run_out(LIMIT)
    world.hazard = lambda moment: None
    put_in_order(world, pipeline)
    assert world.pipeline(pipeline).state == "FINISHED"
    assert room.provider.left() == []


@pytest.mark.parametrize("seed", range(5))
def test_the_same_seed_makes_the_same_history(make_world, seed):
    worlds = [make_world(), make_world()]
    pipelines = [live(world, seed) for world in worlds]
    assert worlds[0].history == worlds[1].history
    assert worlds[0].instances(pipelines[0]) == worlds[1].instances(pipelines[1])


@pytest.mark.parametrize("seed", range(8))
def test_crashes_change_nothing_in_the_end(make_world, seed):
    """Servers die before and after commits; runners make their calls again."""
    definition = random_definition(Random(seed))
    results = []
    for crashing in (False, True):
        world = make_world()
        pipeline = world.begin(definition)
        chances = Random(seed)

        def hazard(moment: str, chances: Random = chances) -> None:
            if chances.random() < 0.1:
                raise Crashed(moment)

        if crashing:
            world.hazard = hazard
        staff(world, steady(seed, failing=0.2), Random(seed))
        assert world.run_out(LIMIT)
        assert bool(world.crashes) or not crashing
        found = ends(world, pipeline)
        instances = {(component, start) for component, start, _ in found}
        assert len(found) == len(instances), "an instance finished twice"
        results.append((world.pipeline(pipeline).state, outcome(world, pipeline)))
    assert results[0] == results[1]


def test_the_audit_can_fail(make_world):
    """An audit that never complains would be worth nothing: a planted fault is found."""
    world = make_world()
    world.begin(random_definition(Random(1)))
    store = world.store.begin()
    for task in store.offered(CALLER.account_id, "workers", 100):
        assert task.attempt is not None
        store.update_attempt(replace(task.attempt, offered=False))
    store.commit()
    with pytest.raises(Violated, match="offered is False"):
        world.watch(world)
