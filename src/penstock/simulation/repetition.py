"""What repeats need not be lived through again and again.

A pipeline that keeps up comes back, with every turn of its schedules, to where it was: the same
instances under way, as far along, with the same timers set. The engine is a function of that and of
the time that passes, so what follows is what followed before, so many hours later. Here such a
state is taken down in terms of the moment (a *portrait*), and it is worked out for how many turns
nothing from outside the portrait can come in between: the end of a schedule, the day on which its
zone's clock is moved, a failure that the scenario asks for, the end of the scenario.

The turn is a whole number of days, so that expressions meet every hour of a day at least once.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from math import lcm

from msgspec import Struct

from penstock.engine.intervals import Schedule
from penstock.engine.plan import ACTIVITY, Plan
from penstock.language.expressions import has_expression
from penstock.model.runtime import Attempt, Instance, Pipeline
from penstock.model.status import WAITING_ON_DEPENDENCIES
from penstock.model.times import DAY_MS, Instant
from penstock.store.protocol import Reader, Transaction

Portrait = tuple[object, ...]
"""How everything stands, all times told from the moment of the portrait."""

NEVER: Instant = 2**62
FEWEST_TURNS = 3
"""A scenario of fewer turns is lived through as it is."""


class Turning(Struct, frozen=True):
    """A plan's turn: after `turn_ms` its schedules stand as before; `reach_ms` is how far beyond
    its own interval an instance can look for others.
    """

    plan: Plan
    turn_ms: int
    reach_ms: int

    @property
    def schedules(self) -> list[Schedule]:
        """Those that something runs by."""
        return _schedules(self.plan)


def turning(plan: Plan, length_ms: int) -> Turning | None:
    """The turn of a plan; None if it has none, or too long a one for so long a time.

    Months have no common measure with days. Worker groups that are expressions could differ from
    turn to turn; and what is known of a machine holds times of its own.
    """
    if any(component.terms is not None for component in plan.components.values()):
        return None
    steps = [schedule.usual_ms for schedule in _schedules(plan)]
    known = [step for step in steps if step is not None]
    if not known or len(known) < len(steps):
        return None
    turn_ms = lcm(DAY_MS, *known)
    if turn_ms * FEWEST_TURNS > length_ms:
        return None
    if any(has_expression(component.worker_group) for component in plan.components.values()):
        return None
    return Turning(plan, turn_ms, 2 * max(known))


def _schedules(plan: Plan) -> list[Schedule]:
    found = {c.schedule.id: c.schedule for c in plan.components.values() if c.schedule}
    return list(found.values())


class Standing(Struct, frozen=True):
    """Where everything stands at a moment: its portrait, and between which starts things move.

    `blocked` are the keys of instances that wait for what has failed: nobody reruns it here, so
    they wait for ever. `stuck` are components whose room such instances fill.
    """

    at: Instant
    portrait: Portrait
    oldest: Instant
    newest: Instant
    blocked: frozenset[int]
    stuck: frozenset[str]


def stand(
    store: Transaction, pipeline: Pipeline, turning: Turning, at: Instant, jobs: Portrait
) -> Standing:
    """How everything stands at a moment; `jobs` is the caller's own part of the portrait."""
    unfinished = sorted(store.unfinished(pipeline.key), key=lambda each: each.key)
    blocked = _blocked(store, unfinished)
    stuck = _stuck(turning.plan, [each for each in unfinished if each.key in blocked])
    rows = store.components(pipeline.key)
    moving = [row for row in rows if row.open and row.id not in stuck]
    starts = [row.next_start for row in moving]
    starts += [each.start for each in unfinished if each.key not in blocked]
    oldest, newest = min(starts, default=at), max(starts, default=at)
    # One that others can still look for is told with its distance in time.
    blocked = frozenset(
        each.key
        for each in unfinished
        if each.key in blocked and each.start < oldest - turning.reach_ms
    )
    live = [each for each in unfinished if each.key not in blocked]
    names = {each.key: (each.component, each.start - at) for each in live}
    portrait = (
        pipeline.state,
        tuple((row.id, row.open, row.paused, row.id in stuck) for row in rows),
        tuple((row.id, row.next_start - at) for row in moving),
        tuple(_live(store, each, at) for each in live),
        tuple(each.component for each in unfinished if each.key in blocked),
        tuple(_ended(store, pipeline, turning, at, oldest)),
        tuple(
            (timer.kind, names.get(timer.subject, timer.subject), timer.due_at - at)
            for timer in store.due_timers(NEVER, NEVER)
        ),
        jobs,
    )
    return Standing(at, portrait, oldest, newest, blocked, stuck)


def _blocked(store: Reader, unfinished: Sequence[Instance]) -> frozenset[int]:
    """Those that wait for something failed, or for one that does."""
    waits = {
        each.key: [wait for wait in store.waits_of(each.key) if wait.missing]
        for each in unfinished
        if each.status == WAITING_ON_DEPENDENCIES and each.unmet
    }
    found = {
        key
        for key, own in waits.items()
        if any(
            store.range_state(wait.pipeline, wait.target, wait.first, wait.last).failed_start
            is not None
            for wait in own
        )
    }
    while True:
        held = [(each.component, each.start) for each in unfinished if each.key in found]
        more = {
            key
            for key, own in waits.items()
            if key not in found
            and any(
                wait.target == component and wait.first <= start <= wait.last
                for wait in own
                for component, start in held
            )
        }
        if not more:
            return frozenset(found)
        found |= more


def _stuck(plan: Plan, blocked: Sequence[Instance]) -> frozenset[str]:
    """Activities without room for another instance ever, and data nodes that only those use."""
    counts = Counter(each.component for each in blocked)
    found = {
        component.id
        for component in plan.components.values()
        if component.category == ACTIVITY and counts[component.id] >= component.max_active
    }
    for component in plan.components.values():
        if component.users and found.issuperset(component.users):
            found.add(component.id)
    return frozenset(found)


def _live(store: Reader, each: Instance, at: Instant) -> Portrait:
    """An unfinished instance, its attempts and what it waits for."""
    return (
        each.component,
        each.start - at,
        each.end - at,
        each.version,
        each.status,
        each.due_at - at,
        each.unmet,
        each.tries,
        each.attempts,
        (each.rerun, each.revive, each.cancel_reason),
        _since(each.retry_at, at),
        tuple(_attempt(attempt, at) for attempt in store.attempts_of(each.key)),
        tuple(
            (wait.target, wait.first - at, wait.last - at, wait.missing)
            for wait in store.waits_of(each.key)
        ),
    )


def _attempt(each: Attempt, at: Instant) -> Portrait:
    return (
        each.number,
        each.worker_group,
        each.status,
        each.offered,
        each.generation,
        each.acknowledged,
        each.cancel_reason,
        each.ready_at - at,
        _since(each.handed_at, at),
        _since(each.ended_at, at),
    )


def _since(moment: Instant | None, at: Instant) -> int | None:
    return None if moment is None else moment - at


def _ended(
    store: Reader, pipeline: Pipeline, turning: Turning, at: Instant, oldest: Instant
) -> Iterator[Portrait]:
    """What has ended and can still be looked for by what is under way or to come."""
    since = oldest - turning.reach_ms
    for component in turning.plan.components.values():
        schedule = component.schedule
        if schedule is None or schedule.usual_ms is None:
            continue
        most = (at - since) // schedule.usual_ms + component.max_active + 2
        for each in store.latest_of_component(pipeline.key, component.id, most):
            if each.start >= since and each.ended_at is not None:
                yield (each.component, each.start - at, each.status)


def turns_ahead(
    turning: Turning,
    before: Standing,
    now: Standing,
    begin: Instant,
    until: Instant,
    edges: Sequence[Instant],
) -> int:
    """For how many turns from now all goes as in the one between `before` and `now`.

    `edges` are the moments between which the scenario treats all starts alike.
    """
    if before.portrait != now.portrait or now.at - before.at != turning.turn_ms:
        return 0
    lowest, highest = before.oldest - turning.reach_ms, now.newest
    if lowest < begin:
        return 0
    room = [until - now.at]
    for schedule in turning.schedules:
        if lowest < schedule.origin:
            return 0
        steady = schedule.steady_until(lowest)
        if steady is not None:
            room.append(steady - highest - turning.reach_ms)
        end = NEVER if schedule.count is None else schedule.start(schedule.count)
        if end > lowest:
            room.append(end - highest - turning.reach_ms)
    room.extend(edge - highest - 1 for edge in edges if edge > lowest)
    return max(min(room) // turning.turn_ms, 0)
