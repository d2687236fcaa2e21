"""Snapshots for events: each loader reads the small neighbourhood that its event touches."""

from collections.abc import Callable
from typing import Any

from penstock.engine.decide import View
from penstock.engine.events import (
    Advance,
    Await,
    CameUp,
    CancelInstance,
    CheckPipeline,
    ConditionDue,
    Create,
    Deactivate,
    EndTask,
    Evaluate,
    Event,
    FinishInstance,
    Fire,
    Heard,
    HoldInstance,
    LateDue,
    LoseResource,
    MachineDue,
    OwnerDeadline,
    PauseInstance,
    Report,
    RerunInstance,
    ResumeInstance,
    RetryDue,
    Settled,
    SkipInstance,
    StepDone,
    TendResource,
    Undelivered,
    Unsettled,
    WentDown,
)
from penstock.engine.machines import last_verdict
from penstock.engine.plan import (
    ACTION,
    DATA_NODE,
    PRECONDITIONS,
    RESOURCE,
    Component,
    Needed,
    Plan,
)
from penstock.engine.scopes import Node
from penstock.engine.views import (
    AdvanceView,
    CheckView,
    CreateView,
    DeactivateView,
    EvaluateView,
    FireView,
    InstanceView,
    NeedState,
    Place,
    SettledView,
    TendView,
    UsersView,
    Waiting,
)
from penstock.model.errors import PipelineDeleted, TaskNotFound
from penstock.model.ids import instance_id
from penstock.model.runtime import ComponentRow, Instance, Pipeline
from penstock.model.status import (
    ENDED,
    FAILURES,
    RUNNING,
    SHUTTING_DOWN,
    UNDER_WAY,
    WAITING_FOR_RUNNER,
    WAITING_ON_DEPENDENCIES,
)
from penstock.model.times import Instant
from penstock.service.rows import Rows
from penstock.store.protocol import Reader, Task


def load(rows: Rows, event: Event) -> View | None:
    """The snapshot that an event is decided on; None if what it speaks of is gone."""
    return _LOADERS[type(event)](rows, event)


def place_of(rows: Rows, instance: Instance) -> Place:
    """Where an instance lives, under the plan of its own version."""
    pipeline = rows.pipeline(instance.pipeline)
    plan = rows.plan(pipeline, instance.version)
    return _place(rows, pipeline, plan, instance.component, instance.start)


def _place(rows: Rows, pipeline: Pipeline, plan: Plan, component: str, start: Instant) -> Place:
    """Where a component's instance lives, with the resource's that it runs on."""
    row = rows.row(pipeline.key, component)
    begin = plan.resource_start(plan.components[component], start)
    if begin is None:
        return Place(pipeline, plan, row)
    target = plan.components[component].resource
    found = rows.store.task_by_name(pipeline.key, target, begin)
    return Place(pipeline, plan, row, found.instance if found is not None else None)


def view_of(rows: Rows, task: Task) -> InstanceView:
    """An instance and its attempt, as read together."""
    place = place_of(rows, task.instance)
    node = node_of(rows.store, place.component, task.instance)
    return InstanceView(place, task.instance, task.attempt, node)


def node_of(store: Reader, component: Component, instance: Instance) -> Node | None:
    """Whose precondition or alarm an instance is; None if it is neither."""
    if not component.owner:
        return None
    found = store.task_by_name(instance.pipeline, component.owner, instance.start)
    return None if found is None else Node(found.instance, found.attempt)


def _conditions(rows: Rows, component: Component, instance: Instance) -> dict[str, Instance]:
    """The instances of an instance's preconditions, by component, as far as they are there."""
    if not component.preconditions:
        return {}
    each = (
        rows.store.task_by_name(instance.pipeline, name, instance.start)
        for name in component.preconditions
    )
    return {task.instance.component: task.instance for task in each if task is not None}


def _owned(rows: Rows, event: Report | EndTask | Undelivered) -> InstanceView:
    """The task that an owner speaks of; its pipeline may have been deleted."""
    key = event.task
    pipeline = rows.pipeline(key.pipeline)
    if pipeline.deleted_at is not None:
        raise PipelineDeleted(f"Pipeline with id: {pipeline.id} does not exist")
    task = rows.store.task(key.instance, key.attempt)
    if task is None:
        raise TaskNotFound("the task is not known; poll for another")
    return view_of(rows, task)


def _step(rows: Rows, event: StepDone) -> InstanceView | None:
    """A step of a resource, which may well outlive its pipeline."""
    task = rows.store.task(event.task.instance, event.task.attempt)
    return view_of(rows, task) if task is not None else None


def _instance(rows: Rows, event: Any) -> InstanceView | None:
    task = rows.store.task(event.instance)
    return view_of(rows, task) if task is not None else None


def _rerun(rows: Rows, event: RerunInstance) -> InstanceView | None:
    task = rows.store.task(event.instance)
    if task is None:
        return None
    failed_id = instance_id(task.instance.component, task.instance.start)
    cascaded = rows.store.cascaded(task.instance.pipeline, failed_id)
    place = place_of(rows, task.instance)
    conditions = _conditions(rows, place.component, task.instance).values()
    return InstanceView(
        place,
        task.instance,
        task.attempt,
        cascaded=tuple(cascaded),
        unmet_conditions=tuple(each for each in conditions if each.status in FAILURES),
    )


def _settled(rows: Rows, event: Settled | Unsettled | CameUp) -> SettledView:
    instance = event.instance
    pipeline = rows.pipeline(instance.pipeline)
    plan = rows.plan(pipeline, pipeline.version)
    # References of what is active cannot be edited away, so the plan in force knows all dependents.
    component = plan.components[instance.component]
    awaited = component.dependents
    waiting = _waiting(rows, instance) if awaited else ()
    conditions = _conditions(rows, component, instance).values()
    return SettledView(
        _place(rows, pipeline, plan, instance.component, instance.start),
        waiting,
        tuple(each for each in conditions if each.status not in ENDED),
    )


def _waiting(rows: Rows, target: Instance) -> tuple[Waiting, ...]:
    """Those that wait for an instance. A task that nobody took before may be offered again."""
    waiters = rows.store.waits_for(target.pipeline, target.component, target.start)
    found: list[Waiting] = []
    for waiter in waiters:
        task: Task | None = Task(waiter.instance, None)
        if waiter.instance.tries:
            task = rows.store.task(waiter.instance.key)
        if task is not None:
            found.append(Waiting(waiter.wait, view_of(rows, task)))
    return tuple(found)


def _advance(rows: Rows, event: Advance) -> AdvanceView | None:
    pipeline = rows.pipeline(event.pipeline)
    if pipeline.state != "SCHEDULED":
        return None
    plan = rows.plan(pipeline, pipeline.version)
    names = _neighbours(plan, event.components)
    if names is None:
        found = rows.store.components_with_active(event.pipeline)
    else:
        each = (rows.store.component_with_active(event.pipeline, name) for name in names)
        found = [row for row in each if row is not None]
    known = {row.id: row for row in found if row.id in plan.components}
    resources = [key for key in known if plan.components[key].category == RESOURCE]
    unfinished = (i.key for r in resources for i in rows.store.unfinished(pipeline.key, r))
    return AdvanceView(pipeline, plan, known, tuple(unfinished))


def _neighbours(plan: Plan, components: tuple[str, ...]) -> set[str] | None:
    """The components, what they use, and all users of that; None means all of the plan.

    What nothing is known to use goes as far as the whole pipeline, so it needs to see all of it.
    """
    if not components or any(
        c.users == () for c in plan.components.values() if c.category in {DATA_NODE, RESOURCE}
    ):
        return None
    names = set(components)
    for name in components:
        component = plan.components[name]
        for node in (*component.nodes, *component.resources, name):
            names.add(node)
            names.update(plan.components[node].users)
    for name in list(names):
        for node in (*plan.components[name].nodes, *plan.components[name].resources):
            names.add(node)
            names.update(plan.components[node].users)
    return names


def _create(rows: Rows, event: Create) -> CreateView | None:
    pipeline = rows.pipeline(event.pipeline)
    plan = rows.plan(pipeline, event.version)
    place = _place(rows, pipeline, plan, event.component, event.start)
    if place.component.owner:
        owner = rows.store.task_by_name(event.pipeline, place.component.owner, event.start)
        # The owner may have ended meanwhile, by a precondition that was made just before this one.
        if owner is None or owner.instance.status in ENDED:
            return None
        if rows.store.task_by_name(event.pipeline, event.component, event.start) is not None:
            return None
    states = _states(rows, pipeline, plan, place, event.start, event.end)
    return CreateView(place, states, rows.store.reserve_instance_key())


def _await(rows: Rows, event: Await) -> CreateView | None:
    task = rows.store.task(event.instance)
    if task is None:
        return None
    instance = task.instance
    place = place_of(rows, instance)
    states = _states(rows, place.pipeline, place.plan, place, instance.start, instance.end)
    return CreateView(
        place,
        states,
        instance=instance,
        attempt=task.attempt,
        held=_is_held(rows, place, instance),
    )


def _is_held(rows: Rows, place: Place, instance: Instance) -> bool:
    """Whether it is a precondition whose owner waits for something else first."""
    if place.component.category not in PRECONDITIONS:
        return False
    owner = rows.store.task_by_name(instance.pipeline, place.component.owner, instance.start)
    if owner is None or owner.instance.status in ENDED:
        return False
    component = place.plan.components[place.component.owner]
    last = {*component.preconditions, component.resource}
    return not set(_missing(rows, owner.instance)) <= last


def _missing(rows: Rows, instance: Instance) -> tuple[str, ...]:
    """The components that an instance still waits for."""
    return tuple(wait.target for wait in rows.store.waits_of(instance.key) if wait.missing)


def _evaluate(rows: Rows, event: Evaluate) -> EvaluateView | None:
    task = rows.store.task(event.instance)
    if task is None:
        return None
    place = place_of(rows, task.instance)
    existing = _conditions(rows, place.component, task.instance)
    return EvaluateView(place, task.instance, _missing(rows, task.instance), existing)


def _fire(rows: Rows, event: Fire) -> FireView | None:
    """The node, and the alarm's own instance of its interval, which may not be there yet."""
    node = rows.store.task(event.instance)
    if node is None:
        return None
    instance = node.instance
    pipeline = rows.pipeline(instance.pipeline)
    plan = rows.plan(pipeline, instance.version)
    place = _place(rows, pipeline, plan, event.alarm, instance.start)
    about = Node(instance, node.attempt)
    found = rows.store.task_by_name(pipeline.key, event.alarm, instance.start)
    if found is None:
        return FireView(place, about, rows.store.reserve_instance_key())
    return FireView(place, about, instance=found.instance, attempt=found.attempt)


def _states(
    rows: Rows, pipeline: Pipeline, plan: Plan, place: Place, start: Instant, end: Instant
) -> tuple[NeedState, ...]:
    needed = plan.needed(place.component, start, end)
    return tuple(need_state(rows, pipeline, plan, need) for need in needed)


def need_state(rows: Rows, pipeline: Pipeline, plan: Plan, needed: Needed) -> NeedState:
    """How many instances of a range are still missing.

    Intervals before the component's next one that have no instance were passed over by an
    activation's `startTimestamp`; and those beyond the end that its schedule has now will never
    come, whatever the instance's own version knew. Nobody waits for either.
    """
    if plan.components[needed.target].category == RESOURCE:
        return _resource_state(rows, pipeline, needed)
    row: ComponentRow = rows.row(pipeline.key, needed.target)
    found = rows.store.range_state(pipeline.key, needed.target, needed.first, needed.last)
    missing = found.count - found.satisfied
    target = plan.components[needed.target]
    if target.schedule is None or target.owner:
        missing += needed.count - found.count
    elif row.open and row.next_start <= needed.last:
        missing += _to_come(rows, pipeline, max(row.next_start, needed.first), needed)
    failed = found.failed_start
    return NeedState(
        needed, missing, instance_id(needed.target, failed) if failed is not None else None
    )


def _to_come(rows: Rows, pipeline: Pipeline, first: Instant, needed: Needed) -> int:
    """How many intervals of a range are left from `first` on, by the schedule in force."""
    schedule = rows.plan(pipeline, pipeline.version).components[needed.target].schedule
    if schedule is None:
        return 0
    stop = schedule.index(needed.last) + 1
    if schedule.count is not None:
        stop = min(stop, schedule.count)
    return max(stop - schedule.first_from(first), 0)


def _resource_state(rows: Rows, pipeline: Pipeline, needed: Needed) -> NeedState:
    """A resource is met while it runs; one that shuts down for good has failed already.

    One that a deactivation has ended comes back by itself.
    """
    found = rows.store.task_by_name(pipeline.key, needed.target, needed.first)
    if found is None:
        return NeedState(needed, 1)
    instance, status = found.instance, found.instance.status
    if status == SHUTTING_DOWN and found.attempt is not None:
        status = last_verdict(found.attempt) or status
    failed = status in FAILURES and not instance.revive
    return NeedState(
        needed,
        0 if instance.status == RUNNING else 1,
        instance_id(needed.target, needed.first) if failed else None,
    )


def _tend(rows: Rows, event: TendResource) -> TendView | None:
    task = rows.store.task(event.instance)
    if task is None:
        return None
    place = place_of(rows, task.instance)
    if place.pipeline.deleted_at is not None:
        return TendView(place, task.instance, task.attempt, wanted=False, needed=False)
    needed, stuck = _need(rows, place.pipeline, task.instance)
    wanted = _is_wanted(rows, task.instance)
    return TendView(place, task.instance, task.attempt, wanted, needed, stuck)


def _is_wanted(rows: Rows, resource: Instance) -> bool:
    """Whether an instance waits for nothing but the resource, and would go on if it were there."""
    waiters = rows.store.waits_for(resource.pipeline, resource.component, resource.start)
    for wait, instance in ((each.wait, each.instance) for each in waiters):
        last = instance.status == WAITING_ON_DEPENDENCIES and instance.unmet == 1 and wait.missing
        if last and not _is_held(rows, place_of(rows, instance), instance):
            return True
    return False


def _need(rows: Rows, pipeline: Pipeline, resource: Instance) -> tuple[bool, bool]:
    """Whether instances that use the resource are unfinished, or still to come; and whether they
    are all stuck.
    """
    plan = rows.plan(pipeline, pipeline.version)
    users = [plan.components[name] for name in plan.components[resource.component].dependents]
    unfinished = [each for user in users for each in _unfinished(rows, plan, user, resource)]
    if any(_is_to_come(rows, pipeline, plan, user, resource) for user in users):
        return True, False
    return bool(unfinished), all(_is_stuck(rows, each, set()) for each in unfinished)


def _is_stuck(rows: Rows, instance: Instance, seen: set[int]) -> bool:
    """Whether it waits, if only through others, for what has failed for good."""
    waits_on = instance.status == WAITING_ON_DEPENDENCIES and instance.retry_at is None
    if not waits_on or instance.key in seen:
        return False
    seen.add(instance.key)
    for wait in rows.store.waits_of(instance.key):
        if not wait.missing:
            continue
        span = (wait.pipeline, wait.target, wait.first, wait.last)
        if rows.store.range_state(*span).failed_start is not None:
            return True
        for other in rows.store.unfinished(wait.pipeline, wait.target):
            if wait.first <= other.start <= wait.last and _is_stuck(rows, other, seen):
                return True
    return False


def _unfinished(rows: Rows, plan: Plan, user: Component, resource: Instance) -> list[Instance]:
    """A user's unfinished instances on the resource; in place of a precondition that is not made
    yet, its owner: it is made when that waits for nothing else.
    """
    found = _users(rows, plan, user, resource)
    owners = _users(rows, plan, user, resource, user.owner) if user.owner else []
    return found + [
        owner
        for owner in owners
        if rows.store.task_by_name(resource.pipeline, user.id, owner.start) is None
    ]


def _is_to_come(
    rows: Rows, pipeline: Pipeline, plan: Plan, user: Component, resource: Instance
) -> bool:
    """Whether the user's schedule has intervals left that run on the resource."""
    around = plan.components[user.owner] if user.owner else user
    row = rows.row(pipeline.key, around.id)
    if not row.open:
        return False
    next_on = plan.resource_start(user, row.next_start)
    return next_on is not None and next_on <= resource.start


def _users(
    rows: Rows, plan: Plan, user: Component, resource: Instance, component: str = ""
) -> list[Instance]:
    """A component's (the user's own, unless another is named) unfinished ones on the resource."""
    return [
        each
        for each in rows.store.unfinished(resource.pipeline, component or user.id)
        if plan.resource_start(user, each.start) == resource.start
    ]


def _went_down(rows: Rows, event: WentDown) -> UsersView | None:
    task = rows.store.task(event.instance)
    if task is None:
        return None
    place, resource = place_of(rows, task.instance), task.instance
    plan = rows.plan(place.pipeline, place.pipeline.version)
    users = (plan.components[name] for name in plan.components[resource.component].dependents)
    using = (each for user in users for each in _users(rows, plan, user, resource))
    return UsersView(place, resource, tuple(using), _waiting(rows, resource))


def _check(rows: Rows, event: CheckPipeline) -> CheckView | None:
    pipeline = rows.pipeline(event.pipeline)
    if pipeline.state not in {"SCHEDULED", "DEACTIVATING"}:
        return None
    key = event.pipeline
    unfinished = rows.store.has_unfinished(key)
    still_open = unfinished or rows.store.has_open_component(key)
    if pipeline.state == "SCHEDULED":
        return CheckView(pipeline, still_open, unfinished, running=False)
    components = rows.plan(pipeline, pipeline.version).components
    under_way = rows.store.under_way(key)
    resources = [i for i in under_way if components[i.component].category == RESOURCE]
    running = len(under_way) > len(resources)
    return CheckView(pipeline, still_open, unfinished, running, tuple(resources))


def _deactivate(rows: Rows, event: Deactivate) -> DeactivateView:
    pipeline = rows.pipeline(event.pipeline)
    components = rows.plan(pipeline, pipeline.version).components if pipeline.version else {}
    # Alarms are sent all the same: they tell of what has happened already.
    unfinished = [
        i
        for i in rows.store.unfinished(event.pipeline)
        if components[i.component].category != ACTION
    ]
    return DeactivateView(
        pipeline,
        tuple(i for i in unfinished if i.status == WAITING_FOR_RUNNER),
        tuple(i for i in unfinished if i.status in UNDER_WAY - {SHUTTING_DOWN}),
    )


_LOADERS: dict[type, Callable[[Rows, Any], View | None]] = {
    Report: _owned,
    EndTask: _owned,
    Undelivered: _owned,
    OwnerDeadline: _instance,
    RetryDue: _instance,
    PauseInstance: _instance,
    ResumeInstance: _instance,
    HoldInstance: _instance,
    CancelInstance: _instance,
    ConditionDue: _instance,
    LateDue: _instance,
    Evaluate: _evaluate,
    Fire: _fire,
    FinishInstance: _instance,
    SkipInstance: _instance,
    RerunInstance: _rerun,
    Settled: _settled,
    Unsettled: _settled,
    Advance: _advance,
    Create: _create,
    Await: _await,
    CheckPipeline: _check,
    Deactivate: _deactivate,
    TendResource: _tend,
    StepDone: _step,
    MachineDue: _instance,
    Heard: _instance,
    CameUp: _settled,
    WentDown: _went_down,
    LoseResource: _instance,
}
