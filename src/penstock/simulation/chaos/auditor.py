"""The auditor: hears every call and its answer, and sees the rows after each commit."""

from collections.abc import Callable, Iterator, Mapping

from penstock.model.errors import ApiError, DatabaseUnavailable, InternalServiceError
from penstock.model.ids import instance_id
from penstock.model.runtime import Pipeline
from penstock.model.status import ENDED, FINISHED, TRANSITIONS
from penstock.model.times import Instant
from penstock.simulation.chaos.blueprint import Blueprint
from penstock.simulation.chaos.book import (
    ACTIVATED,
    Plans,
    Scene,
    Violated,
    start_of_activation,
)
from penstock.simulation.chaos.database import Rows
from penstock.simulation.chaos.deeds import EXPRESSION_ERROR, Between
from penstock.simulation.chaos.deeds import OF_INSTANCES as DEEDS_OF_INSTANCES
from penstock.simulation.chaos.deeds import OF_PIPELINES as DEEDS
from penstock.simulation.chaos.ledger import Ledger, is_refused
from penstock.simulation.chaos.life import Fire, Step
from penstock.simulation.chaos.rules import OF_INSTANCES, OF_PIPELINES

Faults = Iterator[str]


class ReferenceAuditor:
    """Holds a history to the rules; `in_force` tells the name of a pipeline's active blueprint."""

    def __init__(
        self, editions: Mapping[str, Blueprint], in_force: Callable[[Pipeline], str]
    ) -> None:
        self.plans: dict[int, Plans] = {}
        self.latest: Instant = 0
        self._editions = editions
        self._in_force = in_force
        self._ledger = Ledger()
        self._before = Rows()

    def hear(self, step: Step) -> None:
        """Raise `Violated` with everything that is wrong after a step."""
        before, after = self._before, step.rows
        self.latest = max(self.latest, step.now)
        self._enact(after)
        scenes = self.scenes(after, step.now)
        if after.unchanged_since(before) and not any(isinstance(s, Fire) for s, _ in step.calls):
            scenes = {}
        faults = [
            *_changes(step, before, after),
            *_answers(step),
            *_transitions(before, after),
            *_polls(step, after),
            *self._created(before, after, scenes),
            *self._ledger.judge(step, before, after, scenes),
            *_of_rows(scenes, before),
            *self._of_deeds(step, before, scenes),
        ]
        self._before = after
        if faults:
            raise Violated("\n".join(faults))

    def scenes(self, rows: Rows, now: Instant) -> dict[int, Scene]:
        """Every pipeline that is active, by key."""
        return {
            key: Scene(rows, row, self.plans[key], now)
            for key, row in rows.pipelines.items()
            if key in self.plans
        }

    def _enact(self, after: Rows) -> None:
        for event in after.events:
            if event.what == ACTIVATED and not event.component:
                row = after.pipelines[event.pipeline]
                plans = self.plans.setdefault(row.key, Plans())
                start_at = start_of_activation(event.detail)
                plans.enact(row.version, self._editions[self._in_force(row)], start_at)

    def _of_deeds(self, step: Step, before: Rows, scenes: Mapping[int, Scene]) -> Faults:
        """What was done since the step before."""
        for key, now in scenes.items():
            row = before.pipelines.get(key)
            if row is None or now.row.deleted_at is not None:
                continue
            between = Between(step, Scene(before, row, self.plans[key], step.now), now)
            yield from (f"{now.row.id}: {text}" for rule in DEEDS for text in rule(between))
            for instance in now.instances:
                if before.instances.get(instance.key) == instance:
                    continue
                part, name = now.part(instance), instance_id(instance.component, instance.start)
                for judge in DEEDS_OF_INSTANCES:
                    for fault in judge(between, instance, part):
                        yield f"{now.row.id}: {name} {instance.status}: {fault}"

    def _created(self, before: Rows, after: Rows, scenes: Mapping[int, Scene]) -> Faults:
        """What is made is an interval of its schedule, and due."""
        for key, instance in after.instances.items():
            if key in before.instances:
                continue
            scene = scenes[instance.pipeline]
            part = scene.part(instance)
            if part.rhythm is None:
                continue
            interval = (instance.start, instance.end)
            name = instance_id(instance.component, instance.start)
            if interval not in part.rhythm.intervals():
                yield f"{name} is no interval of its schedule"
            elif scene.blueprint.due_at(interval) > self.latest:
                yield f"{name} was made before it was due"


def _changes(step: Step, before: Rows, after: Rows) -> Faults:
    """What is refused changes nothing; but a poll that waits may have met what cannot be told."""
    refused = bool(step.calls) and all(is_refused(outcome) for _, outcome in step.calls)
    if not refused or step.crashed is not None or after.same(before):
        return
    changed = (after.instances.get(heard.instance) for heard in after.heard)
    if not any(each is not None and each.error_id == EXPRESSION_ERROR for each in changed):
        yield "every call was refused, and something has changed"


def _answers(step: Step) -> Faults:
    """Whatever goes wrong, a caller hears an error that it can make sense of."""
    for spoken, outcome in step.calls:
        error = outcome.error if outcome is not None else None
        defect = isinstance(error, InternalServiceError) and type(error) is not DatabaseUnavailable
        if defect or not isinstance(error, ApiError | None):
            yield f"{type(spoken).__name__} was answered by {type(error).__name__}: {error}"


def _transitions(before: Rows, after: Rows) -> Faults:
    """Only what the table says; and nothing finishes twice in one set of tries."""
    for heard in after.heard:
        if heard.after not in TRANSITIONS[heard.before]:  # type: ignore[index]
            instance = after.instances.get(heard.instance)
            name = instance.component if instance else str(heard.instance)
            yield f"{name}: {heard.before} became {heard.after}"
    for key, then in before.instances.items():
        now = after.instances.get(key)
        if now is None:
            if before.pipelines[then.pipeline].deleted_at is None:
                yield f"{then.component} is gone"
            continue
        if now.attempts < then.attempts:
            yield f"{now.component} had {then.attempts} attempts, and has {now.attempts}"
        fixed = (then.component, then.start, then.end, then.version, then.due_at)
        if (now.component, now.start, now.end, now.version, now.due_at) != fixed:
            yield f"{now.component} has become another"
        if then.status == FINISHED and now != then and not _was_touched(after, key):
            yield f"{now.component} had finished, and has changed"


def _polls(step: Step, after: Rows) -> Faults:
    """Nobody waits for a task that is there, or for an answer that will not come."""
    if step.forgotten:
        yield f"{step.forgotten} polls wait, and the server has forgotten them"
    for each in after.attempts.values():
        if each.offered and (each.account_id, each.worker_group) in step.waiting:
            yield f"a task is offered in {each.worker_group}, and somebody waits for one there"


def _was_touched(after: Rows, key: int) -> bool:
    return any(heard.instance == key for heard in after.heard)


def _of_rows(scenes: Mapping[int, Scene], before: Rows) -> Faults:
    """What the rules say; what had ended and is as it was has been judged before."""
    for scene in scenes.values():
        if scene.row.deleted_at is not None:
            if any(each.offered for each in scene.rows.attempts.values()
                   if each.pipeline == scene.row.key):  # fmt: skip
                yield f"{scene.row.id} is deleted, and a task of it is offered"
            continue
        head = f"{scene.row.id} {scene.row.state}"
        for rule in OF_PIPELINES:
            yield from (f"{head}: {fault}" for fault in rule(scene))
        for instance in scene.instances:
            if instance.status in ENDED and before.instances.get(instance.key) == instance:
                continue
            part = scene.part(instance)
            name = instance_id(instance.component, instance.start)
            for judge in OF_INSTANCES:
                for fault in judge(scene, instance, part):
                    yield f"{head}: {name} {instance.status}: {fault}"


__all__ = ["ReferenceAuditor", "Violated"]
