"""Periods and dates: `N unit`, calendar arithmetic from an origin, the spelling of DateTime.

All datetimes are naive and in UTC, unless a zone is named. Months and years go by the calendar and
are always counted from the origin, never from the previous result: 31 January + 1 month is 28
February, but + 2 months is 31 March.
"""

import re
from calendar import monthrange
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

from msgspec import Struct

from penstock.language.wording import shorten
from penstock.language.zones import UTC_ZONE, to_utc, to_wall
from penstock.model.errors import DefinitionError
from penstock.model.times import DAY_MS, HOUR_MS, MINUTE_MS

UNITS = ("minute", "hour", "day", "week", "month", "year")

MAXIMUM_COUNT = 99_999_999
"""Larger counts reach beyond the calendar anyway; the bound keeps the arithmetic in range."""

_EXACT_MS = {"minute": MINUTE_MS, "hour": HOUR_MS, "day": DAY_MS, "week": 7 * DAY_MS}
_MONTHS = {"month": 1, "year": 12}
_PERIOD = re.compile(r"\s*([0-9]{1,8})\s+([A-Za-z]+)\s*")
_BARE_COUNT = re.compile(r"\s*([0-9]{1,8})\s*")
_DATETIME = re.compile(
    r"\s*(?P<year>[0-9]{4})-(?P<month>[0-9]{1,2})-(?P<day>[0-9]{1,2})"
    r"(?:[Tt ](?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})"
    r"(?::(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]{1,12}))?)?)?"
    r"\s?(?P<zone>Z|UTC|GMT|[+-][0-9]{2}:?[0-9]{2})?\s*",
    re.IGNORECASE,
)


class Period(Struct, frozen=True):
    """A length of time: `count` times `unit` (minute, hour, day, week, month, year)."""

    count: int
    unit: str

    def __str__(self) -> str:
        return f"{self.count} {self.unit}{'' if self.count == 1 else 's'}"


@lru_cache(maxsize=4096)
def parse_period(text: str, bare_unit: str | None = None) -> Period:
    """Read `N unit`; the unit in any case, singular or plural.

    `bare_unit` is the unit of a number that stands alone (`terminateAfter` takes hours); without
    it such a number is an error. Raises DefinitionError. Source: guide, "Simple Data Types".
    """
    bare = _BARE_COUNT.fullmatch(text) if bare_unit is not None else None
    if bare is not None and bare_unit is not None:
        count, unit = int(bare[1]), bare_unit
    else:
        match = _PERIOD.fullmatch(text)
        if match is None:
            raise _bad_period(text, "is not a period")
        count, unit = int(match[1]), match[2].lower().removesuffix("s")
    if unit not in UNITS:
        raise _bad_period(text, f"has the unknown unit {unit!r}")
    if count < 1:
        raise _bad_period(text, "is not positive")
    return Period(count, unit)


def _bad_period(text: str, what: str) -> DefinitionError:
    return DefinitionError(
        f"{shorten(text)!r} {what}: a period is a positive whole number, a space, and minutes, "
        "hours, days, weeks, months or years, for example '15 minutes'"
    )


def add_periods(origin: datetime, period: Period, times: int) -> datetime:
    """The moment `times` periods after (before, if negative) the origin.

    Raises DefinitionError when the calendar (years 1 to 9999) does not reach that far.
    """
    try:
        if period.unit in _MONTHS:
            return _add_months(origin, period.count * times * _MONTHS[period.unit])
        return origin + timedelta(milliseconds=period.count * times * _EXACT_MS[period.unit])
    except (ValueError, OverflowError) as error:
        raise DefinitionError(
            f"{times} times {period} from {format_datetime(origin)} is outside the calendar, "
            "which goes from year 1 to 9999"
        ) from error


def _add_months(origin: datetime, months: int) -> datetime:
    year, month = divmod(origin.year * 12 + origin.month - 1 + months, 12)
    if not 1 <= year <= 9999:
        raise ValueError(year)
    # The day is cut to the month's length, which is the 31 January rule.
    day = min(origin.day, monthrange(year, month + 1)[1])
    return origin.replace(year=year, month=month + 1, day=day)


def floor_index(origin: datetime, period: Period, moment: datetime) -> int:
    """The k with `start k <= moment < start k+1`; negative before the origin."""
    if period.unit not in _MONTHS:
        return (moment - origin) // timedelta(milliseconds=period.count * _EXACT_MS[period.unit])
    months = (moment.year - origin.year) * 12 + moment.month - origin.month
    # Within the month the day and time decide: the start may still lie ahead, then it is one less.
    index = months // (period.count * _MONTHS[period.unit])
    return index if _starts_by(origin, period, index, moment) else index - 1


def _starts_by(origin: datetime, period: Period, index: int, moment: datetime) -> bool:
    try:
        return add_periods(origin, period, index) <= moment
    except DefinitionError:
        # Before year 1 every moment has come, after 9999 none.
        return index < 0


def exact_ms(period: Period) -> int:
    """Milliseconds for timeouts and delays: a month is 30 days, a year 365 (ours)."""
    if period.unit in _MONTHS:
        return period.count * (30 if period.unit == "month" else 365) * DAY_MS
    return period.count * _EXACT_MS[period.unit]


def parse_datetime(text: str, zone: str = UTC_ZONE) -> datetime:
    """Read a DateTime to naive UTC; one that names no zone itself is what the zone's clock shows.

    `YYYY-MM-DDTHH:MM:SS` is the documented form; a date alone, a space for the T, minutes without
    seconds, fractions and a zone (taken to UTC) are accepted. Raises DefinitionError.
    """
    moment = _read_datetime(text)
    return to_utc(moment, zone) if moment.tzinfo is None else moment.replace(tzinfo=None)


def parse_wall_time(text: str, zone: str) -> datetime:
    """The same, to what the zone's clock shows: a time that it skips is left as it is written."""
    moment = _read_datetime(text)
    return moment if moment.tzinfo is None else to_wall(moment.replace(tzinfo=None), zone)


def _read_datetime(text: str) -> datetime:
    """A text with a zone in aware UTC, one without as it stands. Raises DefinitionError."""
    match = _DATETIME.fullmatch(text)
    if match is None:
        raise _bad_datetime(text, "is not a date")
    part = match.groupdict()
    fraction = (part["fraction"] or "").ljust(6, "0")[:6]
    try:
        moment = datetime(
            int(part["year"]),
            int(part["month"]),
            int(part["day"]),
            int(part["hour"] or 0),
            int(part["minute"] or 0),
            int(part["second"] or 0),
            int(fraction),
            tzinfo=_zone(part["zone"]),
        )
        return moment if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise _bad_datetime(text, f"is no moment of the calendar ({error})") from error


def _zone(text: str | None) -> timezone | None:
    if text is None:
        return None
    if text[0] not in "+-":
        return UTC
    digits = text[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if text[0] == "-" else offset)


def _bad_datetime(text: str, what: str) -> DefinitionError:
    return DefinitionError(
        f"{shorten(text)!r} {what}: write YYYY-MM-DDTHH:MM:SS in UTC, for example "
        "'2026-01-31T14:00:00'"
    )


def format_datetime(moment: datetime) -> str:
    """`YYYY-MM-DDTHH:MM:SS`: the wall time of the moment's zone, fractions cut."""
    return moment.replace(tzinfo=None, microsecond=0).isoformat()
