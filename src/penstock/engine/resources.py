"""The life of a resource as a whole: when it is requested, and what people ask of it.

Each try at it is an attempt; `machines` tells how one goes, `steps` what is asked of the provider.
"""

from msgspec.structs import replace

from penstock.engine.events import (
    CancelInstance,
    Change,
    ClearTimer,
    Create,
    Decision,
    Event,
    FinishInstance,
    InsertAttempt,
    InsertInstance,
    Loss,
    PauseInstance,
    RerunInstance,
    ResumeInstance,
    RetryDue,
    SetTimer,
    Settled,
    TendResource,
    UpdateAttempt,
    UpdateInstance,
)
from penstock.engine.lifecycle import end_instance, move, record, revive_pipeline, start_over
from penstock.engine.machines import attempt_of, losses, pass_verdict
from penstock.engine.plan import RESOURCE_GROUP, SYSTEM_ACCOUNT
from penstock.engine.views import CreateView, InstanceView, Rules, TendView
from penstock.model.compute import Machine, machine_of, machine_text
from penstock.model.runtime import Attempt, Instance, Timer
from penstock.model.status import (
    CANCELED,
    ENDED,
    FAILED,
    FINISHED,
    PAUSED,
    SHUTTING_DOWN,
    UNDER_WAY,
    VALIDATING,
    WAITING_ON_DEPENDENCIES,
    Status,
)
from penstock.model.times import Instant

_IDLE = frozenset({WAITING_ON_DEPENDENCIES, PAUSED})


def create(view: CreateView, event: Create, now: Instant, rules: Rules) -> Decision:
    """Make the instance; it waits until somebody waits for nothing else."""
    place = view.place
    made = Instance(
        key=view.new_key,
        pipeline=event.pipeline,
        component=event.component,
        start=event.start,
        end=event.end,
        version=event.version,
        status=PAUSED if place.row.paused else WAITING_ON_DEPENDENCIES,
        due_at=now,
    )
    changes: tuple[Change, ...] = (InsertInstance(made),)
    if place.component.late_after_ms is not None:
        late = Timer("late", made.key, event.start + place.component.late_after_ms)
        changes += (SetTimer(late),)
    return Decision(changes, (TendResource(made.key),))


def tend(view: TendView, event: TendResource, now: Instant, rules: Rules) -> Decision:
    """Start what is wanted, shut down what nobody needs; all else goes on as it goes.

    A machine whose users are all stuck would stand idle until a person comes; it costs money
    meanwhile, and whoever goes on one day gets another.
    """
    instance, place = view.instance, view.place
    can_start = view.wanted and place.serving and not place.row.paused
    if instance.status in ENDED:
        again = UpdateInstance(start_over(instance))
        return Decision((again,), (event,)) if can_start else Decision()
    if instance.status in _IDLE:
        if not view.needed:
            return _end(instance, FINISHED, now)
        if can_start and instance.status != PAUSED and instance.retry_at is None:
            return _begin(view, instance, now)
        return Decision()
    if (view.needed and not view.stuck) or instance.status == SHUTTING_DOWN:
        return Decision()
    seen = InstanceView(place, instance, view.attempt)
    return pass_verdict(seen, FINISHED, now)


def _begin(view: TendView, instance: Instance, now: Instant) -> Decision:
    """A new try: the provider is asked what it thinks of the fields."""
    number = instance.attempts + 1
    begun = move(
        instance,
        VALIDATING,
        retry_at=None,
        attempts=number,
        tries=instance.tries + 1,
    )
    attempt = Attempt(
        instance.key,
        number,
        instance.pipeline,
        SYSTEM_ACCOUNT,
        RESOURCE_GROUP,
        VALIDATING,
        now,
        fields=machine_text(Machine(step_at=now)),
    )
    return Decision(
        (
            UpdateInstance(begun),
            InsertAttempt(attempt),
            record(begun, now, VALIDATING, attempt=number),
        )
    )


def _end(instance: Instance, status: Status, now: Instant, detail: str = "") -> Decision:
    """The end of an instance that has no try under way."""
    ended = end_instance(instance, status, now)
    changes = (
        UpdateInstance(ended),
        ClearTimer("retry", ended.key),
        record(ended, now, status, detail),
    )
    return Decision(changes, (Settled(ended),))


def retry_due(view: InstanceView, event: RetryDue, now: Instant, rules: Rules) -> Decision:
    """It may be tried again, if it is still wanted."""
    instance = view.instance
    if instance.status not in _IDLE or instance.retry_at is None:
        return Decision()
    if instance.retry_at > now:
        return Decision((SetTimer(Timer("retry", instance.key, instance.retry_at)),))
    return Decision(
        (UpdateInstance(replace(instance, retry_at=None)),), (TendResource(instance.key),)
    )


def pause(view: InstanceView, event: PauseInstance, now: Instant, rules: Rules) -> Decision:
    """One that waits is not started; one that is there goes on."""
    if view.instance.status != WAITING_ON_DEPENDENCIES:
        return Decision()
    paused = move(view.instance, PAUSED)
    return Decision((UpdateInstance(paused), record(paused, now, PAUSED)))


def resume(view: InstanceView, event: ResumeInstance, now: Instant, rules: Rules) -> Decision:
    """After a pause or a deactivation it is seen anew who needs it."""
    instance = view.instance
    follow = (TendResource(instance.key),)
    if instance.status != PAUSED or view.place.row.paused:
        return Decision(follow=follow)
    return Decision((UpdateInstance(move(instance, WAITING_ON_DEPENDENCIES)),), follow)


def cancel(view: InstanceView, event: CancelInstance, now: Instant, rules: Rules) -> Decision:
    """Shut it down. Those that use it are cancelled with it, or, in a deactivation, held."""
    instance = view.instance
    if instance.status in ENDED:
        return Decision()
    loss: Loss = "hold" if event.revive else "cancel"
    asked = replace(instance, cancel_reason=event.reason, revive=event.revive)
    if instance.status in _IDLE:
        decision = _end(asked, CANCELED, now, event.reason)
        lost = losses(view, Machine(), CANCELED, loss, event.reason)
        return replace(decision, follow=(*lost, *decision.follow))
    if instance.status == SHUTTING_DOWN:
        return _cancel_late(view, asked)
    decision = pass_verdict(replace(view, instance=asked), CANCELED, now, None, loss)
    line = record(asked, now, "CANCEL_REQUESTED", event.reason, instance.attempts)
    return replace(decision, changes=(*decision.changes, line))


def _cancel_late(view: InstanceView, asked: Instance) -> Decision:
    """One that shuts down already will at least not be tried again."""
    attempt = attempt_of(view)
    machine = machine_of(attempt.fields)
    if machine.verdict != FAILED or machine.final:
        return Decision()
    told = replace(attempt, fields=machine_text(replace(machine, verdict=CANCELED)))
    lost = losses(view, machine, CANCELED, "hold" if asked.revive else "cancel", "")
    return Decision((UpdateAttempt(told), UpdateInstance(asked)), lost)


def rerun(view: InstanceView, event: RerunInstance, now: Instant, rules: Rules) -> Decision:
    """A new set of tries, as soon as it is wanted; what it took down runs again with it."""
    if view.instance.status not in ENDED:
        return Decision()
    again = start_over(view.instance)
    follow: list[Event] = [
        RerunInstance(taken.key, event.reason, event.cascade) for taken in view.cascaded
    ]
    follow.append(TendResource(again.key))
    changes: tuple[Change, ...] = (
        UpdateInstance(again),
        record(again, now, "RERUN", event.reason),
        *revive_pipeline(view.place.pipeline),
    )
    return Decision(changes, tuple(follow))


def finish(view: InstanceView, event: FinishInstance, now: Instant, rules: Rules) -> Decision:
    """MARK_FINISHED, of one that has no machine."""
    if view.instance.status in UNDER_WAY:
        return Decision()
    ended = end_instance(view.instance, FINISHED, now)
    changes: tuple[Change, ...] = (
        UpdateInstance(ended),
        ClearTimer("retry", ended.key),
        record(ended, now, "MARK_FINISHED"),
        *revive_pipeline(view.place.pipeline),
    )
    return Decision(changes, (Settled(ended, was_satisfied=True),))


def leave_alone(view: object, event: object, now: Instant, rules: Rules) -> Decision:
    """What means nothing to a resource."""
    return Decision()
