"""Schedules as arithmetic: the k-th interval, the one that holds a moment, how two schedules tie.

Months and years go by the calendar and are always counted from the origin, and in a schedule with a
zone so do days and weeks (`language.recurrence`); the rest is a fixed number of milliseconds.
"""

from datetime import timedelta

from msgspec import Struct

from penstock.language.periods import Period, exact_ms
from penstock.language.recurrence import Recurrence
from penstock.language.zones import steady_until
from penstock.model.times import Instant, from_datetime, to_datetime


class Schedule(Struct, frozen=True):
    """Intervals `[start(k), start(k + 1))` for k from 0 to `count` (None: endless).

    `origin` is the first start, `step_ms` the length of all intervals if they are alike.
    """

    id: str
    recurrence: Recurrence
    origin: Instant
    step_ms: int | None
    count: int | None

    @property
    def period(self) -> Period:
        """The length of an interval as the definition says it."""
        return self.recurrence.period

    @property
    def zone(self) -> str:
        """The zone by whose clock days and longer are counted."""
        return self.recurrence.zone

    @property
    def usual_ms(self) -> int | None:
        """The length of intervals while the zone's clock is left alone; None for months."""
        return None if self.period.unit in ("month", "year") else exact_ms(self.period)

    def steady_until(self, moment: Instant) -> Instant | None:
        """A moment up to which, from the one given, all intervals are alike; None is for ever."""
        if self.step_ms is not None:
            return None
        return from_datetime(steady_until(to_datetime(moment), self.zone))

    def start(self, k: int) -> Instant:
        """The start of the k-th interval."""
        if self.step_ms is not None:
            return self.origin + k * self.step_ms
        return from_datetime(self.recurrence.start(k))

    def index(self, moment: Instant) -> int:
        """The k whose interval holds the moment; negative before the origin. Ignores `count`."""
        if self.step_ms is not None:
            return (moment - self.origin) // self.step_ms
        return self.recurrence.index(to_datetime(moment))

    def first_from(self, moment: Instant) -> int:
        """The first k that starts at or after the moment (not below 0). Ignores `count`."""
        k = max(self.index(moment), 0)
        return k if self.start(k) >= moment else k + 1

    def length_ms(self, k: int) -> int:
        """How long the k-th interval is by the clock on the wall, to compare it with others."""
        if self.step_ms is not None:
            return self.step_ms
        return self.recurrence.length(k) // timedelta(milliseconds=1)

    def has(self, k: int) -> bool:
        """Whether there is a k-th interval."""
        return k >= 0 and (self.count is None or k < self.count)


def make_schedule(
    schedule_id: str,
    origin: Instant,
    period: Period,
    end: Instant | None,
    occurrences: int | None,
) -> Schedule:
    """A schedule in UTC; no interval starts at or after `end`."""
    return recurring(schedule_id, Recurrence(to_datetime(origin), period), end, occurrences)


def recurring(
    schedule_id: str, recurrence: Recurrence, end: Instant | None, occurrences: int | None
) -> Schedule:
    """A schedule by the clock of some zone; no interval starts at or after `end`."""
    origin = from_datetime(recurrence.start(0))
    endless = Schedule(schedule_id, recurrence, origin, recurrence.step_ms, None)
    count = occurrences if end is None else endless.first_from(end)
    return Schedule(schedule_id, recurrence, origin, recurrence.step_ms, count)


class Span(Struct, frozen=True):
    """A run of a target's intervals, by index: the first, and how many."""

    first: int
    count: int


def tie(own: Schedule, start: Instant, end: Instant, target: Schedule) -> Span | None:
    """The target's intervals that an instance in `[start, end)` depends on; None if there are none.

    Those that lie in the instance's own interval; or, when the target's interval is not the
    shorter, the one that holds the instance's start. Lengths are compared as the clock on the wall
    has them: a day of 23 hours is no shorter than another day.
    """
    if target is own:
        return Span(target.index(start), 1)
    holding = target.index(start)
    if target.length_ms(holding) >= own.length_ms(own.index(start)):
        return Span(holding, 1) if target.has(holding) else None
    first = target.first_from(start)
    stop = target.index(end)
    if target.count is not None:
        stop = min(stop, target.count)
    return Span(first, stop - first) if stop > first else None
