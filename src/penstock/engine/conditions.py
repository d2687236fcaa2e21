"""Preconditions: when they are evaluated, what FALSE means, and when their time is up.

A precondition has an instance of its own for each instance of its owner, made when the owner waits
for nothing else. FALSE is no failure: the same attempt is asked again, after `retryDelay`.
"""

from msgspec.structs import replace

from penstock.engine.events import (
    Await,
    Change,
    ClearTimer,
    ConditionDue,
    Create,
    Decision,
    Evaluate,
    Event,
    SetTimer,
    Settled,
    TendResource,
    UpdateAttempt,
    UpdateInstance,
)
from penstock.engine.lifecycle import (
    PRECONDITION_TIMEOUT,
    come_to_rest,
    end_instance,
    fail_attempt,
    move,
    record,
)
from penstock.engine.plan import PRECONDITIONS
from penstock.engine.views import EvaluateView, InstanceView, Rules
from penstock.model.runtime import Attempt, TaskKey, Timer
from penstock.model.status import (
    ENDED,
    FAILED,
    PAUSED,
    WAITING_FOR_RUNNER,
    WAITING_ON_DEPENDENCIES,
    Status,
)
from penstock.model.times import SECOND_MS, Instant

SOONEST_MS = SECOND_MS
"""A precondition without a retryDelay must not be asked as fast as it can say FALSE."""


def is_condition(view: InstanceView) -> bool:
    """Whether the instance is a precondition's."""
    return view.place.component.category in PRECONDITIONS


def evaluate(view: EvaluateView, event: Evaluate, now: Instant, rules: Rules) -> Decision:
    """Make the preconditions that an instance waits for, once it waits for nothing else.

    But for its resource, which is asked for when that is all that is missing.

    Those that are there already are left alone, but for one that was told to run again while its
    owner still had other things to wait for.
    """
    place, owner = view.place, view.instance
    if place.pipeline.state != "SCHEDULED" or owner.status in ENDED:
        return Decision()
    resource = place.component.resource
    if not set(view.missing) <= {*place.component.preconditions, resource}:
        return Decision()
    if view.missing == (resource,) and place.resource is not None:
        return Decision(follow=(TendResource(place.resource.key),))
    follow: list[Event] = []
    for name in place.component.preconditions:
        if name not in view.missing:
            continue
        found = view.existing.get(name)
        if found is None:
            made = (owner.pipeline, name, owner.start, owner.end, owner.version)
            follow.append(Create(*made, rerun=owner.rerun))
        elif found.status == WAITING_ON_DEPENDENCIES and found.retry_at is None:
            follow.append(Await(found.key))
    return Decision(follow=tuple(follow))


def ask_later(view: InstanceView, attempt: Attempt, now: Instant) -> Decision:
    """FALSE, not yet: the same attempt again after `retryDelay`; no try is used up."""
    place = view.place
    retry_at = now + max(place.component.retry_delay_ms, SOONEST_MS)
    status: Status = PAUSED if place.row.paused else WAITING_ON_DEPENDENCIES
    again = replace(
        attempt,
        status=WAITING_FOR_RUNNER,
        generation=attempt.generation + 1,
        # Nothing is put back that was acknowledged; so this is the mark of an answer, FALSE.
        acknowledged=True,
        handed_at=None,
        hostname=None,
    )
    return Decision(
        (
            UpdateAttempt(again),
            UpdateInstance(move(view.instance, status, retry_at=retry_at)),
            ClearTimer("owner", view.instance.key),
            SetTimer(Timer("retry", view.instance.key, retry_at)),
            record(view.instance, now, "FALSE", attempt=attempt.number),
        ),
        come_to_rest(place),
    )


def has_been_asked(view: InstanceView, task: TaskKey) -> bool:
    """Whether the owner has said FALSE already, and says it again for want of an answer."""
    attempt = view.attempt
    return (
        attempt is not None
        and attempt.status == WAITING_FOR_RUNNER
        and attempt.acknowledged
        and (attempt.number, attempt.generation) == (task.attempt, task.generation + 1)
    )


def ask_again(view: InstanceView, attempt: Attempt, now: Instant) -> Decision:
    """The time has come to ask again; unless paused or deactivated, which keeps it for later."""
    place = view.place
    if place.row.paused:
        return Decision((UpdateInstance(move(view.instance, PAUSED)),))
    if not place.serving:
        return Decision((UpdateInstance(move(view.instance, WAITING_ON_DEPENDENCIES)),))
    if not place.equipped:
        waiting = move(view.instance, WAITING_ON_DEPENDENCIES, retry_at=None)
        return Decision((UpdateInstance(waiting),), (Await(waiting.key),))
    return Decision(
        (
            UpdateAttempt(replace(attempt, offered=True, ready_at=now)),
            UpdateInstance(move(view.instance, WAITING_FOR_RUNNER, retry_at=None)),
        )
    )


def condition_due(view: InstanceView, event: ConditionDue, now: Instant, rules: Rules) -> Decision:
    """Not met in time: FAILED for good, whoever is being asked at the moment.

    One that is paused or deactivated was not asked all that time; it gets a new time when it goes
    on.
    """
    place, instance = view.place, view.instance
    limit = place.component.precondition_timeout_ms
    if limit is None or instance.status in ENDED or not instance.tries:
        return Decision()
    if place.row.paused or not place.serving:
        return Decision()
    error = {
        "error_id": PRECONDITION_TIMEOUT,
        "error_message": (
            f"The precondition was not met within its preconditionTimeout of {limit // 1000} s."
        ),
        "error_stack_trace": None,
    }
    if view.attempt is not None and view.attempt.status not in ENDED:
        failed = fail_attempt(view, replace(view.attempt, **error), now, final=True)
        cleared = (*failed.changes, ClearTimer("retry", instance.key))
        return replace(failed, changes=cleared)
    ended = end_instance(instance, FAILED, now, **error)
    changes: tuple[Change, ...] = (
        UpdateInstance(ended),
        ClearTimer("retry", instance.key),
        record(ended, now, FAILED, error["error_message"] or ""),
    )
    return Decision(changes, (Settled(ended),))
