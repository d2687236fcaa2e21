"""Snapshots for events: each loader reads the small neighbourhood that its event touches."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from penstock.engine.decide import View
from penstock.engine.events import (
    Advance,
    Await,
    CancelInstance,
    CheckPipeline,
    Create,
    Deactivate,
    EndTask,
    Event,
    FinishInstance,
    HoldInstance,
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
from penstock.engine.plan import Needed, Plan
from penstock.engine.views import (
    AdvanceView,
    CheckView,
    CreateView,
    DeactivateView,
    InstanceView,
    NeedState,
    Place,
    SettledView,
    Waiting,
)
from penstock.model.errors import PipelineDeleted, TaskNotFound
from penstock.model.ids import instance_id
from penstock.model.runtime import ComponentRow, Instance, Pipeline
from penstock.model.status import RUNNING, WAITING_FOR_RUNNER
from penstock.model.times import Instant
from penstock.store.protocol import Task

if TYPE_CHECKING:
    from penstock.service.unit import Unit


def load(unit: Unit, event: Event) -> View | None:
    """The snapshot that an event is decided on; None if what it speaks of is gone."""
    return _LOADERS[type(event)](unit, event)


def place_of(unit: Unit, instance: Instance) -> Place:
    """Where an instance lives, under the plan of its own version."""
    pipeline = unit.pipeline(instance.pipeline)
    plan = unit.plan(pipeline, instance.version)
    return Place(pipeline, plan, unit.row(instance.pipeline, instance.component))


def view_of(unit: Unit, task: Task) -> InstanceView:
    """An instance and its attempt, as read together."""
    return InstanceView(place_of(unit, task.instance), task.instance, task.attempt)


def _owned(unit: Unit, event: Report | EndTask | Undelivered) -> InstanceView:
    """The task that an owner speaks of; its pipeline may have been deleted."""
    key = event.task
    pipeline = unit.pipeline(key.pipeline)
    if pipeline.deleted_at is not None:
        raise PipelineDeleted(f"Pipeline with id: {pipeline.id} does not exist")
    task = unit.store.task(key.instance, key.attempt)
    if task is None:
        raise TaskNotFound("the task is not known; poll for another")
    return view_of(unit, task)


def _instance(unit: Unit, event: Any) -> InstanceView | None:
    task = unit.store.task(event.instance)
    return view_of(unit, task) if task is not None else None


def _rerun(unit: Unit, event: RerunInstance) -> InstanceView | None:
    task = unit.store.task(event.instance)
    if task is None:
        return None
    failed_id = instance_id(task.instance.component, task.instance.start)
    cascaded = unit.store.cascaded(task.instance.pipeline, failed_id)
    return InstanceView(place_of(unit, task.instance), task.instance, task.attempt, tuple(cascaded))


def _settled(unit: Unit, event: Settled | Unsettled) -> SettledView:
    instance = event.instance
    pipeline = unit.pipeline(instance.pipeline)
    plan = unit.plan(pipeline, pipeline.version)
    row = unit.row(instance.pipeline, instance.component)
    waiters = unit.store.waits_for(instance.pipeline, instance.component, instance.start)
    waiting = (
        Waiting(waiter.wait, view_of(unit, Task(waiter.instance, None))) for waiter in waiters
    )
    return SettledView(Place(pipeline, plan, row), tuple(waiting))


def _advance(unit: Unit, event: Advance) -> AdvanceView | None:
    pipeline = unit.pipeline(event.pipeline)
    if pipeline.state != "SCHEDULED":
        return None
    plan = unit.plan(pipeline, pipeline.version)
    names = _neighbours(plan, event.components)
    if names is None:
        rows = unit.store.components_with_active(event.pipeline)
    else:
        rows = [
            row for name in names if (row := unit.store.component_with_active(event.pipeline, name))
        ]
    return AdvanceView(pipeline, plan, {r.id: r for r in rows if r.id in plan.components})


def _neighbours(plan: Plan, components: tuple[str, ...]) -> set[str] | None:
    """The components, their data nodes, and all users of those; None means all of the plan.

    An unused data node goes as far as the whole pipeline, so it needs to see all of it.
    """
    if not components or any(
        c.nodes == c.users == () for c in plan.components.values() if c.category != "activity"
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


def _create(unit: Unit, event: Create) -> CreateView:
    pipeline = unit.pipeline(event.pipeline)
    plan = unit.plan(pipeline, event.version)
    place = Place(pipeline, plan, unit.row(event.pipeline, event.component))
    states = _states(unit, pipeline, plan, place, event.start, event.end)
    return CreateView(place, states, unit.store.reserve_instance_key())


def _await(unit: Unit, event: Await) -> CreateView | None:
    task = unit.store.task(event.instance)
    if task is None:
        return None
    instance = task.instance
    place = place_of(unit, instance)
    states = _states(unit, place.pipeline, place.plan, place, instance.start, instance.end)
    return CreateView(place, states, instance=instance, attempt=task.attempt)


def _states(
    unit: Unit, pipeline: Pipeline, plan: Plan, place: Place, start: Instant, end: Instant
) -> tuple[NeedState, ...]:
    needed = plan.needed(place.component, start, end)
    return tuple(need_state(unit, pipeline, plan, need) for need in needed)


def need_state(unit: Unit, pipeline: Pipeline, plan: Plan, needed: Needed) -> NeedState:
    """How many instances of a range are still missing.

    Intervals before the component's next one that have no instance were passed over by an
    activation's `startTimestamp`: nobody waits for those.
    """
    row: ComponentRow = unit.row(pipeline.key, needed.target)
    found = unit.store.range_state(pipeline.key, needed.target, needed.first, needed.last)
    missing = found.count - found.satisfied
    schedule = plan.components[needed.target].schedule
    if schedule is None:
        missing += needed.count - found.count
    elif row.open and row.next_start <= needed.last:
        first = schedule.first_from(max(row.next_start, needed.first))
        missing += schedule.index(needed.last) - first + 1
    failed = found.failed_start
    return NeedState(
        needed, missing, instance_id(needed.target, failed) if failed is not None else None
    )


def _check(unit: Unit, event: CheckPipeline) -> CheckView | None:
    pipeline = unit.pipeline(event.pipeline)
    if pipeline.state not in {"SCHEDULED", "DEACTIVATING"}:
        return None
    key = event.pipeline
    unfinished = unit.store.has_unfinished(key)
    running = pipeline.state == "DEACTIVATING" and unit.store.has_running(key)
    still_open = unfinished or unit.store.has_open_component(key)
    return CheckView(pipeline, still_open, unfinished, running)


def _deactivate(unit: Unit, event: Deactivate) -> DeactivateView:
    unfinished = unit.store.unfinished(event.pipeline)
    return DeactivateView(
        unit.pipeline(event.pipeline),
        tuple(i for i in unfinished if i.status == WAITING_FOR_RUNNER),
        tuple(i for i in unfinished if i.status == RUNNING),
    )


_LOADERS: dict[type, Callable[[Unit, Any], View | None]] = {
    Report: _owned,
    EndTask: _owned,
    Undelivered: _owned,
    OwnerDeadline: _instance,
    RetryDue: _instance,
    PauseInstance: _instance,
    ResumeInstance: _instance,
    HoldInstance: _instance,
    CancelInstance: _instance,
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
