"""Waiting polls, by queue, in the order of their arrival; and the hand-over of tasks to them.

A poll waits only while its queue is empty, and every task that is offered is handed over within
the transaction that offers it, so a later poll never overtakes an earlier one. All of this happens
in one thread, between two commits; the table of waiting polls is the only state, and it goes with
the connections.
"""

from collections import OrderedDict
from collections.abc import Callable

from penstock.engine.events import Claim
from penstock.engine.views import InstanceView
from penstock.model.api import PollForTaskAnswer, TaskObject
from penstock.model.definition import PipelineObject
from penstock.model.ids import attempt_id
from penstock.model.runtime import TaskKey
from penstock.model.times import HOUR_MS, Instant
from penstock.service.faults import log_fault
from penstock.service.load import view_of
from penstock.service.task_ids import TaskIds
from penstock.service.unit import Queue, TooLate, Unit


class Poll:
    """A poll that waits; `deliver` is called with its answer once that is durable."""

    __slots__ = ("deliver", "hostname", "queue")

    def __init__(
        self, queue: Queue, hostname: str | None, deliver: Callable[[PollForTaskAnswer], None]
    ) -> None:
        self.queue = queue
        self.hostname = hostname
        self.deliver = deliver


LATELY_MS = HOUR_MS
"""How long a group counts as asked for: a runner with all its slots busy asks for nothing."""

MOST_REMEMBERED = 10_000
"""Queues whose last poll is remembered; a caller who makes up names fills no memory."""

Objects = dict[str, PipelineObject]
Delivery = tuple[Poll, PollForTaskAnswer]


class Dispatcher:
    """Who waits for what."""

    def __init__(self, task_ids: TaskIds) -> None:
        self._task_ids = task_ids
        self._waiting: dict[Queue, OrderedDict[Poll, None]] = {}
        self._last_polls: OrderedDict[Queue, Instant] = OrderedDict()
        self._joined: list[Poll] = []
        """Those that began to wait in this batch."""

    def note(self, queue: Queue, now: Instant) -> None:
        """Somebody asks for tasks of a queue."""
        self._last_polls[queue] = now
        self._last_polls.move_to_end(queue)
        if len(self._last_polls) > MOST_REMEMBERED:
            self._last_polls.popitem(last=False)

    def polled(self, account_id: str, now: Instant) -> frozenset[str]:
        """The account's worker groups that somebody asked for lately, since this server started."""
        return frozenset(
            group
            for (account, group), at in self._last_polls.items()
            if account == account_id and at >= now - LATELY_MS
        )

    def begin(self) -> None:
        """A batch begins."""
        self._joined.clear()

    def undo(self) -> None:
        """The batch is undone: who began to wait in it has not, and may arrive in it anew.

        A poll left waiting here would be in its own way then, and in that of the tasks that are
        there already: it would seem that others wait, and nothing new would be offered to them.
        """
        for poll in self._joined:
            self.leave(poll)

    def arrive(self, unit: Unit, poll: Poll) -> PollForTaskAnswer | None:
        """A task at once, or None: then the poll has joined those that wait."""
        # Where others wait, a task that this batch has offered is theirs.
        answer = self._claim(unit, poll) if poll.queue not in self._waiting else None
        if answer is None:
            self._waiting.setdefault(poll.queue, OrderedDict())[poll] = None
            self._joined.append(poll)
        return answer

    def leave(self, poll: Poll) -> bool:
        """The poll waits no longer; False if it was not waiting: its task is on the way."""
        polls = self._waiting.get(poll.queue)
        if polls is None or poll not in polls:
            return False
        del polls[poll]
        if not polls:
            del self._waiting[poll.queue]
        return True

    def dispatch(self, unit: Unit) -> list[Delivery]:
        """Hand newly offered tasks to those that wait, first come first served."""
        deliveries: list[Delivery] = []
        while unit.offered:
            queue, _ = unit.offered.popitem()
            while queue in self._waiting:
                poll = next(iter(self._waiting[queue]))
                answer = self._claim(unit, poll)
                if answer is None:
                    break
                self.leave(poll)
                deliveries.append((poll, answer))
            unit.settle()
        return deliveries

    def _claim(self, unit: Unit, poll: Poll) -> PollForTaskAnswer | None:
        """The queue's first task; one whose expressions fail has ended, and the next is tried."""
        account_id, worker_group = poll.queue
        while tasks := unit.store.offered(account_id, worker_group, 1):
            view = view_of(unit, tasks[0])
            objects = self._hand_over(unit, poll, view)
            if objects is not None:
                return PollForTaskAnswer(self._task(view, objects))
        return None

    def _hand_over(self, unit: Unit, poll: Poll, view: InstanceView) -> Objects | None:
        """The task's objects; None if it has failed instead.

        A task that meets a defect of ours fails too: else it would stand in its queue for ever, and
        all others behind it.
        """
        try:
            found: Objects | None = unit.attempt(lambda: unit.run(Claim(poll.hostname), view))
        except TooLate:
            raise
        except Exception as error:  # noqa: BLE001 - see above
            unit.forget()
            log_fault("hand-over failed", instance=view.instance.key)
            unit.run(Claim(poll.hostname, f"{type(error).__name__}: {error}"), view)
            return None
        return found

    def _task(self, view: InstanceView, objects: dict[str, PipelineObject]) -> TaskObject:
        instance, attempt = view.instance, view.attempt
        if attempt is None:
            raise LookupError("an offered task has no attempt")
        key = TaskKey(
            attempt.account_id,
            attempt.pipeline,
            attempt.instance,
            attempt.number,
            attempt.generation,
        )
        return TaskObject(
            self._task_ids.encode(key),
            view.place.pipeline.id,
            attempt_id(instance.component, instance.start, attempt.number),
            objects,
        )

    @property
    def waiting_count(self) -> int:
        """How many polls wait."""
        return sum(len(polls) for polls in self._waiting.values())
