"""Schedules as arithmetic: the k-th interval, the one that holds a moment, how two schedules tie.

Months and years go by the calendar and are always counted from the origin; everything shorter is
a fixed number of milliseconds.
"""

from msgspec import Struct

from penstock.language.periods import Period, add_periods, exact_ms, floor_index
from penstock.model.times import Instant, from_datetime, to_datetime

_CALENDAR_UNITS = frozenset({"month", "year"})


class Schedule(Struct, frozen=True):
    """Intervals `[start(k), start(k + 1))` for k from 0 to `count` (None: endless)."""

    id: str
    origin: Instant
    period: Period
    step_ms: int | None
    count: int | None

    def start(self, k: int) -> Instant:
        """The start of the k-th interval."""
        if self.step_ms is not None:
            return self.origin + k * self.step_ms
        return from_datetime(add_periods(to_datetime(self.origin), self.period, k))

    def index(self, moment: Instant) -> int:
        """The k whose interval holds the moment; negative before the origin. Ignores `count`."""
        if self.step_ms is not None:
            return (moment - self.origin) // self.step_ms
        return floor_index(to_datetime(self.origin), self.period, to_datetime(moment))

    def first_from(self, moment: Instant) -> int:
        """The first k that starts at or after the moment (not below 0). Ignores `count`."""
        k = max(self.index(moment), 0)
        return k if self.start(k) >= moment else k + 1

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
    """A schedule; no interval starts at or after `end`."""
    step = None if period.unit in _CALENDAR_UNITS else exact_ms(period)
    endless = Schedule(schedule_id, origin, period, step, None)
    count = occurrences if end is None else endless.first_from(end)
    return Schedule(schedule_id, origin, period, step, count)


class Span(Struct, frozen=True):
    """A run of a target's intervals, by index: the first, and how many."""

    first: int
    count: int


def tie(own: Schedule, start: Instant, end: Instant, target: Schedule) -> Span | None:
    """The target's intervals that an instance in `[start, end)` depends on; None if there are none.

    Those that lie in the instance's own interval; or, when the target's interval is not the
    shorter, the one that holds the instance's start.
    """
    if target is own:
        return Span(target.index(start), 1)
    holding = target.index(start)
    if target.start(holding + 1) - target.start(holding) >= end - start:
        return Span(holding, 1) if target.has(holding) else None
    first = target.first_from(start)
    stop = target.index(end)
    if target.count is not None:
        stop = min(stop, target.count)
    return Span(first, stop - first) if stop > first else None
