"""The steps that a resource asks of its provider: in whose hands they are, and what came of them.

They stand in a queue of the server's own, one of a resource at a time. Nothing here knows a
provider.
"""

from msgspec.structs import replace

from penstock.engine.events import (
    Claim,
    Decision,
    Heard,
    MachineDue,
    OwnerDeadline,
    Report,
    SetTimer,
    StepDone,
    TendResource,
    Undelivered,
    UpdateAttempt,
)
from penstock.engine.lifecycle import EXPRESSION_ERROR, INTERNAL_ERROR
from penstock.engine.machines import (
    CREATION_FAILED,
    HEARD_MS,
    LEASE_MS,
    LOOK_MS,
    RESOURCE_INVALID,
    RESOURCE_LOST,
    RESOURCE_SILENT,
    SOON_MS,
    attempt_of,
    back_off,
    become,
    come_up,
    fail_try,
    go_on,
    limits_of,
    pass_verdict,
    stopped,
)
from penstock.engine.objects import attempt_object, task_objects
from penstock.engine.views import InstanceView, Rules
from penstock.model.api import ReportTaskProgressAnswer
from penstock.model.compute import Machine, Outcome, OutcomeKind, Step, machine_of
from penstock.model.definition import PipelineObject
from penstock.model.errors import DefinitionError
from penstock.model.runtime import Attempt, TaskKey, Timer
from penstock.model.status import ACTIVATING, CREATING, ENDED, RUNNING, SHUTTING_DOWN, TIMEDOUT
from penstock.model.times import Instant


def claim(view: InstanceView, event: Claim, now: Instant, rules: Rules) -> Decision:
    """Hand a step over; the answer is the attempt with its evaluated fields."""
    attempt, instance = attempt_of(view), view.instance
    if event.fault is not None:
        return _unclaimed(view, attempt, Outcome("fault", event.fault), now)
    try:
        objects = _objects(view, attempt)
    except DefinitionError as error:
        return _unclaimed(view, attempt, Outcome("failed", str(error)), now)
    taken = replace(attempt, offered=False, acknowledged=True, handed_at=attempt.handed_at or now)
    return Decision(
        (UpdateAttempt(taken), SetTimer(Timer("owner", instance.key, now + LEASE_MS))),
        answer=objects,
    )


def _objects(view: InstanceView, attempt: Attempt) -> dict[str, PipelineObject]:
    """The attempt and what it refers to, evaluated. What cannot be evaluated stops no stopping."""
    try:
        return task_objects(view.place.plan, view.instance, attempt)
    except DefinitionError:
        if machine_of(attempt.fields).began_at is None:
            raise
        shown = attempt_object(view.place.plan, view.instance, attempt, evaluated=False)
        return {shown.id: shown}


def _unclaimed(view: InstanceView, attempt: Attempt, outcome: Outcome, now: Instant) -> Decision:
    """A step that could not be handed over ends as one that met a fault."""
    machine = machine_of(attempt.fields)
    taken = replace(attempt, offered=False, generation=attempt.generation + 1)
    error = EXPRESSION_ERROR if outcome.kind == "failed" else INTERNAL_ERROR
    if machine.began_at is None:
        return fail_try(view, taken, machine, error, outcome.reason, now, final=True)
    return back_off(view, taken, machine, outcome.reason, now)


def owns(view: InstanceView, task: TaskKey) -> bool:
    """Whether a step is in the hands of whoever holds the task."""
    attempt = view.attempt
    return (
        attempt is not None
        and attempt.acknowledged
        and (attempt.number, attempt.generation) == (task.attempt, task.generation)
    )


def report(view: InstanceView, event: Report, now: Instant, rules: Rules) -> Decision:
    """Whoever has the step is still at it; `canceled` says that it is no longer theirs."""
    if not owns(view, event.task):
        return Decision(answer=ReportTaskProgressAnswer(canceled=True))
    lease = SetTimer(Timer("owner", view.instance.key, now + LEASE_MS))
    return Decision((lease,), answer=ReportTaskProgressAnswer(canceled=False))


def undelivered(view: InstanceView, event: Undelivered, now: Instant, rules: Rules) -> Decision:
    """The step did not reach anybody: it is offered again at once."""
    return _offer_again(view, now) if owns(view, event.task) else Decision()


def lease_over(view: InstanceView, event: OwnerDeadline, now: Instant, rules: Rules) -> Decision:
    """Whoever had the step is gone: another gets it. That is no failure of the resource."""
    attempt = view.attempt
    if attempt is None or not attempt.acknowledged or attempt.status in ENDED:
        return Decision()
    return _offer_again(view, now)


def _offer_again(view: InstanceView, now: Instant) -> Decision:
    attempt = attempt_of(view)
    machine = machine_of(attempt.fields)
    if attempt.status == SHUTTING_DOWN:
        # Whatever it was that was being done before: now it is to be stopped.
        machine = replace(machine, step="stop")
    put_back = replace(attempt, acknowledged=False, generation=attempt.generation + 1)
    return go_on(view, put_back, replace(machine, step_at=now), now)


def step_done(view: InstanceView, event: StepDone, now: Instant, rules: Rules) -> Decision:
    """What the provider has said. Who was not the step's owner any more changes nothing."""
    if not owns(view, event.task):
        return Decision()
    attempt = attempt_of(view)
    freed = replace(attempt, acknowledged=False, generation=attempt.generation + 1)
    machine = machine_of(attempt.fields)
    outcome = event.outcome
    if outcome.handle is not None:
        facts = {**machine.facts, **outcome.facts}
        machine = replace(machine, handle=outcome.handle, facts=facts)
    if attempt.status == SHUTTING_DOWN:
        return _stopping(view, freed, machine, outcome, now)
    if outcome.kind == "fault" or outcome.kind not in _ANSWERS[machine.step]:
        return back_off(view, freed, machine, outcome.reason, now)
    machine = replace(machine, faults=0)
    error = _ERRORS.get((machine.step, outcome.kind))
    if error is not None:
        final = outcome.kind == "refused"
        return fail_try(view, freed, machine, error, outcome.reason, now, final)
    return _ADVANCE[outcome.kind](view, freed, machine, now)


_ANSWERS: dict[Step, frozenset[str]] = {
    "check": frozenset({"valid", "refused", "failed"}),
    "create": frozenset({"made", "failed"}),
    "look": frozenset({"up", "pending", "gone", "failed"}),
    "restart": frozenset({"restarted", "failed"}),
    "stop": frozenset({"stopped", "pending"}),
}
"""What can come of which step; anything else is a fault."""

_ERRORS: dict[tuple[Step, OutcomeKind], str] = {
    ("check", "refused"): RESOURCE_INVALID,
    ("check", "failed"): RESOURCE_INVALID,
    ("create", "failed"): CREATION_FAILED,
    ("look", "gone"): RESOURCE_LOST,
    ("look", "failed"): RESOURCE_LOST,
    ("restart", "failed"): RESOURCE_SILENT,
}


def _valid(view: InstanceView, attempt: Attempt, machine: Machine, now: Instant) -> Decision:
    begun = replace(machine, step="create", step_at=now, began_at=now)
    return become(view, attempt, begun, CREATING, now)


def _made(view: InstanceView, attempt: Attempt, machine: Machine, now: Instant) -> Decision:
    """There is a machine. Its runner may have been heard before its provider had answered."""
    looked_at = replace(machine, step="look", step_at=now + SOON_MS)
    if attempt.reported_at is not None:
        return come_up(view, attempt, looked_at, now)
    return go_on(view, attempt, looked_at, now)


def _up(view: InstanceView, attempt: Attempt, machine: Machine, now: Instant) -> Decision:
    watched = replace(machine, step="look", step_at=now + LOOK_MS)
    if attempt.status == CREATING:
        return become(view, attempt, watched, ACTIVATING, now)
    decision = go_on(view, attempt, watched, now)
    # Whether its users are stuck is looked at now and then: what they wait for may be far away.
    return replace(decision, follow=(*decision.follow, TendResource(view.instance.key)))


def _pending(view: InstanceView, attempt: Attempt, machine: Machine, now: Instant) -> Decision:
    return go_on(view, attempt, replace(machine, step="look", step_at=now + SOON_MS), now)


def _restarted(view: InstanceView, attempt: Attempt, machine: Machine, now: Instant) -> Decision:
    fresh = replace(machine, step="look", step_at=now + LOOK_MS, restarted_at=now)
    return go_on(view, attempt, fresh, now)


_ADVANCE = {
    "valid": _valid,
    "made": _made,
    "up": _up,
    "pending": _pending,
    "restarted": _restarted,
}


def _stopping(
    view: InstanceView, attempt: Attempt, machine: Machine, outcome: Outcome, now: Instant
) -> Decision:
    """While it shuts down only one answer counts; what was under way before is followed by it."""
    if machine.step != "stop":
        return go_on(view, attempt, replace(machine, step="stop", step_at=now, faults=0), now)
    if outcome.kind == "stopped":
        return stopped(view, attempt, machine, now)
    if outcome.kind == "pending":
        return go_on(view, attempt, replace(machine, step_at=now + SOON_MS, faults=0), now)
    return back_off(view, attempt, machine, outcome.reason, now)


def machine_due(view: InstanceView, event: MachineDue, now: Instant, rules: Rules) -> Decision:
    """A time is up, or a step is due; and should anything have been missed, it is found here."""
    attempt = view.attempt
    if attempt is None or attempt.status in ENDED:
        return Decision(follow=(TendResource(view.instance.key),))
    machine = machine_of(attempt.fields)
    over = [limit for limit in limits_of(view, attempt, machine) if limit[0] <= now]
    if attempt.status == SHUTTING_DOWN or not over:
        return go_on(view, attempt, machine, now)
    _, verdict, (error_id, message) = min(over)
    if error_id == RESOURCE_SILENT and not _was_restarted(attempt, machine):
        if attempt.acknowledged:
            later = Timer("machine", attempt.instance, now + SOON_MS)
            return Decision((SetTimer(later),))
        return go_on(view, attempt, replace(machine, step="restart", step_at=now), now)
    if verdict == TIMEDOUT:
        return pass_verdict(view, TIMEDOUT, now, (error_id, message))
    return fail_try(view, attempt, machine, error_id, message, now)


def _was_restarted(attempt: Attempt, machine: Machine) -> bool:
    """Whether its runner has been started anew since it was last heard."""
    return (machine.restarted_at or 0) > (attempt.reported_at or 0)


def heard(view: InstanceView, event: Heard, now: Instant, rules: Rules) -> Decision:
    """A runner on it polls or reports; written down once in a while only."""
    attempt = view.attempt
    if attempt is None or view.instance.status not in {CREATING, ACTIVATING, RUNNING}:
        return Decision()
    last = attempt.reported_at
    machine = machine_of(attempt.fields)
    said = replace(attempt, reported_at=now, hostname=event.hostname or attempt.hostname)
    if attempt.status == ACTIVATING or (attempt.status == CREATING and machine.handle is not None):
        return come_up(view, said, machine, now)
    fresh = last is not None and now - last < HEARD_MS and not _was_restarted(attempt, machine)
    return Decision() if fresh else go_on(view, said, machine, now)
