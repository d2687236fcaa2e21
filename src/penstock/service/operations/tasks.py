"""The operations of task runners: poll, report, end, heartbeat."""

import asyncio

from penstock.engine.events import EndTask, Report, Undelivered
from penstock.engine.plan import SERVICE_PREFIX, SYSTEM_ACCOUNT
from penstock.model.api import (
    EmptyAnswer,
    PollForTaskAnswer,
    PollForTaskRequest,
    ReportTaskProgressAnswer,
    ReportTaskProgressRequest,
    ReportTaskRunnerHeartbeatAnswer,
    ReportTaskRunnerHeartbeatRequest,
    SetTaskStatusRequest,
)
from penstock.model.caller import Caller
from penstock.model.errors import InvalidRequest
from penstock.service.context import Context
from penstock.service.dispatcher import Poll
from penstock.service.hearing import hear, is_over, lock_for
from penstock.service.unit import Unit
from penstock.store.protocol import Lock, lock_of

_NOTHING = PollForTaskAnswer()


async def poll_for_task(
    context: Context,
    caller: Caller,
    request: PollForTaskRequest,
    gone: asyncio.Future[None] | None,
) -> PollForTaskAnswer:
    """A task of the worker group: at once, or the first to become ready within the longest wait.

    Ends early, with nothing, when the client has gone away.
    """
    if request.instance_identity is not None:
        raise InvalidRequest(
            "instanceIdentity is given, but this server trusts no certificates to verify it with; "
            "leave it out"
        )
    if request.worker_group.startswith(SERVICE_PREFIX) and caller.account_id != SYSTEM_ACCOUNT:
        raise InvalidRequest(
            f"workerGroup is {request.worker_group!r}; names that begin with {SERVICE_PREFIX!r} "
            "are the service's own"
        )
    loop = asyncio.get_running_loop()
    arrived: asyncio.Future[PollForTaskAnswer] = loop.create_future()

    def deliver(answer: PollForTaskAnswer) -> None:
        if arrived.done():
            # The call was cancelled after its task was claimed: nobody is there to get it.
            context.spawn(take_back(context, caller, answer))
        else:
            arrived.set_result(answer)

    poll = Poll((caller.account_id, request.worker_group), request.hostname, deliver)
    fresh = context.dispatcher.note(poll.queue, context.clock())
    noteworthy = fresh and caller.account_id != SYSTEM_ACCOUNT
    locks: tuple[Lock, ...] = lock_for(request.worker_group)
    if noteworthy:
        locks = (*locks, lock_of("poll", *poll.queue))

    def arrive(unit: Unit) -> PollForTaskAnswer | None:
        if noteworthy:
            unit.store.put_poll(*poll.queue, unit.now)
        return context.dispatcher.arrive(unit, poll)

    def give_up(_: object = None) -> None:
        if context.dispatcher.leave(poll) and not arrived.done():
            arrived.set_result(_NOTHING)

    try:
        answer: PollForTaskAnswer | None = await context.writer.submit(arrive, *locks)
        if answer is not None:
            return answer
        timer = loop.call_later(context.settings.poll_wait_ms / 1000, give_up)
        if gone is not None:
            gone.add_done_callback(give_up)
        try:
            return await arrived
        finally:
            timer.cancel()
    finally:
        context.dispatcher.leave(poll)


async def take_back(context: Context, caller: Caller, answer: PollForTaskAnswer) -> None:
    """Put back a task whose answer could not be delivered."""
    if answer.task_object is None:
        return
    task = context.task_ids.decode(answer.task_object.task_id, caller.account_id)

    def undo(unit: Unit) -> None:
        unit.run(Undelivered(task))

    await context.writer.submit(undo, task)


async def report_task_progress(
    context: Context, caller: Caller, request: ReportTaskProgressRequest
) -> ReportTaskProgressAnswer:
    """Acknowledge a task, keep owning it, and learn whether to stop."""
    task = context.task_ids.decode(request.task_id, caller.account_id)
    event = Report(task, request.fields)

    def report(unit: Unit) -> ReportTaskProgressAnswer:
        answer: ReportTaskProgressAnswer = unit.run(event)
        return answer

    found: ReportTaskProgressAnswer = await context.writer.submit(report, task)
    return found


async def set_task_status(
    context: Context, caller: Caller, request: SetTaskStatusRequest
) -> EmptyAnswer:
    """End a task: FINISHED, or FAILED with what went wrong."""
    if request.error_id is not None and request.error_id.startswith("Service_"):
        raise InvalidRequest(
            f"errorId {request.error_id!r} begins with 'Service_', which is kept for the service; "
            "choose another"
        )
    task = context.task_ids.decode(request.task_id, caller.account_id)
    event = EndTask(
        task,
        request.task_status,
        request.error_id,
        request.error_message,
        request.error_stack_trace,
    )
    await context.writer.submit(lambda unit: unit.run(event), task)
    return EmptyAnswer()


async def report_task_runner_heartbeat(
    context: Context, caller: Caller, request: ReportTaskRunnerHeartbeatRequest
) -> ReportTaskRunnerHeartbeatAnswer:
    """Remember that a runner lives. `terminate`: it is on a resource that is being shut down."""
    group = request.worker_group or ""

    def remember(unit: Unit) -> bool:
        unit.store.put_heartbeat(
            caller.account_id,
            request.taskrunner_id,
            group,
            request.hostname or "",
            unit.now,
        )
        hear(unit, caller.account_id, group, request.hostname)
        return is_over(unit, caller.account_id, group)

    runner = lock_of("heartbeat", caller.account_id, request.taskrunner_id)
    over: bool = await context.writer.submit(remember, runner, *lock_for(group))
    return ReportTaskRunnerHeartbeatAnswer(terminate=over)
