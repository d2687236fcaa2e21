"""After the storm: whatever can end, ends; the rest has an explanation that is true; and a person
can bring everything to its end.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from penstock.model.api import (
    ActivatePipelineRequest,
    DescribeObjectsRequest,
    Request,
    SetStatusRequest,
    SetTaskStatusRequest,
)
from penstock.model.caller import Caller
from penstock.model.ids import instance_id
from penstock.model.runtime import Instance, Pipeline
from penstock.model.status import ENDED, FAILURES, PAUSED, RUNNING, WAITING_ON_DEPENDENCIES
from penstock.model.times import DAY_MS, SECOND_MS
from penstock.service.system import SYSTEM
from penstock.simulation.chaos.book import Scene, Violated
from penstock.simulation.chaos.life import CALM, Actor, Ask, Call, Life
from penstock.simulation.chaos.rules import is_held
from penstock.simulation.chaos.server import Outcome

MOST_STEPS: Final = 3_000
"""Batches that the calm may take; a history that needs more would never come to rest."""

ROUNDS: Final = 30
"""How often a person looks again."""

HORIZON_MS: Final = 500 * DAY_MS

Callers = Mapping[str, Caller]
"""Who works for an account, by its id."""


def settle(life: Life, callers: Callers) -> None:
    """Let good runners do all there is to do, and time pass until nothing more happens."""
    life.chances = CALM
    life.send_away()
    horizon = life.now + HORIZON_MS
    last = life.steps + MOST_STEPS
    while life.steps < last:
        offered = Counter(
            (each.account_id, each.worker_group)
            for each in life.rows.attempts.values()
            if each.offered
        )
        for (account, group), tasks in sorted(offered.items()):
            caller = SYSTEM if account == SYSTEM.account_id else callers[account]
            for _ in range(min(tasks, 3)):
                life.enter(_helper(caller, group))
        moment = life.idle_until()
        if moment is None or moment > horizon or (not offered and _only_looks(life)):
            return
        life.step()
    raise Violated(f"it has not come to rest after {MOST_STEPS} batches")


def _helper(caller: Caller, group: str) -> Actor:
    """A runner that does one task, and goes."""
    outcome = yield Ask(caller, group, "helper", SECOND_MS)
    task = outcome.answer.task_object if outcome.answer is not None else None
    if task is not None:
        yield Call("SetTaskStatus", caller, SetTaskStatusRequest(task.task_id, "FINISHED"))


def _only_looks(life: Life) -> bool:
    """Whether nothing is left but to look every hour if a pipeline that stands still is late."""
    rows = life.rows
    if life.busy or not rows.timers:
        return False
    for kind, subject in rows.timers:
        instance = rows.instances.get(subject)
        if kind != "late" or instance is None:
            return False
        if rows.pipelines[instance.pipeline].state == "SCHEDULED":
            return False
    return True


def everything_is_explained(life: Life, scenes: Mapping[int, Scene], callers: Callers) -> None:
    """Raise `Violated` if something waits that should not, or for another reason than is told."""
    for scene in scenes.values():
        if scene.row.deleted_at is not None and scene.instances:
            raise Violated(f"{scene.row.id} was deleted, and its history is still there")
        waiting = [each for each in scene.instances if each.status not in ENDED]
        if scene.row.deleted_at is not None or not waiting:
            continue
        names = [instance_id(each.component, each.start) for each in waiting]
        told = _explanations(life, callers[scene.row.account_id], scene.row, names)
        for instance, name in zip(waiting, names, strict=True):
            for fault in _explained(scene, instance, told.get(name)):
                raise Violated(f"{scene.row.id} {scene.row.state}: {name} {fault}")


def _explanations(
    life: Life, caller: Caller, row: Pipeline, names: list[str]
) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for k in range(0, len(names), 100):
        request = DescribeObjectsRequest(row.id, tuple(names[k : k + 100]))
        outcome = _call(life, caller, "DescribeObjects", request)
        if outcome.error is not None:
            raise outcome.error
        for item in outcome.answer.pipeline_objects:
            found[item.id] = item.string("@explanation")
    return found


def _explained(scene: Scene, instance: Instance, text: str | None) -> Iterator[str]:
    """What is wrong with the explanation of an instance that will not move by itself."""
    if not text:
        yield f"is {instance.status}, and nothing explains it"
    elif not scene.serving:
        if scene.row.state not in text:
            yield f"is held, as the pipeline is {scene.row.state}; it is told: {text}"
    elif instance.status == PAUSED:
        if "paused" not in text:
            yield f"is paused; it is told: {text}"
    elif instance.status != WAITING_ON_DEPENDENCIES:
        yield f"is {instance.status} for ever; it is told: {text}"
    else:
        roots = _roots(scene, instance, set())
        if not roots:
            yield f"waits for nothing that a person could mend; it is told: {text}"
        elif not any(root in text for root in roots):
            yield f"waits because of {sorted(roots)}; it is told: {text}"


def _roots(scene: Scene, instance: Instance, seen: set[int]) -> set[str]:
    """The instances that hold an instance up and wait for nothing themselves."""
    if instance.key in seen:
        return set()
    seen.add(instance.key)
    if instance.status == PAUSED or instance.status in FAILURES:
        return {instance_id(instance.component, instance.start)}
    found: set[str] = set()
    part = scene.part(instance)
    if is_held(scene, instance, part):
        return _roots(scene, scene.named[part.owner, instance.start], seen)
    for target, starts in scene.plans.needs(instance).items():
        for start in starts:
            other = scene.named.get((target, start))
            if other is not None:
                found |= _roots(scene, other, seen)
            elif scene.is_to_come(target, start):
                for each in _holders_of_room(scene, target):
                    found |= _roots(scene, each, seen)
    return found


def _holders_of_room(scene: Scene, component: str) -> list[Instance]:
    """What is unfinished of a component, or of those that use it, so that no more is made."""
    part = scene.plans.parts(scene.row.version)[component]
    found: list[Instance] = []
    for name in (component, *part.users):
        found += [each for each in scene.made.get(name, []) if each.status not in ENDED]
    return found


def put_in_order(life: Life, callers: Callers) -> None:
    """What a person does to see everything through: activate, resume, mark what is blocked."""
    for _ in range(ROUNDS):
        rows = life.rows
        left = [
            row
            for row in rows.pipelines.values()
            if row.version and row.deleted_at is None and row.state != "FINISHED"
        ]
        if not left:
            return
        for row in left:
            _mend(life, callers[row.account_id], row)
        settle(life, callers)
    raise Violated(f"{[(row.id, row.state) for row in left]} cannot be brought to an end")


def _mend(life: Life, caller: Caller, row: Pipeline) -> None:
    if row.state == "INACTIVE":
        _call(life, caller, "ActivatePipeline", ActivatePipelineRequest(row.id))
    instances = [each for each in life.rows.instances.values() if each.pipeline == row.key]
    for component in sorted({each.component.partition("@")[0] for each in instances}):
        _call(life, caller, "SetStatus", SetStatusRequest(row.id, (component,), "RESUME"))
    for each in instances:
        if each.status not in ENDED and each.status != RUNNING:
            name = instance_id(each.component, each.start)
            _call(life, caller, "SetStatus", SetStatusRequest(row.id, (name,), "MARK_FINISHED"))


def _call(life: Life, caller: Caller, operation: str, request: Request) -> Outcome:
    """Make a call, and wait until it has been answered."""
    heard: list[Outcome] = []

    def actor() -> Actor:
        heard.append((yield Call(operation, caller, request)))

    life.enter(actor())
    while not heard:
        life.step()
    return heard[0]
