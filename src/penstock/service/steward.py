"""The steward of resources: has the steps of their lives done by providers.

Steps are tasks in a queue of the server's own. Whoever takes one asks the provider, in a thread,
and tells the engine what came of it; one that is lost with its server is offered again. So any
server may do any step, and it takes nothing but the database to go on.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from penstock.engine.events import StepDone
from penstock.engine.machines import deadline_of
from penstock.engine.plan import RESOURCE_GROUP
from penstock.model.api import PollForTaskRequest, ReportTaskProgressRequest, TaskObject
from penstock.model.compute import Machine, Outcome, machine_of
from penstock.model.errors import ApiError, InternalServiceError
from penstock.model.ids import resource_group
from penstock.model.runtime import TaskKey
from penstock.resources.provider import Gone, Order, Pending, Provider, ProviderError
from penstock.service.context import Context
from penstock.service.faults import log_fault
from penstock.service.load import place_of
from penstock.service.operations.tasks import poll_for_task, report_task_progress
from penstock.service.system import PAUSE_SECONDS, REPORT_SECONDS, SYSTEM
from penstock.service.unit import Unit

SLOTS = 4
"""Steps at a time: they wait for other services, hardly for the processor."""


class Job(Struct, frozen=True):
    """A step, as whoever does it needs it."""

    order: Order
    machine: Machine


class Steward:
    """Polls the queue of steps and has them done, for as long as `run` lasts."""

    def __init__(self, context: Context, providers: Mapping[str, Provider]) -> None:
        self._context = context
        self._providers = providers

    async def run(self) -> None:
        """Serve the queue until cancelled."""
        if not self._providers:
            return
        async with asyncio.TaskGroup() as group:
            for number in range(SLOTS):
                group.create_task(self._serve(), name=f"steward-{number}")

    async def _serve(self) -> None:
        while True:
            try:
                request = PollForTaskRequest(RESOURCE_GROUP, "the server")
                answer = await poll_for_task(self._context, SYSTEM, request, None)
                if answer.task_object is not None:
                    await self._do(answer.task_object)
            except ApiError:
                # The database is away: what is in hand is offered again when its time is up.
                await asyncio.sleep(PAUSE_SECONDS)

    async def _do(self, task: TaskObject) -> None:
        """One step, from its hand-over to its end."""
        key = self._context.task_ids.decode(task.task_id, SYSTEM.account_id)
        job: Job | None = await self._context.writer.submit(lambda unit: job_of(unit, key, task))
        if job is None:
            return
        working = asyncio.create_task(asyncio.to_thread(self._ask, job))
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REPORT_SECONDS):
                    outcome = await asyncio.shield(working)
                    break
            progress = ReportTaskProgressRequest(task.task_id)
            with contextlib.suppress(InternalServiceError):
                await report_task_progress(self._context, SYSTEM, progress)
        await self._context.writer.submit(end_of(key, outcome), key)

    def _ask(self, job: Job) -> Outcome:
        return ask(self._providers.get(job.order.type), job)


def end_of(key: TaskKey, outcome: Outcome) -> Callable[[Unit], Any]:
    """The command that tells the engine how a step has ended."""
    return lambda unit: unit.run(StepDone(key, outcome))


def job_of(unit: Unit, key: TaskKey, task: TaskObject) -> Job | None:
    """A claimed step with its order; None if its pipeline has been forgotten. Changes nothing."""
    found = unit.store.task(key.instance, key.attempt)
    if found is None or found.attempt is None:
        return None
    instance, attempt = found.instance, found.attempt
    place = place_of(unit, instance)
    component, pipeline = place.component, place.pipeline
    machine = machine_of(attempt.fields)
    fields = task.objects[task.attempt_id]
    last = instance.tries > component.max_retries
    on_demand = last and (fields.string("useOnDemandOnLastAttempt") or "").lower() == "true"
    order = Order(
        token=f"{pipeline.id}_{task.attempt_id}",
        account_id=pipeline.account_id,
        pipeline_id=pipeline.id,
        worker_group=resource_group(pipeline.id, instance.component, instance.start),
        type=component.type,
        fields=fields,
        objects=task.objects,
        spot=not on_demand and any(each.key.endswith("BidPrice") for each in fields.fields),
        deadline=deadline_of(component, machine),
        tags={tag.key: tag.value for tag in pipeline.tags},
    )
    return Job(order, machine)


def ask(provider: Provider | None, job: Job) -> Outcome:
    """Have a step done, and say what came of it, whatever it was."""
    order, machine = job.order, job.machine
    if provider is None:
        return Outcome("fault", f"this server has no provider for {order.type}")
    try:
        return _STEPS[machine.step](provider, order, machine)
    except ProviderError as error:
        return Outcome("failed" if error.final else "fault", str(error))
    except Exception as error:  # noqa: BLE001 - whatever it is, the step gets an end
        log_fault("resource step failed", step=machine.step, token=order.token)
        return Outcome("fault", f"{type(error).__name__}: {error}")


def _check(provider: Provider, order: Order, machine: Machine) -> Outcome:
    problems = provider.check(order)
    return Outcome("refused", "; ".join(problems)) if problems else Outcome("valid")


def _create(provider: Provider, order: Order, machine: Machine) -> Outcome:
    made = provider.create(order)
    return Outcome("made", handle=made.handle, facts=made.facts)


def _look(provider: Provider, order: Order, machine: Machine) -> Outcome:
    found = provider.look(order, machine.handle or "")
    if isinstance(found, Gone):
        return Outcome("gone", found.reason)
    return Outcome("pending" if isinstance(found, Pending) else "up")


def _restart(provider: Provider, order: Order, machine: Machine) -> Outcome:
    provider.restart_runner(order, machine.handle or "")
    return Outcome("restarted")


def _stop(provider: Provider, order: Order, machine: Machine) -> Outcome:
    return Outcome("stopped" if provider.stop(order, machine.handle) else "pending")


_STEPS: Mapping[str, Callable[[Provider, Order, Machine], Outcome]] = {
    "check": _check,
    "create": _create,
    "look": _look,
    "restart": _restart,
    "stop": _stop,
}
