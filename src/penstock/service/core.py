"""What happens between two commits: a batch of commands, decided in one transaction.

No threads and no event loop here: the writer calls it with what has gathered, the simulation with
one command at a time, and both get the same history.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from penstock.clock import Clock
from penstock.engine.events import (
    Advance,
    ConditionDue,
    Event,
    LateDue,
    MachineDue,
    OwnerDeadline,
    RetryDue,
)
from penstock.engine.plan import RESOURCE_GROUP
from penstock.engine.views import Rules
from penstock.model.api import PollForTaskAnswer
from penstock.model.errors import ApiError, InternalServiceError
from penstock.model.runtime import Timer
from penstock.model.times import MINUTE_MS, Instant
from penstock.service.definitions import Definitions
from penstock.service.dispatcher import Delivery, Dispatcher
from penstock.service.faults import log_fault
from penstock.service.unit import AFTER_A_FAULT_MS, Queue, TooLate, Unit
from penstock.store.protocol import Lock, Store, StoreUnavailable, Transaction

Command = Callable[[Unit], Any]
"""Something to do within a batch; what it answers goes to its caller once that is durable."""

TIMERS_PER_BATCH = 200
PURGED_PER_STEP = 500
PURGE_AGAIN_MS = MINUTE_MS


class Outcome(Struct, frozen=True):
    """What a command answered, or why it was refused."""

    value: Any = None
    error: BaseException | None = None


class Batch(Struct, frozen=True):
    """Decided, not yet durable: `commit` (from any thread), then `deliver`."""

    transaction: Transaction
    outcomes: list[Outcome]
    deliveries: list[Delivery]
    passed_over: Mapping[Queue, Collection[int]] = MappingProxyType({})
    """Queues with polls that wait, and perhaps with tasks: of these pipelines, which other servers
    had their hands on.
    """
    flushed: bool = True
    """Whether the store has looked at all that was written; if not, the commit may refuse it."""

    @property
    def next_due(self) -> Instant | None:
        """When the next timer is due, as of the commit."""
        return self.transaction.next_due()

    def commit(self) -> None:
        """Make it durable; if that fails nothing of it has happened."""
        try:
            self.transaction.commit()
        except BaseException:
            self.transaction.rollback()
            raise

    def deliver(self) -> None:
        """Answer the polls that got a task."""
        for poll, answer in self.deliveries:
            poll.deliver(answer)


class Core:
    """Executes batches of commands."""

    def __init__(
        self,
        store: Store,
        definitions: Definitions,
        dispatcher: Dispatcher,
        rules: Rules,
        clock: Clock,
    ) -> None:
        self._store = store
        self._definitions = definitions
        self._dispatcher = dispatcher
        self._rules = rules
        self._clock = clock

    def execute(self, commands: Sequence[Command], locks: Collection[Lock] = ()) -> Batch:
        """Run commands in one transaction; one that fails is undone alone.

        `locks` name what they are about to change, but for what they claim.

        Savepoints would cost each command a tenth more, and nearly all that fail do so before they
        have written anything. So the batch is run without; if one fails too late for that, all is
        undone and run again with savepoints. Commands must bear being run twice.
        """
        return self._try(commands, locks, flushes=True)

    def complete(self, commands: Sequence[Command], locks: Collection[Lock]) -> Batch:
        """Execute and commit.

        What a store has kept back may travel with the commit, unless a poll was served: if it is
        refused then, the batch is run again as in `execute`.
        """
        batch = self._try(commands, locks, flushes=False)
        try:
            batch.commit()
        except StoreUnavailable:
            raise
        except Exception:
            if batch.flushed:
                raise
            self._dispatcher.undo()
            batch = self._execute(commands, locks, careful=True)
            batch.commit()
        return batch

    def _try(self, commands: Sequence[Command], locks: Collection[Lock], flushes: bool) -> Batch:
        try:
            return self._execute(commands, locks, careful=False, flushes=flushes)
        except TooLate:
            return self._execute(commands, locks, careful=True)

    def abandon(self) -> None:
        """The last batch did not become durable: polls that would have got a task end with nothing.

        They have left the table of those that wait, so nobody else would ever answer them.
        """
        for poll in self._dispatcher.abandoned():
            poll.deliver(PollForTaskAnswer())

    def awaits(self, queue: Queue) -> bool:
        """Whether a poll waits for a queue's tasks; to be asked between batches."""
        return self._dispatcher.awaits(queue)

    def _execute(
        self,
        commands: Sequence[Command],
        locks: Collection[Lock],
        careful: bool,
        flushes: bool = True,
    ) -> Batch:
        transaction = self._store.begin(locks)
        self._dispatcher.begin()
        try:
            now = self._clock()
            unit = Unit(transaction, self._definitions, self._rules, now, careful)
            outcomes = [self._guarded(unit, command) for command in commands]
            unit.settle()
            flushes = flushes or self._dispatcher.serves(unit)
            if flushes:
                self._flush(transaction, careful)
            # Polls leave the table of those that wait as they get their tasks: from here on there
            # is no running again.
            unit.careful = True
            deliveries = self._dispatcher.dispatch(unit)
            passed_over = self._dispatcher.passed_over()
            return Batch(transaction, outcomes, deliveries, passed_over, flushes)
        except BaseException:
            self._dispatcher.undo()
            transaction.rollback()
            raise

    def _flush(self, transaction: Transaction, careful: bool) -> None:
        """What a store has kept back may be refused only now, and nobody knows whose it was."""
        try:
            transaction.flush()
        except StoreUnavailable:
            raise
        except Exception as error:
            if careful:
                raise
            raise TooLate from error

    def _guarded(self, unit: Unit, command: Command) -> Outcome:
        try:
            return Outcome(unit.attempt(lambda: command(unit)))
        except (TooLate, StoreUnavailable):
            raise
        except ApiError as error:
            unit.forget()
            return Outcome(error=error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the others go on
            unit.forget()
            log_fault("command failed")
            return Outcome(error=InternalServiceError(str(error)))


def fire_timers(unit: Unit) -> None:
    """Turn due timers into events; what they set anew is looked at in a later batch."""
    for timer in unit.store.due_timers(unit.now, TIMERS_PER_BATCH):
        unit.store.clear_timer(timer.kind, timer.subject)
        try:
            with unit.store.savepoint():
                _fire(unit, timer)
        except StoreUnavailable:
            raise
        except Exception:  # noqa: BLE001 - see below
            # A timer that cannot be handled must not stop all others, again and again; nor must
            # what it watches stand still for ever.
            unit.forget()
            unit.store.set_timer(replace(timer, due_at=unit.now + AFTER_A_FAULT_MS))
            log_fault("timer failed", kind=timer.kind, subject=timer.subject)


def _fire(unit: Unit, timer: Timer) -> None:
    if timer.kind == "purge":
        if _has_machines(unit, timer.subject):
            # What is not stopped yet would be forgotten; its steps go on meanwhile.
            unit.store.set_timer(Timer("purge", timer.subject, unit.now + PURGE_AGAIN_MS))
            return
        if unit.store.purge(timer.subject, PURGED_PER_STEP):
            unit.store.set_timer(Timer("purge", timer.subject, unit.now))
        return
    unit.run(_EVENTS[timer.kind](timer.subject))


def _has_machines(unit: Unit, pipeline: int) -> bool:
    tasks = (unit.store.task(each.key) for each in unit.store.under_way(pipeline))
    attempts = (task.attempt for task in tasks if task is not None)
    return any(each is not None and each.worker_group == RESOURCE_GROUP for each in attempts)


_EVENTS: dict[str, Callable[[int], Event]] = {
    "tick": Advance,
    "owner": OwnerDeadline,
    "retry": RetryDue,
    "late": LateDue,
    "condition": ConditionDue,
    "machine": MachineDue,
}
