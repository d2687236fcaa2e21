"""What can happen to a pipeline, and what a decision changes.

An event is decided on one small snapshot; a decision may name further events, which are decided
on snapshots of their own within the same transaction. So each step loads only what it touches,
and the engine never asks for more in the middle of a thought.
"""

from typing import Literal

from msgspec import Struct

from penstock.model.compute import Outcome
from penstock.model.definition import Field
from penstock.model.runtime import (
    Attempt,
    ComponentRow,
    HistoryEvent,
    Instance,
    Pipeline,
    TaskKey,
    Timer,
    TimerKind,
    Wait,
)
from penstock.model.times import Instant

Loss = Literal["retry", "fail", "cancel", "hold"]
"""What the loss of a resource means for those that use it.

`retry`: what runs has failed and is tried again, what waits waits on. `fail`: what runs has failed
for good. `cancel`: all are cancelled. `hold`: the pipeline is deactivated; what runs is cancelled
and revived later, what waits waits on.
"""


class Activate(Struct, frozen=True):
    """A caller activates the pipeline under a newly compiled plan (in the snapshot)."""

    start_at: Instant | None = None


class Deactivate(Struct, frozen=True):
    pipeline: int
    cancel_active: bool


class Advance(Struct, frozen=True):
    """Make the instances that are due and have room; of the named components, or of all."""

    pipeline: int
    components: tuple[str, ...] = ()


class Create(Struct, frozen=True):
    """Make one instance. `rerun`: it is a precondition whose owner was told to run again."""

    pipeline: int
    component: str
    start: Instant
    end: Instant
    version: int
    rerun: bool = False


class Await(Struct, frozen=True):
    """Work out anew what an existing, waiting instance waits for.

    `fresh`: it has just been told to run again, and its failed preconditions with it.
    """

    instance: int
    fresh: bool = False


class Evaluate(Struct, frozen=True):
    """Where an instance waits for its preconditions only, have these evaluated."""

    instance: int


class ConditionDue(Struct, frozen=True):
    """A precondition's time (preconditionTimeout) is up."""

    instance: int


class LateDue(Struct, frozen=True):
    """The time by which an instance had to begin (lateAfterTimeout) has come."""

    instance: int


class Fire(Struct, frozen=True):
    """Set off an alarm (by its component) for an instance."""

    instance: int
    alarm: str


class Settled(Struct, frozen=True):
    """An instance has ended; its dependents learn it, unless they could go on before already."""

    instance: Instance
    was_satisfied: bool = False


class Unsettled(Struct, frozen=True):
    """A satisfied instance is to run again; dependents that still wait, wait for it anew."""

    instance: Instance


class CheckPipeline(Struct, frozen=True):
    """Has the pipeline finished, or come to rest after its deactivation?"""

    pipeline: int


class Claim(Struct, frozen=True):
    """Hand the offered task to a runner; with a `fault`, it has turned out that it cannot be."""

    hostname: str | None = None
    fault: str | None = None


class Undelivered(Struct, frozen=True):
    """The runner was gone before it had the answer: put the task back."""

    task: TaskKey


class Report(Struct, frozen=True):
    """The owner acknowledges, or reports progress."""

    task: TaskKey
    fields: tuple[Field, ...] = ()


class EndTask(Struct, frozen=True):
    """The owner says how it ended: `status` is FINISHED, FAILED or FALSE."""

    task: TaskKey
    status: str
    error_id: str | None = None
    error_message: str | None = None
    error_stack_trace: str | None = None


class OwnerDeadline(Struct, frozen=True):
    """The time by which the owner had to be heard, or the attempt to end, may be up."""

    instance: int


class RetryDue(Struct, frozen=True):
    instance: int


class PauseInstance(Struct, frozen=True):
    instance: int


class ResumeInstance(Struct, frozen=True):
    """Offer a paused or held instance again, if it waits for nothing else."""

    instance: int


class CancelInstance(Struct, frozen=True):
    """`revive` marks instances that the next activation runs again."""

    instance: int
    reason: str
    revive: bool = False


class RerunInstance(Struct, frozen=True):
    """`cascade`: with all that its failure took down; None leaves that to the component's mode."""

    instance: int
    reason: str = "rerun by request"
    cascade: bool | None = None


class FinishInstance(Struct, frozen=True):
    """MARK_FINISHED."""

    instance: int


class SkipInstance(Struct, frozen=True):
    instance: int


class HoldInstance(Struct, frozen=True):
    """Take a waiting task out of the queue (deactivation); its state stays."""

    instance: int


class TendResource(Struct, frozen=True):
    """Does the resource have to be there? Start it if somebody waits for nothing else, and shut it
    down if nobody is left who uses it.
    """

    instance: int


class StepDone(Struct, frozen=True):
    """A step that was asked of a resource's provider has ended."""

    task: TaskKey
    outcome: Outcome


class MachineDue(Struct, frozen=True):
    """Something of a resource is due: its next step, or the end of one of its times."""

    instance: int


class Heard(Struct, frozen=True):
    """A runner on the resource was heard."""

    instance: int
    hostname: str | None = None


class CameUp(Struct, frozen=True):
    """The resource is RUNNING: those that wait for it go on."""

    instance: Instance


class WentDown(Struct, frozen=True):
    """The resource is RUNNING no more: what becomes of those that use it; see `LoseResource`."""

    instance: int
    loss: Loss
    reason: str


class LoseResource(Struct, frozen=True):
    """What an instance runs on, or waits for, is gone, and why."""

    instance: int
    resource: str
    loss: Loss
    reason: str


Event = (
    Activate
    | Deactivate
    | Advance
    | Create
    | Await
    | Evaluate
    | ConditionDue
    | LateDue
    | Fire
    | Settled
    | Unsettled
    | CheckPipeline
    | Claim
    | Undelivered
    | Report
    | EndTask
    | OwnerDeadline
    | RetryDue
    | PauseInstance
    | ResumeInstance
    | CancelInstance
    | RerunInstance
    | FinishInstance
    | SkipInstance
    | HoldInstance
    | TendResource
    | StepDone
    | MachineDue
    | Heard
    | CameUp
    | WentDown
    | LoseResource
)


class InsertInstance(Struct, frozen=True):
    row: Instance


class UpdateInstance(Struct, frozen=True):
    row: Instance


class InsertAttempt(Struct, frozen=True):
    row: Attempt


class UpdateAttempt(Struct, frozen=True):
    row: Attempt


class TouchAttempt(Struct, frozen=True):
    """What a progress report changes of an attempt."""

    row: Attempt


class PutWait(Struct, frozen=True):
    row: Wait


class DropWaits(Struct, frozen=True):
    waiter: int


class SetTimer(Struct, frozen=True):
    row: Timer


class HastenTimer(Struct, frozen=True):
    """Set the timer unless it is already due earlier."""

    row: Timer


class ClearTimer(Struct, frozen=True):
    kind: TimerKind
    subject: int


class PutComponent(Struct, frozen=True):
    row: ComponentRow


class UpdatePipeline(Struct, frozen=True):
    row: Pipeline


class Record(Struct, frozen=True):
    row: HistoryEvent


Change = (
    InsertInstance
    | UpdateInstance
    | InsertAttempt
    | UpdateAttempt
    | TouchAttempt
    | PutWait
    | DropWaits
    | SetTimer
    | HastenTimer
    | ClearTimer
    | PutComponent
    | UpdatePipeline
    | Record
)


class Decision(Struct, frozen=True):
    """What to save, what to decide next, and what to tell the caller."""

    changes: tuple[Change, ...] = ()
    follow: tuple[Event, ...] = ()
    answer: object = None
