"""Those that run on a resource: they go on when it is up, and what its loss means for them."""

from msgspec.structs import replace

from penstock.engine.events import (
    Await,
    CameUp,
    Change,
    ClearTimer,
    Decision,
    DropWaits,
    Event,
    LoseResource,
    PutWait,
    Settled,
    UpdateAttempt,
    UpdateInstance,
    WentDown,
)
from penstock.engine.lifecycle import (
    RESOURCE_FAILED,
    cancel_now,
    close_attempt,
    end_instance,
    fail_attempt,
    move,
    record,
)
from penstock.engine.settling import meet
from penstock.engine.views import InstanceView, Rules, SettledView, UsersView
from penstock.model.ids import instance_id
from penstock.model.status import (
    ENDED,
    FAILED,
    RUNNING,
    WAITING_FOR_RUNNER,
    WAITING_ON_DEPENDENCIES,
)
from penstock.model.times import Instant


def came_up(view: SettledView, event: CameUp, now: Instant, rules: Rules) -> Decision:
    """The resource is RUNNING: a wait of everybody who waits for it is met."""
    changes: list[Change] = []
    follow: list[Event] = []
    for waiting in view.waiting:
        if waiting.wait.missing:
            decision = meet(waiting, now)
            changes.extend(decision.changes)
            follow.extend(decision.follow)
    return Decision(tuple(changes), tuple(follow))


def went_down(view: UsersView, event: WentDown, now: Instant, rules: Rules) -> Decision:
    """It is RUNNING no more: who waits for other things still, waits for it anew."""
    changes: list[Change] = []
    for waiting in view.waiting:
        wait, instance = waiting.wait, waiting.view.instance
        if not wait.missing:
            changes.append(PutWait(replace(wait, missing=1)))
            changes.append(
                UpdateInstance(move(instance, instance.status, unmet=instance.unmet + 1))
            )
    name = instance_id(view.instance.component, view.instance.start)
    lost = (LoseResource(user.key, name, event.loss, event.reason) for user in view.users)
    return Decision(tuple(changes), tuple(lost))


def lose(view: InstanceView, event: LoseResource, now: Instant, rules: Rules) -> Decision:
    """What the loss means for one of them, by how it stands."""
    instance = view.instance
    if instance.status in ENDED:
        return Decision()
    attempt = view.attempt
    if instance.status == RUNNING and attempt is not None and attempt.cancel_reason is not None:
        # That it was to be cancelled comes first, and no end of its resource takes that back.
        return cancel_now(view, now, attempt.cancel_reason)
    if event.loss == "cancel":
        return _blame(cancel_now(view, now, event.reason), event.resource)
    if instance.status == RUNNING:
        return _interrupt(view, event, now)
    if event.loss == "fail":
        return _fail_waiting(view, event, now)
    if instance.status == WAITING_FOR_RUNNER:
        return _wait_again(view)
    return Decision()


def _interrupt(view: InstanceView, event: LoseResource, now: Instant) -> Decision:
    """What was running has failed with its machine."""
    attempt = view.attempt
    if attempt is None:
        return Decision()
    if event.loss == "hold":
        return cancel_now(view, now, event.reason, revive=True)
    failed = replace(
        attempt,
        error_id=RESOURCE_FAILED,
        error_message=_sentence(event.reason),
        error_stack_trace=None,
    )
    decision = fail_attempt(view, failed, now, final=event.loss == "fail")
    return _blame(decision, event.resource)


def _fail_waiting(view: InstanceView, event: LoseResource, now: Instant) -> Decision:
    """With retryNone nothing unfinished waits for another machine, be it begun or not."""
    ended = end_instance(
        view.instance,
        FAILED,
        now,
        cascade_on=event.resource,
        error_id=RESOURCE_FAILED,
        error_message=_sentence(event.reason),
        error_stack_trace=None,
    )
    changes: tuple[Change, ...] = (
        UpdateInstance(ended),
        DropWaits(ended.key),
        ClearTimer("retry", ended.key),
        *close_attempt(view.attempt, FAILED, now),
        record(ended, now, FAILED, event.reason),
    )
    return Decision(changes, (Settled(ended),))


def _sentence(reason: str) -> str:
    return reason[0].upper() + reason[1:]


def _blame(decision: Decision, resource: str) -> Decision:
    """Who ends for good because of a resource names it, and runs again when it does."""
    return replace(
        decision,
        changes=tuple(
            UpdateInstance(replace(change.row, cascade_on=resource))
            if isinstance(change, UpdateInstance) and change.row.status in ENDED
            else change
            for change in decision.changes
        ),
    )


def _wait_again(view: InstanceView) -> Decision:
    """A task that nobody has taken leaves the queue, and is offered again when there is a machine.

    No try is used up.
    """
    changes: list[Change] = []
    if view.attempt is not None and view.attempt.offered:
        changes.append(UpdateAttempt(replace(view.attempt, offered=False)))
    changes.append(UpdateInstance(move(view.instance, WAITING_ON_DEPENDENCIES)))
    return Decision(tuple(changes), (Await(view.instance.key),))
