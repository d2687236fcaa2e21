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
    settling,
)
from penstock.engine.events import (
    Activate,
    Advance,
    Await,
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
    HoldInstance,
    LateDue,
    OwnerDeadline,
    PauseInstance,
    Report,
    RerunInstance,
    ResumeInstance,
    RetryDue,
    Settled,
    SkipInstance,
    Undelivered,
    Unsettled,
)
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
}


def decide(view: View, event: Event, now: Instant, rules: Rules) -> Decision:
    """What to change, what to decide next, and what to answer; raises `ApiError` to refuse."""
    return _HANDLERS[type(event)](view, event, now, rules)
