"""What may happen from one commit to the next, and must, by docs/engine.md.

`rules` looks at one moment; here two are compared, with what was said between them.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Final

from penstock.model.api import (
    ActivatePipelineRequest,
    DeactivatePipelineRequest,
    DeletePipelineRequest,
    PipelineRequest,
    SetStatusRequest,
    SetTaskStatusRequest,
)
from penstock.model.ids import instance_id
from penstock.model.runtime import Attempt, Instance, Pipeline
from penstock.model.status import (
    CANCELED,
    CASCADE_FAILED,
    ENDED,
    FAILED,
    FAILURES,
    FINISHED,
    RUNNING,
    SATISFIED,
    SKIPPED,
    WAITING_FOR_RUNNER,
    WAITING_ON_DEPENDENCIES,
)
from penstock.model.times import SECOND_MS, Instant
from penstock.simulation.chaos.blueprint import Part
from penstock.simulation.chaos.book import Scene, start_of_activation
from penstock.simulation.chaos.life import Call, Step
from penstock.simulation.chaos.rules import is_missing

Faults = Iterator[str]

_COMMANDS: Final = frozenset({"ACTIVATE", "DEACTIVATE", "SET_STATUS", "LATE"})
"""Lines of history after which something may be cancelled."""

EXPRESSION_ERROR: Final = "Service_ExpressionError"
_BY_SERVICE: Final = frozenset({"Service_PreconditionTimeout", "Service_InternalError"})


class Between:
    """A pipeline before and after a step."""

    def __init__(self, step: Step, then: Scene, now: Scene) -> None:
        self.step = step
        self.then = then
        self.now = now

    @cached_property
    def moved(self) -> Mapping[int, list[tuple[str, str]]]:
        """The states that each instance went through, from and to."""
        found: dict[int, list[tuple[str, str]]] = {}
        for heard in self.step.rows.heard:
            found.setdefault(heard.instance, []).append((heard.before, heard.after))
        return found

    @cached_property
    def said(self) -> frozenset[str]:
        """What is new in the pipeline's history."""
        return frozenset(
            event.what for event in self.step.rows.events if event.pipeline == self.now.row.key
        )

    def before(self, instance: Instance) -> Instance | None:
        """The instance as it was; None if it is new."""
        return self.then.rows.instances.get(instance.key)

    def last_attempt(self, instance: Instance) -> tuple[Attempt | None, Attempt | None]:
        """Its last attempt, as it was and as it is."""
        key = (instance.key, instance.attempts)
        return self.then.rows.attempts.get(key), self.now.rows.attempts.get(key)

    def was_met(self, component: str, start: Instant) -> bool:
        """Whether nobody had to wait for an instance, before, after or in between."""
        if not all(is_missing(scene, component, start) for scene in (self.now, self.then)):
            return True
        found = self.now.named.get((component, start))
        moved = self.moved.get(found.key, []) if found is not None else []
        return any(to in SATISFIED for _, to in moved)

    def ended(self, instance: Instance) -> str | None:
        """The state in which it has just ended."""
        was = self.before(instance)
        if instance.status not in ENDED:
            return None
        if was is None or self.moved.get(instance.key):
            return instance.status
        return None


def nothing_is_offered_early(between: Between, instance: Instance, part: Part) -> Faults:
    """An instance goes on when all that it waits for has finished."""
    was = between.before(instance)
    steps = between.moved.get(instance.key, [])
    goes = instance.status in {WAITING_FOR_RUNNER, RUNNING} and (
        was is None or any(to in {WAITING_FOR_RUNNER, RUNNING} for _, to in steps)
    )
    if part.kind == "node" and between.ended(instance) == FINISHED:
        goes = "MARK_FINISHED" not in between.said
    # One that was ready and only held is left alone when what it waited for is to run again.
    begins = was is None or was.unmet > 0 or was.status in ENDED
    if not goes or not begins:
        return
    for target, starts in between.now.plans.needs(instance).items():
        for start in starts:
            if not between.was_met(target, start):
                yield f"it goes on, and @{target} of {start} has not finished"


def tries_are_counted(between: Between, instance: Instance, part: Part) -> Faults:
    """A failed attempt is followed by another after retryDelay, until the tries are used up."""
    then, now = between.last_attempt(instance)
    if then is None or now is None or then.status != RUNNING or part.kind == "alarm":
        return
    at = between.step.now
    if now.status == FAILED and not {now.error_id, instance.error_id} & _BY_SERVICE:
        over = instance.status == FAILED
        if over and instance.tries < part.tries:
            yield f"it has failed after {instance.tries} tries of {part.tries}"
        if not over and instance.tries >= part.tries and instance.status not in ENDED:
            yield f"it is tried again after {instance.tries} tries of {part.tries}"
        if instance.status == WAITING_ON_DEPENDENCIES and instance.retry_at != at + part.delay_ms:
            yield f"it is tried again at {instance.retry_at}, not after {part.delay_ms} ms"
    asked = now.status == WAITING_FOR_RUNNER and now.acknowledged
    due = at + max(part.delay_ms, SECOND_MS)
    if asked and instance.status == WAITING_ON_DEPENDENCIES and instance.retry_at != due:
        yield f"it is asked again at {instance.retry_at}, not after {part.delay_ms} ms"


def only_the_untellable_cannot_be_told(between: Between, instance: Instance, part: Part) -> Faults:
    """An instance whose values cannot be evaluated has failed, before anybody gets it.

    With a precondition's task goes its owner.
    """
    untellable = part.is_untellable(instance.start)
    owner = between.now.plans.parts(instance.version).get(part.owner)
    with_owner = owner is not None and owner.is_untellable(instance.start)
    if instance.error_id == EXPRESSION_ERROR and not (untellable or with_owner):
        yield f"it failed with {instance.error_message}"
    if instance.status == RUNNING and untellable:
        yield "it was handed to a runner, and its command cannot be evaluated"


def actions_are_set_off(between: Between, instance: Instance, part: Part) -> Faults:
    """By FINISHED onSuccess, onFail by FAILED and CASCADE_FAILED."""
    ended = between.ended(instance)
    actions: tuple[str, ...] = ()
    if ended == FINISHED:
        actions = part.thing.on_success
    elif ended in {FAILED, CASCADE_FAILED}:
        actions = part.thing.on_fail
    for alarm in actions:
        found = between.now.named.get((f"{alarm}@{part.id}", instance.start))
        if found is None:
            yield f"it is {ended}, and {alarm} was not set off"
            continue
        was, attempt = between.last_attempt(found)
        if attempt is None or was == attempt:
            yield f"it is {ended}, and {alarm} was not set off anew"


def nothing_is_cancelled_unasked(between: Between, instance: Instance, part: Part) -> Faults:
    """Only a command, lateness or the end of its owner cancels an instance."""
    was = between.before(instance)
    asked_before = was is not None and was.cancel_reason is not None
    is_asked = instance.cancel_reason is not None and not asked_before
    if between.ended(instance) == CANCELED and instance.cancel_reason is None:
        yield "it is CANCELED, and does not say why"
    if not is_asked or between.said & _COMMANDS:
        return
    owner = between.now.named.get((part.owner, instance.start))
    if not (part.is_condition and owner is not None and owner.status in ENDED):
        yield "it is cancelled, and nobody asked for that"


def only_activations_skip(between: Between, instance: Instance, part: Part) -> Faults:
    """SKIPPED is what starts before a startTimestamp, and has not begun."""
    if between.ended(instance) != SKIPPED:
        return
    starts = [
        start_of_activation(event.detail) or 0
        for event in between.step.rows.events
        if event.pipeline == instance.pipeline and event.what == "ACTIVATE"
    ]
    if instance.start >= max(starts, default=0):
        yield "it was skipped, and no startTimestamp is later"


def a_culprit_is_one(between: Between, instance: Instance, part: Part) -> Faults:
    """CASCADE_FAILED goes with something that it needs, and that has failed."""
    if between.ended(instance) != CASCADE_FAILED:
        return
    for target, starts in between.now.plans.needs(instance).items():
        for start in starts:
            if instance_id(target, start) != instance.cascade_on:
                continue
            producer = between.now.plans.part(instance.version, target)
            if not part.cascade and not (target == part.producer and producer.cascade):
                yield f"it failed with {instance.cascade_on}, and is not in mode cascade"
            states: list[str] = [
                found.status
                for scene in (between.then, between.now)
                if (found := scene.named.get((target, start))) is not None
            ]
            states += [to for _, to in between.moved.get(_key(between.now, target, start), [])]
            if not FAILURES & set(states):
                yield f"it failed with {instance.cascade_on}, which has not failed"
            return
    yield f"it failed with {instance.cascade_on}, which it does not need"


def _key(scene: Scene, component: str, start: int) -> int:
    found = scene.named.get((component, start))
    return found.key if found is not None else -1


def an_inactive_pipeline_makes_nothing(between: Between, instance: Instance, part: Part) -> Faults:
    """New instances are made in a pipeline that runs; alarms tell of what has happened."""
    # A pipeline may run, and come to its end, within one batch.
    running = between.then.serving or between.now.serving or between.said & {"ACTIVATE", "RERUN"}
    if between.before(instance) is None and not running and part.kind != "alarm":
        yield f"it was made while the pipeline is {between.now.row.state}"


OF_INSTANCES: Final[tuple[Callable[[Between, Instance, Part], Faults], ...]] = (
    nothing_is_offered_early,
    tries_are_counted,
    only_the_untellable_cannot_be_told,
    actions_are_set_off,
    nothing_is_cancelled_unasked,
    only_activations_skip,
    a_culprit_is_one,
    an_inactive_pipeline_makes_nothing,
)


def health_is_that_of_the_last(between: Between) -> Faults:
    """A component is HEALTHY if its instance that ended last finished, ERROR if it failed."""
    ends: dict[str, list[str]] = {}
    for instance in between.now.instances:
        part = between.now.part(instance)
        changed = between.before(instance) is None or between.moved.get(instance.key)
        if part.kind != "alarm" and changed:
            ends.setdefault(part.owner or part.id, []).append(
                "" if part.owner or instance.status not in ENDED else instance.status
            )
    for component, states in ends.items():
        # Of several the order is not known; nor what a precondition that failed has to say.
        if len(states) != 1 or states[0] in {"", SKIPPED}:
            continue
        health = "HEALTHY" if states[0] == FINISHED else "ERROR"
        row = between.now.rows.components[between.now.row.key, component]
        if row.health != health:
            yield f"{component} is {row.health}, and its last instance is {states[0]}"


def runs_are_whole(between: Between) -> Faults:
    """An activation on demand makes one instance of each component."""
    now = between.now
    if now.blueprint.style != "ondemand":
        return
    for start in {each.start for each in now.instances}:
        version = min(each.version for each in now.instances if each.start == start)
        for part in now.plans.parts(version).values():
            if not part.owner and (part.id, start) not in now.named:
                yield f"the run of {start} has no {part.id}"


def commands_take_effect(between: Between) -> Faults:
    """What was answered has happened. Of several commands in one batch, one may undo another."""
    key, about = between.now.row.id, []
    for spoken, outcome in between.step.calls:
        if not isinstance(spoken, Call):
            continue
        request = spoken.request
        if isinstance(request, SetTaskStatusRequest) or (
            isinstance(request, PipelineRequest) and request.pipeline_id == key
        ):
            about.append((request, outcome))
    if len(about) != 1:
        return
    ((request, outcome),) = about
    if outcome is not None and outcome.heard and outcome.error is None:
        yield from _had_effect(between, request)


def _had_effect(between: Between, request: object) -> Faults:
    then, now = between.then.row, between.now.row
    if isinstance(request, ActivatePipelineRequest):
        if now.version != then.version + 1 or now.state not in {"SCHEDULED", "FINISHED"}:
            yield "it was activated, and is not"
    elif isinstance(request, DeactivatePipelineRequest):
        yield from _is_deactivated(between, now, request)
    elif isinstance(request, DeletePipelineRequest):
        if now.deleted_at is None:
            yield "it was deleted, and is still there"
    elif isinstance(request, SetStatusRequest):
        for name in request.object_ids:
            yield from _has_status(between, name, request.status)


def _is_deactivated(between: Between, row: Pipeline, request: DeactivatePipelineRequest) -> Faults:
    if row.state not in {"DEACTIVATING", "INACTIVE"}:
        yield "it was deactivated, and is not"
    for each in between.now.instances:
        alarm = between.now.part(each).kind == "alarm"
        runs_on = each.status == RUNNING and each.cancel_reason is None
        if request.cancel_active and runs_on and not alarm:
            yield f"it was deactivated, and @{each.component} is not told to stop"


def _has_status(between: Between, name: str, status: str) -> Faults:
    now = between.now
    if status in {"PAUSE", "RESUME"}:
        for (pipeline, component), row in now.rows.components.items():
            object_id = component.partition("@")[0]
            named = pipeline == now.row.key and object_id == name
            if named and row.paused != (status == "PAUSE"):
                yield f"{component} was told to {status}, and does not"
        return
    for each in now.instances:
        if instance_id(each.component, each.start) != name:
            continue
        moved = bool(between.moved.get(each.key))
        done = {
            # One that was named before it may have taken it down.
            "CANCEL": each.status in FAILURES or each.cancel_reason is not None,
            "TRY_CANCEL": each.status in FAILURES or each.cancel_reason is not None,
            "RERUN": each.rerun and moved,
            # An alarm may have been set off anew by another that was marked along with it.
            "MARK_FINISHED": any(to == FINISHED for _, to in between.moved.get(each.key, ())),
        }[status]
        if not done:
            yield f"{name} was set to {status}, and is {each.status}"


OF_PIPELINES: Final[tuple[Callable[[Between], Faults], ...]] = (
    health_is_that_of_the_last,
    runs_are_whole,
    commands_take_effect,
)
