"""Tasks in the hands of runners: hand-over, acknowledgement, progress, ending, and silence.

At every moment a task has one owner. An owner is known by the attempt's generation: each time
ownership is taken away the generation grows, and the earlier holder's task id is stale.
"""

import json

from msgspec.structs import replace

from penstock.engine.conditions import ask_again, ask_later, has_been_asked, is_condition
from penstock.engine.events import (
    Change,
    Claim,
    ClearTimer,
    Decision,
    EndTask,
    Event,
    HastenTimer,
    Heard,
    OwnerDeadline,
    Report,
    RetryDue,
    SetTimer,
    Settled,
    TouchAttempt,
    Undelivered,
    UpdateAttempt,
    UpdateInstance,
)
from penstock.engine.lifecycle import (
    ATTEMPT_TIMEOUT,
    EXPRESSION_ERROR,
    INTERNAL_ERROR,
    PRECONDITION_TIMEOUT,
    RESOURCE_FAILED,
    RUNNER_LOST,
    cancel_now,
    end_instance,
    fail_attempt,
    make_ready,
    move,
    put_back,
    record,
)
from penstock.engine.objects import task_objects
from penstock.engine.views import InstanceView, Rules
from penstock.model.api import ReportTaskProgressAnswer
from penstock.model.definition import Field
from penstock.model.errors import DefinitionError, InvalidRequest, TaskNotFound
from penstock.model.ids import attempt_id
from penstock.model.runtime import Attempt, TaskKey, Timer
from penstock.model.status import (
    ENDED,
    FAILED,
    FINISHED,
    PAUSED,
    RUNNING,
    WAITING_FOR_RUNNER,
    WAITING_ON_DEPENDENCIES,
)
from penstock.model.times import Instant

_STOPPED = frozenset({None, ATTEMPT_TIMEOUT, PRECONDITION_TIMEOUT, RESOURCE_FAILED})
"""Errors of an attempt that the service itself has ended; its owner is told to stop."""


def _attempt(view: InstanceView) -> Attempt:
    if view.attempt is None:
        raise TaskNotFound("the task has no attempt")
    return view.attempt


def claim(view: InstanceView, event: Claim, now: Instant, rules: Rules) -> Decision:
    """Hand the task over; the answer is its objects, shown as just before the hand-over."""
    attempt, instance = _attempt(view), view.instance
    place = view.place
    if event.fault is not None:
        return _fail_unclaimed(view, attempt, INTERNAL_ERROR, event.fault, now)
    try:
        objects = task_objects(place.plan, instance, attempt, view.node)
    except DefinitionError as error:
        return _fail_unclaimed(view, attempt, EXPRESSION_ERROR, str(error), now)
    handed = replace(
        attempt,
        status=RUNNING,
        offered=False,
        acknowledged=False,
        handed_at=now,
        reported_at=None,
        hostname=event.hostname,
    )
    return Decision(
        (
            UpdateAttempt(handed),
            UpdateInstance(move(instance, RUNNING)),
            SetTimer(Timer("owner", instance.key, _deadline(view, handed, rules))),
            record(instance, now, RUNNING, event.hostname or "", attempt.number),
        ),
        answer=objects,
    )


def _fail_unclaimed(
    view: InstanceView, attempt: Attempt, error_id: str, message: str, now: Instant
) -> Decision:
    """A task that cannot be handed over fails for good: another try would meet the same."""
    broken = replace(attempt, error_id=error_id, error_message=message)
    running = replace(view, instance=move(view.instance, RUNNING))
    return fail_attempt(running, broken, now, final=True)


def _deadline(view: InstanceView, attempt: Attempt, rules: Rules) -> Instant:
    """When the owner must have been heard, or the attempt must have ended."""
    component = view.place.component
    handed = attempt.handed_at or 0
    if attempt.acknowledged:
        silence = (attempt.reported_at or handed) + component.report_timeout_ms
    else:
        silence = handed + rules.acknowledge_timeout_ms
    if component.attempt_timeout_ms is None:
        return silence
    return min(silence, handed + component.attempt_timeout_ms)


def undelivered(view: InstanceView, event: Undelivered, now: Instant, rules: Rules) -> Decision:
    """The runner was gone before it had the answer: its task is put back at once.

    Unless the runner has been heard since: then it had the answer after all.
    """
    attempt = view.attempt
    if attempt is None or not is_owner(attempt, event.task) or attempt.status != RUNNING:
        return Decision()
    if attempt.acknowledged:
        return Decision()
    if attempt.cancel_reason is not None:
        return cancel_now(view, now, attempt.cancel_reason)
    return put_back(view, attempt, now, "the runner hung up before it had the task")


def is_owner(attempt: Attempt, task: TaskKey) -> bool:
    """Whether a task is its holder's, or was when it ended: nobody owns one that is queued."""
    named = (task.attempt, task.generation)
    return (attempt.number, attempt.generation) == named and attempt.status != WAITING_FOR_RUNNER


def _owned(view: InstanceView, task: TaskKey) -> Attempt:
    """The attempt that the task id stands for; stale owners are refused."""
    attempt = _attempt(view)
    if not is_owner(attempt, task):
        raise TaskNotFound(
            f"the task {_name(view, task.attempt)} is no longer yours: it was not acknowledged or "
            "reported in time, and has been offered again; poll for another task"
        )
    return attempt


def _name(view: InstanceView, number: int) -> str:
    return attempt_id(view.instance.component, view.instance.start, number)


def report(view: InstanceView, event: Report, now: Instant, rules: Rules) -> Decision:
    """Keep ownership; learn whether to stop."""
    attempt = _owned(view, event.task)
    if attempt.status == RUNNING and attempt.cancel_reason is not None:
        decision = cancel_now(view, now, attempt.cancel_reason)
        return replace(decision, answer=ReportTaskProgressAnswer(canceled=True))
    if attempt.status != RUNNING:
        stopped = attempt.status != FINISHED and attempt.error_id in _STOPPED
        return Decision(answer=ReportTaskProgressAnswer(canceled=stopped))
    reported = replace(
        attempt,
        acknowledged=True,
        reported_at=now,
        fields=_merge_fields(attempt.fields, event.fields),
    )
    changes: tuple[Change, ...] = (TouchAttempt(reported),)
    if not attempt.acknowledged and view.place.component.report_timeout_ms < (
        rules.acknowledge_timeout_ms
    ):
        # The timer stands at the end of the acknowledgement's time, which is the later here.
        deadline = _deadline(view, reported, rules)
        changes += (HastenTimer(Timer("owner", view.instance.key, deadline)),)
    return Decision(changes, _heard(view), ReportTaskProgressAnswer(canceled=False))


def _heard(view: InstanceView) -> tuple[Event, ...]:
    """Who reports a task that runs on a resource is a runner on that."""
    resource = view.place.resource
    return () if resource is None else (Heard(resource.key),)


def _merge_fields(kept: str | None, new: tuple[Field, ...]) -> str | None:
    """The reported fields as JSON, a later value of a key replacing the earlier."""
    if not new:
        return kept
    merged: dict[str, str] = json.loads(kept) if kept else {}
    merged.update((field.key, field.string_value or field.ref_value or "") for field in new)
    return json.dumps(merged)


def end_task(view: InstanceView, event: EndTask, now: Instant, rules: Rules) -> Decision:
    """The owner says how the task ended; saying the same again is no fault."""
    if event.status == "FALSE" and has_been_asked(view, event.task):
        return Decision()
    attempt = _owned(view, event.task)
    if attempt.status in ENDED:
        return _repeated(view, attempt, event)
    if attempt.cancel_reason is not None:
        return cancel_now(view, now, attempt.cancel_reason)
    if event.status == FINISHED:
        return _finish(view, attempt, now)
    if event.status == FAILED:
        failed = replace(
            attempt,
            acknowledged=True,
            error_id=event.error_id,
            error_message=event.error_message,
            error_stack_trace=event.error_stack_trace,
        )
        return fail_attempt(view, failed, now)
    if is_condition(view):
        return ask_later(view, attempt, now)
    raise InvalidRequest(
        f"taskStatus FALSE is for preconditions; {view.instance.component} is of type "
        f"{view.place.component.type}: use FINISHED or FAILED"
    )


def _repeated(view: InstanceView, attempt: Attempt, event: EndTask) -> Decision:
    ended_by_service = attempt.cancel_reason is not None
    if attempt.status == event.status or ended_by_service:
        return Decision()
    raise InvalidRequest(
        f"the task {_name(view, attempt.number)} has ended as {attempt.status}"
        f"{f' ({attempt.error_id})' if attempt.error_id else ''} and cannot become {event.status}"
    )


def _finish(view: InstanceView, attempt: Attempt, now: Instant) -> Decision:
    ended = end_instance(
        view.instance,
        FINISHED,
        now,
        error_id=None,
        error_message=None,
        error_stack_trace=None,
    )
    changes: tuple[Change, ...] = (
        UpdateAttempt(replace(attempt, status=FINISHED, ended_at=now, acknowledged=True)),
        UpdateInstance(ended),
        ClearTimer("owner", ended.key),
        record(ended, now, FINISHED, attempt=attempt.number),
    )
    return Decision(changes, (Settled(ended),))


def owner_deadline(
    view: InstanceView, event: OwnerDeadline, now: Instant, rules: Rules
) -> Decision:
    """Nobody has been heard in time, or the attempt has taken too long; or all is well: look later.

    Reports do not move the timer; it is set anew when it fires and finds a recent report.
    """
    attempt = view.attempt
    if attempt is None or attempt.status != RUNNING:
        return Decision()
    deadline = _deadline(view, attempt, rules)
    if deadline > now:
        return Decision((SetTimer(Timer("owner", view.instance.key, deadline)),))
    if attempt.cancel_reason is not None:
        return cancel_now(view, now, attempt.cancel_reason)
    limit = view.place.component.attempt_timeout_ms
    if limit is not None and (attempt.handed_at or 0) + limit <= now:
        return fail_attempt(view, _timed_out(attempt, limit), now)
    if not attempt.acknowledged:
        return put_back(view, attempt, now, "not acknowledged in time")
    return fail_attempt(view, _lost(view, attempt), now)


def _timed_out(attempt: Attempt, limit_ms: int) -> Attempt:
    return replace(
        attempt,
        error_id=ATTEMPT_TIMEOUT,
        error_message=f"The attempt took longer than its attemptTimeout of {limit_ms // 1000} s.",
    )


def _lost(view: InstanceView, attempt: Attempt) -> Attempt:
    seconds = view.place.component.report_timeout_ms // 1000
    return replace(
        attempt,
        generation=attempt.generation + 1,
        error_id=RUNNER_LOST,
        error_message=f"The runner has not reported for {seconds} s (reportProgressTimeout).",
    )


def retry_due(view: InstanceView, event: RetryDue, now: Instant, rules: Rules) -> Decision:
    """The time of the next try has come."""
    instance = view.instance
    if instance.status not in {WAITING_ON_DEPENDENCIES, PAUSED} or instance.retry_at is None:
        return Decision()
    if instance.retry_at > now:
        return Decision((SetTimer(Timer("retry", instance.key, instance.retry_at)),))
    if view.attempt is not None and view.attempt.status == WAITING_FOR_RUNNER:
        return ask_again(view, view.attempt, now)
    return make_ready(view.place, instance, now, before=view.attempt)
