"""The steps that an instance and its attempts can take, each as the changes it makes.

Every change of state goes through `move`, which holds it to the table of legal transitions.
"""

from typing import Any

from msgspec.structs import replace

from penstock.engine.events import (
    Await,
    Change,
    CheckPipeline,
    ClearTimer,
    Decision,
    DropWaits,
    Event,
    InsertAttempt,
    Record,
    SetTimer,
    Settled,
    UpdateAttempt,
    UpdateInstance,
    UpdatePipeline,
)
from penstock.engine.objects import worker_group_of
from penstock.engine.plan import ACTION, DATA_NODE, SYSTEM_ACCOUNT, SYSTEM_GROUP
from penstock.engine.views import InstanceView, Place
from penstock.model.errors import DefinitionError
from penstock.model.runtime import Attempt, HistoryEvent, Instance, Pipeline, Timer
from penstock.model.status import (
    CANCELED,
    CASCADE_FAILED,
    ENDED,
    FAILED,
    FINISHED,
    PAUSED,
    RUNNING,
    TRANSITIONS,
    WAITING_FOR_RUNNER,
    WAITING_ON_DEPENDENCIES,
    Status,
)
from penstock.model.times import Instant

ATTEMPT_TIMEOUT = "Service_AttemptTimeout"
RUNNER_LOST = "Service_RunnerLost"
EXPRESSION_ERROR = "Service_ExpressionError"
INTERNAL_ERROR = "Service_InternalError"
PRECONDITION_TIMEOUT = "Service_PreconditionTimeout"
RESOURCE_FAILED = "Service_ResourceFailed"
DEACTIVATED = "the pipeline was deactivated"
"""Why what ran is cancelled then."""


class Failure(Exception):
    """An illegal transition: a defect of the engine, never a caller's mistake."""


def move(instance: Instance, status: Status, **changes: Any) -> Instance:
    """The instance in a new state; only legal transitions (staying put is legal)."""
    if status != instance.status and status not in TRANSITIONS[instance.status]:
        raise Failure(f"{instance.component}: {instance.status} cannot become {status}")
    return replace(instance, status=status, **changes)


def record(
    instance: Instance, at: Instant, what: str, detail: str = "", attempt: int | None = None
) -> Record:
    """A line in the instance's history."""
    return Record(
        HistoryEvent(
            instance.pipeline, instance.component, instance.start, attempt, at, what, detail
        )
    )


def end_instance(instance: Instance, status: Status, now: Instant, **changes: Any) -> Instance:
    """The instance in an ended state, with nothing left to wait for."""
    return move(instance, status, ended_at=now, retry_at=None, unmet=0, **changes)


def start_over(instance: Instance) -> Instance:
    """An ended instance with a new set of tries, nothing of its end left on it."""
    return move(
        instance,
        WAITING_ON_DEPENDENCIES,
        unmet=0,
        tries=0,
        rerun=True,
        revive=False,
        retry_at=None,
        ended_at=None,
        cascade_on=None,
        cancel_reason=None,
        error_id=None,
        error_message=None,
        error_stack_trace=None,
    )


def revive_pipeline(pipeline: Pipeline) -> tuple[Change, ...]:
    """What runs again makes a FINISHED pipeline run again."""
    if pipeline.state != "FINISHED":
        return ()
    return (UpdatePipeline(replace(pipeline, state="SCHEDULED", finished_at=None)),)


def ready(
    place: Place, instance: Instance, now: Instant, before: Attempt | None = None
) -> tuple[Instance, tuple[Change, ...], tuple[Event, ...]]:
    """What becomes of an instance that waits for nothing any more.

    Answers the instance (not yet among the changes, so a new one is inserted as it ends up), the
    changes around it, and what follows. What is paused stays so. A data node is FINISHED at once;
    all else is offered to its worker group, unless the pipeline does not run: then it stays ready.
    Without its resource it waits for that again. `before` is the attempt before the new one; one
    that was not taken yet is offered again.
    """
    if place.row.paused:
        return move(instance, PAUSED, unmet=0), (), ()
    if place.component.category == DATA_NODE:
        ended = end_instance(instance, FINISHED, now)
        return ended, (), (Settled(ended),)
    if not place.serving:
        return move(instance, WAITING_ON_DEPENDENCIES, unmet=0), (), ()
    try:
        worker_group = worker_group_of(place.plan, place.component, instance)
    except DefinitionError as error:
        failed = end_instance(
            instance, FAILED, now, error_id=EXPRESSION_ERROR, error_message=str(error)
        )
        return failed, (record(failed, now, FAILED, str(error)),), (Settled(failed),)
    if not place.equipped:
        waiting = move(instance, WAITING_ON_DEPENDENCIES, unmet=0, retry_at=None)
        return waiting, (), (Await(instance.key),)
    if before is not None and before.status == WAITING_FOR_RUNNER:
        again = UpdateAttempt(replace(before, offered=True, ready_at=now))
        return move(instance, WAITING_FOR_RUNNER, unmet=0, retry_at=None), (again,), ()
    number = instance.attempts + 1
    offered = move(
        instance,
        WAITING_FOR_RUNNER,
        unmet=0,
        retry_at=None,
        attempts=number,
        tries=instance.tries + 1,
    )
    attempt = new_attempt(place, instance.key, number, worker_group, now)
    if place.component.category == ACTION and before is not None:
        attempt = replace(attempt, fields=before.fields)
    return offered, (InsertAttempt(attempt), *_watch_condition(place, instance, now)), ()


def new_attempt(
    place: Place, instance: int, number: int, worker_group: str, now: Instant
) -> Attempt:
    """An attempt in its worker group's queue; what the server does itself is in its own account."""
    account = SYSTEM_ACCOUNT if worker_group == SYSTEM_GROUP else place.pipeline.account_id
    return Attempt(
        instance, number, place.pipeline.key, account, worker_group, WAITING_FOR_RUNNER, now
    )


def _watch_condition(place: Place, instance: Instance, now: Instant) -> tuple[Change, ...]:
    """The preconditionTimeout runs from the time at which the first try is offered."""
    limit = place.component.precondition_timeout_ms
    if limit is None or instance.tries:
        return ()
    return (SetTimer(Timer("condition", instance.key, now + limit)),)


def make_ready(
    place: Place,
    instance: Instance,
    now: Instant,
    waited: bool = False,
    before: Attempt | None = None,
) -> Decision:
    """`ready` for an instance that is already stored; `waited`: it has waits to drop."""
    after, changes, follow = ready(place, instance, now, before)
    drop: tuple[Change, ...] = (DropWaits(instance.key),) if waited else ()
    return Decision((UpdateInstance(after), *drop, *changes), follow)


def come_to_rest(place: Place) -> tuple[Event, ...]:
    """A task that has left its runner without ending may be the last that a deactivation awaits."""
    if place.pipeline.state != "DEACTIVATING":
        return ()
    return (CheckPipeline(place.pipeline.key),)


def put_back(view: InstanceView, attempt: Attempt, now: Instant, why: str) -> Decision:
    """Offer a task again, at its old place in the queue; whoever held it is no longer its owner.

    A pause or a deactivation that came in between keeps it out of the queue.
    """
    place = view.place
    offered = not place.row.paused and place.serving
    status: Status = PAUSED if place.row.paused else WAITING_FOR_RUNNER
    follow = come_to_rest(place)
    if not place.equipped:
        offered = False
        status = PAUSED if place.row.paused else WAITING_ON_DEPENDENCIES
        follow += (Await(view.instance.key),)
    again = replace(
        attempt,
        status=WAITING_FOR_RUNNER,
        offered=offered,
        generation=attempt.generation + 1,
        handed_at=None,
        hostname=None,
    )
    return Decision(
        (
            UpdateAttempt(again),
            UpdateInstance(move(view.instance, status)),
            ClearTimer("owner", view.instance.key),
            record(view.instance, now, WAITING_FOR_RUNNER, why, attempt.number),
        ),
        follow,
    )


def fail_attempt(
    view: InstanceView, attempt: Attempt, now: Instant, final: bool = False
) -> Decision:
    """The attempt has failed (its error fields are set): try again later, or fail the instance.

    `final` forbids another try.
    """
    place, instance = view.place, view.instance
    errors = {
        "error_id": attempt.error_id,
        "error_message": attempt.error_message,
        "error_stack_trace": attempt.error_stack_trace,
    }
    changes: tuple[Change, ...] = (
        UpdateAttempt(replace(attempt, status=FAILED, ended_at=now, offered=False)),
        ClearTimer("owner", instance.key),
        record(instance, now, FAILED, attempt.error_message or "", attempt.number),
    )
    if final or instance.tries > place.component.max_retries:
        ended = end_instance(instance, FAILED, now, **errors)
        return Decision((*changes, UpdateInstance(ended)), (Settled(ended),))
    retry_at = now + place.component.retry_delay_ms
    status: Status = PAUSED if place.row.paused else WAITING_ON_DEPENDENCIES
    waiting = move(instance, status, retry_at=retry_at, **errors)
    if retry_at <= now:
        again = make_ready(place, waiting, now, before=attempt)
        return Decision((*changes, *again.changes), again.follow + come_to_rest(place))
    timer = SetTimer(Timer("retry", instance.key, retry_at))
    return Decision((*changes, UpdateInstance(waiting), timer), come_to_rest(place))


def cancel_now(view: InstanceView, now: Instant, reason: str, revive: bool = False) -> Decision:
    """The instance is CANCELED: nothing of it runs any more, or its owner has learned it."""
    instance, attempt = view.instance, view.attempt
    ended = end_instance(
        instance, CANCELED, now, cancel_reason=reason, revive=revive or instance.revive
    )
    changes: list[Change] = [
        UpdateInstance(ended),
        DropWaits(instance.key),
        ClearTimer("retry", instance.key),
        ClearTimer("owner", instance.key),
        record(instance, now, CANCELED, reason),
    ]
    if attempt is not None and attempt.status not in ENDED:
        changes.append(
            UpdateAttempt(
                replace(attempt, status=CANCELED, ended_at=now, offered=False, cancel_reason=reason)
            )
        )
    return Decision(tuple(changes), (Settled(ended),))


def close_attempt(attempt: Attempt | None, status: Status, now: Instant) -> tuple[Change, ...]:
    """End an attempt that still waits in the queue, along with its instance."""
    if attempt is None or attempt.status in ENDED or attempt.status == RUNNING:
        return ()
    return (UpdateAttempt(replace(attempt, status=status, ended_at=now, offered=False)),)


def cascade_fail(view: InstanceView, failed_id: str, now: Instant) -> Decision:
    """The instance will not run: what it depends on has failed."""
    ended = end_instance(view.instance, CASCADE_FAILED, now, cascade_on=failed_id)
    return Decision(
        (
            UpdateInstance(ended),
            DropWaits(ended.key),
            record(ended, now, CASCADE_FAILED, failed_id),
        ),
        (Settled(ended),),
    )
