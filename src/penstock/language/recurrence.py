"""A period counted from an origin, by the clock of a zone.

Periods of days and longer keep the origin's time of day on that clock: 09:00 in Berlin stays 09:00
when the clocks change, and such a day has 23 or 25 hours. Minutes and hours are real time.
"""

from datetime import datetime, timedelta

from msgspec import Struct

from penstock.language.periods import (
    Period,
    add_periods,
    exact_ms,
    floor_index,
    parse_datetime,
    parse_wall_time,
)
from penstock.language.zones import UTC_ZONE, missing_days, to_utc, to_wall
from penstock.model.errors import DefinitionError

_EXACT_UNITS = frozenset({"minute", "hour"})
_A_DAY = Period(1, "day")


class Recurrence(Struct, frozen=True):
    """`origin` is what the zone's clock shows when the count begins; moments are naive UTC.

    Made by `recurrence`, which gives minutes and hours the zone UTC: they are real time anywhere.

    The starts of successive k are strictly later one than the other. A day that a zone never had
    (see `zones.missing_days`) has no start, and so no number: days are counted as they came.
    """

    origin: datetime
    period: Period
    zone: str = UTC_ZONE

    @property
    def step_ms(self) -> int | None:
        """The length of all periods, where the clocks and the calendar leave it alone."""
        if self.period.unit in ("month", "year"):
            return None
        return exact_ms(self.period) if self.zone == UTC_ZONE else None

    def start(self, k: int) -> datetime:
        """When the k-th period begins. Raises DefinitionError where the calendar ends before."""
        return to_utc(self._wall(k), self.zone)

    def _wall(self, k: int) -> datetime:
        """What the clock is to show at the start of the k-th period."""
        if self.period == _A_DAY and missing_days(self.zone):
            k = self._calendar_days(k)
        return add_periods(self.origin, self.period, k)

    def _calendar_days(self, k: int) -> int:
        """How far the k-th day is from the origin by the calendar, which has days that never were.

        An origin on such a day stands for the day after it.
        """
        origin = self.origin.date()
        missing = [(day - origin).days for day in missing_days(self.zone)]
        days = k
        for ahead in sorted(each for each in missing if each >= 0):
            days += 1 if ahead <= days else 0
        for behind in sorted((each for each in missing if each < 0), reverse=True):
            days -= 1 if behind >= days else 0
        return days

    def index(self, moment: datetime) -> int:
        """The k whose period holds a moment; negative before the origin."""
        k = floor_index(self.origin, self.period, to_wall(moment, self.zone))
        if self.zone == UTC_ZONE:
            return k
        # What the clock shows tells the period but around a change, and after a day that never was.
        while self._begins_after(k, moment):
            k -= 1
        while not self._begins_after(k + 1, moment):
            k += 1
        return k

    def _begins_after(self, k: int, moment: datetime) -> bool:
        try:
            return self.start(k) > moment
        except DefinitionError:
            # Before year 1 every moment has come, after 9999 none.
            return k >= 0

    def length(self, k: int) -> timedelta:
        """How long the k-th period is by the clock on the wall, which counts 24 hours a day."""
        if self.period.unit in ("month", "year"):
            return self._wall(k + 1) - self._wall(k)
        return timedelta(milliseconds=exact_ms(self.period))


def recurrence(period: Period, zone: str, start: str | None, otherwise: datetime) -> Recurrence:
    """A period counted from `start` as a definition writes it, by the zone's clock.

    Without one it is counted from the moment `otherwise`. Raises DefinitionError for what is no
    date.
    """
    if period.unit in _EXACT_UNITS:
        zone, origin = UTC_ZONE, parse_datetime(start, zone) if start else otherwise
    else:
        origin = parse_wall_time(start, zone) if start else to_wall(otherwise, zone)
    return Recurrence(origin.replace(microsecond=0), period, zone)
