"""A resource's try from phase to phase: what is kept of its machine, and how it comes to its end.

What ends a try is a verdict that is passed first and carried out when the machine is gone: once
creating has begun, no way leads to an end but by the provider's word that it has stopped.
"""

from msgspec.structs import replace

from penstock.engine.events import (
    CameUp,
    Change,
    ClearTimer,
    Decision,
    Event,
    Loss,
    SetTimer,
    Settled,
    TendResource,
    UpdateAttempt,
    UpdateInstance,
    WentDown,
)
from penstock.engine.lifecycle import come_to_rest, end_instance, move, record
from penstock.engine.plan import Component, Terms
from penstock.engine.views import InstanceView
from penstock.model.compute import Machine, machine_of, machine_text
from penstock.model.ids import instance_id
from penstock.model.runtime import Attempt, Instance, Timer
from penstock.model.status import (
    CANCELED,
    FAILED,
    FINISHED,
    PAUSED,
    RUNNING,
    SHUTTING_DOWN,
    TIMEDOUT,
    WAITING_ON_DEPENDENCIES,
    Status,
)
from penstock.model.times import MINUTE_MS, SECOND_MS, Instant

RESOURCE_INVALID = "Service_ResourceInvalid"
CREATION_FAILED = "Service_ResourceNotCreated"
INIT_TIMEOUT = "Service_ResourceInitTimeout"
RESOURCE_LOST = "Service_ResourceLost"
RESOURCE_SILENT = "Service_ResourceSilent"
TERMINATED = "Service_TerminateAfter"

LEASE_MS = 5 * MINUTE_MS
"""How long whoever has a step may be silent before another gets it."""

LOOK_MS = MINUTE_MS
"""How often a machine that is up is looked at."""

SOON_MS = 15 * SECOND_MS
"""How often one is looked at that is on its way up or down; and the first back-off."""

LONGEST_BACK_OFF_MS = 10 * MINUTE_MS
SILENCE_MS = 15 * MINUTE_MS
"""Without a word for so long, the runner is started anew; and so long again, the try has failed."""

HEARD_MS = MINUTE_MS
"""How exactly the last word of a runner is remembered: each is not worth a write."""

STUBBORN = 10
"""Faults in a row after which a machine that cannot be stopped is a matter for people."""


def attempt_of(view: InstanceView) -> Attempt:
    """The latest try of a resource that has had one."""
    if view.attempt is None:
        raise LookupError(f"{view.instance.component} has no attempt")
    return view.attempt


def terms_of(view: InstanceView) -> Terms:
    """The terms of a resource."""
    terms = view.place.component.terms
    if terms is None:
        raise LookupError(f"{view.instance.component} is no resource")
    return terms


def last_verdict(attempt: Attempt) -> Status | None:
    """How the resource will end once the try has; None: it may be tried again, or goes on."""
    machine = machine_of(attempt.fields)
    return None if machine.verdict == FAILED and not machine.final else machine.verdict


def deadline_of(component: Component, machine: Machine) -> Instant | None:
    """When a runner must have been heard on a machine; None: creating it has not begun."""
    if component.terms is None or machine.began_at is None:
        return None
    return machine.began_at + component.terms.init_timeout_ms


def become(
    view: InstanceView, attempt: Attempt, machine: Machine, status: Status, now: Instant
) -> Decision:
    """The next phase, of the instance and its try alike."""
    after = move(view.instance, status)
    decision = go_on(replace(view, instance=after), replace(attempt, status=status), machine, now)
    line = record(after, now, status, machine.handle or "", attempt.number)
    return replace(decision, changes=(UpdateInstance(after), *decision.changes, line))


def come_up(view: InstanceView, attempt: Attempt, machine: Machine, now: Instant) -> Decision:
    """A runner was heard on it: it is RUNNING, and those that wait for it go on."""
    decision = become(view, attempt, machine, RUNNING, now)
    return replace(decision, follow=(CameUp(move(view.instance, RUNNING)),))


def go_on(view: InstanceView, attempt: Attempt, machine: Machine, now: Instant) -> Decision:
    """Keep what is known, and have somebody look again when something is due."""
    offered = machine.step_at <= now and not attempt.acknowledged
    kept = replace(attempt, offered=offered, fields=machine_text(machine))
    changes: list[Change] = [UpdateAttempt(kept)]
    if not attempt.acknowledged:
        changes.append(ClearTimer("owner", attempt.instance))
    due = _next_due(view, kept, machine, now)
    if due is None:
        changes.append(ClearTimer("machine", attempt.instance))
    else:
        changes.append(SetTimer(Timer("machine", attempt.instance, due)))
    return Decision(tuple(changes))


def _next_due(
    view: InstanceView, attempt: Attempt, machine: Machine, now: Instant
) -> Instant | None:
    """The earliest of the next step and the ends of its times, as far as they lie ahead."""
    limits = [machine.step_at]
    if attempt.status != SHUTTING_DOWN:
        limits += [at for at, _, _ in limits_of(view, attempt, machine)]
    return min((at for at in limits if at > now), default=None)


Limit = tuple[Instant, Status, tuple[str, str]]


def limits_of(view: InstanceView, attempt: Attempt, machine: Machine) -> list[Limit]:
    """The times that a try has: until when, the verdict then, its error's id and message."""
    terms, found = terms_of(view), list[Limit]()
    if machine.began_at is None:
        return found
    if terms.terminate_after_ms is not None:
        at = machine.began_at + terms.terminate_after_ms
        limit = _seconds(terms.terminate_after_ms)
        told = f"The resource was there for longer than its terminateAfter of {limit}."
        found.append((at, TIMEDOUT, (TERMINATED, told)))
    if attempt.status != RUNNING:
        at = machine.began_at + terms.init_timeout_ms
        limit = _seconds(terms.init_timeout_ms)
        told = f"No runner was heard on it within its initTimeout of {limit}."
        found.append((at, FAILED, (INIT_TIMEOUT, told)))
        return found
    heard = max(attempt.reported_at or 0, machine.restarted_at or 0)
    told = (
        f"Its runner was not heard for {_seconds(SILENCE_MS)}, nor for as long after it was "
        "started anew."
    )
    found.append((heard + SILENCE_MS, FAILED, (RESOURCE_SILENT, told)))
    return found


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds // SECOND_MS} s"


def back_off(
    view: InstanceView, attempt: Attempt, machine: Machine, reason: str, now: Instant
) -> Decision:
    """The same step again, later and later. Stopping is never given up; all else has its time."""
    faults = machine.faults + 1
    pause_ms = min(SOON_MS * 2 ** min(faults - 1, 10), LONGEST_BACK_OFF_MS)
    later = replace(machine, faults=faults, step_at=now + pause_ms)
    if machine.step == "restart":
        # Whether it worked will be heard, or not.
        later = replace(later, step="look", restarted_at=now)
    decision = go_on(view, attempt, later, now)
    what = f"{machine.step}: {reason}"
    changes = (*decision.changes, record(view.instance, now, "FAULT", what, attempt.number))
    if machine.step == "stop" and faults >= STUBBORN:
        told = (
            f"The machine cannot be stopped, tried {faults} times, and may still be there: {reason}"
        )
        changes += (UpdateInstance(replace(view.instance, error_message=told)),)
    return replace(decision, changes=changes)


def fail_try(
    view: InstanceView,
    attempt: Attempt,
    machine: Machine,
    error_id: str,
    message: str,
    now: Instant,
    final: bool = False,
) -> Decision:
    """The try has failed; what follows for those that use it depends on whether another is left."""
    final = final or view.instance.tries > view.place.component.max_retries
    known = replace(attempt, fields=machine_text(replace(machine, final=final)))
    return pass_verdict(replace(view, attempt=known), FAILED, now, (error_id, message))


def pass_verdict(
    view: InstanceView,
    verdict: Status,
    now: Instant,
    error: tuple[str, str] | None = None,
    loss: Loss | None = None,
) -> Decision:
    """The verdict on a try under way. It is carried out at once only if nothing was made."""
    attempt = attempt_of(view)
    machine = replace(machine_of(attempt.fields), verdict=verdict, faults=0)
    if error is not None:
        attempt = replace(attempt, error_id=error[0], error_message=error[1])
    follow = losses(view, machine, verdict, loss, error[1] if error else "")
    if machine.began_at is None:
        decision = stopped(view, attempt, machine, now)
        return replace(decision, follow=(*follow, *decision.follow))
    if not attempt.acknowledged:
        # Else whoever has a step in hand ends it first: a machine that is just being made could
        # not be found yet.
        machine = replace(machine, step="stop")
    decision = become(view, attempt, replace(machine, step_at=now), SHUTTING_DOWN, now)
    return replace(decision, follow=follow)


def losses(
    view: InstanceView, machine: Machine, verdict: Status, loss: Loss | None, message: str
) -> tuple[Event, ...]:
    """What becomes of those that use it."""
    name = instance_id(view.instance.component, view.instance.start)
    if verdict == FINISHED:
        # Those who are stuck must not think, once they go on, that it is still there.
        return (WentDown(view.instance.key, "retry", "its resource is gone"),)
    if loss is None:
        if verdict == TIMEDOUT or machine.final:
            loss = "cancel"
        else:
            loss = "retry" if terms_of(view).retries else "fail"
    words = {TIMEDOUT: "ran out of time", CANCELED: "was cancelled"}.get(verdict, "has failed")
    reason = f"its resource {name} {words}" + (f": {message.rstrip('.')}" if message else "")
    return (WentDown(view.instance.key, loss, reason),)


def stopped(view: InstanceView, attempt: Attempt, machine: Machine, now: Instant) -> Decision:
    """Nothing of the try is left, so its verdict takes effect."""
    instance, verdict = view.instance, machine.verdict or FINISHED
    ended = replace(
        attempt,
        status=verdict,
        ended_at=now,
        offered=False,
        acknowledged=False,
        generation=attempt.generation + 1,
        cancel_reason=instance.cancel_reason if verdict == CANCELED else None,
        fields=machine_text(machine),
    )
    changes: tuple[Change, ...] = (
        UpdateAttempt(ended),
        ClearTimer("owner", instance.key),
        ClearTimer("machine", instance.key),
        record(instance, now, verdict, _told(instance, ended), attempt.number),
    )
    errors = {
        "error_id": ended.error_id,
        "error_message": ended.error_message,
        "error_stack_trace": None,
    }
    if verdict != FAILED or machine.final:
        over = end_instance(instance, verdict, now, **errors)
        return Decision((*changes, UpdateInstance(over)), (Settled(over),))
    return _try_again(view, instance, changes, errors, now)


def _told(instance: Instance, attempt: Attempt) -> str:
    return attempt.error_message or attempt.cancel_reason or ""


def _try_again(
    view: InstanceView,
    instance: Instance,
    changes: tuple[Change, ...],
    errors: dict[str, str | None],
    now: Instant,
) -> Decision:
    retry_at = now + view.place.component.retry_delay_ms
    status: Status = PAUSED if view.place.row.paused else WAITING_ON_DEPENDENCIES
    waiting = move(instance, status, retry_at=retry_at, **errors)
    follow = (TendResource(instance.key), *come_to_rest(view.place))
    timer = SetTimer(Timer("retry", instance.key, retry_at))
    return Decision((*changes, UpdateInstance(waiting), timer), follow)
