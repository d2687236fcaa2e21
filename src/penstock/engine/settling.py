"""What an instance's end means for those that wait for it, its component, and the pipeline."""

from collections.abc import Iterable

from msgspec.structs import replace

from penstock.engine.actions import set_off
from penstock.engine.creation import cascades, due_at
from penstock.engine.events import (
    Advance,
    CancelInstance,
    Change,
    CheckPipeline,
    ClearTimer,
    Decision,
    Evaluate,
    Event,
    PutComponent,
    PutWait,
    RerunInstance,
    Settled,
    TendResource,
    Unsettled,
    UpdateInstance,
    UpdatePipeline,
)
from penstock.engine.lifecycle import DEACTIVATED, RESOURCE_FAILED, cascade_fail, make_ready, move
from penstock.engine.plan import RESOURCE
from penstock.engine.views import CheckView, Place, Rules, SettledView, Waiting
from penstock.model.ids import instance_id
from penstock.model.runtime import Instance
from penstock.model.status import (
    CANCELED,
    FAILED,
    FINISHED,
    SATISFIED,
    SHUTTING_DOWN,
    SKIPPED,
    UNDER_WAY,
    WAITING_ON_DEPENDENCIES,
)
from penstock.model.times import MINUTE_MS, Instant

NOT_NEEDED = "the object that it belongs to has ended"
"""Why a precondition is cancelled that nobody waits for any more."""

CLOCK_SLACK_MS = 5 * MINUTE_MS
"""By how much the clock may be put back without an interval's being forgotten: it was due when
there was no room for it, and would not be due any more when there is.
"""


def settled(view: SettledView, event: Settled, now: Instant, rules: Rules) -> Decision:
    """An instance has ended: dependents go on or fail with it; its component makes room."""
    instance = event.instance
    if view.place.component.category == RESOURCE:
        return _resource_settled(view, instance)
    changes: list[Change] = [*_health(view, instance, now), *_timers(view.place, instance)]
    follow: list[Event] = [
        CancelInstance(condition.key, NOT_NEEDED) for condition in view.conditions
    ]
    for waiting in () if event.was_satisfied else view.waiting:
        if instance.status in SATISFIED:
            decision = meet(waiting, now)
        else:
            decision = _hold_back(waiting, instance, now)
        changes.extend(decision.changes)
        follow.extend(decision.follow)
    follow.extend(set_off(view.place.component, instance))
    if _has_backlog(view.place, now):
        follow.append(Advance(instance.pipeline, (instance.component,)))
    follow.extend(_resource_less(view, instance))
    follow.append(CheckPipeline(instance.pipeline))
    return Decision(tuple(changes), tuple(follow))


def _resource_settled(view: SettledView, instance: Instance) -> Decision:
    """Those that use it have been told when it went down; somebody may want it again already."""
    follow = (
        *set_off(view.place.component, instance),
        TendResource(instance.key),
        CheckPipeline(instance.pipeline),
    )
    return Decision(_timers(view.place, instance), follow)


def _resource_less(view: SettledView, instance: Instance) -> Iterable[Event]:
    """The resource may have lost its last user, or be ended by a task that failed on it."""
    place = view.place
    if place.resource is None:
        return
    terms = place.plan.components[place.component.resource].terms
    by_itself = instance.status == FAILED and instance.error_id != RESOURCE_FAILED
    if terms is not None and terms.terminates and by_itself and place.resource.status in UNDER_WAY:
        name = instance_id(instance.component, instance.start)
        why = f"{name} has failed, and actionOnTaskFailure is terminate"
        yield CancelInstance(place.resource.key, why)
    yield TendResource(place.resource.key)


def _health(view: SettledView, instance: Instance, now: Instant) -> tuple[Change, ...]:
    """HEALTHY or ERROR by the instance that ended last (guide: "pipeline health status").

    One that was skipped says nothing about health. Preconditions and alarms have none of their
    own; a precondition that failed is the error of the object that waits for it.
    """
    place = view.place
    if place.component.owner:
        if instance.status in SATISFIED or not view.waiting or _is_pending(instance):
            return ()
        place = view.waiting[0].view.place
    elif instance.status == SKIPPED:
        return ()
    health = "HEALTHY" if instance.status == FINISHED else "ERROR"
    row = replace(place.row, health=health, health_start=instance.start, health_at=now)
    return (PutComponent(row),)


def _is_pending(instance: Instance) -> bool:
    """Whether it was cancelled for want of an owner, which has since been told to run again."""
    return instance.status == CANCELED and instance.cancel_reason == NOT_NEEDED


def _timers(place: Place, instance: Instance) -> tuple[Change, ...]:
    """Timers that an end makes needless."""
    component = place.component
    found: list[Change] = []
    if component.late_after_ms is not None:
        found.append(ClearTimer("late", instance.key))
    if component.precondition_timeout_ms is not None:
        found.append(ClearTimer("condition", instance.key))
    return tuple(found)


def _has_backlog(place: Place, now: Instant) -> bool:
    """Whether an interval may be due that there was no room for: no timer would make it."""
    component, row = place.component, place.row
    if component.schedule is None or not row.open or place.pipeline.state != "SCHEDULED":
        return False
    k = component.schedule.first_from(row.next_start)
    return due_at(component, component.schedule, k) <= now + CLOCK_SLACK_MS


def meet(waiting: Waiting, now: Instant) -> Decision:
    """One thing less that an instance waits for; the last lets it go on."""
    wait = replace(waiting.wait, missing=waiting.wait.missing - 1)
    instance = waiting.view.instance
    if wait.missing:
        return Decision((PutWait(wait),))
    if instance.unmet > 1:
        changes = (PutWait(wait), UpdateInstance(replace(instance, unmet=instance.unmet - 1)))
        conditions = waiting.view.place.component.preconditions
        resource = waiting.view.place.component.resource
        left = instance.unmet - 1
        if left > len(conditions) + bool(resource) or (
            wait.target in conditions and (left > 1 or not resource)
        ):
            return Decision(changes)
        return Decision(changes, (Evaluate(instance.key),))
    return make_ready(waiting.view.place, instance, now, waited=True, before=waiting.view.attempt)


def _hold_back(waiting: Waiting, failed: Instance, now: Instant) -> Decision:
    if _is_pending(failed):
        return Decision(follow=(RerunInstance(failed.key, "its owner runs again", cascade=False),))
    place = waiting.view.place
    failed_id = instance_id(failed.component, failed.start)
    if not cascades(place.plan, place.component, failed_id):
        return Decision()
    if waiting.view.instance.status != WAITING_ON_DEPENDENCIES:
        return Decision()
    return cascade_fail(waiting.view, failed_id, now)


def unsettled(view: SettledView, event: Unsettled, now: Instant, rules: Rules) -> Decision:
    """A satisfied instance runs again: those that still wait for other things wait for it too."""
    changes: list[Change] = []
    for waiting in view.waiting:
        wait, instance = waiting.wait, waiting.view.instance
        changes.append(PutWait(replace(wait, missing=wait.missing + 1)))
        if not wait.missing:
            changes.append(
                UpdateInstance(move(instance, instance.status, unmet=instance.unmet + 1))
            )
    return Decision(tuple(changes))


def check_pipeline(view: CheckView, event: CheckPipeline, now: Instant, rules: Rules) -> Decision:
    """FINISHED when nothing is left to come or to end; INACTIVE when a deactivation is complete."""
    pipeline = view.pipeline
    if view.resources and not view.running:
        return Decision(
            follow=tuple(
                CancelInstance(resource.key, DEACTIVATED, revive=True)
                for resource in view.resources
                if resource.status != SHUTTING_DOWN
            )
        )
    if pipeline.state == "DEACTIVATING" and not view.running:
        return Decision((UpdatePipeline(replace(pipeline, state="INACTIVE")),))
    if pipeline.state == "SCHEDULED" and not view.open and not view.unfinished:
        return Decision((UpdatePipeline(replace(pipeline, state="FINISHED", finished_at=now)),))
    return Decision()
