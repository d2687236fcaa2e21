"""The server's own runner: system-managed preconditions and alarms.

They are tasks like all others, in a queue of their own; whoever does them polls, acknowledges and
ends them as any runner would. What is done for a type of object is handed in from outside.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping

from msgspec import Struct

from penstock.engine.plan import SYSTEM_ACCOUNT, SYSTEM_GROUP
from penstock.model.api import (
    PollForTaskRequest,
    ReportTaskProgressRequest,
    SetTaskStatusRequest,
    TaskObject,
)
from penstock.model.caller import Caller
from penstock.model.definition import PipelineObject
from penstock.model.errors import ApiError, InternalServiceError
from penstock.service.context import Context
from penstock.service.faults import log_fault
from penstock.service.operations.tasks import (
    poll_for_task,
    report_task_progress,
    set_task_status,
)

SYSTEM = Caller(SYSTEM_ACCOUNT, "", "penstock", "")
"""Who the server is to itself; no access key leads here."""

SLOTS = 4
"""Tasks at a time: they wait for other services, hardly for the processor."""

REPORT_SECONDS = 60.0
PAUSE_SECONDS = 5.0
"""How long to wait after a poll that failed."""


class Verdict(Struct, frozen=True):
    """How a task ended: `status` is FINISHED, FALSE or FAILED, with what went wrong."""

    status: str
    error_id: str | None = None
    error_message: str | None = None


Evaluator = Callable[[PipelineObject, Mapping[str, PipelineObject]], Verdict]
"""Does a task, in a thread of its own: from the attempt, and all objects that it refers to."""


class SystemRunner:
    """Polls the system queue and has its tasks done, for as long as `run` lasts."""

    def __init__(self, context: Context, evaluators: Mapping[str, Evaluator]) -> None:
        self._context = context
        self._evaluators = evaluators

    async def run(self) -> None:
        """Serve the queue until cancelled."""
        if not self._evaluators:
            return
        async with asyncio.TaskGroup() as group:
            for number in range(SLOTS):
                group.create_task(self._serve(), name=f"system-{number}")

    async def _serve(self) -> None:
        while True:
            try:
                answer = await poll_for_task(
                    self._context, SYSTEM, PollForTaskRequest(SYSTEM_GROUP, "the server"), None
                )
            except InternalServiceError:
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            if answer.task_object is not None:
                await self._do(answer.task_object)

    async def _do(self, task: TaskObject) -> None:
        """One task, from its acknowledgement to its end. What is lost on the way is done again."""
        try:
            verdict = await self._work(task)
            if verdict is not None:
                end = SetTaskStatusRequest(
                    task.task_id, verdict.status, verdict.error_id, verdict.error_message
                )
                await set_task_status(self._context, SYSTEM, end)
        except InternalServiceError:
            log_fault("system task without an end", attempt=task.attempt_id)
        except ApiError:
            # It is cancelled, deleted or another's: nothing is left to do.
            return

    async def _work(self, task: TaskObject) -> Verdict | None:
        """The task's verdict; None if it was called off before it began."""
        progress = ReportTaskProgressRequest(task.task_id)
        if (await report_task_progress(self._context, SYSTEM, progress)).canceled:
            return None
        working = asyncio.create_task(asyncio.to_thread(self._evaluate, task))
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REPORT_SECONDS):
                    return await asyncio.shield(working)
            await report_task_progress(self._context, SYSTEM, progress)

    def _evaluate(self, task: TaskObject) -> Verdict:
        attempt = task.objects[task.attempt_id]
        kind = attempt.string("type") or ""
        evaluator = self._evaluators.get(kind)
        if evaluator is None:
            return Verdict("FAILED", "Unsupported", f"This server has nothing to do {kind} with.")
        try:
            return evaluator(attempt, task.objects)
        except Exception as error:  # noqa: BLE001 - whatever it is, the task gets an end
            log_fault("system task failed", attempt=task.attempt_id)
            return Verdict("FAILED", type(error).__name__, str(error))
