"""Wall clocks: what a zone's clock shows at a moment, and when it shows a time.

Zones are named as the IANA database names them; the rules come from the system, or from the package
`tzdata`, a dependency, where it has none. All datetimes here are naive: wall times of a zone, or
moments in UTC.
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

from penstock.model.errors import DefinitionError

UTC_ZONE = "UTC"

_FIRST_YEAR, _LAST_YEAR = 1840, 2100
"""Zones are older than 1840 nowhere, and no rule changes beyond the tables."""

_A_DAY_OFF = timedelta(hours=20)
"""No clock is moved on by so much but across the date line."""


def is_zone(name: str) -> bool:
    """Whether there is such a zone."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        # All three come from ZoneInfo: unknown, malformed, and the name of a folder of zones.
        return False
    return True


def to_utc(wall: datetime, zone: str) -> datetime:
    """The moment at which the zone's clock shows a time.

    A time that the clock skips is put off by as much; of one that it shows twice the first is
    meant. Raises DefinitionError where the calendar (years 1 to 9999) ends before.
    """
    if zone == UTC_ZONE:
        return wall
    try:
        return wall.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC).replace(tzinfo=None)
    except OverflowError as error:
        raise _beyond(zone) from error


def to_wall(moment: datetime, zone: str) -> datetime:
    """What the zone's clock shows at a moment. Raises DefinitionError at the calendar's ends."""
    if zone == UTC_ZONE:
        return moment
    try:
        shown = moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
    except OverflowError as error:
        raise _beyond(zone) from error
    return shown.replace(tzinfo=None, fold=0)


def _beyond(zone: str) -> DefinitionError:
    return DefinitionError(f"the date in {zone} is outside the calendar, years 1 to 9999")


@cache
def missing_days(zone: str) -> tuple[date, ...]:
    """The days that a zone never had, because it moved to the other side of the date line.

    Samoa's calendar goes from 29 to 31 December 2011. (Days that came twice are days all the same.)
    """
    if zone == UTC_ZONE:
        return ()
    found: list[date] = []
    for year in range(_FIRST_YEAR, _LAST_YEAR):
        first, last = date(year, 1, 1), date(year + 1, 1, 1)
        if _offset(last, zone) - _offset(first, zone) < _A_DAY_OFF:
            continue
        days = (first + timedelta(days=count) for count in range((last - first).days))
        found += [day for day in days if _is_missing(day, zone)]
    return tuple(found)


def _offset(day: date, zone: str) -> timedelta:
    midnight = datetime.combine(day, time())
    return midnight - to_utc(midnight, zone)


def _is_missing(day: date, zone: str) -> bool:
    noon = datetime.combine(day, time(12))
    return to_wall(to_utc(noon, zone), zone).date() != day


@lru_cache(maxsize=1024)
def steady_until(moment: datetime, zone: str) -> datetime:
    """A moment up to which the zone's clock is surely not moved; two years on if that is later."""
    offset = to_wall(moment, zone) - moment
    for days in range(1, 731):
        later = moment + timedelta(days=days)
        if to_wall(later, zone) - later != offset:
            return moment + timedelta(days=days - 1)
    return moment + timedelta(days=730)
