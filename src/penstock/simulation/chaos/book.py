"""What the auditor keeps in mind of each pipeline: what was meant, and how far it has come."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import cached_property

from penstock.model.runtime import (
    Attempt,
    ComponentRow,
    Instance,
    Pipeline,
    TimerKind,
    Wait,
)
from penstock.model.status import ENDED
from penstock.model.times import Instant, from_datetime
from penstock.simulation.chaos.blueprint import Blueprint, Part, needed
from penstock.simulation.chaos.database import Rows

Edition = Callable[[Pipeline], str]
"""The name of the blueprint that is in force, as GetPipelineDefinition tells it."""

_FROM = ", from "
"""Before the startTimestamp, in an activation's line of history."""

ACTIVATED = "ACTIVATE"


class Violated(AssertionError):
    """A rule is broken; the text says which, by what."""


class Plans:
    """The versions of one pipeline, and the intervals that its activations passed over."""

    def __init__(self) -> None:
        self.versions: dict[int, Blueprint] = {}
        self.floors: dict[str, Instant] = {}
        """Of a component: what starts before this and has no instance gets none."""
        self.most_active: dict[str, int] = {}
        """Of an activity: how many instances any version allowed at once."""
        self._parts: dict[int, dict[str, Part]] = {}
        self._needs: dict[tuple[int, str, Instant], dict[str, list[Instant]]] = {}

    def enact(self, version: int, blueprint: Blueprint, start_at: Instant | None) -> None:
        """An activation has brought a blueprint into force."""
        self.versions[version] = blueprint
        self._parts[version] = blueprint.parts()
        for part in self._parts[version].values():
            if part.kind == "activity":
                most = self.most_active.get(part.id, 0)
                self.most_active[part.id] = max(part.max_active, most)
        for key in self._parts[version] if start_at is not None else ():
            assert start_at is not None
            self.floors[key] = max(start_at, self.floors.get(key, start_at))

    def part(self, version: int, component: str) -> Part:
        """A component of a version."""
        return self._parts[version][component]

    def parts(self, version: int) -> dict[str, Part]:
        """All components of a version."""
        return self._parts[version]

    def needs(self, instance: Instance) -> dict[str, list[Instant]]:
        """What an instance depends on: of each component these starts."""
        key = (instance.version, instance.component, instance.start)
        if key not in self._needs:
            part = self.part(instance.version, instance.component)
            parts = self._parts[instance.version]
            self._needs[key] = needed(parts, part, instance.start, instance.end)
        return self._needs[key]


class Scene:
    """One pipeline at one moment: its rows, and its plans."""

    def __init__(self, rows: Rows, row: Pipeline, plans: Plans, now: Instant) -> None:
        self.rows = rows
        self.row = row
        self.plans = plans
        self.now = now

    @cached_property
    def instances(self) -> list[Instance]:
        """All of the pipeline."""
        return [each for each in self.rows.instances.values() if each.pipeline == self.row.key]

    @cached_property
    def named(self) -> Mapping[tuple[str, Instant], Instance]:
        """The same by component and start."""
        return {(each.component, each.start): each for each in self.instances}

    @cached_property
    def waits(self) -> Mapping[int, list[Wait]]:
        """What each instance, by key, waits for."""
        found: dict[int, list[Wait]] = {}
        for wait in self.rows.waits.values():
            found.setdefault(wait.waiter, []).append(wait)
        return found

    @cached_property
    def made(self) -> Mapping[str, list[Instance]]:
        """The instances of each component, by their starts."""
        found: dict[str, list[Instance]] = {}
        for each in sorted(self.instances, key=lambda each: each.start):
            found.setdefault(each.component, []).append(each)
        return found

    @property
    def blueprint(self) -> Blueprint:
        """The one in force."""
        return self.plans.versions[self.row.version]

    @property
    def serving(self) -> bool:
        """Whether the pipeline runs."""
        return self.row.state == "SCHEDULED"

    @cached_property
    def at_rest(self) -> bool:
        """Whether no timer of the pipeline is due: all that follows from time has followed."""
        keys = {each.key for each in self.instances}
        return not any(
            due <= self.now
            for (kind, subject), due in self.rows.timers.items()
            if (subject == self.row.key if kind in {"tick", "purge"} else subject in keys)
        )

    def part(self, instance: Instance) -> Part:
        """The component of an instance, in the instance's own version."""
        return self.plans.part(instance.version, instance.component)

    def component(self, instance: Instance) -> ComponentRow:
        """Where its component stands."""
        return self.rows.components[self.row.key, instance.component]

    def attempts(self, instance: Instance) -> list[Attempt]:
        """All of an instance that are there, by their numbers."""
        numbers = range(1, instance.attempts + 2)
        found = (self.rows.attempts.get((instance.key, number)) for number in numbers)
        return [each for each in found if each is not None]

    def timer(self, kind: TimerKind, instance: Instance) -> Instant | None:
        """When a timer of an instance is due."""
        return self.rows.timers.get((kind, instance.key))

    def active(self, component: str) -> int:
        """How many instances of a component take up its room."""
        mine = self.made.get(component, [])
        return sum(1 for each in mine if each.status not in ENDED and not each.rerun)

    def unmade(self, part: Part) -> Iterator[tuple[Instant, Instant]]:
        """The intervals of a component that have no instance and are to get one.

        Of a data node, as far as the activities go that use it.
        """
        if part.rhythm is None:
            return
        floor = self.plans.floors.get(part.id, 0)
        stop = self._reach(part) if part.kind == "node" else None
        for interval in part.rhythm.intervals():
            start, _ = interval
            passed = start < floor or (stop is not None and start >= stop)
            if not passed and (part.id, start) not in self.named:
                yield interval

    def _reach(self, node: Part) -> Instant:
        """Where the last interval of those ends that use a data node; used by none, of all."""
        parts = self.plans.parts(self.row.version)
        users = [parts[key] for key in node.users]
        users = users or [part for part in parts.values() if part.kind == "activity"]
        return max(part.rhythm.start(part.rhythm.count) for part in users if part.rhythm)

    def is_to_come(self, component: str, start: Instant) -> bool:
        """Whether an interval without an instance will get one."""
        if self.row.version not in self.plans.versions:
            return True
        parts = self.plans.parts(self.row.version)
        part = parts.get(component)
        if part is None:
            return False
        if part.rhythm is None or part.owner:
            return True
        return any(interval[0] == start for interval in self.unmade(part))


def start_of_activation(detail: str) -> Instant | None:
    """The startTimestamp in an activation's line of history; None if there is none."""
    _, found, text = detail.partition(_FROM)
    return from_datetime(datetime.fromisoformat(text)) if found else None
