"""Actions: what sets off an alarm or a Terminate, and what becomes of it."""

import json
from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from penstock.engine.events import (
    CancelInstance,
    Change,
    ClearTimer,
    Decision,
    Event,
    Fire,
    InsertAttempt,
    InsertInstance,
    LateDue,
    SetTimer,
    UpdateAttempt,
    UpdateInstance,
)
from penstock.engine.lifecycle import (
    EXPRESSION_ERROR,
    come_to_rest,
    move,
    new_attempt,
    record,
)
from penstock.engine.objects import tell
from penstock.engine.plan import RESOURCE, SYSTEM_GROUP, Component
from penstock.engine.views import FireView, InstanceView, Rules
from penstock.model.runtime import Attempt, Instance, Timer
from penstock.model.status import (
    CASCADE_FAILED,
    ENDED,
    FAILED,
    FINISHED,
    PAUSED,
    TIMEDOUT,
    WAITING_FOR_RUNNER,
    Status,
)
from penstock.model.times import HOUR_MS, Instant

LOOK_AGAIN_MS = HOUR_MS
"""How often lateness is looked at in a pipeline that is not running."""

_FAILED_BY_ITSELF = frozenset({FAILED, TIMEDOUT, CASCADE_FAILED})


def set_off(component: Component, instance: Instance) -> Iterable[Event]:
    """The alarms that an instance's end sets off: onSuccess or onFail; none for a cancelled one."""
    actions = component.actions
    if actions is None:
        return
    if instance.status == FINISHED:
        chosen = actions.on_success
    elif instance.status in _FAILED_BY_ITSELF:
        chosen = actions.on_fail
    else:
        return
    for action in chosen:
        # A Terminate has nothing left to end.
        if action.component is not None:
            yield Fire(instance.key, action.component)


def late_due(view: InstanceView, event: LateDue, now: Instant, rules: Rules) -> Decision:
    """Nobody has begun the instance in time: `onLateAction`, once."""
    component, instance = view.place.component, view.instance
    if component.actions is None or instance.status in ENDED or _was_handed_over(view):
        return Decision()
    if view.place.pipeline.state != "SCHEDULED":
        return Decision((SetTimer(Timer("late", instance.key, now + LOOK_AGAIN_MS)),))
    limit_s = (component.late_after_ms or 0) // 1000
    follow: list[Event] = []
    for action in component.actions.on_late:
        if action.component is not None:
            follow.append(Fire(instance.key, action.component))
        else:
            why = f"terminated by {action.object_id}: not begun within {limit_s} s after it was due"
            follow.append(CancelInstance(instance.key, why))
    return Decision(
        (record(instance, now, "LATE", f"lateAfterTimeout {limit_s} s"),), tuple(follow)
    )


def _was_handed_over(view: InstanceView) -> bool:
    """Whether any runner ever had a task of it, even one that was put back."""
    attempt = view.attempt
    if attempt is None:
        return False
    if view.place.component.category == RESOURCE:
        return True
    return attempt.number > 1 or attempt.handed_at is not None or attempt.generation > 0


def fire(view: FireView, event: Fire, now: Instant, rules: Rules) -> Decision:
    """Send an alarm; one that has been sent before is sent again, by another attempt.

    What it says is evaluated now, while its node is as the alarm finds it.
    """
    if view.place.pipeline.deleted_at is not None:
        return Decision()
    texts, problem = tell(view.place.plan, view.place.component, view.node)
    if view.instance is None:
        return _first(view, _attempt(view, view.new_key, 1, texts, problem, now), now)
    before, attempt = view.instance, view.attempt
    if attempt is not None and attempt.status not in ENDED:
        return _instead(view, before, attempt, _told(attempt, texts, problem), now)
    again = _attempt(view, before.key, before.attempts + 1, texts, problem, now)
    after = _anew(before, _status(view), tries=1, attempts=again.number, rerun=True)
    changes: tuple[Change, ...] = (
        UpdateInstance(after),
        ClearTimer("retry", before.key),
        InsertAttempt(again),
        record(after, now, "SET_OFF", attempt=again.number),
    )
    return Decision(changes)


def _status(view: FireView) -> Status:
    return PAUSED if view.place.row.paused else WAITING_FOR_RUNNER


def _attempt(
    view: FireView,
    key: int,
    number: int,
    texts: dict[str, str],
    problem: str | None,
    now: Instant,
) -> Attempt:
    made = new_attempt(view.place, key, number, SYSTEM_GROUP, now)
    return _told(replace(made, offered=not view.place.row.paused), texts, problem)


def _told(attempt: Attempt, texts: dict[str, str], problem: str | None) -> Attempt:
    return replace(
        attempt,
        fields=json.dumps(texts),
        error_id=EXPRESSION_ERROR if problem else None,
        error_message=problem,
    )


def _first(view: FireView, attempt: Attempt, now: Instant) -> Decision:
    node = view.node.instance
    made = Instance(
        key=attempt.instance,
        pipeline=node.pipeline,
        component=view.place.row.id,
        start=node.start,
        end=node.end,
        version=node.version,
        status=_status(view),
        due_at=now,
        tries=1,
        attempts=1,
    )
    return Decision((InsertInstance(made), InsertAttempt(attempt), record(made, now, "SET_OFF")))


def _instead(
    view: FireView, before: Instance, attempt: Attempt, told: Attempt, now: Instant
) -> Decision:
    """The alarm before is still to be sent, or being sent: what it says now takes its place.

    Whoever is sending the one before is its owner no longer, so that this one is sent as well.
    """
    again = replace(
        told,
        status=WAITING_FOR_RUNNER,
        offered=not view.place.row.paused,
        generation=attempt.generation + 1,
        acknowledged=False,
        handed_at=None,
        reported_at=None,
        hostname=None,
        cancel_reason=None,
    )
    after = _anew(before, _status(view), tries=1)
    return Decision(
        (
            UpdateAttempt(again),
            UpdateInstance(after),
            ClearTimer("owner", before.key),
            record(after, now, "SET_OFF", attempt=again.number),
        ),
        come_to_rest(view.place),
    )


def _anew(instance: Instance, status: Status, **changes: Any) -> Instance:
    return move(
        instance,
        status,
        retry_at=None,
        ended_at=None,
        cancel_reason=None,
        error_id=None,
        error_message=None,
        error_stack_trace=None,
        **changes,
    )
