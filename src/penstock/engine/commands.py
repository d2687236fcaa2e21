"""What people ask of single instances: pause, resume, cancel, rerun, mark finished, skip."""

from msgspec.structs import replace

from penstock.engine.conditions import ask_again
from penstock.engine.events import (
    Await,
    CancelInstance,
    Change,
    ClearTimer,
    Decision,
    DropWaits,
    Event,
    FinishInstance,
    HastenTimer,
    HoldInstance,
    PauseInstance,
    RerunInstance,
    ResumeInstance,
    SetTimer,
    Settled,
    SkipInstance,
    Unsettled,
    UpdateAttempt,
    UpdateInstance,
)
from penstock.engine.lifecycle import (
    cancel_now,
    close_attempt,
    end_instance,
    make_ready,
    move,
    record,
    revive_pipeline,
    start_over,
)
from penstock.engine.plan import PRECONDITIONS
from penstock.engine.views import InstanceView, Rules
from penstock.model.errors import InvalidRequest
from penstock.model.ids import instance_id
from penstock.model.runtime import Timer
from penstock.model.status import (
    ENDED,
    FINISHED,
    PAUSED,
    RUNNING,
    SATISFIED,
    SKIPPED,
    UNDER_WAY,
    WAITING_FOR_RUNNER,
    WAITING_ON_DEPENDENCIES,
    Status,
)
from penstock.model.times import Instant


def refuse_command(view: InstanceView, status: str) -> None:
    """Raise `InvalidRequest` if the instance's state forbids the command."""
    state = view.instance.status
    allowed = {
        "TRY_CANCEL": state not in ENDED,
        "RERUN": state in ENDED,
        "MARK_FINISHED": state not in UNDER_WAY | {FINISHED},
    }[status]
    if allowed:
        return
    remedy = {
        "TRY_CANCEL": "only an unfinished instance can be cancelled",
        "RERUN": "only an ended instance can be run again; cancel it first",
        "MARK_FINISHED": "cancel it first" if state in UNDER_WAY else "nothing is left to do",
    }[status]
    name = instance_id(view.instance.component, view.instance.start)
    raise InvalidRequest(f"{name} is {state}, so it cannot be set to {status}: {remedy}")


def _withdraw(view: InstanceView) -> tuple[Change, ...]:
    """Take a waiting task out of its queue, keeping it."""
    attempt = view.attempt
    if attempt is None or attempt.status != WAITING_FOR_RUNNER or not attempt.offered:
        return ()
    return (UpdateAttempt(replace(attempt, offered=False)),)


def pause(view: InstanceView, event: PauseInstance, now: Instant, rules: Rules) -> Decision:
    """A waiting instance is PAUSED; a running one goes on."""
    if view.instance.status not in {WAITING_ON_DEPENDENCIES, WAITING_FOR_RUNNER}:
        return Decision()
    return Decision(
        (
            UpdateInstance(move(view.instance, PAUSED)),
            *_withdraw(view),
            record(view.instance, now, PAUSED),
        )
    )


def hold(view: InstanceView, event: HoldInstance, now: Instant, rules: Rules) -> Decision:
    """The pipeline is deactivated: the task leaves the queue, the instance keeps its state."""
    return Decision(_withdraw(view))


def resume(view: InstanceView, event: ResumeInstance, now: Instant, rules: Rules) -> Decision:
    """After a pause or a deactivation: back to where the instance stood."""
    instance = view.instance
    if instance.status not in {PAUSED, WAITING_ON_DEPENDENCIES, WAITING_FOR_RUNNER, RUNNING}:
        return Decision()
    # What runs was left alone, but for the time that its precondition has.
    decision = Decision() if instance.status == RUNNING else _resume(view, now)
    limit = view.place.component.precondition_timeout_ms
    if limit is not None and instance.tries:
        # The time may have run out meanwhile, while nobody asked.
        timer = HastenTimer(Timer("condition", instance.key, now + limit))
        decision = replace(decision, changes=(*decision.changes, timer))
    return decision


def _resume(view: InstanceView, now: Instant) -> Decision:
    instance, attempt = view.instance, view.attempt
    paused = view.place.row.paused
    is_open = attempt is not None and attempt.status == WAITING_FOR_RUNNER
    if attempt is not None and is_open and instance.retry_at is None:
        status: Status = PAUSED if paused else WAITING_FOR_RUNNER
        if not paused and not view.place.equipped:
            waiting = move(instance, WAITING_ON_DEPENDENCIES)
            return Decision((UpdateInstance(waiting),), (Await(instance.key),))
        offered = not paused and view.place.serving
        return Decision(
            (
                UpdateInstance(move(instance, status)),
                UpdateAttempt(replace(attempt, offered=offered)),
            )
        )
    waiting = move(instance, PAUSED if paused else WAITING_ON_DEPENDENCIES)
    if instance.unmet:
        # What it waits for may have failed meanwhile, which a paused instance is not told.
        return Decision((UpdateInstance(waiting),), (Await(instance.key),))
    if instance.retry_at is not None and instance.retry_at > now:
        timer = SetTimer(Timer("retry", instance.key, instance.retry_at))
        return Decision((UpdateInstance(waiting), timer))
    if attempt is not None and is_open:
        return ask_again(replace(view, instance=waiting), attempt, now)
    if view.place.component.category in PRECONDITIONS and not instance.tries:
        # It may be held: its owner may have other things to wait for.
        return Decision((UpdateInstance(waiting),), (Await(instance.key),))
    return make_ready(view.place, waiting, now, before=attempt)


def cancel(view: InstanceView, event: CancelInstance, now: Instant, rules: Rules) -> Decision:
    """A waiting instance is CANCELED now; a running one when its owner learns it."""
    instance, attempt = view.instance, view.attempt
    if instance.status in ENDED:
        return Decision()
    if instance.status != RUNNING or attempt is None:
        return cancel_now(view, now, event.reason, event.revive)
    # What a person has cancelled stays cancelled, whether the deactivation came before or after.
    by_person = instance.cancel_reason is not None and not instance.revive
    asked = replace(instance, cancel_reason=event.reason, revive=event.revive and not by_person)
    return Decision(
        (
            UpdateInstance(asked),
            UpdateAttempt(replace(attempt, cancel_reason=event.reason)),
            record(instance, now, "CANCEL_REQUESTED", event.reason, attempt.number),
        )
    )


def rerun(view: InstanceView, event: RerunInstance, now: Instant, rules: Rules) -> Decision:
    """Run an ended instance again, with a new set of attempts, numbered on.

    With `cascade` (the mode of the object that was asked for) the consumers that its failure took
    down run again with it, and theirs. A FINISHED pipeline is revived.
    """
    instance = view.instance
    if instance.status not in ENDED:
        return Decision()
    again = start_over(instance)
    follow: list[Event] = []
    if instance.status in SATISFIED:
        follow.append(Unsettled(instance))
    follow.append(Await(instance.key, fresh=True))
    follow.extend(
        RerunInstance(condition.key, event.reason, cascade=False)
        for condition in view.unmet_conditions
    )
    cascade = view.place.component.cascade if event.cascade is None else event.cascade
    if cascade:
        follow.extend(
            RerunInstance(taken.key, event.reason, cascade=True) for taken in view.cascaded
        )
    changes: tuple[Change, ...] = (
        UpdateInstance(again),
        record(again, now, "RERUN", event.reason),
        *revive_pipeline(view.place.pipeline),
    )
    return Decision(changes, tuple(follow))


def _end_by_hand(view: InstanceView, status: Status, now: Instant, what: str) -> Decision:
    before = view.instance.status
    ended = end_instance(view.instance, status, now)
    return Decision(
        (
            UpdateInstance(ended),
            DropWaits(ended.key),
            ClearTimer("retry", ended.key),
            *close_attempt(view.attempt, status, now),
            record(ended, now, what),
        ),
        (Settled(ended, was_satisfied=before in SATISFIED),),
    )


def finish(view: InstanceView, event: FinishInstance, now: Instant, rules: Rules) -> Decision:
    """MARK_FINISHED: counts as finished for all that depend on it, and for health."""
    decision = _end_by_hand(view, FINISHED, now, "MARK_FINISHED")
    return replace(decision, changes=(*decision.changes, *revive_pipeline(view.place.pipeline)))


def skip(view: InstanceView, event: SkipInstance, now: Instant, rules: Rules) -> Decision:
    """An instance that starts before the activation's `startTimestamp` and has not begun."""
    if view.instance.status in ENDED or view.instance.status == RUNNING:
        return Decision()
    return _end_by_hand(view, SKIPPED, now, SKIPPED)
