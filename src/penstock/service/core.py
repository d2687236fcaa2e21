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
    OwnerDeadline,
    RetryDue,
)
from penstock.engine.views import Rules
from penstock.model.api import PollForTaskAnswer
from penstock.model.errors import ApiError, InternalServiceError
from penstock.model.runtime import Timer
from penstock.model.times import Instant
from penstock.service.definitions import Definitions
from penstock.service.dispatcher import Delivery, Dispatcher
from penstock.service.faults import log_fault
from penstock.service.unit import AFTER_A_FAULT_MS, Queue, TooLate, Unit
from penstock.store.protocol import Lock, Store, StoreUnavailable, Transaction

Command = Callable[[Unit], Any]
"""Something to do within a batch; what it answers goes to its caller once that is durable."""

TIMERS_PER_BATCH = 200
PURGED_PER_STEP = 500


class Outcome(Struct, frozen=True):
    """What a command answered, or why it was refused."""

    value: Any = None
    error: BaseException | None = None


class Batch(Struct, frozen=True):
    """Decided, not yet durable: `commit` (from any thread), then `deliver`."""

    transaction: Transaction
    outcomes: list[Outcome]
    deliveries: list[Delivery]
    next_due: Instant | None
    passed_over: Mapping[Queue, Collection[int]] = MappingProxyType({})
    """Queues with polls that wait, and perhaps with tasks: of these pipelines, which other servers
    had their hands on.
    """

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
        try:
            return self._execute(commands, locks, careful=False)
        except TooLate:
            return self._execute(commands, locks, careful=True)

    def complete(self, commands: Sequence[Command], locks: Collection[Lock]) -> Batch:
        """Execute and commit."""
        batch = self.execute(commands, locks)
        batch.commit()
        return batch

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
        self, commands: Sequence[Command], locks: Collection[Lock], careful: bool
    ) -> Batch:
        transaction = self._store.begin(locks)
        self._dispatcher.begin()
        try:
            now = self._clock()
            unit = Unit(transaction, self._definitions, self._rules, now, careful)
            outcomes = [self._guarded(unit, command) for command in commands]
            unit.settle()
            self._flush(transaction, careful)
            # Polls leave the table of those that wait as they get their tasks: from here on there
            # is no running again.
            unit.careful = True
            deliveries = self._dispatcher.dispatch(unit)
            next_due = transaction.next_due()
            passed_over = self._dispatcher.passed_over()
            return Batch(transaction, outcomes, deliveries, next_due, passed_over)
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
        if unit.store.purge(timer.subject, PURGED_PER_STEP):
            unit.store.set_timer(Timer("purge", timer.subject, unit.now))
        return
    unit.run(_EVENTS[timer.kind](timer.subject))


_EVENTS: dict[str, Callable[[int], Event]] = {
    "tick": Advance,
    "owner": OwnerDeadline,
    "retry": RetryDue,
    "late": LateDue,
    "condition": ConditionDue,
}
