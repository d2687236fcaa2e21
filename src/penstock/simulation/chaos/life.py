"""What goes on around a server: actors that call it, time that passes, and all that goes wrong.

Everything is drawn from one source of randomness, in an order that nothing else decides; so a seed
is a history.
"""

import heapq
from collections.abc import Callable, Generator
from itertools import count
from random import Random
from typing import Protocol

from msgspec import Struct

from penstock.model.api import (
    DescribeObjectsAnswer,
    EmptyAnswer,
    PollForTaskAnswer,
    Request,
    ValidatePipelineDefinitionAnswer,
)
from penstock.model.caller import Caller
from penstock.model.errors import InternalServiceError
from penstock.model.times import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Instant
from penstock.service.dispatcher import Poll
from penstock.service.unit import Queue
from penstock.simulation.chaos.database import Database, Rows, Trouble
from penstock.simulation.chaos.server import SILENCE, Outcome, Pending, Server
from penstock.simulation.immediate import Crashed

TRIES = 4
"""How often a client makes a call that is not answered."""

MOST_AT_ONCE = 4
"""Callers whose calls may meet in one batch."""


class Rest(Struct, frozen=True):
    """Do nothing for a while."""

    ms: int


class Call(Struct, frozen=True):
    """Make a call; it is made again if nothing, or only the server's trouble, is heard."""

    operation: str
    caller: Caller
    request: Request


class Ask(Struct, frozen=True):
    """Poll for a task and wait so long; a rude runner hangs up without waiting for its answer."""

    caller: Caller
    group: str
    hostname: str
    patience_ms: int
    rude: bool = False


class GiveBack(Struct, frozen=True):
    """What a server does when the one who polled is gone."""

    caller: Caller
    answer: PollForTaskAnswer


class Fire(Struct, frozen=True):
    """What the timekeeper does."""


Spoken = Call | Ask | GiveBack | Fire
Deed = Rest | Call | Ask
Actor = Generator[Deed, Outcome, None]
"""Does deeds, and is told what came of each."""


class Step(Struct, frozen=True):
    """A batch: when, who called, what each heard (None: still under way), and the rows after it."""

    number: int
    now: Instant
    calls: tuple[tuple[Spoken, Outcome | None], ...]
    crashed: str | None
    rows: Rows
    waiting: frozenset[Queue] = frozenset()
    """The queues that somebody waits for a task of."""
    forgotten: int = 0
    """How many wait for an answer that the server does not know of."""


class Auditor(Protocol):
    """Whoever is told of every step; raises what it finds."""

    def hear(self, step: Step) -> None:
        """A step has been made."""
        ...


class Chances(Struct, frozen=True):
    """How likely each trouble is: the first four for each batch, the others for each call."""

    crash: float = 0.08
    outage: float = 0.02
    leap: float = 0.03
    slip: float = 0.02
    lost_reply: float = 0.04
    repeated: float = 0.03


CALM = Chances(0, 0, 0, 0, 0, 0)


class _Under(Struct):
    """A call under way: who makes it, for the how-manieth time; `poll`: it is a poll's arrival."""

    actor: Actor | None
    spoken: Spoken
    pending: Pending
    tries: int = 1
    poll: Poll | None = None


class _Parked(Struct, frozen=True):
    actor: Actor
    ask: Ask


class Life:
    """A server, its database and its callers, under one clock."""

    def __init__(
        self, random: Random, database: Database, auditor: Auditor, start: Instant
    ) -> None:
        self.random = random
        self.now = start
        self.chances = Chances()
        self.rows = Rows()
        self.tasks: list[tuple[Caller, str]] = []
        """Every task id that was ever handed over, and to whom."""
        self.log: list[str] = []
        self.steps = 0
        self.crashes = 0
        self._database = database
        self._auditor = auditor
        self._agenda: list[tuple[Instant, int, Callable[[], None]]] = []
        self._order = count()
        self._ids, self._nonces = count(1), count()
        self._under: list[_Under] = []
        self._parked: dict[Poll, _Parked] = {}
        self._spoken: list[tuple[Spoken, Outcome | None]] = []
        self._trouble_steps = 0
        self._start()

    def _start(self) -> None:
        self._database.fuse.reset()
        self.server = Server(self._database, lambda: self.now, self._ids, self._nonces)
        self._must_fire = True

    def at(self, moment: Instant, action: Callable[[], None]) -> None:
        """Have something done at a moment (now, if that has passed)."""
        heapq.heappush(self._agenda, (max(moment, self.now), next(self._order), action))

    def enter(self, actor: Actor) -> None:
        """An actor begins."""
        self.at(self.now, lambda: self._do(actor, next(actor)))

    def send_away(self) -> None:
        """All actors leave, whatever they were about; their polls are hung up."""
        self._agenda.clear()
        for poll in self._parked:
            self.server.dispatcher.leave(poll)
        self._parked.clear()
        for each in self._under:
            each.actor = None

    @property
    def busy(self) -> bool:
        """Whether anybody is about to do something."""
        return bool(self._must_fire or self._under or self._agenda)

    def idle_until(self) -> Instant | None:
        """When something happens next; None: never again."""
        if self._must_fire or self._under:
            return self.now
        moments = [self._agenda[0][0]] if self._agenda else []
        if self.server.next_due is not None:
            moments.append(self.server.next_due)
        return min(moments, default=None)

    def step(self) -> bool:
        """One batch, at the next moment at which somebody calls; False if nobody ever does."""
        self._go_wrong()
        self._spoken = []
        crashed = None
        try:
            if not self._gather():
                return False
            self.steps += 1
            self.server.step()
        except Crashed as died:
            crashed = str(died)
        moment = self.now
        if crashed is None:
            self._conclude()
        else:
            self._die()
        self._recover()
        self.rows = self._database.rows()
        asks = (each.ask for each in self._parked.values())
        waiting = frozenset((ask.caller.account_id, ask.group) for ask in asks)
        forgotten = len(self._parked) - self.server.dispatcher.waiting_count
        calls = tuple(self._spoken)
        step = Step(self.steps, moment, calls, crashed, self.rows, waiting, forgotten)
        self.log.append(told(step))
        self._auditor.hear(step)
        return True

    def _gather(self) -> bool:
        """Let time pass until somebody calls, and others with them; False if nobody ever does."""
        while not self._under:
            moment = self.idle_until()
            if moment is None:
                return False
            self.now = max(self.now, moment)
            due = self.server.next_due
            if self._must_fire or (due is not None and due <= self.now):
                self._must_fire = False
                self._begin(None, Fire(), self.server.fire)
            for _ in range(self.random.randint(1, MOST_AT_ONCE)):
                if not self._agenda or self._agenda[0][0] > self.now:
                    break
                heapq.heappop(self._agenda)[2]()
        return True

    def _go_wrong(self) -> None:
        """What may befall a server in this batch, and the clock before it."""
        random, chances, fuse = self.random, self.chances, self._database.fuse
        if random.random() < chances.leap:
            self.now += random.choice((MINUTE_MS, 20 * MINUTE_MS, 3 * HOUR_MS, DAY_MS))
            self.log.append("        the clock leaps forward")
        if random.random() < chances.slip:
            self.now -= random.randint(1, 30) * SECOND_MS
            self.log.append("        the clock is put back")
        if random.random() < chances.crash:
            if random.random() < 0.3:
                fuse.dies_committed = True
            else:
                fuse.die_after(int(random.expovariate(0.12)))
        if fuse.trouble is None and random.random() < chances.outage:
            troubles: tuple[Trouble, ...] = ("locked", "full", "broken", "unsynced")
            fuse.trouble = random.choice(troubles)
            self._trouble_steps = random.randint(1, 4)
            self.log.append(f"        the database is {fuse.trouble}")

    def _recover(self) -> None:
        """A database gets well by itself; and a crash that was not reached does not happen."""
        fuse = self._database.fuse
        fuse.dies_at, fuse.dies_committed = None, False
        if fuse.trouble is None:
            return
        # Whoever failed tries again a while later; so does the timekeeper.
        self.now += SECOND_MS
        self._trouble_steps -= 1
        self._must_fire = True
        if self._trouble_steps <= 0:
            fuse.trouble = None
            self.log.append("        the database is well again")

    def _do(self, actor: Actor, deed: Deed, tries: int = 1) -> None:
        """An actor's next deed begins."""
        server = self.server
        if isinstance(deed, Rest):
            self.at(self.now + deed.ms, lambda: self._go_on(actor, SILENCE))
        elif isinstance(deed, Call):
            call = deed
            begin = lambda: server.call(call.operation, call.caller, call.request)  # noqa: E731
            self._begin(actor, deed, begin, tries)
            if self.random.random() < self.chances.repeated:
                self._begin(None, deed, begin)
        else:
            self._ask(actor, deed)

    def _begin(
        self, actor: Actor | None, spoken: Spoken, begin: Callable[[], Pending], tries: int = 1
    ) -> None:
        """A call begins; should the server die of it, nobody hears of it."""
        try:
            pending = begin()
        except Crashed:
            self._under.append(_Under(actor, spoken, _dead(), tries))
            raise
        self._under.append(_Under(actor, spoken, pending, tries))

    def _ask(self, actor: Actor, ask: Ask) -> None:
        poll = Poll((ask.caller.account_id, ask.group), ask.hostname, lambda _: None)
        poll.deliver = lambda answer: self._delivered(poll, answer)
        self._parked[poll] = _Parked(actor, ask)
        self._under.append(_Under(None, ask, self.server.poll(poll), poll=poll))

        def give_up() -> None:
            if poll in self._parked and self.server.dispatcher.leave(poll):
                self._go_on(self._parked.pop(poll).actor, Outcome(PollForTaskAnswer()))

        self.at(self.now + ask.patience_ms, give_up)

    def _delivered(self, poll: Poll, answer: PollForTaskAnswer) -> None:
        """A poll that waited gets its answer, or one that did not wait at all."""
        parked = self._parked.pop(poll, None)
        if parked is None:
            return
        self._hand(parked.actor, parked.ask, answer)

    def _hand(self, actor: Actor, ask: Ask, answer: PollForTaskAnswer) -> None:
        """The answer goes out: it arrives, is lost, or finds nobody there."""
        task = answer.task_object
        if task is not None and ask.rude:
            self._spoken.append((ask, SILENCE))
            give_back = GiveBack(ask.caller, answer)
            server = self.server
            self.at(self.now, lambda: self._return(server, give_back))
            self._resume(actor, SILENCE)
        elif task is not None and self.random.random() < self.chances.lost_reply:
            self._spoken.append((ask, SILENCE))
            self._resume(actor, SILENCE)
        else:
            self._spoken.append((ask, Outcome(answer)))
            if task is not None:
                self.tasks.append((ask.caller, task.task_id))
            self._resume(actor, Outcome(answer))

    def _return(self, server: Server, give_back: GiveBack) -> None:
        """The server puts a task back, unless it has died meanwhile."""
        if server is self.server:
            answer = give_back.answer
            self._begin(None, give_back, lambda: server.give_back(give_back.caller, answer))

    def _conclude(self) -> None:
        """Whoever has been answered goes on."""
        under, self._under = self._under, []
        for each in under:
            outcome = each.pending.outcome
            if each.poll is not None:
                self._conclude_poll(each, each.poll, outcome)
            elif outcome is None:
                self._under.append(each)
                self._spoken.append((each.spoken, None))
            else:
                self._answer(each, outcome)

    def _conclude_poll(self, each: _Under, poll: Poll, outcome: Outcome | None) -> None:
        if outcome is None:
            self._under.append(each)
            return
        parked = self._parked.get(poll)
        if parked is None:
            return
        if outcome.error is not None:
            del self._parked[poll]
            self.server.dispatcher.leave(poll)
            self._spoken.append((each.spoken, outcome))
            self._resume(parked.actor, outcome)
        elif outcome.answer is not None:
            self._delivered(poll, outcome.answer)

    def _answer(self, each: _Under, outcome: Outcome) -> None:
        if isinstance(each.spoken, Call) and self.random.random() < self.chances.lost_reply:
            outcome = SILENCE
        self._spoken.append((each.spoken, outcome))
        if each.actor is None:
            if isinstance(each.spoken, Fire) and outcome.error is not None:
                self._must_fire = True
            return
        self._try_again(each, outcome)

    def _try_again(self, each: _Under, outcome: Outcome) -> None:
        """A client makes a call again that has come to nothing by no fault of its own."""
        actor = each.actor
        assert actor is not None
        in_vain = not outcome.heard or isinstance(outcome.error, InternalServiceError)
        if in_vain and each.tries < TRIES and isinstance(each.spoken, Call):
            call, tries = each.spoken, each.tries + 1
            pause_ms = self.random.randint(0, 20) * SECOND_MS
            self.at(self.now + pause_ms, lambda: self._do(actor, call, tries))
        else:
            self._resume(actor, outcome)

    def _die(self) -> None:
        """The server is gone, and a while later another is there."""
        self.crashes += 1
        under, self._under = self._under, []
        parked, self._parked = self._parked, {}
        self.server.die()
        for each in under:
            if each.poll is None:
                self._spoken.append((each.spoken, SILENCE))
                if each.actor is not None:
                    self._try_again(each, SILENCE)
        for waiting in parked.values():
            self._spoken.append((waiting.ask, SILENCE))
            self._resume(waiting.actor, SILENCE)
        self.now += self.random.choice((0, 0, 1, 30, 600)) * SECOND_MS
        self._start()

    def _resume(self, actor: Actor, outcome: Outcome) -> None:
        self.at(self.now, lambda: self._go_on(actor, outcome))

    def _go_on(self, actor: Actor, outcome: Outcome) -> None:
        """Tell an actor what came of its last deed; it goes on with the next."""
        try:
            deed = actor.send(outcome)
        except StopIteration:
            return
        self._do(actor, deed)


def _dead() -> Pending:
    async def nothing() -> None:
        return None

    return Pending(nothing())


def told(step: Step) -> str:
    """A step in a few lines, for people."""
    head = f"{step.number:>5}  {step.now}"
    if step.crashed is not None:
        head += f"  CRASH before {step.crashed}"
    lines = [f"       {spoken_as(each)} -> {heard_as(outcome)}" for each, outcome in step.calls]
    return "\n".join([head, *lines])


def spoken_as(spoken: Spoken) -> str:
    """A call in one line."""
    if isinstance(spoken, Call):
        return f"{spoken.operation} {_brief(spoken.request)}"
    if isinstance(spoken, Ask):
        return f"PollForTask {spoken.caller.account_id} {spoken.group}"
    return type(spoken).__name__


def _brief(request: Request) -> str:
    shown = {
        name: getattr(request, name)
        for name in request.__struct_fields__
        if name not in {"pipeline_objects", "parameter_objects", "parameter_values", "fields"}
    }
    return " ".join(f"{name}={value!r}" for name, value in shown.items() if value)


def heard_as(outcome: Outcome | None) -> str:
    """An outcome in one line."""
    if outcome is None:
        return "(under way)"
    if not outcome.heard:
        return "(silence)"
    if outcome.error is not None:
        return f"{type(outcome.error).__name__}: {outcome.error}"
    answer = outcome.answer
    if isinstance(answer, PollForTaskAnswer):
        task = answer.task_object
        return f"{task.attempt_id} {task.task_id}" if task else "no task"
    if isinstance(answer, DescribeObjectsAnswer):
        return ", ".join(str(item.string("@explanation")) for item in answer.pipeline_objects)
    if isinstance(answer, ValidatePipelineDefinitionAnswer):
        return "errors" if answer.errored else "valid"
    return "done" if answer is None or isinstance(answer, EmptyAnswer) else str(answer)
