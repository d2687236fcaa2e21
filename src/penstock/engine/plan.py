"""What a definition version means at run time: components, schedules, who waits for whom."""

from collections.abc import Mapping

from msgspec import Struct

from penstock.engine.intervals import Schedule, tie
from penstock.language.resolve import Resolved, ResolvedObject
from penstock.model.definition import Field
from penstock.model.times import Instant

ACTIVITY = "activity"
DATA_NODE = "data_node"
ACTION = "action"
RESOURCE = "resource"
PRECONDITIONS = frozenset({"system_precondition", "user_precondition"})

SYSTEM_ACCOUNT = ""
"""Whose the tasks are that the server does itself: no caller's, so nobody else can hold one."""

SERVICE_PREFIX = "@"
"""Worker groups that begin so are the service's own; no caller may poll them."""

SYSTEM_GROUP = SERVICE_PREFIX + "system"
"""The queue of the tasks that the server does itself."""


RESOURCE_GROUP = SERVICE_PREFIX + "resources"
"""The queue of the steps that resources ask of their providers."""

RESOURCE_TYPES = frozenset({"Ec2Resource", "EmrCluster"})
"""What can be run on, where the server has a provider for it."""

SYSTEM_TYPES = frozenset(
    {
        "DynamoDBDataExists",
        "DynamoDBTableExists",
        "S3KeyExists",
        "S3PrefixNotEmpty",
        "SnsAlarm",
    }
)
"""What the server does itself, where it is equipped for it."""


class Action(Struct, frozen=True):
    """What an object's onSuccess, onFail or onLateAction names.

    An alarm has a component of its own for the object; a Terminate has none, nothing of it runs.
    """

    object_id: str
    component: str | None


class Actions(Struct, frozen=True):
    """All actions of a component, by what sets them off."""

    on_success: tuple[Action, ...]
    on_fail: tuple[Action, ...]
    on_late: tuple[Action, ...]


class Terms(Struct, frozen=True):
    """How long a resource may take to start, or be there at all (None: any time), and what failures
    mean: `retries` whether what runs on it is tried again when it fails, `terminates` whether it
    ends when an activity on it fails for good.
    """

    init_timeout_ms: int
    terminate_after_ms: int | None
    retries: bool
    terminates: bool


class Component(Struct, frozen=True):
    """A runnable component; times in milliseconds, the timeouts None for no limit.

    `dependencies` are the components it waits for, its preconditions and its resource among them;
    `dependents` those that wait for it; `nodes` are an activity's data nodes, `users` are the
    activities that use a data node or a resource. `resource` is what its tasks run on, `resources`
    are all that are needed as far as the activity has come: its own, and those of preconditions
    around it; `terms` are a resource's. `constant_fields` are the fields that its instances show,
    where they are the same for all.

    A precondition or an alarm is *attached*: it has one component for each object that refers to
    it (its `owner`), with the owner's intervals; `object_id` is what the definition calls it.
    `group_from` is the component whose field `worker_group` is, where it is another's.
    """

    id: str
    object_id: str
    name: str
    type: str
    category: str
    worker_group: str
    max_active: int
    max_retries: int
    retry_delay_ms: int
    attempt_timeout_ms: int | None
    report_timeout_ms: int
    cascade: bool
    cron: bool = False
    schedule: Schedule | None = None
    dependencies: tuple[str, ...] = ()
    dependents: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    producers: frozenset[str] = frozenset()
    constant_fields: tuple[Field, ...] | None = None
    owner: str = ""
    group_from: str = ""
    preconditions: tuple[str, ...] = ()
    precondition_timeout_ms: int | None = None
    late_after_ms: int | None = None
    resource: str = ""
    resources: tuple[str, ...] = ()
    terms: Terms | None = None
    actions: Actions | None = None


class Needed(Struct, frozen=True):
    """`count` instances of `target`, starting in [first, last], that an instance depends on."""

    target: str
    first: Instant
    last: Instant
    count: int


class Plan(Struct, frozen=True):
    """A compiled definition version.

    `components` stand in topological order, dependencies first, and alarms at the end. `max_runs`
    bounds the concurrent runs of an on-demand pipeline.
    """

    pipeline_id: str
    version: int
    on_demand: bool
    max_runs: int
    components: Mapping[str, Component]
    resolved: Resolved

    def written(self, component: str) -> ResolvedObject:
        """The object of the definition that a component stands for."""
        return self.resolved.objects[self.components[component].object_id]

    def object_of(self, object_id: str) -> ResolvedObject | None:
        """The object that an id means, a component's or its own; None if there is none."""
        if object_id in self.components:
            return self.written(object_id)
        return self.resolved.objects.get(object_id)

    def attached_to(self, object_id: str) -> list[str]:
        """The components that a precondition or an alarm has, one for each owner."""
        return [c.id for c in self.components.values() if c.owner and c.object_id == object_id]

    def needed(self, component: Component, start: Instant, end: Instant) -> list[Needed]:
        """What an instance of the component in `[start, end)` depends on."""
        ranges = (self.range_of(component, start, end, t) for t in component.dependencies)
        return [needed for needed in ranges if needed is not None]

    def range_of(
        self, component: Component, start: Instant, end: Instant, target_id: str
    ) -> Needed | None:
        """The instances of a target that belong to an instance; None if there are none."""
        found = self.components[target_id]
        target = found.schedule
        if component.schedule is None or target is None:
            return Needed(target_id, start, start, 1)
        if found.category == RESOURCE:
            return _holding(target_id, target, start)
        span = tie(component.schedule, start, end, target)
        if span is None:
            return None
        last = span.first + span.count - 1
        return Needed(target_id, target.start(span.first), target.start(last), span.count)

    def resource_start(self, component: Component, start: Instant) -> Instant | None:
        """The start of the one instance of its resource that an instance runs on; None: of none."""
        if not component.resource:
            return None
        found = self.range_of(component, start, start, component.resource)
        return None if found is None else found.first

    def starts_in(self, needed: Needed) -> list[Instant]:
        """The starts of all instances that a range names, oldest first."""
        schedule = self.components[needed.target].schedule
        if schedule is None:
            return [needed.first]
        first = schedule.index(needed.first)
        return [schedule.start(first + i) for i in range(needed.count)]


def _holding(target: str, schedule: Schedule, moment: Instant) -> Needed | None:
    """The one instance whose interval holds a moment, however short it is."""
    k = schedule.index(moment)
    return Needed(target, schedule.start(k), schedule.start(k), 1) if schedule.has(k) else None
