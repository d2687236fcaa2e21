"""Who owns which task, and what was answered: nothing that was said may turn out untrue."""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from penstock.model.api import (
    PollForTaskAnswer,
    ReportTaskProgressRequest,
    SetTaskStatusRequest,
    TaskObject,
)
from penstock.model.errors import ApiError
from penstock.model.ids import parse_object_id
from penstock.model.runtime import Attempt
from penstock.model.status import ENDED, FAILED, FINISHED, RUNNING, WAITING_FOR_RUNNER
from penstock.simulation.chaos.blueprint import Part
from penstock.simulation.chaos.book import Scene
from penstock.simulation.chaos.database import Rows
from penstock.simulation.chaos.life import Ask, Call, GiveBack, Spoken, Step
from penstock.simulation.chaos.rules import ACKNOWLEDGE_MS, OWN_QUEUE, REPORT_MS
from penstock.simulation.chaos.server import Outcome

ATTEMPT_TIMEOUT: Final = "Service_AttemptTimeout"
RUNNER_LOST: Final = "Service_RunnerLost"
PRECONDITION_TIMEOUT: Final = "Service_PreconditionTimeout"

Faults = Iterator[str]
Key = tuple[int, int]
"""An attempt: its instance's key, and its number."""


class Hold(Struct, frozen=True):
    """What a task id stands for: an attempt, and which of its owners."""

    key: Key
    generation: int
    account_id: str


class Ledger:
    """Every task id that was handed out, and to whom."""

    def __init__(self) -> None:
        self._holds: dict[str, Hold] = {}

    def judge(self, step: Step, before: Rows, after: Rows, scenes: dict[int, Scene]) -> Faults:
        """What is wrong with the answers of a step, and with what it did to owners."""
        said = _Said(step)
        yield from self._attempts(said, before, after, scenes)
        for spoken, outcome in step.calls:
            if outcome is None or not outcome.heard:
                continue
            if isinstance(spoken, Ask) and outcome.error is None:
                yield from self._handed_over(spoken, outcome.answer, after)
            elif isinstance(spoken, Call) and outcome.error is None:
                yield from self._answered(spoken, outcome, before, after)

    def _handed_over(self, ask: Ask, answer: PollForTaskAnswer, after: Rows) -> Faults:
        task = answer.task_object
        if task is None:
            return
        attempt = _attempt_of(task, after)
        if attempt is None:
            yield f"{task.attempt_id} was handed over, and is not there"
            return
        generation = attempt.generation
        # An alarm may be set off anew in the batch that hands it over: it is taken away again, and
        # may be handed to another.
        alarm = ask.group == OWN_QUEUE[1]
        if attempt.status != RUNNING:
            generation -= 1
            if not alarm:
                yield f"{task.attempt_id} was handed over, and does not run"
        if (attempt.account_id, attempt.worker_group) != (ask.caller.account_id, ask.group):
            yield f"{task.attempt_id} was handed to {ask.caller.account_id} {ask.group}"
        hold = Hold((attempt.instance, attempt.number), generation, ask.caller.account_id)
        if hold in self._holds.values() and not alarm:
            yield f"{task.attempt_id} was handed over twice, and has two owners"
        self._holds[task.task_id] = hold

    def _answered(self, call: Call, outcome: Outcome, before: Rows, after: Rows) -> Faults:
        """Nobody but the owner is heard, and what it is told is so."""
        request = call.request
        if not isinstance(request, ReportTaskProgressRequest | SetTaskStatusRequest):
            return
        hold = self._holds.get(request.task_id)
        if hold is None or hold.account_id != call.caller.account_id:
            yield f"{call.operation} for {request.task_id} was answered, which is not the caller's"
            return
        now, then = after.attempts.get(hold.key), before.attempts.get(hold.key)
        if now is None or then is None:
            yield f"{call.operation} was answered for a task that is not there"
            return
        again = isinstance(request, SetTaskStatusRequest) and request.task_status == "FALSE"
        stale = then.generation > hold.generation + again
        if stale or (then.generation == hold.generation and then.status == WAITING_FOR_RUNNER):
            yield f"{call.operation} of a stale owner was answered ({request.task_id})"
        if isinstance(request, ReportTaskProgressRequest):
            yield from _reported(outcome, now, hold)
        else:
            yield from _ended(request.task_status, now, hold)

    def _attempts(
        self, said: "_Said", before: Rows, after: Rows, scenes: dict[int, Scene]
    ) -> Faults:
        """An attempt changes hands, or ends, for a reason that somebody gave."""
        for key, now in after.attempts.items():
            then = before.attempts.get(key)
            if then is None or then == now:
                continue
            name = f"attempt {now.number} of {after.instances[now.instance].component}"
            if then.status in ENDED:
                yield f"{name} had ended as {then.status}, and has changed"
            elif now.generation < then.generation:
                yield f"{name}: its generation went back"
            elif then.status == RUNNING:
                owners = self._owners(key, then)
                for fault in _reasons(said, scenes[now.pipeline], then, now, owners):
                    yield f"{name}: {fault}"

    def _owners(self, key: Key, attempt: Attempt) -> set[str]:
        """The task id of who has an attempt; none if the hand-over was never heard of."""
        wanted = (key, attempt.generation)
        return {
            task_id
            for task_id, hold in self._holds.items()
            if (hold.key, hold.generation) == wanted
        }


class _Said:
    """What the callers of a step said, as far as it may have had an effect."""

    def __init__(self, step: Step) -> None:
        self.now = step.now
        self.ends: set[tuple[str, str]] = set()
        self.reports: set[str] = set()
        self.given_back = False
        for spoken, outcome in step.calls:
            if outcome is not None and isinstance(outcome.error, ApiError):
                continue
            self._note(spoken)

    def _note(self, spoken: Spoken) -> None:
        if isinstance(spoken, GiveBack):
            self.given_back = True
        elif isinstance(spoken, Call):
            request = spoken.request
            if isinstance(request, SetTaskStatusRequest):
                self.ends.add((request.task_id, request.task_status))
            elif isinstance(request, ReportTaskProgressRequest):
                self.reports.add(request.task_id)

    def ended(self, owners: set[str], status: str) -> bool:
        return any((owner, status) in self.ends for owner in owners)


def _reasons(said: _Said, scene: Scene, then: Attempt, now: Attempt, owners: set[str]) -> Faults:
    """Whether what happened to a running attempt had a reason."""
    part = scene.part(scene.rows.instances[now.instance])
    handed = then.handed_at or 0
    if now.generation > then.generation and now.error_id != RUNNER_LOST:
        forgotten = not then.acknowledged and handed + ACKNOWLEDGE_MS <= said.now
        by_owner = said.given_back or said.ended(owners, "FALSE")
        if not (forgotten or by_owner or part.kind == "alarm"):
            yield "it was taken from its owner, who had time left"
    elif now.status == FINISHED and not said.ended(owners, FINISHED):
        yield "it has finished, and its owner did not say so"
    elif now.status == FAILED and not _may_fail(said, part, then, now, owners):
        yield f"it has failed ({now.error_id}), and nobody said so, and it had time left"
    elif now.status == WAITING_FOR_RUNNER:
        yield "it is offered again, and its owner could still speak for it"
    elif (
        now.status == RUNNING and now.acknowledged > then.acknowledged and not owners & said.reports
    ):
        yield "it is acknowledged, and its owner did not report"


def _may_fail(said: _Said, part: Part, then: Attempt, now: Attempt, owners: set[str]) -> bool:
    """Its owner said so, or its time was up."""
    handed, limit = then.handed_at or 0, part.thing.attempt_timeout_ms
    if now.error_id == RUNNER_LOST:
        report_ms = part.thing.report_timeout_ms or REPORT_MS
        return then.acknowledged and (then.reported_at or handed) + report_ms <= said.now
    if now.error_id == ATTEMPT_TIMEOUT:
        return limit is not None and handed + limit <= said.now
    if now.error_id == PRECONDITION_TIMEOUT:
        return part.thing.condition_timeout_ms is not None
    return said.ended(owners, FAILED)


def _reported(outcome: Outcome, now: Attempt, hold: Hold) -> Faults:
    """What an owner is told, to go on or to stop, is on record."""
    if now.status in ENDED:
        return
    if outcome.answer.canceled:
        yield f"an owner was told to stop, and its attempt is {now.status}"
    elif now.generation == hold.generation and not now.acknowledged:
        yield "a report was answered, and the attempt is not acknowledged"


def _ended(status: str, now: Attempt, hold: Hold) -> Faults:
    """An end that was answered is on record, unless the attempt was cancelled."""
    if now.cancel_reason is not None:
        return
    if status in {FINISHED, FAILED} and now.status != status:
        yield f"{status} was answered, and the attempt is {now.status}"
    if status == "FALSE" and now.status not in ENDED and now.generation <= hold.generation:
        yield "FALSE was answered, and the attempt is still its owner's"


def _attempt_of(task: TaskObject, rows: Rows) -> Attempt | None:
    name = parse_object_id(task.attempt_id)
    keys = {row.key for row in rows.pipelines.values() if row.id == task.pipeline_id}
    for instance in rows.instances.values():
        if (
            name is None
            or instance.pipeline not in keys
            or instance.start // 1000 != ((name.start or 0) // 1000)
        ):
            continue
        if instance.component == name.component:
            return rows.attempts.get((instance.key, name.attempt or 0))
    return None


def is_refused(outcome: Outcome | None) -> bool:
    """Whether a caller knows that its call has changed nothing."""
    if outcome is None or not outcome.heard:
        return False
    if outcome.error is not None:
        return isinstance(outcome.error, ApiError)
    answer = outcome.answer
    return isinstance(answer, PollForTaskAnswer) and answer.task_object is None
