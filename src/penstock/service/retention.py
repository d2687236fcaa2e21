"""Retention: what ended long ago is forgotten, in small steps, so that a store does not only grow.

An instance goes once it has ended before a given time, and its preconditions with it, unless
something still needs it: an instance that depends on it and is kept; one that is yet to be made, if
this one failed; an alarm that is kept, or a precondition that has not ended as long ago; an
activation that will run it again. The last interval of each component stays, with its alarms, and
the one that its health speaks of. So nothing can wait for what is gone: in a scheduled pipeline an
interval without an instance counts as passed over, and a run on demand goes from its end to its
beginning.
"""

from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence

from msgspec import Struct

from penstock.engine.plan import ACTION, ACTIVITY, DATA_NODE, PRECONDITIONS, Component, Plan
from penstock.model.status import CANCELED, SATISFIED
from penstock.model.times import Instant
from penstock.store.protocol import Past, Reader

STEP = 200
"""Instances that are judged, and at most removed, in one transaction: some 10 ms on SQLite."""

NEIGHBOURS = 1_000
"""How many instances of a dependent are read at once."""

_BEGINNING: Instant = -(2**62)


class Cursor(Struct, frozen=True):
    """How far a sweep of a pipeline has come: to the instance of a component that starts then."""

    component: str
    start: Instant = _BEGINNING


class Removed(Struct, frozen=True):
    """What a sweep removes, or would: how much, and the first and the last interval's start."""

    instances: int = 0
    attempts: int = 0
    first: Instant | None = None
    last: Instant | None = None

    def __add__(self, other: "Removed") -> "Removed":
        starts = [s for s in (self.first, self.last, other.first, other.last) if s is not None]
        return Removed(
            self.instances + other.instances,
            self.attempts + other.attempts,
            min(starts, default=None),
            max(starts, default=None),
        )


class Look(Struct, frozen=True):
    """A page of a component's instances, judged; and where to go on (None: all is done)."""

    component: str
    removable: Mapping[str, Sequence[Past]]
    """By component: with an instance go its preconditions."""
    kept: Sequence[Past]
    cursor: Cursor | None

    @property
    def removed(self) -> Removed:
        """What the removable ones come to."""
        rows = [row for each in self.removable.values() for row in each]
        starts = [row.start for row in rows]
        return Removed(
            len(rows),
            sum(row.attempts for row in rows),
            min(starts, default=None),
            max(starts, default=None),
        )


class Presence:
    """Which instances are there; here, all that the store has."""

    def starts(
        self, store: Reader, pipeline: int, component: str, first: Instant, last: Instant
    ) -> list[Instant]:
        """The starts in [first, last] of a component's instances, the `NEIGHBOURS` earliest."""
        rows = store.past(pipeline, component, first, last, NEIGHBOURS)
        return [row.start for row in rows]

    def note(self, look: Look) -> None:
        """A page has been judged."""


class Rehearsal(Presence):
    """Which instances would be there if what was found removable had been removed."""

    def __init__(self, before: Instant) -> None:
        self._before = before
        self._kept: dict[str, list[Instant]] = {}

    def starts(
        self, store: Reader, pipeline: int, component: str, first: Instant, last: Instant
    ) -> list[Instant]:
        """What was kept of those that have been judged, and all that are younger."""
        kept = self._kept.get(component, [])
        within = kept[bisect_left(kept, first) : bisect_left(kept, last + 1)]
        younger = super().starts(store, pipeline, component, max(first, self._before), last)
        return [*within, *younger][:NEIGHBOURS]

    def note(self, look: Look) -> None:
        """Remember what was kept."""
        kept = self._kept.setdefault(look.component, [])
        for row in look.kept:
            insort(kept, row.start)


def course(plan: Plan) -> list[str]:
    """The components in the order in which they are swept: what depends on others before those.

    Preconditions are not among them, they go with their owners.
    """
    swept = [name for name, each in plan.components.items() if each.category not in PRECONDITIONS]
    return swept[::-1]


def look(
    store: Reader,
    pipeline: int,
    plan: Plan,
    cursor: Cursor | None,
    before: Instant,
    presence: Presence,
) -> Look:
    """Judge the next instances of intervals that start before a time; from the beginning if None.

    What ended before it also started before it, so no others need to be looked at.
    """
    names = course(plan)
    if cursor is None:
        cursor = Cursor(names[0])
    name = cursor.component
    page = store.past(pipeline, name, cursor.start + 1, before - 1, STEP)
    judge = _Judge(store, pipeline, plan, plan.components[name], before, presence, page)
    removable: list[Past] = []
    kept: list[Past] = []
    for row in page:
        needed = judge.is_needed(row)
        if needed is None:
            break
        (kept if needed else removable).append(row)
    judged = len(removable) + len(kept)
    onward: Cursor | None = None
    if judged < len(page) or judged == STEP:
        onward = Cursor(name, page[judged - 1].start)
    elif (place := names.index(name) + 1) < len(names):
        onward = Cursor(names[place])
    found = Look(name, judge.with_conditions(removable), kept, onward)
    presence.note(found)
    return found


class _Judge:
    """Says which instances of a page are still needed."""

    def __init__(
        self,
        store: Reader,
        pipeline: int,
        plan: Plan,
        component: Component,
        before: Instant,
        presence: Presence,
        page: Sequence[Past],
    ) -> None:
        self._before = before
        self._component = component
        self._conditions = _conditions(store, pipeline, component, page)
        self._spared = _spared(store, pipeline, component) if page else frozenset()
        users = [plan.components[name] for name in _users(plan, component)] if page else []
        self._users = [_User(store, pipeline, user, page, presence) for user in users]
        self._replaceable = component.category in {ACTIVITY, DATA_NODE}

    def is_needed(self, row: Past) -> bool | None:
        """None: it cannot be told yet; a page that begins with this one can."""
        if row.start in self._spared or not self._is_over(row):
            return True
        conditions = (rows[row.start] for rows in self._conditions.values() if row.start in rows)
        if not all(self._is_over(each) for each in conditions):
            return True
        # In a scheduled pipeline what is gone counts as passed over, which is as good as finished.
        expected = row.status not in SATISFIED or not self._replaceable
        answers = [user.needs(row, expected) for user in self._users]
        return True if True in answers else None if None in answers else False

    def _is_over(self, row: Past) -> bool:
        """Whether it ended long ago, and no activation will run it again by itself."""
        if row.ended_at is None or row.ended_at >= self._before:
            return False
        return not (row.revive and row.status == CANCELED)

    def with_conditions(self, rows: Sequence[Past]) -> dict[str, list[Past]]:
        """Instances with their preconditions, by component; of none, nothing."""
        found = {self._component.id: list(rows)} if rows else {}
        for name, conditions in self._conditions.items():
            if own := [conditions[row.start] for row in rows if row.start in conditions]:
                found[name] = own
        return found


def _users(plan: Plan, component: Component) -> list[str]:
    """The components that need it: those that wait for it or run on it, and alarms about it or its
    preconditions. In place of a precondition stands its owner, with which it goes.
    """
    told_of = {component.id, *component.preconditions}
    alarms = [c.id for c in plan.components.values() if c.category == ACTION and c.owner in told_of]
    waiting = (plan.components[name] for name in component.dependents)
    names = (each.owner if each.category in PRECONDITIONS else each.id for each in waiting)
    return list(dict.fromkeys((*names, *alarms)))


def _spared(store: Reader, pipeline: int, component: Component) -> frozenset[Instant]:
    """The starts of a component's last instance and of the one that its health speaks of.

    An alarm about the last one stays with it.
    """
    row = store.component(pipeline, component.id)
    spoken_of = row.health_start if row is not None else None
    about = component.owner or component.id
    latest = {each.start for each in store.latest_of_component(pipeline, about, 1)}
    return frozenset(latest if spoken_of is None else {*latest, spoken_of})


def _conditions(
    store: Reader, pipeline: int, component: Component, page: Sequence[Past]
) -> dict[str, dict[Instant, Past]]:
    """The instances of a page's preconditions, by component and start."""
    if not page:
        return {}
    first, last = page[0].start, page[-1].start
    return {
        name: {row.start: row for row in store.past(pipeline, name, first, last, STEP)}
        for name in component.preconditions
    }


class _User:
    """A component that depends on another: whether its instances still need one of that."""

    def __init__(
        self,
        store: Reader,
        pipeline: int,
        component: Component,
        page: Sequence[Past],
        presence: Presence,
    ) -> None:
        self._schedule = None if component.owner else component.schedule
        self._row = store.component(pipeline, component.id)
        first, last = self._span(page[0])[0], self._span(page[-1])[1]
        self._there = presence.starts(store, pipeline, component.id, first, last)
        self._whole = len(self._there) < NEIGHBOURS

    def needs(self, row: Past, expected: bool) -> bool | None:
        """`expected`: one that is yet to be made will ask for it."""
        first, last = self._span(row)
        if expected and self._is_to_come(first, last):
            return True
        place = bisect_left(self._there, first)
        if place == len(self._there):
            return False if self._whole else None
        return self._there[place] <= last

    def _span(self, row: Past) -> tuple[Instant, Instant]:
        """Between which starts its instances may depend on the other's: where they overlap."""
        schedule = self._schedule
        if schedule is None:
            return row.start, row.start
        begin = schedule.start(max(schedule.index(row.start), 0))
        return begin, max(row.end - 1, row.start)

    def _is_to_come(self, first: Instant, last: Instant) -> bool:
        """Whether an instance that starts in [first, last] will yet be made."""
        schedule, row = self._schedule, self._row
        if schedule is None or row is None or not row.open or row.next_start > last:
            return False
        k = schedule.first_from(max(first, row.next_start))
        return schedule.has(k) and schedule.start(k) <= last
