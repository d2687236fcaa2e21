"""The smallest service that shows what the wire does with it."""

import asyncio
import queue
from typing import NamedTuple

from penstock.model.api import (
    Answer,
    CreatePipelineAnswer,
    CreatePipelineRequest,
    EmptyAnswer,
    EvaluateExpressionAnswer,
    EvaluateExpressionRequest,
    PollForTaskAnswer,
    PollForTaskRequest,
    ReportTaskProgressAnswer,
    Request,
    TaskObject,
)
from penstock.model.caller import Caller
from penstock.model.errors import InvalidRequest, PipelineNotFound
from penstock.wire.sigv4 import Credentials

NOW = 1_351_468_800_000  # 2012-10-29T00:00:00Z
CREDENTIALS = Credentials("AKIATESTTESTTESTTEST", "a secret of forty characters, or as many")
CALLER = Caller("123456789012", "AIDATESTTESTTESTTEST1", "somebody", CREDENTIALS.access_key_id)
TASK = PollForTaskAnswer(TaskObject("task", "df-1", "@a_Attempt=1", {}))


class Known(NamedTuple):
    secret: str
    caller: Caller


def lookup(access_key_id: str, session_token: str | None) -> Known | None:
    if access_key_id != CREDENTIALS.access_key_id or session_token not in (None, "token"):
        return None
    return Known(CREDENTIALS.secret_access_key, CALLER)


class TinyService:
    """Polls: worker group `ready` has a task at once, `held` one on `hand_over`.

    `stubborn` has one as soon as the client has gone. `events` tells what has happened so far.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, Caller, Request]] = []
        self.returned: list[PollForTaskAnswer] = []
        self.events: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._held: asyncio.Future[None] | None = None

    async def call(
        self,
        operation: str,
        caller: Caller,
        request: Request,
        gone: asyncio.Future[None] | None,
    ) -> Answer | None:
        self.calls.append((operation, caller, request))
        match operation, request:
            case "PollForTask", PollForTaskRequest(worker_group=group):
                assert gone is not None
                return await self._poll(group, gone)
            case "CreatePipeline", CreatePipelineRequest(name=name):
                return self._create(name)
            case "EvaluateExpression", EvaluateExpressionRequest(expression=expression):
                return EvaluateExpressionAnswer(expression)
            case "ReportTaskProgress", _:
                return ReportTaskProgressAnswer(canceled=False)
            case "DeletePipeline" | "SetStatus", _:
                return None
        return EmptyAnswer()

    async def undelivered(self, caller: Caller, answer: PollForTaskAnswer) -> None:
        self.returned.append(answer)
        self.events.put("returned")

    def hand_over(self) -> None:
        """From another thread: give the held poll its task."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._hand_over)

    def _hand_over(self) -> None:
        assert self._held is not None
        if not self._held.done():
            self._held.set_result(None)

    def _create(self, name: str) -> CreatePipelineAnswer:
        if name == "boom":
            raise RuntimeError("the secret reason")
        if name == "refused":
            raise InvalidRequest("That is refused: äöü.")
        if name == "unknown":
            raise PipelineNotFound("Pipeline with id: df-0 does not exist")
        return CreatePipelineAnswer("df-1")

    async def _poll(self, group: str, gone: asyncio.Future[None]) -> PollForTaskAnswer:
        if group == "ready":
            return TASK
        if group == "stubborn":  # Hands its task over only when the client has gone.
            self.events.put("polling")
            await asyncio.wait([gone])
            return TASK
        self._loop = asyncio.get_running_loop()
        self._held = self._loop.create_future()
        self.events.put("polling")
        await asyncio.wait([gone, self._held], return_when=asyncio.FIRST_COMPLETED)
        if gone.done():
            self.events.put("gone")
            return PollForTaskAnswer()
        return TASK
