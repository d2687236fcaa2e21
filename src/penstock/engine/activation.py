"""Activation, activation anew, deactivation."""

from collections.abc import Iterable

from msgspec.structs import replace

from penstock.engine.events import (
    Activate,
    Advance,
    Await,
    CancelInstance,
    Change,
    CheckPipeline,
    Create,
    Deactivate,
    Decision,
    Event,
    HoldInstance,
    PutComponent,
    RerunInstance,
    ResumeInstance,
    SkipInstance,
    UpdatePipeline,
)
from penstock.engine.intervals import Schedule
from penstock.engine.lifecycle import DEACTIVATED
from penstock.engine.plan import RESOURCE, Component
from penstock.engine.views import ActivateView, DeactivateView, Rules
from penstock.model.errors import InvalidRequest
from penstock.model.runtime import ComponentRow, Instance
from penstock.model.status import (
    PAUSED,
    WAITING_FOR_RUNNER,
    WAITING_ON_DEPENDENCIES,
)
from penstock.model.times import SECOND_MS, Instant, format_instant


def activate(view: ActivateView, event: Activate, now: Instant, rules: Rules) -> Decision:
    """Bring the plan into force: rows for new components, and everything that is due."""
    _refuse(view, event, now, rules)
    pipeline = replace(
        view.pipeline,
        state="SCHEDULED",
        version=view.plan.version,
        first_activated_at=view.first_activated_at,
        last_activated_at=now,
        finished_at=None,
    )
    rows = [_row(view, component, event.start_at) for component in view.plan.components.values()]
    changes: list[Change] = [UpdatePipeline(pipeline)]
    follow: list[Event] = list(_take_up_again(view, event))
    if view.plan.on_demand and _has_room(view):
        run_at = _run_time(view, now)
        rows = [replace(row, next_start=run_at + SECOND_MS) for row in rows]
        follow.extend(
            Create(pipeline.key, component.id, run_at, run_at, view.plan.version)
            for component in view.plan.components.values()
            if not component.owner
        )
    elif not view.plan.on_demand:
        follow.append(Advance(pipeline.key))
    changes.extend(PutComponent(row) for row in rows)
    follow.append(CheckPipeline(pipeline.key))
    return Decision(tuple(changes), tuple(follow))


def _refuse(view: ActivateView, event: Activate, now: Instant, rules: Rules) -> None:
    if view.pipeline.state == "DEACTIVATING":
        raise InvalidRequest(
            f"Pipeline {view.pipeline.id} is DEACTIVATING; activate it again once it is INACTIVE"
        )
    if view.plan.on_demand:
        _refuse_run(view, event, rules)
    elif event.start_at is None and not rules.allow_backfill:
        _refuse_backfill(view, now, rules)


def _refuse_run(view: ActivateView, event: Activate, rules: Rules) -> None:
    if event.start_at is not None:
        raise InvalidRequest(
            "startTimestamp does not apply to an on-demand pipeline: a run starts when the "
            "pipeline is activated; leave it out"
        )
    most = rules.on_demand_runs
    if most is not None and view.plan.max_runs > most:
        raise InvalidRequest(
            f"maxActiveInstances of the Default object is {view.plan.max_runs}; an on-demand "
            f"pipeline can have at most {most} runs at a time"
        )
    if not _has_room(view) and not _goes_on(view):
        raise InvalidRequest(
            f"Pipeline {view.pipeline.id} has {view.active_runs} on-demand run(s) under way and "
            f"allows {view.plan.max_runs} (maxActiveInstances of the Default object); wait for one "
            "to end, or raise it"
        )


def _has_room(view: ActivateView) -> bool:
    """Whether one more run may begin beside those under way and those that are taken up again."""
    waiting = {instance.start for instance in view.unfinished}
    revived = {instance.start for instance in view.revivable} - waiting
    return view.active_runs + len(revived) < view.plan.max_runs


def _goes_on(view: ActivateView) -> bool:
    """Whether the activation takes up a run that a deactivation left, and so needs no new one."""
    return view.pipeline.state == "INACTIVE" and bool(view.unfinished or view.revivable)


def _refuse_backfill(view: ActivateView, now: Instant, rules: Rules) -> None:
    for schedule in _new_schedules(view):
        if not schedule.has(0) or schedule.start(0) >= now - rules.backfill_grace_ms:
            continue
        due = max(schedule.index(now), 0)
        due = due if schedule.count is None else min(due, schedule.count)
        raise InvalidRequest(
            f"Schedule {schedule.id} starts at {format_instant(schedule.start(0))}, more than a "
            f"day ago: {due} past interval(s) of each object would be run. Give startTimestamp to "
            "say where to begin (the schedule's own start to run them all), or allow backfill in "
            "the server's settings (penstock serve --allow-backfill)"
        )


def _new_schedules(view: ActivateView) -> Iterable[Schedule]:
    used = {c.schedule.id: c.schedule for c in view.plan.components.values() if c.schedule}
    return [schedule for key, schedule in used.items() if key not in view.old_schedules]


def _row(view: ActivateView, component: Component, start_at: Instant | None) -> ComponentRow:
    """The component's row under the new plan: it goes on where it stood, or at `start_at`."""
    schedule = component.schedule
    row = view.rows.get(component.id)
    if schedule is None or component.owner:
        return row or ComponentRow(view.pipeline.key, component.id, 0, open=False)
    next_start = row.next_start if row is not None else schedule.start(0)
    earliest = max(next_start, start_at or next_start)
    k = schedule.first_from(earliest)
    if component.category == RESOURCE:
        # Its interval that holds this moment may hold those of others that start later.
        k = max(schedule.first_from(next_start), schedule.index(earliest))
    row = row or ComponentRow(view.pipeline.key, component.id, 0, open=False)
    return replace(row, next_start=schedule.start(k), open=schedule.has(k))


def _run_time(view: ActivateView, now: Instant) -> Instant:
    """The run's time, in whole seconds; the second of two runs in one second is a second on."""
    second = now - now % SECOND_MS
    return second if view.latest is None else max(second, view.latest + SECOND_MS)


def _take_up_again(view: ActivateView, event: Activate) -> Iterable[Event]:
    """What becomes of instances that are there already: skipped, run again, offered."""
    for instance in view.revivable:
        yield RerunInstance(instance.key, "the pipeline was activated again")
    skipped = [each for each in view.unfinished if _goes(view, each, event.start_at)]
    rank = {key: place for place, key in enumerate(view.plan.components)}
    # Dependents first: else those would have nothing left to wait for, and a data node be FINISHED.
    for instance in sorted(skipped, key=lambda each: -rank.get(each.component, 0)):
        yield SkipInstance(instance.key)
    gone = {instance.key for instance in skipped}
    for instance in view.unfinished:
        if instance.key in gone:
            continue
        if instance.status == WAITING_ON_DEPENDENCIES and instance.unmet:
            yield Await(instance.key)
        else:
            yield ResumeInstance(instance.key)


def _goes(view: ActivateView, instance: Instance, start_at: Instant | None) -> bool:
    """Whether an instance is passed over by itself.

    What is attached goes with its owner, and a resource with those that use it.
    """
    component = view.plan.components.get(instance.component)
    if component is not None and (component.owner or component.category == RESOURCE):
        return False
    return _is_skipped(instance, start_at)


def _is_skipped(instance: Instance, start_at: Instant | None) -> bool:
    if start_at is None or instance.start >= start_at or instance.rerun:
        return False
    # A first task that waits in the queue, or was held back from it by a pause, has not begun.
    offered = instance.status == WAITING_FOR_RUNNER or (
        instance.status == PAUSED and instance.retry_at is None
    )
    return instance.tries <= (1 if offered else 0)


def deactivate(view: DeactivateView, event: Deactivate, now: Instant, rules: Rules) -> Decision:
    """Stop offering; cancel what runs, or let it end. INACTIVE once nothing runs."""
    pipeline = view.pipeline
    if pipeline.state != "SCHEDULED":
        raise InvalidRequest(
            f"Pipeline {pipeline.id} is {pipeline.state}; only a SCHEDULED pipeline can be "
            "deactivated"
        )
    stopping = replace(pipeline, state="DEACTIVATING", last_deactivated_at=now)
    follow: list[Event] = [HoldInstance(instance.key) for instance in view.offered]
    if event.cancel_active:
        follow.extend(
            CancelInstance(instance.key, DEACTIVATED, revive=True) for instance in view.running
        )
    follow.append(CheckPipeline(pipeline.key))
    return Decision((UpdatePipeline(stopping),), tuple(follow))
