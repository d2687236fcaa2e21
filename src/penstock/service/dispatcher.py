"""Waiting polls, by queue, in the order of their arrival; and the hand-over of tasks to them.

A poll waits only while its queue is empty, and every task that is offered is handed over within
the transaction that offers it, so a later poll never overtakes an earlier one. All of this happens
in one thread, between two commits; only `leave` may come from another, at any time. The table of
waiting polls is the only state, and it goes with the connections.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable

from penstock.engine.events import Claim
from penstock.engine.views import InstanceView
from penstock.model.api import PollForTaskAnswer, TaskObject
from penstock.model.definition import PipelineObject
from penstock.model.ids import attempt_id
from penstock.model.runtime import TaskKey
from penstock.model.times import HOUR_MS, MINUTE_MS, Instant
from penstock.service.faults import log_fault
from penstock.service.hearing import hear
from penstock.service.load import view_of
from penstock.service.task_ids import TaskIds
from penstock.service.unit import Queue, TooLate, Unit
from penstock.store.protocol import StoreUnavailable


class Poll:
    """A poll that waits; `deliver` is called with its answer once that is durable."""

    __slots__ = ("deliver", "hostname", "left", "queue")

    def __init__(
        self, queue: Queue, hostname: str | None, deliver: Callable[[PollForTaskAnswer], None]
    ) -> None:
        self.queue = queue
        self.hostname = hostname
        self.deliver = deliver
        self.left = False
        """It gave up while it stood in no table: it must not be put into one any more."""


LATELY_MS = HOUR_MS
"""How long a group counts as asked for: a runner with all its slots busy asks for nothing."""

RUNNERS_KEPT_DAYS = 30
"""How long the store remembers runners and polls that are not repeated."""

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
        self._lock = threading.Lock()
        """For the table: never held while the store is asked something."""
        self._joined: list[Poll] = []
        """Those that began to wait in this batch."""
        self._served: list[Poll] = []
        """Those that ceased to wait in this batch, because there was a task for them."""
        self._passed_over: dict[Queue, set[int]] = {}

    def note(self, queue: Queue, now: Instant) -> bool:
        """Somebody asks for tasks of a queue. True if it is the first this minute, as far as known:
        once a minute is often enough to write it down for other servers.
        """
        before = self._last_polls.get(queue)
        self._last_polls[queue] = now
        self._last_polls.move_to_end(queue)
        if len(self._last_polls) > MOST_REMEMBERED:
            self._last_polls.popitem(last=False)
        return before is None or before // MINUTE_MS < now // MINUTE_MS

    def polled(self, account_id: str, now: Instant) -> frozenset[str]:
        """The account's worker groups that somebody asked this server for lately."""
        return frozenset(
            group
            for (account, group), at in self._last_polls.items()
            if account == account_id and at >= now - LATELY_MS
        )

    def last_poll(self, queue: Queue) -> Instant | None:
        """When somebody last asked this server for tasks of a queue; None: never, or long ago."""
        return self._last_polls.get(queue)

    def begin(self) -> None:
        """A batch begins."""
        self._joined.clear()
        self._served.clear()
        self._passed_over.clear()

    def undo(self) -> None:
        """The batch is undone: who began to wait in it has not, and may arrive in it anew.

        A poll left waiting here would be in its own way then, and in that of the tasks that are
        there already: it would seem that others wait, and nothing new would be offered to them.
        """
        with self._lock:
            for poll in self._joined:
                self._remove(poll)
        self._joined.clear()

    def abandoned(self) -> list[Poll]:
        """The polls that would have got a task by a batch that was lost; they wait no longer."""
        served = list(self._served)
        self._served.clear()
        return served

    def arrive(self, unit: Unit, poll: Poll) -> PollForTaskAnswer | None:
        """A task at once, or None: then the poll has joined those that wait."""
        if poll.left:
            return PollForTaskAnswer()
        hear(unit, *poll.queue, poll.hostname)
        # Where others wait, a task that this batch has offered is theirs.
        answer = self._claim(unit, poll) if poll.queue not in self._waiting else None
        if answer is None:
            return None if self._join(poll) else PollForTaskAnswer()
        return answer

    def _join(self, poll: Poll) -> bool:
        """Let it wait; False if it has given up meanwhile."""
        with self._lock:
            if poll.left:
                return False
            self._waiting.setdefault(poll.queue, OrderedDict())[poll] = None
            self._joined.append(poll)
            return True

    def leave(self, poll: Poll) -> bool:
        """The poll waits no longer; False if it was not waiting: its task may be on the way."""
        with self._lock:
            poll.left = not self._remove(poll)
            return not poll.left

    def _remove(self, poll: Poll) -> bool:
        polls = self._waiting.get(poll.queue)
        if polls is None or poll not in polls:
            return False
        del polls[poll]
        if not polls:
            del self._waiting[poll.queue]
        return True

    def queues(self) -> list[Queue]:
        """All queues that polls wait for."""
        with self._lock:
            return list(self._waiting)

    def awaits(self, queue: Queue) -> bool:
        """Whether a poll waits for a queue's tasks."""
        return queue in self._waiting

    def passed_over(self) -> dict[Queue, set[int]]:
        """Queues that polls wait for, each with the pipelines whose tasks could not be claimed."""
        return {queue: keys for queue, keys in self._passed_over.items() if queue in self._waiting}

    def serves(self, unit: Unit) -> bool:
        """Whether `dispatch` may have tasks for polls that wait here."""
        return any(queue in self._waiting for queue in (*unit.offered, *unit.announced))

    def dispatch(self, unit: Unit) -> list[Delivery]:
        """Hand newly offered tasks to those that wait, first come first served.

        What nobody waits for here, somebody may wait for at another server.
        """
        deliveries: list[Delivery] = []
        for queue in unit.announced:
            deliveries += self._serve(unit, queue)
            unit.settle()
        while unit.offered:
            queue, _ = unit.offered.popitem()
            deliveries += self._serve(unit, queue)
            unit.settle()
            if queue not in self._waiting:
                unit.store.announce(*queue)
        return deliveries

    def _serve(self, unit: Unit, queue: Queue) -> list[Delivery]:
        """Claim for a queue's polls until none waits or no task is left."""
        deliveries: list[Delivery] = []
        while (poll := self._take_first(queue)) is not None:
            answer = self._claim(unit, poll)
            if answer is None:
                if not self._put_back(poll):
                    deliveries.append((poll, PollForTaskAnswer()))
                break
            deliveries.append((poll, answer))
        return deliveries

    def _take_first(self, queue: Queue) -> Poll | None:
        """The poll that has waited longest. It is on its own then: giving up comes too late."""
        with self._lock:
            polls = self._waiting.get(queue)
            if polls is None:
                return None
            poll = next(iter(polls))
            self._remove(poll)
            self._served.append(poll)
            return poll

    def _put_back(self, poll: Poll) -> bool:
        """There was no task for it after all; False if it has given up meanwhile."""
        with self._lock:
            if poll.left:
                return False
            self._served.remove(poll)
            polls = self._waiting.setdefault(poll.queue, OrderedDict())
            polls[poll] = None
            polls.move_to_end(poll, last=False)
            return True

    def _claim(self, unit: Unit, poll: Poll) -> PollForTaskAnswer | None:
        """The queue's first task; one whose expressions fail has ended, and the next is tried."""
        account_id, worker_group = poll.queue
        while tasks := unit.store.offered(account_id, worker_group, 1):
            view = view_of(unit, tasks[0])
            objects = self._hand_over(unit, poll, view)
            if objects is not None:
                return PollForTaskAnswer(self._task(view, objects))
        if busy := unit.store.passed_over():
            self._passed_over.setdefault(poll.queue, set()).update(busy)
        return None

    def _hand_over(self, unit: Unit, poll: Poll, view: InstanceView) -> Objects | None:
        """The task's objects; None if it has failed instead.

        A task that meets a defect of ours fails too: else it would stand in its queue for ever, and
        all others behind it.
        """
        try:
            found: Objects | None = unit.attempt(lambda: unit.run(Claim(poll.hostname), view))
        except (TooLate, StoreUnavailable):
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
        with self._lock:
            return sum(len(polls) for polls in self._waiting.values())
