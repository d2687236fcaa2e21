"""What a definition version means at run time: components, schedules, who waits for whom."""

from collections.abc import Mapping

from msgspec import Struct

from penstock.engine.intervals import Schedule, tie
from penstock.language.resolve import Resolved
from penstock.model.definition import Field
from penstock.model.times import Instant

ACTIVITY = "activity"
DATA_NODE = "data_node"


class Component(Struct, frozen=True):
    """A runnable component; times in milliseconds, `attempt_timeout_ms` None for no limit.

    `dependencies` are the components it waits for; `dependents` those that wait for it; `nodes`
    are an activity's data nodes, `users` the activities that use a data node. `constant_fields`
    are the fields that its instances show, where they are the same for all.
    """

    id: str
    name: str
    type: str
    category: str
    cron: bool
    schedule: Schedule | None
    worker_group: str
    max_active: int
    max_retries: int
    retry_delay_ms: int
    attempt_timeout_ms: int | None
    report_timeout_ms: int
    cascade: bool
    dependencies: tuple[str, ...]
    dependents: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    producers: frozenset[str] = frozenset()
    constant_fields: tuple[Field, ...] | None = None


class Needed(Struct, frozen=True):
    """`count` instances of `target`, starting in [first, last], that an instance depends on."""

    target: str
    first: Instant
    last: Instant
    count: int


class Plan(Struct, frozen=True):
    """A compiled definition version.

    `components` stand in topological order, dependencies first. `max_runs` bounds the concurrent
    runs of an on-demand pipeline.
    """

    pipeline_id: str
    version: int
    on_demand: bool
    max_runs: int
    components: Mapping[str, Component]
    resolved: Resolved

    def needed(self, component: Component, start: Instant, end: Instant) -> list[Needed]:
        """What an instance of the component in `[start, end)` depends on."""
        ranges = (self.range_of(component, start, end, t) for t in component.dependencies)
        return [needed for needed in ranges if needed is not None]

    def range_of(
        self, component: Component, start: Instant, end: Instant, target_id: str
    ) -> Needed | None:
        """The instances of a target that belong to an instance; None if there are none."""
        target = self.components[target_id].schedule
        if component.schedule is None or target is None:
            return Needed(target_id, start, start, 1)
        span = tie(component.schedule, start, end, target)
        if span is None:
            return None
        last = span.first + span.count - 1
        return Needed(target_id, target.start(span.first), target.start(last), span.count)

    def starts_in(self, needed: Needed) -> list[Instant]:
        """The starts of all instances that a range names, oldest first."""
        schedule = self.components[needed.target].schedule
        if schedule is None:
            return [needed.first]
        first = schedule.index(needed.first)
        return [schedule.start(first + i) for i in range(needed.count)]
