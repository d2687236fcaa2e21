"""A provider of machines that are not there, whose habits a script tells; in virtual time or not.

In a `World` a `MachineRoom` has its machines boot, each with a runner that polls its worker group,
and does the steps of resources as the server's steward would.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from penstock.engine.plan import RESOURCE_GROUP, RESOURCE_TYPES
from penstock.model.api import (
    PollForTaskAnswer,
    ReportTaskRunnerHeartbeatRequest,
    TaskObject,
)
from penstock.model.caller import Caller
from penstock.model.times import MINUTE_MS, Instant
from penstock.resources.provider import Gone, Made, Order, Pending, ProviderError, Up
from penstock.service.dispatcher import Poll
from penstock.service.steward import ask, end_of, job_of
from penstock.service.system import SYSTEM
from penstock.simulation.immediate import Crashed
from penstock.simulation.runners import Rule, Runner, Work, at_once
from penstock.simulation.world import World

NEVER: Instant = 2**62
HEARTBEAT_MS = 5 * MINUTE_MS


class Habits(Struct, frozen=True):
    """How a machine behaves; times in milliseconds, from its making.

    `problems` are found by the check. `faults` says how often a step (by its name) meets a passing
    one before it works; `refuses`: it cannot be made at all. `forgets`: it is made, but the answer
    is lost the first time. It boots after `boots_ms` and works until `silent_ms`, when its runner
    is heard no more (`heals`: until that is started anew), or `dies_ms`. It is gone when stopping
    it has been asked `stops` times.
    """

    problems: tuple[str, ...] = ()
    faults: Mapping[str, int] = {}
    refuses: bool = False
    forgets: bool = False
    boots_ms: int = MINUTE_MS
    silent_ms: int = NEVER
    dies_ms: int = NEVER
    heals: bool = True
    stops: int = 1


class FakeMachine:
    """One that was made."""

    def __init__(self, order: Order, habits: Habits, now: Instant) -> None:
        self.order = order
        self.habits = habits
        self.made_at = now
        self.stop_asked = 0
        self.restarted = False

    @property
    def handle(self) -> str:
        """By what it is known."""
        return f"machine of {self.order.token}"

    def is_there(self, now: Instant) -> bool:
        """Whether it has neither been stopped nor died."""
        return self.stop_asked < self.habits.stops and now < self.made_at + self.habits.dies_ms

    def is_working(self, now: Instant) -> bool:
        """Whether its runner is to be heard."""
        if not self.is_there(now) or now < self.made_at + self.habits.boots_ms:
            return False
        silent = now >= self.made_at + self.habits.silent_ms
        return not silent or (self.restarted and self.habits.heals)


class FakeProvider:
    """Makes machines in the mind only; see `resources.provider.Provider`."""

    def __init__(
        self,
        clock: Callable[[], Instant],
        habits: Callable[[Order], Habits] = lambda order: Habits(),
    ) -> None:
        self._clock = clock
        self._habits = habits
        self._met: Counter[tuple[str, str]] = Counter()
        self.machines: dict[str, FakeMachine] = {}
        """All that were ever made, by their tokens."""
        self.asked: list[tuple[str, str]] = []
        """Every call: the step, and the order's token."""
        self.on_made: Callable[[FakeMachine], None] = lambda machine: None
        self.on_restart: Callable[[FakeMachine], None] = lambda machine: None

    def _begin(self, step: str, order: Order) -> Habits:
        self.asked.append((step, order.token))
        habits = self._habits(order)
        self._met[step, order.token] += 1
        if self._met[step, order.token] <= habits.faults.get(step, 0):
            raise ProviderError(f"{step} met a scripted fault")
        return habits

    def check(self, order: Order) -> Sequence[str]:
        """See the protocol."""
        return self._begin("check", order).problems

    def create(self, order: Order) -> Made:
        """See the protocol."""
        habits = self._begin("create", order)
        if habits.refuses:
            raise ProviderError("there is no room for such a machine", final=True)
        machine = self.machines.get(order.token)
        if machine is None:
            machine = FakeMachine(order, habits, self._clock())
            self.machines[order.token] = machine
            self.on_made(machine)
            if habits.forgets:
                raise ProviderError("the answer was lost")
        return Made(machine.handle, {"@resourceId": machine.handle})

    def look(self, order: Order, handle: str) -> Up | Pending | Gone:
        """See the protocol."""
        self._begin("look", order)
        machine, now = self.machines[order.token], self._clock()
        if not machine.is_there(now):
            return Gone("it has died, as the script wants it")
        return Up() if now >= machine.made_at + machine.habits.boots_ms else Pending()

    def restart_runner(self, order: Order, handle: str) -> None:
        """See the protocol."""
        self._begin("restart", order)
        machine = self.machines[order.token]
        machine.restarted = True
        self.on_restart(machine)

    def stop(self, order: Order, handle: str | None) -> bool:
        """See the protocol."""
        self._begin("stop", order)
        machine = self.machines.get(order.token)
        if machine is None:
            return True
        machine.stop_asked += 1
        return not machine.is_there(self._clock())

    def left(self) -> list[str]:
        """The machines that are still there."""
        now = self._clock()
        return [token for token, each in self.machines.items() if each.is_there(now)]


class MachineRunner(Runner):
    """The runner of a machine: what it has in hand goes down with that."""

    def __init__(self, world: World, machine: FakeMachine, rule: Rule, slots: int) -> None:
        self._machine = machine
        group = machine.order.worker_group
        super().__init__(world, rule, group, slots, name=machine.handle)
        world.at(world.now, self._beat)

    def _works(self) -> bool:
        if not self._machine.is_working(self.world.now):
            self.stop()
            return False
        return True

    def _beat(self) -> None:
        if self._works():
            request = ReportTaskRunnerHeartbeatRequest(
                self.name, worker_group=self.worker_group, hostname=self.name
            )
            self.world.call("ReportTaskRunnerHeartbeat", request, self.caller)
            self.world.at(self.world.now + HEARTBEAT_MS, self._beat)

    def _poll(self) -> None:
        if self._works():
            super()._poll()

    def _go_on(self, task: TaskObject, work: Work, spent_ms: int) -> None:
        if self._works():
            super()._go_on(task, work, spent_ms)


class MachineRoom:
    """The steward and the machines of a world: steps take `takes_ms`, runners go by `rule`."""

    def __init__(
        self,
        world: World,
        habits: Callable[[Order], Habits] = lambda order: Habits(),
        rule: Rule = at_once,
        slots: int = 1,
        takes_ms: int = 1_000,
        caller: Caller = SYSTEM,
    ) -> None:
        self.world = world
        self.provider = FakeProvider(lambda: world.now, habits)
        self.provider.on_made = self._boot
        self.provider.on_restart = self._restart
        self.runners: list[MachineRunner] = []
        self._rule = rule
        self._slots = slots
        self._takes_ms = takes_ms
        self._queue = (caller.account_id, RESOURCE_GROUP)
        self._waiting: Poll | None = None
        world.on_crash.append(self._hung_up)
        world.at(world.now, self._poll)

    def _boot(self, machine: FakeMachine) -> None:
        self.world.at(self.world.now + machine.habits.boots_ms, lambda: self._start(machine))
        if machine.habits.silent_ms < NEVER:
            silence = machine.made_at + machine.habits.silent_ms
            self.world.at(silence, lambda: self._look_at(machine))
        if machine.habits.dies_ms < NEVER:
            end = machine.made_at + machine.habits.dies_ms
            self.world.at(end, lambda: self._look_at(machine))

    def _restart(self, machine: FakeMachine) -> None:
        if machine.habits.heals:
            self.world.at(self.world.now + 1, lambda: self._start(machine))

    def _start(self, machine: FakeMachine) -> None:
        if machine.is_working(self.world.now):
            self.runners.append(MachineRunner(self.world, machine, self._rule, self._slots))

    def _look_at(self, machine: FakeMachine) -> None:
        """Its polls break when it does."""
        for runner in self.runners:
            if runner.name == machine.handle and not machine.is_working(self.world.now):
                runner.stop()

    def _poll(self) -> None:
        world = self.world
        poll = Poll(self._queue, "the server", lambda _: None)

        def delivered(answer: PollForTaskAnswer) -> None:
            self._waiting = None
            if answer.task_object is not None:
                self._take(answer.task_object)
            world.at(world.now, self._poll)

        poll.deliver = delivered
        self._waiting = poll
        try:
            answer = world.execute(lambda unit: world.dispatcher.arrive(unit, poll))
        except Crashed:
            return
        if answer is not None:
            delivered(answer)

    def _hung_up(self) -> None:
        """The server is gone, and its steward with it: whatever it had in hand is lost."""
        if self._waiting is not None:
            self._waiting = None
            self.world.at(self.world.now, self._poll)

    def _take(self, task: TaskObject) -> None:
        key = self.world.task_ids.decode(task.task_id, SYSTEM.account_id)
        crashes = self.world.crashes

        def done() -> None:
            if self.world.crashes != crashes:
                return
            job = self.world.execute(lambda unit: job_of(unit, key, task))
            if job is None:
                return
            provider = self.provider if job.order.type in RESOURCE_TYPES else None
            outcome = ask(provider, job)
            self._look_at_all()
            self.world.execute(end_of(key, outcome))

        self.world.at(self.world.now + self._takes_ms, done)

    def _look_at_all(self) -> None:
        for machine in self.provider.machines.values():
            self._look_at(machine)
