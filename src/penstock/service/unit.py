"""One transaction's worth of decisions: load, decide, save, and go on with what follows.

Events that a decision names are decided at once, in order; three kinds wait for the end of the
batch, because many commands ask for the same: making due instances (`Advance`), looking whether a
resource is needed (`TendResource`), and whether a pipeline has finished (`CheckPipeline`).
"""

from collections import deque
from collections.abc import Callable
from typing import Any

from penstock.engine.decide import View, decide
from penstock.engine.events import (
    Advance,
    Change,
    CheckPipeline,
    ClearTimer,
    Decision,
    DropWaits,
    Event,
    HastenTimer,
    InsertAttempt,
    InsertInstance,
    PutComponent,
    PutWait,
    Record,
    SetTimer,
    TendResource,
    TouchAttempt,
    UpdateAttempt,
    UpdateInstance,
    UpdatePipeline,
)
from penstock.engine.views import Rules
from penstock.model.runtime import Attempt, Timer
from penstock.model.times import MINUTE_MS, Instant
from penstock.service.definitions import Definitions
from penstock.service.faults import log_fault
from penstock.service.load import load
from penstock.service.rows import Rows
from penstock.store.protocol import StoreUnavailable, Transaction

Queue = tuple[str, str]
"""A queue of tasks: account id and worker group."""

AFTER_A_FAULT_MS = MINUTE_MS
"""When to try again what met a defect, or a store that failed."""


class TooLate(Exception):
    """Something failed after it had written, and there was no savepoint to go back to."""


class Unit(Rows):
    """What the commands of one batch share: the transaction, the time, and rows already read."""

    def __init__(
        self,
        store: Transaction,
        definitions: Definitions,
        rules: Rules,
        now: Instant,
        careful: bool = True,
    ) -> None:
        super().__init__(store, definitions)
        self.rules = rules
        self.now = now
        self.careful = careful
        """Whether what may fail gets a savepoint."""
        self.offered: dict[Queue, None] = {}
        """Queues that got a task in this batch, in order."""
        self.announced: set[Queue] = set()
        """Queues that another server says have got one."""
        self._advances: dict[int, set[str] | None] = {}
        self._checks: dict[int, None] = {}
        self._tends: dict[int, None] = {}

    def attempt(self, work: Callable[[], Any]) -> Any:
        """Do something that may fail; if it does, nothing of it has been written.

        Raises what it raises, or `TooLate` if only starting all over can undo it.
        """
        if self.careful:
            with self.store.savepoint():
                return work()
        before = self.store.changes()
        try:
            return work()
        except Exception as error:
            if self.store.changes() != before:
                raise TooLate from error
            raise

    def run(self, event: Event, view: View | None = None) -> Any:
        """Decide an event and all that follows from it; answers the first decision's answer.

        What follows from a decision comes before what was already waiting: an instance's end must
        have been told to those that wait for it before anyone counts anew what is still missing,
        or it would be counted twice.
        """
        first: Decision | None = None
        events: deque[Event] = deque((event,))
        while events:
            event = events.popleft()
            if isinstance(event, Advance | CheckPipeline | TendResource):
                self._defer(event)
                continue
            if view is None:
                view = load(self, event)
            if view is None:
                continue
            decision = decide(view, event, self.now, self.rules)
            view = None
            self.save(decision)
            events.extendleft(reversed(decision.follow))
            first = first or decision
        return first.answer if first is not None else None

    def _defer(self, event: Advance | CheckPipeline | TendResource) -> None:
        if isinstance(event, CheckPipeline):
            self._checks[event.pipeline] = None
        elif isinstance(event, TendResource):
            self._tends[event.instance] = None
        elif not event.components:
            self._advances[event.pipeline] = None
        else:
            named = self._advances.setdefault(event.pipeline, set())
            if named is not None:
                named.update(event.components)

    def settle(self) -> None:
        """Decide what was left for the end of the batch; a fault in one pipeline stays its own."""
        while self._advances or self._tends or self._checks:
            if self._advances:
                pipeline, named = self._advances.popitem()
                self._guarded(Advance(pipeline, tuple(sorted(named or ()))))
            elif self._tends:
                resource, _ = self._tends.popitem()
                self._guarded(TendResource(resource))
            else:
                pipeline, _ = self._checks.popitem()
                self._guarded(CheckPipeline(pipeline))

    def _guarded(self, event: Advance | CheckPipeline | TendResource) -> None:
        try:
            self.attempt(lambda: self._decide_deferred(event))
        except (TooLate, StoreUnavailable):
            raise
        except Exception:  # noqa: BLE001 - a fault in one pipeline stays its own
            self.forget()
            if isinstance(event, Advance):
                again = Timer("tick", event.pipeline, self.now + AFTER_A_FAULT_MS)
                self.store.hasten_timer(again)
            if isinstance(event, TendResource):
                again = Timer("machine", event.instance, self.now + AFTER_A_FAULT_MS)
                self.store.hasten_timer(again)
            log_fault("deferred event failed", event_kind=type(event).__name__)

    def _decide_deferred(self, event: Advance | CheckPipeline | TendResource) -> None:
        view = load(self, event)
        if view is None:
            return
        decision = decide(view, event, self.now, self.rules)
        self.save(decision)
        for follow in decision.follow:
            self.run(follow)

    def save(self, decision: Decision) -> None:
        """Write a decision's changes."""
        for change in decision.changes:
            self.save_change(change)

    def save_change(self, change: Change) -> None:
        """Write one change, and keep the rows at hand in step with it."""
        _SAVE[type(change)](self, change)

    def _save_attempt(self, row: Attempt) -> None:
        if row.offered:
            self.offered[row.account_id, row.worker_group] = None


def _insert_attempt(unit: Unit, change: InsertAttempt) -> None:
    unit._save_attempt(change.row)
    unit.store.insert_attempt(change.row)


def _update_attempt(unit: Unit, change: UpdateAttempt) -> None:
    unit._save_attempt(change.row)
    unit.store.update_attempt(change.row)


def _put_component(unit: Unit, change: PutComponent) -> None:
    unit.note_row(change.row)
    unit.store.put_component(change.row)


def _update_pipeline(unit: Unit, change: UpdatePipeline) -> None:
    unit.note_pipeline(change.row)
    unit.store.update_pipeline(change.row)


_SAVE: dict[type[Change], Callable[[Unit, Any], None]] = {
    InsertInstance: lambda unit, change: unit.store.insert_instance(change.row),
    UpdateInstance: lambda unit, change: unit.store.update_instance(change.row),
    InsertAttempt: _insert_attempt,
    UpdateAttempt: _update_attempt,
    TouchAttempt: lambda unit, change: unit.store.touch_attempt(change.row),
    PutWait: lambda unit, change: unit.store.put_wait(change.row),
    DropWaits: lambda unit, change: unit.store.drop_waits(change.waiter),
    SetTimer: lambda unit, change: unit.store.set_timer(change.row),
    HastenTimer: lambda unit, change: unit.store.hasten_timer(change.row),
    ClearTimer: lambda unit, change: unit.store.clear_timer(change.kind, change.subject),
    PutComponent: _put_component,
    UpdatePipeline: _update_pipeline,
    Record: lambda unit, change: unit.store.record(change.row),
}
