"""Snapshots for events: each loader reads the small neighbourhood that its event touches."""

from collections.abc import Callable
from typing import Any

from penstock.engine.decide import View
from penstock.engine.events import (
    Advance,
    Await,
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
    HoldInstance,
    LateDue,
    OwnerDeadline,
    PauseInstance,
    Report,
    RerunInstance,
    ResumeInstance,
    RetryDue,
    Settled,
    SkipInstance,
    Undelivered,
    Unsettled,
)
from penstock.engine.plan import ACTION, DATA_NODE, PRECONDITIONS, Component, Needed, Plan
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
    Waiting,
)
from penstock.model.errors import PipelineDeleted, TaskNotFound
from penstock.model.ids import instance_id
from penstock.model.runtime import ComponentRow, Instance, Pipeline
from penstock.model.status import ENDED, FAILURES, RUNNING, WAITING_FOR_RUNNER
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
    return Place(pipeline, plan, rows.row(instance.pipeline, instance.component))


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


def _settled(rows: Rows, event: Settled | Unsettled) -> SettledView:
    instance = event.instance
    pipeline = rows.pipeline(instance.pipeline)
    plan = rows.plan(pipeline, pipeline.version)
    row = rows.row(instance.pipeline, instance.component)
    # References of what is active cannot be edited away, so the plan in force knows all dependents.
    component = plan.components[instance.component]
    awaited = component.dependents
    waiters = (
        rows.store.waits_for(instance.pipeline, instance.component, instance.start)
        if awaited
        else []
    )
    waiting = (
        Waiting(waiter.wait, view_of(rows, Task(waiter.instance, None))) for waiter in waiters
    )
    conditions = _conditions(rows, component, instance).values()
    return SettledView(
        Place(pipeline, plan, row),
        tuple(waiting),
        tuple(each for each in conditions if each.status not in ENDED),
    )


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
    return AdvanceView(pipeline, plan, {r.id: r for r in found if r.id in plan.components})


def _neighbours(plan: Plan, components: tuple[str, ...]) -> set[str] | None:
    """The components, their data nodes, and all users of those; None means all of the plan.

    An unused data node goes as far as the whole pipeline, so it needs to see all of it.
    """
    if not components or any(
        c.users == () for c in plan.components.values() if c.category == DATA_NODE
    ):
        return None
    names = set(components)
    for name in components:
        component = plan.components[name]
        for node in (*component.nodes, name):
            names.add(node)
            names.update(plan.components[node].users)
    for name in list(names):
        for node in plan.components[name].nodes:
            names.add(node)
            names.update(plan.components[node].users)
    return names


def _create(rows: Rows, event: Create) -> CreateView | None:
    pipeline = rows.pipeline(event.pipeline)
    plan = rows.plan(pipeline, event.version)
    place = Place(pipeline, plan, rows.row(event.pipeline, event.component))
    if place.component.owner:
        if rows.store.task_by_name(event.pipeline, event.component, event.start) is not None:
            return None
        return CreateView(place, (), rows.store.reserve_instance_key())
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
    siblings = place.plan.components[place.component.owner].preconditions
    return not set(_missing(rows, owner.instance)) <= set(siblings)


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
    place = Place(pipeline, plan, rows.row(pipeline.key, event.alarm))
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
    activation's `startTimestamp`: nobody waits for those.
    """
    row: ComponentRow = rows.row(pipeline.key, needed.target)
    found = rows.store.range_state(pipeline.key, needed.target, needed.first, needed.last)
    missing = found.count - found.satisfied
    target = plan.components[needed.target]
    schedule = target.schedule
    if schedule is None or target.owner:
        missing += needed.count - found.count
    elif row.open and row.next_start <= needed.last:
        first = schedule.first_from(max(row.next_start, needed.first))
        missing += schedule.index(needed.last) - first + 1
    failed = found.failed_start
    return NeedState(
        needed, missing, instance_id(needed.target, failed) if failed is not None else None
    )


def _check(rows: Rows, event: CheckPipeline) -> CheckView | None:
    pipeline = rows.pipeline(event.pipeline)
    if pipeline.state not in {"SCHEDULED", "DEACTIVATING"}:
        return None
    key = event.pipeline
    unfinished = rows.store.has_unfinished(key)
    running = pipeline.state == "DEACTIVATING" and rows.store.has_running(key)
    still_open = unfinished or rows.store.has_open_component(key)
    return CheckView(pipeline, still_open, unfinished, running)


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
        tuple(i for i in unfinished if i.status == RUNNING),
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
}
