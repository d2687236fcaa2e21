"""Worlds with machines: short ways to tell how they behave and to see what became of them."""

from collections.abc import Callable

from penstock.model.ids import resource_group
from penstock.model.times import HOUR_MS, MINUTE_MS
from penstock.resources.provider import Order
from penstock.simulation.machines import Habits, MachineRoom
from penstock.simulation.runners import Rule, Work
from penstock.simulation.world import World
from tests.simulation.scenes import (
    T0,
    instance,
)

CASCADE = {"failureAndRerunMode": "cascade"}
QUICK = {"retryDelay": "1 minute"}
ON_M = {"runsOn": ("M",)}


def status(world: World, pipeline: str, component: str, hour: float = 0) -> str:
    return instance(world, pipeline, component, hour).status


def lived(world: World, pipeline: str, component: str = "M") -> list[str]:
    """The states that a component's instances went through, by their history."""
    with world.store.reader() as reader:
        key = world.pipeline(pipeline).key
        found = [
            line.what
            for each in world.instances(pipeline, component)
            for line in reader.history(key, component, each.start)
        ]
    return [what for what in found if what not in {"FAULT", "RERUN"}]


def steps(room: MachineRoom, *kinds: str) -> list[str]:
    return [step for step, _ in room.provider.asked if not kinds or step in kinds]


def by_number(*habits: Habits) -> Callable[[Order], Habits]:
    """Habits by the number of the attempt; the last for all that follow."""

    def of(order: Order) -> Habits:
        number = int(order.token.rpartition("=")[2])
        return habits[min(number, len(habits)) - 1]

    return of


def done_in(minutes: float) -> Rule:
    return lambda attempt: Work(takes_ms=int(minutes * MINUTE_MS))


def group(world: World, pipeline: str, component: str = "M", hour: float = 0) -> str:
    return resource_group(pipeline, component, T0 + int(hour * HOUR_MS))
