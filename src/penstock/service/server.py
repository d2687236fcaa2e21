"""The service behind the wire: operations by name, with the writer and the timekeeper running."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence

from msgspec import Struct

from penstock.model.api import PollForTaskAnswer, PollForTaskRequest, Request
from penstock.model.caller import Caller
from penstock.resources.provider import Provider, Traceable
from penstock.service.context import Context
from penstock.service.listening import keep_listening
from penstock.service.log_keeping import keep_logs_bounded
from penstock.service.operations import OPERATIONS
from penstock.service.operations.tasks import poll_for_task, take_back
from penstock.service.orphans import keep_no_orphans
from penstock.service.steward import Steward
from penstock.service.sweeping import keep_retention
from penstock.service.system import Evaluator, SystemRunner
from penstock.service.timekeeper import (
    LONGEST_SLEEP_AMONG_OTHERS_SECONDS,
    LONGEST_SLEEP_SECONDS,
    keep_time,
)


class PenstockService:
    """Implements `service.api.Service`; `start` and `stop` belong to the server's life.

    `evaluators` do what the server does itself, by the type of the object; `providers` make what
    it is run on, by the type of the resource; `traceable` find again what was made.
    """

    def __init__(
        self,
        context: Context,
        evaluators: Mapping[str, Evaluator] | None = None,
        providers: Mapping[str, Provider] | None = None,
        traceable: Sequence[Traceable] = (),
    ) -> None:
        self._context = context
        self._system = SystemRunner(context, evaluators or {})
        self._steward = Steward(context, providers or {})
        self._traceable = traceable
        self._tasks: list[asyncio.Task[None]] = []
        self._serving: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to write and to keep time; what was due while the server was down is due now."""
        context, writer = self._context, self._context.writer
        longest = (
            LONGEST_SLEEP_AMONG_OTHERS_SECONDS if context.store.distant else LONGEST_SLEEP_SECONDS
        )
        listening = keep_listening(context.store, writer, context.dispatcher)
        self._tasks = [
            asyncio.create_task(writer.run(), name="writer"),
            asyncio.create_task(keep_time(writer, context.clock, longest), name="timekeeper"),
            asyncio.create_task(listening, name="listening"),
        ]
        if context.settings.log_bytes:
            bounding = keep_logs_bounded(context)
            self._tasks.append(asyncio.create_task(bounding, name="logs"))
        if context.settings.retention_ms:
            keeping = keep_retention(context)
            self._tasks.append(asyncio.create_task(keeping, name="retention"))
        self._serving = [
            asyncio.create_task(self._system.run(), name="system"),
            asyncio.create_task(self._steward.run(), name="steward"),
            asyncio.create_task(keep_no_orphans(context, self._traceable), name="orphans"),
        ]

    async def stop(self) -> None:
        """Finish what was taken on, then stop; calls that come later are refused."""
        for serving in self._serving:
            serving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await serving
        self._context.writer.stop()
        writing, *others = self._tasks
        await writing
        for task in others:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        # A read that goes on would give its connection back to a store that is closed.
        await asyncio.to_thread(self._context.close)

    async def call(
        self,
        operation: str,
        caller: Caller,
        request: Request,
        gone: asyncio.Future[None] | None,
    ) -> Struct | None:
        """Run one operation; see `service.api.Service`."""
        if isinstance(request, PollForTaskRequest):
            return await poll_for_task(self._context, caller, request, gone)
        answer: Struct | None = await OPERATIONS[operation](self._context, caller, request)
        return answer

    async def undelivered(self, caller: Caller, answer: PollForTaskAnswer) -> None:
        """Take back a task whose answer could not be sent."""
        await take_back(self._context, caller, answer)
