"""Runners that work, hang, die and lie; and people who give all the commands there are."""

from random import Random
from typing import Final

from msgspec import Struct

from penstock.language.forms import from_cli
from penstock.model.api import (
    ActivatePipelineRequest,
    CreatePipelineRequest,
    DeactivatePipelineRequest,
    DeletePipelineRequest,
    DescribeObjectsRequest,
    PutPipelineDefinitionRequest,
    ReportTaskProgressRequest,
    ReportTaskRunnerHeartbeatRequest,
    Request,
    SetStatusRequest,
    SetTaskStatusRequest,
    TaskObject,
)
from penstock.model.caller import Caller
from penstock.model.ids import instance_id
from penstock.model.runtime import Instance
from penstock.model.status import ENDED, FINISHED, RUNNING
from penstock.model.times import HOUR_MS, MINUTE_MS, SECOND_MS
from penstock.service.system import SYSTEM
from penstock.simulation.chaos.blueprint import Blueprint
from penstock.simulation.chaos.drawing import CONDITIONS, draw, edit
from penstock.simulation.chaos.life import Actor, Ask, Call, Life, Rest

ACCOUNTS: Final = tuple(
    Caller(f"{n:012}", f"AIDACHAOS{n:011}", f"person{n}", f"AKIACHAOS{n}") for n in (1, 2)
)

SYSTEM_GROUP: Final = "@system"
"""Where the server's own tasks stand, for no caller to see."""

Editions = dict[str, Blueprint]
"""All blueprints that were ever put, by name."""


class Manner(Struct, frozen=True):
    """How a runner goes about a task; times in milliseconds."""

    begins: bool = True
    starts_after_ms: int = 0
    reports: int = 1
    pause_ms: int = 0
    end: str | None = "FINISHED"
    ends_twice: bool = False


def _manner(random: Random, is_condition: bool) -> Manner:
    """Mostly it works well; what may go wrong is all here."""
    chance = random.random()
    if chance < 0.08:
        return Manner(begins=False)
    if chance < 0.14:
        return Manner(starts_after_ms=random.choice((1, 3)) * MINUTE_MS)
    end: str | None = "FINISHED"
    if chance < 0.16:
        end = None
    elif chance < 0.45:
        end = "FAILED"
    elif chance < (0.7 if is_condition else 0.48):
        end = "FALSE"
    return Manner(
        reports=random.choice((0, 1, 1, 2)),
        pause_ms=random.choice((1, 20, 60, 300, 1200)) * SECOND_MS,
        end=end,
        ends_twice=random.random() < 0.1,
    )


def runner(life: Life, caller: Caller, group: str, name: str) -> Actor:
    """Polls a worker group for ever, and does what it gets in one manner or another."""
    random = life.random
    while True:
        patience_ms = random.choice((1, 10, 60)) * MINUTE_MS
        outcome = yield Ask(caller, group, name, patience_ms, rude=random.random() < 0.04)
        task: TaskObject | None = getattr(outcome.answer, "task_object", None)
        if task is None:
            yield Rest(random.choice((0, 10, 120)) * SECOND_MS)
            continue
        yield from _work(random, caller, task)


def _work(random: Random, caller: Caller, task: TaskObject) -> Actor:
    """One task, to whatever end. A runner that is told to stop sometimes goes on all the same."""
    manner = _manner(random, task.attempt_id[1:2] in CONDITIONS)
    if not manner.begins:
        return
    yield Rest(manner.starts_after_ms)
    for _ in range(manner.reports):
        report = ReportTaskProgressRequest(task.task_id)
        outcome = yield Call("ReportTaskProgress", caller, report)
        stop = outcome.error is not None or (outcome.heard and outcome.answer.canceled)
        if stop and random.random() < 0.7:
            return
        yield Rest(manner.pause_ms)
    if manner.end is None:
        return
    error = "it was to fail" if manner.end == "FAILED" else None
    request = SetTaskStatusRequest(task.task_id, manner.end, error and "Chaos", error)
    for _ in range(2 if manner.ends_twice else 1):
        yield Call("SetTaskStatus", caller, request)


def liar(life: Life) -> Actor:
    """Speaks of tasks that are not its own, are none, or were, long ago."""
    random = life.random
    while True:
        yield Rest(random.choice((60, 600, 1800)) * SECOND_MS)
        caller, task_id = random.choice(life.tasks) if life.tasks else (ACCOUNTS[0], "none")
        chance = random.random()
        if chance < 0.2:
            caller = random.choice(ACCOUNTS)
        elif chance < 0.3:
            task_id = task_id[: random.randint(1, len(task_id))]
        end = random.choice(("FINISHED", "FAILED", "FALSE"))
        yield random.choice(
            (
                Call("SetTaskStatus", caller, SetTaskStatusRequest(task_id, end)),
                Call("ReportTaskProgress", caller, ReportTaskProgressRequest(task_id)),
                Call(
                    "ReportTaskRunnerHeartbeat",
                    caller,
                    ReportTaskRunnerHeartbeatRequest("liar", "workers"),
                ),
            )
        )


def own_runner(life: Life) -> Actor:
    """The server's own: system-managed preconditions and alarms."""
    return runner(life, SYSTEM, SYSTEM_GROUP, "the server")


def person(life: Life, caller: Caller, editions: Editions) -> Actor:
    """Makes a pipeline and activates it, then gives commands at random."""
    blueprint = draw(life.random, f"{caller.user_name}-1", life.now)
    editions[blueprint.name] = blueprint
    request = CreatePipelineRequest("pipeline", caller.user_name)
    while True:
        outcome = yield Call("CreatePipeline", caller, request)
        if outcome.answer is not None:
            break
    pipeline: str = outcome.answer.pipeline_id
    while True:
        outcome = yield _put(caller, pipeline, blueprint)
        if outcome.answer is not None:
            if outcome.answer.errored:
                raise AssertionError(f"not valid: {outcome.answer.validation_errors}")
            break
    yield Call("ActivatePipeline", caller, ActivatePipelineRequest(pipeline))
    yield from _give_commands(life, caller, pipeline, editions, blueprint)


def _put(caller: Caller, pipeline: str, blueprint: Blueprint) -> Call:
    definition = from_cli({"objects": blueprint.objects()})
    request = PutPipelineDefinitionRequest(pipeline, definition.pipeline_objects)
    return Call("PutPipelineDefinition", caller, request)


def _give_commands(
    life: Life, caller: Caller, pipeline: str, editions: Editions, blueprint: Blueprint
) -> Actor:
    random, edited = life.random, 1
    while True:
        yield Rest(random.choice((0, 0, 30, 120, 600, 1800)) * SECOND_MS)
        if random.random() < 0.12:
            edited += 1
            name = f"{caller.user_name}-{edited}"
            blueprint = edit(random, blueprint, name)
            editions[name] = blueprint
            yield _put(caller, pipeline, blueprint)
            yield Call("ActivatePipeline", caller, ActivatePipelineRequest(pipeline))
            continue
        yield _command(life, caller, pipeline)


def _command(life: Life, caller: Caller, pipeline: str) -> Call:
    """Something that a person may do; much of it is refused."""
    random = life.random
    chance = random.random()
    request: Request
    if chance < 0.16:
        start_at = life.now - random.randint(-1, 4) * HOUR_MS if random.random() < 0.4 else None
        request = ActivatePipelineRequest(pipeline, (), start_at)
        return Call("ActivatePipeline", caller, request)
    if chance < 0.3:
        request = DeactivatePipelineRequest(pipeline, random.random() < 0.5)
        return Call("DeactivatePipeline", caller, request)
    if chance < 0.31:
        return Call("DeletePipeline", caller, DeletePipelineRequest(pipeline))
    if chance < 0.36:
        names = tuple(
            instance_id(each.component, each.start) for each in _instances(life, pipeline)
        )
        request = DescribeObjectsRequest(pipeline, names[:100], True)
        return Call("DescribeObjects", caller, request)
    return Call("SetStatus", caller, _set_status(life, pipeline))


def _instances(life: Life, pipeline: str) -> list[Instance]:
    keys = {row.key for row in life.rows.pipelines.values() if row.id == pipeline}
    return [each for each in life.rows.instances.values() if each.pipeline in keys]


def _set_status(life: Life, pipeline: str) -> SetStatusRequest:
    """For components or instances of the pipeline, whatever state they are in."""
    random, instances = life.random, _instances(life, pipeline)
    components = sorted({each.component.partition("@")[0] for each in instances})
    if not instances:
        return SetStatusRequest(pipeline, ("Nobody",), "PAUSE")
    if random.random() < 0.3:
        chosen = random.sample(components, min(len(components), random.choice((1, 1, 2))))
        return SetStatusRequest(pipeline, tuple(chosen), random.choice(("PAUSE", "RESUME")))
    status = random.choice(("TRY_CANCEL", "CANCEL", "RERUN", "RERUN", "MARK_FINISHED"))
    if random.random() < 0.7:
        instances = [each for each in instances if _suits(each, status)] or instances
    some = random.sample(instances, min(len(instances), random.choice((1, 1, 2, 3))))
    names = tuple(instance_id(each.component, each.start) for each in some)
    return SetStatusRequest(pipeline, names, status)


def _suits(instance: Instance, status: str) -> bool:
    """Whether a status will not be refused for an instance."""
    if status == "RERUN":
        return instance.status in ENDED
    if status == "MARK_FINISHED":
        return instance.status not in {RUNNING, FINISHED}
    return instance.status not in ENDED
