"""Scripted task runners: they poll, acknowledge, report and end tasks as a rule tells them.

They use what a real runner uses (poll, report, set status), and like it they survive a server that
dies: a call without an answer is made again.
"""

from collections.abc import Callable

from msgspec import Struct

from penstock.model.api import (
    PollForTaskAnswer,
    ReportTaskProgressRequest,
    SetTaskStatusRequest,
    TaskObject,
)
from penstock.model.caller import Caller
from penstock.model.errors import ApiError, PipelineDeleted, TaskNotFound
from penstock.model.times import MINUTE_MS
from penstock.service.dispatcher import Poll
from penstock.simulation.immediate import Crashed
from penstock.simulation.world import CALLER, World


class Work(Struct, frozen=True):
    """How a task goes: `end` is FINISHED, FAILED, FALSE, or None (the runner falls silent after the
    acknowledgement); `acknowledge` False: it is never heard of again. Times in milliseconds.
    """

    end: str | None = "FINISHED"
    takes_ms: int = 1_000
    acknowledge: bool = True
    report_every_ms: int = 5 * MINUTE_MS


Rule = Callable[[str], Work]
"""How the task of an attempt (by its id) goes."""


def at_once(_attempt: str) -> Work:
    """Every task finishes in a second."""
    return Work()


class Runner:
    """Slots that each poll one worker group, one task at a time, for as long as the world lasts."""

    def __init__(
        self,
        world: World,
        rule: Rule = at_once,
        worker_group: str = "workers",
        slots: int = 1,
        name: str = "runner",
        caller: Caller = CALLER,
    ) -> None:
        self.world = world
        self.caller = caller
        self.rule = rule
        self.worker_group = worker_group
        self.name = name
        self.slots = slots
        self.taken: list[str] = []
        """The ids of all attempts handed over, in order; one handed over twice stands twice."""
        self._polls: list[Poll] = []
        world.on_crash.append(self._hung_up)
        for _ in range(slots):
            world.at(world.now, self._poll)

    def stop(self) -> None:
        """Hang up all waiting polls."""
        for poll in self._polls:
            self.world.dispatcher.leave(poll)
        self._polls.clear()

    def _poll(self) -> None:
        world = self.world
        poll = Poll((self.caller.account_id, self.worker_group), self.name, lambda _: None)

        def delivered(answer: PollForTaskAnswer) -> None:
            self._polls.remove(poll)
            self._take(answer.task_object)

        poll.deliver = delivered
        self._polls.append(poll)
        try:
            answer = world.execute(lambda unit: world.dispatcher.arrive(unit, poll))
        except Crashed:
            return  # All polls broke, this one too: `_hung_up` has seen to it.
        if answer is not None:
            delivered(answer)

    def _hung_up(self) -> None:
        """The server is gone: every waiting poll is made again."""
        for _ in self._polls:
            self.world.at(self.world.now, self._poll)
        self._polls.clear()

    def _take(self, task: TaskObject | None) -> None:
        if task is None:
            self.world.at(self.world.now, self._poll)
            return
        self.taken.append(task.attempt_id)
        self.world.note(self.name, f"took {task.attempt_id}")
        work = self.rule(task.attempt_id)
        if not work.acknowledge:
            self.world.at(self.world.now, self._poll)
            return
        self.world.at(self.world.now, lambda: self._go_on(task, work, 0))

    def _go_on(self, task: TaskObject, work: Work, spent_ms: int) -> None:
        """Report, and do the next piece of the work, or end."""
        if spent_ms >= work.takes_ms > 0 and work.end is not None:
            self._end(task, work.end)
            return
        try:
            request = ReportTaskProgressRequest(task.task_id)
            answer = self.world.call("ReportTaskProgress", request, self.caller)
        except (TaskNotFound, PipelineDeleted) as error:
            self._leave(task, type(error).__name__)
            return
        if answer.canceled:
            self._leave(task, "was told to stop")
        elif work.end is None:
            self._leave(task, "fell silent")
        else:
            pause_ms = min(work.report_every_ms, work.takes_ms - spent_ms)
            self.world.at(
                self.world.now + pause_ms, lambda: self._go_on(task, work, spent_ms + pause_ms)
            )

    def _end(self, task: TaskObject, status: str) -> None:
        error = "it was to fail" if status == "FAILED" else None
        request = SetTaskStatusRequest(task.task_id, status, error and "Scripted", error)
        try:
            self.world.call("SetTaskStatus", request, self.caller)
        except ApiError as refused:
            self._leave(task, type(refused).__name__)
        else:
            self._leave(task, status)

    def _leave(self, task: TaskObject, why: str) -> None:
        self.world.note(self.name, f"left {task.attempt_id}: {why}")
        self.world.at(self.world.now, self._poll)
