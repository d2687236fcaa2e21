"""What must be true after every commit, recomputed from the rows by the simplest means.

It shares no reasoning with the engine beyond the plan itself (who depends on whom), so a mistake
there does not hide here.
"""

from collections.abc import Iterator

from penstock.engine.intervals import Schedule
from penstock.engine.plan import (
    ACTION,
    PRECONDITIONS,
    RESOURCE,
    RESOURCE_GROUP,
    SYSTEM_ACCOUNT,
    SYSTEM_GROUP,
    Component,
    Plan,
)
from penstock.model.ids import instance_id
from penstock.model.runtime import Attempt, ComponentRow, Instance, Pipeline, TimerKind
from penstock.model.status import (
    ENDED,
    PAUSED,
    RUNNING,
    SATISFIED,
    SHUTTING_DOWN,
    UNDER_WAY,
    WAITING_FOR_RUNNER,
    WAITING_ON_DEPENDENCIES,
)
from penstock.model.times import Instant
from penstock.simulation.world import CALLER, World
from penstock.store.protocol import Transaction

ALL = 10**9
NEVER: Instant = 2**62


class Violated(AssertionError):
    """A rule that must always hold does not."""


class _Pipeline:
    """All rows of one pipeline, and the plan in force."""

    def __init__(self, world: World, store: Transaction, row: Pipeline) -> None:
        self.row = row
        self.definitions = world.definitions
        self.store = store
        self.plan = world.definitions.plan(store, row, row.version)
        self.rows = {each.id: each for each in store.components(row.key)}
        self.instances = store.instances_after(row.key, "", -NEVER, ALL)
        self.attempts = {each.key: store.attempts_of(each.key) for each in self.instances}
        self.named = {(each.component, each.start): each for each in self.instances}
        self.statuses = {name: each.status for name, each in self.named.items()}

    def plan_of(self, instance: Instance) -> Plan:
        return self.definitions.plan(self.store, self.row, instance.version)

    def component_of(self, instance: Instance) -> Component:
        return self.plan_of(instance).components[instance.component]

    def owner_of(self, instance: Instance) -> Instance:
        """Whose precondition or alarm an instance is."""
        return self.named[self.component_of(instance).owner, instance.start]

    def resource_of(self, instance: Instance) -> Instance | None:
        """What an instance runs on, if that is there."""
        plan, component = self.plan_of(instance), self.component_of(instance)
        start = plan.resource_start(component, instance.start)
        return self.named.get((component.resource, start)) if start is not None else None

    def waits_for_others(self, instance: Instance) -> bool:
        """Whether it waits for anything but its preconditions and its resource."""
        component = self.component_of(instance)
        last = {*component.preconditions, component.resource}
        return instance.status not in ENDED and any(
            wait.missing and wait.target not in last for wait in self.store.waits_of(instance.key)
        )


def audit(world: World) -> None:
    """Raise `Violated` with all that is wrong; to be hung on `World.watch`."""
    store = world.store.begin()
    try:
        timers = {(each.kind, each.subject): each.due_at for each in store.due_timers(NEVER, ALL)}
        faults = []
        for row in store.pipelines_after(CALLER.account_id, 0, ALL):
            if row.version:
                found = _Pipeline(world, store, row)
                faults += [f"{row.id} {row.state}: {fault}" for fault in _faults(found, timers)]
    finally:
        store.rollback()
    if faults:
        raise Violated("\n".join(faults))


Timers = dict[tuple[TimerKind, int], Instant]


def _faults(pipeline: _Pipeline, timers: Timers) -> Iterator[str]:
    for instance in pipeline.instances:
        name = f"{instance_id(instance.component, instance.start)} {instance.status}"
        attempts = pipeline.attempts[instance.key]
        for fault in (
            *_numbers(instance, attempts),
            *_owner(pipeline, instance, attempts, timers),
            *_offer(pipeline, instance, attempts),
            *_waits(pipeline, instance),
            *_attached(pipeline, instance, attempts, timers),
            *_can_go_on(pipeline, instance, timers),
            *_resource(pipeline, instance, attempts, timers),
        ):
            yield f"{name}: {fault}"
    yield from _room(pipeline)
    yield from _state(pipeline)
    yield from _schedules(pipeline, timers)


def _numbers(instance: Instance, attempts: list[Attempt]) -> Iterator[str]:
    if [each.number for each in attempts] != list(range(1, instance.attempts + 1)):
        yield f"attempts are {[each.number for each in attempts]}, counted {instance.attempts}"
    if any(each.status not in ENDED for each in attempts[:-1]):
        yield "an earlier attempt has not ended"
    if instance.status in ENDED and attempts and attempts[-1].status not in ENDED:
        yield f"has ended, but its last attempt is {attempts[-1].status}"


def _owner(
    pipeline: _Pipeline, instance: Instance, attempts: list[Attempt], timers: Timers
) -> Iterator[str]:
    if pipeline.component_of(instance).category == RESOURCE:
        return
    running = bool(attempts) and attempts[-1].status == RUNNING
    if running != (instance.status == RUNNING):
        yield f"its last attempt is {attempts[-1].status if attempts else 'not there'}"
    if running and ("owner", instance.key) not in timers:
        yield "no timer watches its owner"


def _offer(pipeline: _Pipeline, instance: Instance, attempts: list[Attempt]) -> Iterator[str]:
    offered = any(each.offered for each in attempts)
    if pipeline.component_of(instance).category == RESOURCE:
        return
    resource = pipeline.resource_of(instance)
    is_ready = instance.status == WAITING_FOR_RUNNER
    if is_ready and resource is not None and resource.status != RUNNING:
        yield f"is ready, but its resource is {resource.status}"
    paused = pipeline.rows[instance.component].paused
    alarm = pipeline.component_of(instance).category == ACTION
    should = (
        instance.status == WAITING_FOR_RUNNER
        and (pipeline.row.state == "SCHEDULED" or alarm)
        and not paused
    )
    if offered != should:
        yield f"offered is {offered} (paused: {paused})"


def _waits(pipeline: _Pipeline, instance: Instance) -> Iterator[str]:
    if instance.status in ENDED:
        return
    waits = pipeline.store.waits_of(instance.key)
    unmet = sum(1 for wait in waits if wait.missing)
    if instance.unmet != unmet:
        yield f"unmet is {instance.unmet}, but {unmet} waits are not met"
    if waits and instance.status not in {WAITING_ON_DEPENDENCIES, PAUSED}:
        yield "still has waits"
    plan = pipeline.plan_of(instance)
    for wait in waits:
        met = {RUNNING} if plan.components[wait.target].category == RESOURCE else SATISFIED
        truth = sum(
            pipeline.statuses.get((wait.target, start)) not in met
            for start in _expected(pipeline, plan, wait.target, wait.first, wait.last)
        )
        if truth != wait.missing:
            yield f"waits for {wait.missing} of {wait.target}, in truth for {truth}"


def _expected(
    pipeline: _Pipeline, plan: Plan, target: str, first: Instant, last: Instant
) -> list[Instant]:
    """The starts in a range that have an instance or will get one."""
    schedule = plan.components[target].schedule
    if schedule is None or plan.components[target].owner:
        return [first]
    row = pipeline.rows[target]
    return [
        start
        for start in _starts(schedule, first, last)
        if (target, start) in pipeline.statuses or (row.open and start >= row.next_start)
    ]


def _starts(schedule: Schedule, first: Instant, last: Instant) -> Iterator[Instant]:
    k = schedule.index(first)
    while schedule.start(k) <= last:
        yield schedule.start(k)
        k += 1


def _can_go_on(pipeline: _Pipeline, instance: Instance, timers: Timers) -> Iterator[str]:
    """Something will move it: a wait, a timer, a runner, or, for the rest, a person."""
    if instance.status != WAITING_ON_DEPENDENCIES or instance.unmet:
        return
    component = pipeline.component_of(instance)
    if component.category == RESOURCE:
        return
    held = component.category in PRECONDITIONS and pipeline.waits_for_others(
        pipeline.owner_of(instance)
    )
    if pipeline.row.state == "SCHEDULED" and not held and ("retry", instance.key) not in timers:
        yield "waits for nothing"


def _attached(
    pipeline: _Pipeline, instance: Instance, attempts: list[Attempt], timers: Timers
) -> Iterator[str]:
    """Preconditions and alarms: when they are there, whose they are, what watches them."""
    component = pipeline.component_of(instance)
    running = pipeline.row.state == "SCHEDULED"
    if running and instance.status == WAITING_ON_DEPENDENCIES and instance.unmet:
        names = ((condition, instance.start) for condition in component.preconditions)
        unmade = [name for name in names if name not in pipeline.named]
        if unmade and not pipeline.waits_for_others(instance):
            yield f"waits for nothing but {unmade}, which are not there"
    for each in attempts:
        system = component.worker_group in {SYSTEM_GROUP, RESOURCE_GROUP}
        if (each.account_id == SYSTEM_ACCOUNT) != system:
            yield f"attempt {each.number} is in the account {each.account_id!r}"
    if not component.owner:
        return
    owner = pipeline.owner_of(instance)
    if (owner.end, owner.version) != (instance.end, instance.version):
        yield "has another interval or version than its owner"
    if component.category in PRECONDITIONS and instance.status not in ENDED:
        yield from _condition(pipeline, component, instance, owner, timers)


def _resource(
    pipeline: _Pipeline, instance: Instance, attempts: list[Attempt], timers: Timers
) -> Iterator[str]:
    """A resource is moved by its timers, its steps, and those that use it."""
    if pipeline.component_of(instance).category != RESOURCE:
        return
    users = [
        each
        for each in pipeline.instances
        if each.status not in ENDED and pipeline.resource_of(each) == instance
    ]
    last = attempts[-1] if attempts else None
    if instance.status in UNDER_WAY:
        if last is None or last.status != instance.status:
            yield f"its last attempt is {last and last.status}"
        elif last.acknowledged and ("owner", instance.key) not in timers:
            yield "a step is in somebody's hands, and no timer watches them"
        elif not (last.acknowledged or last.offered or ("machine", instance.key) in timers):
            yield "nothing will move it"
        if not _needs(pipeline, instance, users) and instance.status != SHUTTING_DOWN:
            yield "nobody uses it any more"
    elif last is not None and (last.status not in ENDED or last.offered):
        yield f"its last attempt is {last.status}, offered: {last.offered}"
    if pipeline.row.state != "SCHEDULED" or pipeline.rows[instance.component].paused:
        return
    resting = instance.status in ENDED or instance.status == WAITING_ON_DEPENDENCIES
    if resting and instance.retry_at is None:
        wanting = [each for each in users if _wants(pipeline, each)]
        if wanting:
            yield f"{wanting[0].component} waits for nothing else"
    if instance.retry_at is not None and ("retry", instance.key) not in timers:
        yield "no timer watches its next try"


def _wants(pipeline: _Pipeline, user: Instance) -> bool:
    missing = [wait.target for wait in pipeline.store.waits_of(user.key) if wait.missing]
    component = pipeline.component_of(user)
    if user.status != WAITING_ON_DEPENDENCIES or missing != [component.resource]:
        return False
    held = component.category in PRECONDITIONS and pipeline.waits_for_others(
        pipeline.owner_of(user)
    )
    return not held


def _needs(pipeline: _Pipeline, resource: Instance, users: list[Instance]) -> bool:
    """Whether somebody uses it, or may come to use it."""
    if users:
        return True
    for component in pipeline.plan.components.values():
        if component.resource == resource.component:
            around = component.owner or component.id
            row = pipeline.rows[around]
            if row.open and row.next_start < max(resource.end, resource.start + 1):
                return True
            unfinished = (e for e in pipeline.instances if e.status not in ENDED)
            if component.owner and any(e.component == around for e in unfinished):
                return True
    return False


def _condition(
    pipeline: _Pipeline, component: Component, instance: Instance, owner: Instance, timers: Timers
) -> Iterator[str]:
    begun = instance.tries > 0 and not pipeline.rows[instance.component].paused
    watched = component.precondition_timeout_ms is None or ("condition", instance.key) in timers
    if begun and not watched and pipeline.row.state == "SCHEDULED":
        yield "no timer watches its preconditionTimeout"
    if owner.status in ENDED and not instance.rerun and instance.status != RUNNING:
        yield f"its owner is {owner.status}, but it still waits"


def _room(pipeline: _Pipeline) -> Iterator[str]:
    if pipeline.plan.on_demand:
        return
    for component in pipeline.plan.components.values():
        active = [
            each
            for each in pipeline.instances
            if each.component == component.id and each.status not in ENDED and not each.rerun
        ]
        # An edit may have lowered it: what there was room for before stays.
        allowed = max((pipeline.component_of(each).max_active for each in active), default=0)
        if component.category == "activity" and len(active) > allowed:
            yield f"{component.id} has {len(active)} active instances, allowed {allowed}"


def _state(pipeline: _Pipeline) -> Iterator[str]:
    unfinished = any(each.status not in ENDED for each in pipeline.instances)
    running = {
        pipeline.component_of(each).category
        for each in pipeline.instances
        if each.status in UNDER_WAY
    }
    still_open = any(row.open for row in pipeline.rows.values())
    state = pipeline.row.state
    if state == "FINISHED" and unfinished:
        yield "an instance is unfinished"
    if state == "SCHEDULED" and not unfinished and not still_open:
        yield "nothing is left to do"
    if state == "DEACTIVATING" and not running:
        yield "nothing runs any more"
    # An alarm tells of what has happened, so it is sent all the same.
    if state == "INACTIVE" and running - {ACTION}:
        yield "something runs"


def _schedules(pipeline: _Pipeline, timers: Timers) -> Iterator[str]:
    """An activity with intervals left is full, or a timer knows when the next is due."""
    if pipeline.row.state != "SCHEDULED":
        return
    for component in pipeline.plan.components.values():
        row: ComponentRow = pipeline.rows[component.id]
        if component.category != "activity" or component.schedule is None or not row.open:
            continue
        active = sum(
            1
            for each in pipeline.instances
            if each.component == component.id and each.status not in ENDED and not each.rerun
        )
        if active < component.max_active and ("tick", pipeline.row.key) not in timers:
            yield f"{component.id} has intervals left and room, but no timer"
