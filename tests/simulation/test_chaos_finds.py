"""Chaos that never complains would be worth nothing: faults are planted, and it finds each."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from msgspec.structs import replace

from penstock.engine import commands, lifecycle, ownership, settling
from penstock.engine import decide as decide_module
from penstock.engine.events import (
    Advance,
    CancelInstance,
    Claim,
    Create,
    Decision,
    Fire,
    HastenTimer,
    HoldInstance,
    Report,
    SetTimer,
    Settled,
    TouchAttempt,
    Unsettled,
)
from penstock.service import core
from penstock.service.core import Core
from penstock.service.dispatcher import Dispatcher
from penstock.service.explaining import Explainer
from penstock.service.unit import Unit
from penstock.simulation.chaos import server as chaos_server
from penstock.simulation.chaos.history import Failed, run_seed
from penstock.store.protocol import StoreUnavailable
from penstock.store.recent import RecentRows
from penstock.store.sqlite import SqliteTransaction

SEEDS = 80
"""How many histories a fault may escape; nearly all are found in the first five."""

Plant = Callable[[pytest.MonkeyPatch], None]


def decided(event: type, change: Callable[[Decision], Decision]) -> Plant:
    """Has every decision on an event changed."""

    def plant(monkeypatch: pytest.MonkeyPatch) -> None:
        real = decide_module._HANDLERS[event]
        changed = lambda *arguments: change(real(*arguments))  # noqa: E731
        monkeypatch.setitem(decide_module._HANDLERS, event, changed)

    return plant


def without(*kinds: type) -> Callable[[Decision], Decision]:
    """A decision without some changes and events."""
    return lambda decision: replace(
        decision,
        changes=tuple(each for each in decision.changes if not isinstance(each, kinds)),
        follow=tuple(each for each in decision.follow if not isinstance(each, kinds)),
    )


def replaced(owner: object, name: str, fault: Callable[..., object]) -> Plant:
    return lambda monkeypatch: monkeypatch.setattr(owner, name, fault)


def tries(more: int) -> Plant:
    """Counts the tries of a set wrongly."""
    real = lifecycle.fail_attempt

    def fail(view, attempt, now, final=False):
        component = view.place.component
        wrong = replace(component, max_retries=max(component.max_retries + more, 0))
        return real(replace(view, place=replace(view.place, component=wrong)), attempt, now, final)

    return replaced(ownership, "fail_attempt", fail)


def answered_all_the_same(self: Core, commands, locks):
    batch = self.execute(commands, locks)
    with suppress(StoreUnavailable):
        batch.commit()
    return batch


def without_retries(unit: Unit) -> None:
    for timer in unit.store.due_timers(unit.now, 200):
        if timer.kind == "retry":
            unit.store.clear_timer(timer.kind, timer.subject)
    core.fire_timers(unit)


FAULTS: dict[str, Plant] = {
    "a stale owner is heard": replaced(
        ownership,
        "is_owner",
        lambda attempt, task: (
            attempt.number == task.attempt and attempt.status != "WAITING_FOR_RUNNER"
        ),
    ),
    "nobody watches an owner": decided(Claim, without(SetTimer)),
    "a report is not kept": decided(Report, without(TouchAttempt)),
    "what nobody acknowledged costs a try": replaced(
        ownership,
        "put_back",
        lambda view, attempt, now, _: lifecycle.fail_attempt(view, attempt, now),
    ),
    "one try too many": tries(+1),
    "one try too few": tries(-1),
    "the next interval is forgotten": decided(Advance, without(HastenTimer)),
    "a paused task stays in its queue": replaced(commands, "_withdraw", lambda view: ()),
    "a deactivated pipeline's tasks stay in their queues": decided(
        HoldInstance, lambda decision: Decision()
    ),
    "failures do not cascade": replaced(settling, "cascades", lambda *_: False),
    "failures always cascade": replaced(settling, "cascades", lambda *_: True),
    "cancelled counts as finished": replaced(
        settling, "SATISFIED", frozenset({"FINISHED", "SKIPPED", "CANCELED"})
    ),
    "who waits is not told of a rerun": decided(Unsettled, lambda decision: Decision()),
    "alarms are not set off": decided(Settled, without(Fire)),
    "preconditions outlive their owner": decided(Settled, without(CancelInstance)),
    "lateness is not watched": decided(Create, without(SetTimer)),
    "retries are forgotten": replaced(chaos_server, "fire_timers", without_retries),
    "a cache outlives what was undone": replaced(RecentRows, "clear", lambda self: None),
    "what is refused is not undone": replaced(Unit, "attempt", lambda self, work: work()),
    "answers do not wait for the commit": replaced(Core, "complete", answered_all_the_same),
    "polls of a batch that is lost": replaced(Dispatcher, "abandoned", lambda self: []),
    "a deleted pipeline's rows stay": replaced(
        SqliteTransaction, "purge", lambda self, pipeline, limit: False
    ),
    "explanations stop half-way": replaced(Explainer, "_obstacle", lambda self, _: (None, 0)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(monkeypatch, fault):
    FAULTS[fault](monkeypatch)
    with pytest.raises(Failed, match=r"again: python -m penstock.simulation.chaos --seed \d+"):
        run_all(range(SEEDS))


def run_all(seeds: range) -> None:
    for seed in seeds:
        run_seed(seed)
