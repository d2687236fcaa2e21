"""What would run, and when: a definition lived through in virtual time, with modelled runners.

The service, the engine and the store are the real ones (the store in memory); only the runners are
imagined: how long a task takes, and which ones fail, is the scenario's to say. Everything that
falls due at one moment is one transaction, since nobody waits for an answer here; and the runners
neither acknowledge nor report, but are given for ever.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from penstock.config import Settings
from penstock.engine.events import Claim, EndTask, Heard, StepDone
from penstock.engine.plan import ACTIVITY, DATA_NODE, RESOURCE, SERVICE_PREFIX, Component, Plan
from penstock.model.api import ActivatePipelineRequest
from penstock.model.compute import Outcome, OutcomeKind, Step, machine_of
from penstock.model.definition import Definition, ParameterValue
from penstock.model.errors import ApiError
from penstock.model.ids import instance_id
from penstock.model.runtime import Attempt, ComponentRow, Instance, Pipeline, TaskKey
from penstock.model.status import RUNNING, SATISFIED, VALIDATING, WAITING_FOR_RUNNER
from penstock.model.times import DAY_MS, MINUTE_MS, Instant
from penstock.service.core import fire_timers
from penstock.service.explaining import Asked, Explainer, tell
from penstock.service.load import view_of
from penstock.service.unit import Queue, Unit
from penstock.simulation.memory import MemoryStore
from penstock.simulation.repetition import Standing, Turning, stand, turning, turns_ahead
from penstock.simulation.world import World
from penstock.store.protocol import Reader, Task

ANY = "*"
"""Stands for every component that is not named itself."""

DEFAULT_TAKES_MS = MINUTE_MS
SIMULATED_FAILURE = "Simulated"
FAILURE_MESSAGE = "the simulation was told to let it fail"

HEARD = "HEARD"
"""The end of a machine's start: a runner on it is heard."""

_FOR_EVER_MS = 400 * 365 * DAY_MS
_PAGE = 5_000


class Failure(Struct, frozen=True):
    """Which attempts fail: of a component, of intervals that start in `[first, stop)`, and only
    the first `attempts` of each instance (None: all).
    """

    component: str
    first: Instant | None = None
    stop: Instant | None = None
    attempts: int | None = None

    def strikes(self, component: Component, start: Instant, attempt: int) -> bool:
        """Whether it is meant for this attempt."""
        return (
            self.component in {ANY, component.id, component.object_id}
            and (self.first is None or start >= self.first)
            and (self.stop is None or start < self.stop)
            and (self.attempts is None or attempt <= self.attempts)
        )


class Scenario(Struct, frozen=True):
    """What is supposed: activation at `begin`, an end to look at, `runners` tasks at a time for
    each worker group, how long a task takes (milliseconds, by component or `*`), what fails.
    """

    begin: Instant
    until: Instant
    runners: int = 4
    takes_ms: Mapping[str, int] = {}
    failures: Sequence[Failure] = ()

    def duration_ms(self, component: Component) -> int:
        """How long a task of the component takes, or a resource to start; else what is no activity
        takes no time.
        """
        for name in (component.id, component.object_id):
            if name in self.takes_ms:
                return self.takes_ms[name]
        if component.category != ACTIVITY:
            return 0
        return self.takes_ms.get(ANY, DEFAULT_TAKES_MS)

    def fails(self, component: Component, start: Instant, attempt: int) -> bool:
        """Whether this attempt is to fail."""
        return any(f.strikes(component, start, attempt) for f in self.failures)


class Try(Struct, frozen=True):
    """An attempt: ready, taken by a runner, ended (None: not yet)."""

    worker_group: str
    status: str
    ready_at: Instant
    started_at: Instant | None
    ended_at: Instant | None


class Run(Struct, frozen=True):
    """An instance and its tries; `due_at` is by its schedule, but not before the activation."""

    component: str
    type: str
    category: str
    start: Instant
    end: Instant
    due_at: Instant
    status: str
    ended_at: Instant | None
    tries: tuple[Try, ...]

    @property
    def started_at(self) -> Instant | None:
        """When a runner first took it."""
        return self.tries[0].started_at if self.tries else None

    @property
    def ready_at(self) -> Instant | None:
        """When it had nothing left to wait for but a runner."""
        return self.tries[0].ready_at if self.tries else None


class Held(Struct, frozen=True):
    """Intervals of a component that were due by the end, and had no room to begin."""

    component: str
    first: Instant
    count: int
    max_active: int


class Never(Struct, frozen=True):
    """The first instance of a component that never ran, and why; of how many."""

    component: str
    start: Instant
    why: str
    count: int = 1


def is_work(run: Run) -> bool:
    """Whether it is something done, and not a place where data lies."""
    return run.category != DATA_NODE


def never_ran(run: Run) -> bool:
    """Whether it is something to do that no runner ever took."""
    return is_work(run) and run.started_at is None and run.status not in SATISFIED


class Lived(Struct, frozen=True):
    """What came of it, up to the scenario's end."""

    scenario: Scenario
    pipeline: Pipeline
    runs: list[Run]
    held: list[Held]
    never: list[Never]


class Imagined(World):
    """A world without a file, whose server waits for ever to hear from a runner."""

    def __init__(self, begin: Instant) -> None:
        patient = Settings(
            allow_backfill=True,
            acknowledge_timeout_ms=_FOR_EVER_MS,
            report_timeout_ms=_FOR_EVER_MS,
        )
        super().__init__(Path(), begin, patient)

    store: MemoryStore

    def _open_store(self) -> MemoryStore:
        return MemoryStore(self.now)


class _Job(Struct, frozen=True):
    """A task in a runner's hands, and how it will end."""

    queue: Queue
    key: TaskKey
    status: str
    component: str
    start: Instant
    number: int


class Rehearsal:
    """One scenario, lived through once by `live`; the world can be asked afterwards."""

    def __init__(
        self,
        definition: Definition,
        values: tuple[ParameterValue, ...],
        scenario: Scenario,
        name: str = "pipeline",
        leaps: bool = True,
    ) -> None:
        """`leaps` False: live through every turn, even where all of them are alike."""
        self.scenario = scenario
        self.world = Imagined(scenario.begin)
        self.pipeline_id = self.world.create(name)
        self._values = values
        self._busy: Counter[Queue] = Counter()
        self._jobs: list[tuple[Instant, int, _Job]] = []
        self._order = count()
        self._leaps = leaps
        self._past: list[Run] = []
        self._told: set[int] = set()
        self._never: dict[str, Never] = {}
        self._stood: Counter[str] = Counter()
        """How far components that stood still were moved on with all others, in milliseconds."""
        self.world.put(self.pipeline_id, definition)

    def live(self, tell: Callable[[Instant], None] = lambda now: None) -> Lived:
        """Activate, and let time pass to the scenario's end; `tell` hears of each moment.

        Raises `ApiError` if the activation is refused.
        """
        world = self.world
        world.call("ActivatePipeline", ActivatePipelineRequest(self.pipeline_id, self._values))
        self._moment(self._waiting_queues())
        course = _Course(self)
        while (moment := self._next()) is not None and moment < self.scenario.until:
            if self._leaps and course.leap(moment):
                continue
            world.now = max(world.now, moment)
            tell(world.now)
            self._moment(())
        world.now = max(world.now, self.scenario.until)
        return self._lived()

    def _next(self) -> Instant | None:
        """When something happens next: a timer, or the end of a task."""
        moments = [self._jobs[0][0]] if self._jobs else []
        if self.world.writer.next_due is not None:
            moments.append(self.world.writer.next_due)
        return min(moments, default=None)

    def _waiting_queues(self) -> list[Queue]:
        """The queues that hold a task already."""
        with self.world.store.reader() as reader:
            waiting = reader.unfinished(self.world.pipeline(self.pipeline_id).key)
            offering = {WAITING_FOR_RUNNER, VALIDATING}
            tasks = [reader.task(each.key) for each in waiting if each.status in offering]
        attempts = [task.attempt for task in tasks if task is not None and task.attempt is not None]
        return list(dict.fromkeys((each.account_id, each.worker_group) for each in attempts))

    def _moment(self, queues: Sequence[Queue]) -> None:
        """All that happens now, in one transaction: timers, then ends, then hand-overs."""
        ending: list[_Job] = []
        while self._jobs and self._jobs[0][0] <= self.world.now:
            ending.append(heapq.heappop(self._jobs)[2])
        self._busy.subtract(Counter(job.queue for job in ending))
        freed = [*queues, *dict.fromkeys(job.queue for job in ending)]
        # A command may be run twice before it is durable, so it changes nothing of ours itself.
        for taken in self.world.execute(lambda unit: self._happen(unit, ending, freed)):
            self._begin(*taken)

    def _happen(
        self, unit: Unit, ending: Sequence[_Job], freed: Sequence[Queue]
    ) -> list[tuple[Task, Component]]:
        fire_timers(unit)
        for job in ending:
            _end(unit, job)
        unit.settle()
        return list(self._hand_over(unit, freed))

    def _hand_over(self, unit: Unit, freed: Sequence[Queue]) -> Iterator[tuple[Task, Component]]:
        """Give what is offered to runners that are free, in the order of the queues."""
        busy = Counter(self._busy)
        unit.offered.update(dict.fromkeys(freed))
        while unit.offered:
            queue = next(iter(unit.offered))
            del unit.offered[queue]
            while tasks := unit.store.offered(*queue, self._free(queue, busy)):
                for task in tasks:
                    view = view_of(unit, task)
                    # Without an answer it has failed instead, on one of its expressions.
                    if unit.run(Claim("a modelled runner"), view) is None:
                        continue
                    component = view.place.component
                    if component.category == RESOURCE and not self._do_step(unit, task, component):
                        continue
                    busy[queue] += 1
                    yield task, component
                unit.settle()

    def _do_step(self, unit: Unit, task: Task, component: Component) -> bool:
        """A provider that has everything at once, unless it is to fail; whether a machine begins to
        boot by it. Its runner is heard whenever it is looked at.
        """
        instance, attempt = task.instance, task.attempt
        assert attempt is not None
        step = machine_of(attempt.fields).step
        outcome = Outcome(_ANSWERS[step])
        if step == "create":
            name = instance_id(instance.component, instance.start)
            outcome = Outcome("made", handle=name)
            if self.scenario.fails(component, instance.start, attempt.number):
                outcome = Outcome("failed", FAILURE_MESSAGE)
        unit.run(StepDone(_key(attempt), outcome))
        if step == "look" and attempt.status == RUNNING:
            unit.run(Heard(attempt.instance))
        return outcome.kind == "made"

    def _free(self, queue: Queue, busy: Counter[Queue]) -> int:
        """How many more tasks of a queue can be taken; the server has hands enough for its own."""
        group = queue[1]
        if not group:
            return 0
        return _PAGE if group.startswith(SERVICE_PREFIX) else self.scenario.runners - busy[queue]

    def _begin(self, task: Task, component: Component) -> None:
        """A runner has it: note when and how it will end."""
        instance, attempt = task.instance, task.attempt
        assert attempt is not None
        queue = (attempt.account_id, attempt.worker_group)
        lasts_ms = self.scenario.duration_ms(component)
        if component.attempt_timeout_ms is not None:
            # At that moment the engine ends it, and its runner is free.
            lasts_ms = min(lasts_ms, component.attempt_timeout_ms)
        status = (
            HEARD
            if component.category == RESOURCE
            else "FAILED"
            if self.scenario.fails(component, instance.start, attempt.number)
            else "FINISHED"
        )
        job = _Job(queue, _key(attempt), status, instance.component, instance.start, attempt.number)
        self._busy[queue] += 1
        heapq.heappush(self._jobs, (self.world.now + lasts_ms, next(self._order), job))

    def _runs(
        self, reader: Reader, pipeline: Pipeline, plan: Plan, only: Container[int] | None = None
    ) -> Iterator[Run]:
        """The instances that are not yet told, with their tries."""
        tries: dict[int, list[Try]] = {}
        for task in _all_attempts(reader, pipeline.key):
            if task.attempt is not None and task.instance.key not in self._told:
                tries.setdefault(task.instance.key, []).append(_try(task.attempt))
        for each in _all_instances(reader, pipeline.key):
            if each.key not in self._told and (only is None or each.key in only):
                component = plan.components[each.component]
                yield _run(each, component, tries.get(each.key, ()), self.scenario.begin)

    def stand(self, turning: Turning, at: Instant) -> Standing:
        """Where everything stands before the first thing happens at, or after, a moment."""
        jobs = tuple(
            (moment - at, job.queue, job.component, job.start - at, job.number, job.status)
            for moment, _, job in sorted(self._jobs, key=lambda each: each[:2])
        )
        transaction = self.world.store.begin()
        try:
            pipeline = self.world.pipeline(self.pipeline_id)
            return stand(transaction, pipeline, turning, at, jobs)
        finally:
            transaction.rollback()

    def repeat(self, plan: Plan, before: Standing, now: Standing, turns: int) -> None:
        """Have what ended between two moments happen so many times more, and move the world on.

        What has ended, or is blocked for ever, is told now, before the rows are moved.
        """
        world, turn_ms = self.world, now.at - before.at
        pipeline = world.pipeline(self.pipeline_id)
        with world.store.reader() as reader:
            over = {
                each.key
                for each in _all_instances(reader, pipeline.key)
                if each.ended_at is not None or each.key in now.blocked
            }
            told = list(self._runs(reader, pipeline, plan, over))
            self._explain(reader, pipeline, plan, told)
        self._told |= over
        self._past += told
        again = [run for run in told if run.ended_at is not None and run.ended_at >= before.at]
        for turn in range(1, turns + 1):
            self._past += [_later(run, turn * turn_ms) for run in again]
        self._stood.update(dict.fromkeys(now.stuck, turns * turn_ms))
        self._move(turns * turn_ms)

    def _move(self, by_ms: int) -> None:
        world = self.world
        world.store.shift(by_ms)
        self._jobs = [(at + by_ms, order, _moved(job, by_ms)) for at, order, job in self._jobs]
        if world.writer.next_due is not None:
            world.writer.next_due += by_ms
        world.now += by_ms

    def _lived(self) -> Lived:
        world = self.world
        pipeline = world.pipeline(self.pipeline_id)
        with world.store.reader() as reader:
            plan = world.definitions.plan(reader, pipeline, pipeline.version)
            rest = list(self._runs(reader, pipeline, plan))
            self._explain(reader, pipeline, plan, rest)
            runs = in_order([*self._past, *rest], plan)
            rows = [
                replace(row, next_start=row.next_start - self._stood[row.id])
                for row in reader.components(pipeline.key)
            ]
            held = list(_held(plan, rows, self.scenario.until))
        never = [self._never[key] for key in plan.components if key in self._never]
        return Lived(self.scenario, pipeline, runs, held, never)

    def _explain(self, reader: Reader, pipeline: Pipeline, plan: Plan, runs: Iterable[Run]) -> None:
        """Say of the first of each component that never ran why that is so."""
        now = self.world.now
        asked = Asked(now)
        explainer = Explainer(
            reader, pipeline, lambda _: plan, lambda _: asked, lambda _, text: text, now
        )
        for run in runs:
            if run.component in self._never or not never_ran(run):
                continue
            task = reader.task_by_name(pipeline.key, run.component, run.start)
            told = tell(explainer.situation(task)) if task is not None else None
            if told is not None:
                self._never[run.component] = Never(run.component, run.start, told.cause)


_ANSWERS: Mapping[Step, OutcomeKind] = {
    "check": "valid",
    "create": "made",
    "look": "up",
    "restart": "restarted",
    "stop": "stopped",
}


def _end(unit: Unit, job: _Job) -> None:
    if job.status == HEARD:
        unit.run(Heard(job.key.instance))
        return
    failed = job.status == "FAILED"
    error = (SIMULATED_FAILURE, FAILURE_MESSAGE) if failed else (None, None)
    try:
        unit.run(EndTask(job.key, job.status, *error))
    except ApiError:
        # It timed out or was called off meanwhile; its runner is free all the same.
        return


def _moved(job: _Job, by_ms: int) -> _Job:
    return replace(job, start=job.start + by_ms)


def _later(run: Run, by_ms: int) -> Run:
    """The same, so much later."""
    return Run(
        run.component,
        run.type,
        run.category,
        run.start + by_ms,
        run.end + by_ms,
        run.due_at + by_ms,
        run.status,
        None if run.ended_at is None else run.ended_at + by_ms,
        tuple(
            Try(
                each.worker_group,
                each.status,
                each.ready_at + by_ms,
                None if each.started_at is None else each.started_at + by_ms,
                None if each.ended_at is None else each.ended_at + by_ms,
            )
            for each in run.tries
        ),
    )


class _Course:
    """Watches a rehearsal for turns that are alike, and leaps over those that would be too."""

    def __init__(self, rehearsal: Rehearsal) -> None:
        self._rehearsal = rehearsal
        scenario = rehearsal.scenario
        world = rehearsal.world
        pipeline = world.pipeline(rehearsal.pipeline_id)
        with world.store.reader() as reader:
            self._plan = world.definitions.plan(reader, pipeline, pipeline.version)
        self._turning = turning(self._plan, scenario.until - scenario.begin)
        self._edges = [
            edge
            for failure in scenario.failures
            for edge in (failure.first, failure.stop)
            if edge is not None
        ]
        self._next = scenario.begin
        self._before: Standing | None = None

    def leap(self, moment: Instant) -> bool:
        """Leap if the last turn was like the one before it; `moment` is when something is next."""
        found = self._turning
        if found is None or moment < self._next:
            return False
        scenario = self._rehearsal.scenario
        at = moment - (moment - scenario.begin) % found.turn_ms
        self._next = at + found.turn_ms
        before, now = self._before, self._rehearsal.stand(found, at)
        self._before = now
        if before is None:
            return False
        turns = turns_ahead(found, before, now, scenario.begin, scenario.until, self._edges)
        if not turns:
            return False
        self._rehearsal.repeat(self._plan, before, now, turns)
        self._next += turns * found.turn_ms
        self._before = None
        return True


def _key(attempt: Attempt) -> TaskKey:
    return TaskKey(
        attempt.account_id,
        attempt.pipeline,
        attempt.instance,
        attempt.number,
        attempt.generation,
    )


def in_order(runs: Iterable[Run], plan: Plan) -> list[Run]:
    """As they fell due; those of one moment as the work goes."""
    rank = {key: place for place, key in enumerate(plan.components)}
    return sorted(runs, key=lambda run: (run.due_at, run.start, rank[run.component]))


def _run(instance: Instance, component: Component, tries: Sequence[Try], begin: Instant) -> Run:
    due = instance.start if component.cron or component.schedule is None else instance.end
    return Run(
        instance.component,
        component.type,
        component.category,
        instance.start,
        instance.end,
        max(due, begin),
        instance.status,
        instance.ended_at,
        tuple(tries),
    )


def _try(attempt: Attempt) -> Try:
    return Try(
        attempt.worker_group,
        attempt.status,
        attempt.ready_at,
        attempt.handed_at,
        attempt.ended_at,
    )


def _all_instances(reader: Reader, pipeline: int) -> Iterator[Instance]:
    component, start = "", -_FOR_EVER_MS
    while page := reader.instances_after(pipeline, component, start, _PAGE):
        yield from page
        component, start = page[-1].component, page[-1].start


def _all_attempts(reader: Reader, pipeline: int) -> Iterator[Task]:
    component, start, number = "", -_FOR_EVER_MS, 0
    while page := reader.attempts_after(pipeline, component, start, number, _PAGE):
        yield from page
        last = page[-1]
        component, start = last.instance.component, last.instance.start
        number = last.attempt.number if last.attempt is not None else 0


def _held(plan: Plan, rows: Sequence[ComponentRow], until: Instant) -> Iterator[Held]:
    for row in rows:
        component = plan.components[row.id]
        schedule = component.schedule
        if schedule is None or not row.open or component.category != ACTIVITY:
            continue
        first = schedule.first_from(row.next_start)
        # The last interval that is due before the end, by its start or its end.
        last = schedule.index(until - 1) - (0 if component.cron else 1)
        if schedule.count is not None:
            last = min(last, schedule.count - 1)
        if last >= first:
            yield Held(row.id, schedule.start(first), last - first + 1, component.max_active)
