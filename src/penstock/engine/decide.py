"""The engine's one door: an event, decided on its snapshot.

Pure: no database, no clock, no randomness; the arguments are never altered. The same history
under the same clock gives the same decisions.
"""

from collections.abc import Callable
from typing import Any

from penstock.engine import (
    actions,
    activation,
    commands,
    conditions,
    creation,
    ownership,
    resources,
    settling,
    steps,
    usage,
)
from penstock.engine.events import (
    Activate,
    Advance,
    Await,
    CameUp,
    CancelInstance,
    CheckPipeline,
    Claim,
    ConditionDue,
    Create,
    Deactivate,
    Decision,
    EndTask,
    Evaluate,
    Event,
    FinishInstance,
    Fire,
    Heard,
    HoldInstance,
    LateDue,
    LoseResource,
    MachineDue,
    OwnerDeadline,
    PauseInstance,
    Report,
    RerunInstance,
    ResumeInstance,
    RetryDue,
    Settled,
    SkipInstance,
    StepDone,
    TendResource,
    Undelivered,
    Unsettled,
    WentDown,
)
from penstock.engine.plan import RESOURCE
from penstock.engine.views import (
    ActivateView,
    AdvanceView,
    CheckView,
    CreateView,
    DeactivateView,
    EvaluateView,
    FireView,
    InstanceView,
    Rules,
    SettledView,
    TendView,
    UsersView,
)
from penstock.model.times import Instant

View = (
    ActivateView
    | AdvanceView
    | CheckView
    | CreateView
    | DeactivateView
    | EvaluateView
    | FireView
    | InstanceView
    | SettledView
    | TendView
    | UsersView
)

# Each handler takes the view that belongs to its event; the pairing is the loader's to keep.
_HANDLERS: dict[type, Callable[[Any, Any, Instant, Rules], Decision]] = {
    Activate: activation.activate,
    Deactivate: activation.deactivate,
    Advance: creation.advance,
    Create: creation.create,
    Await: creation.await_anew,
    Evaluate: conditions.evaluate,
    ConditionDue: conditions.condition_due,
    LateDue: actions.late_due,
    Fire: actions.fire,
    Settled: settling.settled,
    Unsettled: settling.unsettled,
    CheckPipeline: settling.check_pipeline,
    Claim: ownership.claim,
    Undelivered: ownership.undelivered,
    Report: ownership.report,
    EndTask: ownership.end_task,
    OwnerDeadline: ownership.owner_deadline,
    RetryDue: ownership.retry_due,
    PauseInstance: commands.pause,
    ResumeInstance: commands.resume,
    HoldInstance: commands.hold,
    CancelInstance: commands.cancel,
    RerunInstance: commands.rerun,
    FinishInstance: commands.finish,
    SkipInstance: commands.skip,
    TendResource: resources.tend,
    StepDone: steps.step_done,
    MachineDue: steps.machine_due,
    Heard: steps.heard,
    CameUp: usage.came_up,
    WentDown: usage.went_down,
    LoseResource: usage.lose,
}

_OF_RESOURCES: dict[type, Callable[[Any, Any, Instant, Rules], Decision]] = {
    Create: resources.create,
    Await: resources.leave_alone,
    Claim: steps.claim,
    Undelivered: steps.undelivered,
    Report: steps.report,
    EndTask: resources.leave_alone,
    OwnerDeadline: steps.lease_over,
    RetryDue: resources.retry_due,
    PauseInstance: resources.pause,
    ResumeInstance: resources.resume,
    HoldInstance: resources.leave_alone,
    CancelInstance: resources.cancel,
    RerunInstance: resources.rerun,
    FinishInstance: resources.finish,
    SkipInstance: resources.leave_alone,
}
"""What these mean to a resource, which has a life of its own."""


def decide(view: View, event: Event, now: Instant, rules: Rules) -> Decision:
    """What to change, what to decide next, and what to answer; raises `ApiError` to refuse."""
    handler = _HANDLERS[type(event)]
    if isinstance(view, InstanceView | CreateView) and view.place.component.category == RESOURCE:
        handler = _OF_RESOURCES.get(type(event), handler)
    return handler(view, event, now, rules)
