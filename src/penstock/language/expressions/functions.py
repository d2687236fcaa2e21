"""The functions of expressions, all of them on dates, with the types of their arguments.

Source: guide, "Date and Time Functions"; plusPeriod, minusPeriod and inTimeZone stand in its
examples. A moment is a naive datetime in UTC; `inTimeZone` makes one with a zone, whose parts and
days are then local.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from msgspec import Struct

from penstock.language.expressions.joda import format_joda
from penstock.language.expressions.tree import Value
from penstock.language.periods import Period, add_periods, parse_datetime, parse_period
from penstock.model.errors import DefinitionError

_SAMPLE = datetime(2000, 1, 1)


class Function(Struct, frozen=True):
    """`parameters` names the types of the arguments: date, integer, text, period or zone."""

    parameters: tuple[str, ...]
    apply: Callable[..., Value]


def call(name: str, arguments: tuple[Value, ...]) -> Value:
    """The function's value; raises DefinitionError for arguments that do not fit."""
    function = FUNCTIONS[name]
    taken = [
        _TAKERS[kind](value, name, number)
        for number, (kind, value) in enumerate(zip(function.parameters, arguments, strict=True), 1)
    ]
    return function.apply(*taken)


def literal_fault(name: str, literals: tuple[Value | None, ...]) -> str | None:
    """What is wrong with a call's literal arguments (None for the others), before any run."""
    kinds = FUNCTIONS[name].parameters
    try:
        for number, (kind, value) in enumerate(zip(kinds, literals, strict=True), 1):
            if value is not None:
                _TAKERS[kind](value, name, number)
        pattern = literals[1] if name == "format" else None
        if isinstance(pattern, str):
            format_joda(_SAMPLE, pattern)
    except DefinitionError as error:
        return str(error)
    return None


def kind_of(value: Value) -> str:
    """What a value is called in an error; the value itself may be secret."""
    match value:
        case bool():
            return "a boolean"
        case int():
            return "an integer"
        case float():
            return "a decimal"
        case datetime():
            return "a date"
        case _:
            return "a text"


def _take_date(value: Value, name: str, number: int) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, str):
        # User fields and parameters have no types of their own: a text that is a date will do.
        try:
            return parse_datetime(value)
        except DefinitionError:
            raise _wrong(name, number, "a date (YYYY-MM-DDTHH:MM:SS)", value) from None
    raise _wrong(name, number, "a date", value)


def _take_integer(value: Value, name: str, number: int) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and len(value) < 20 and value.isascii():
        digits = value.strip()
        if digits.removeprefix("-").isdigit():
            return int(digits)
    raise _wrong(name, number, "an integer", value)


def _take_text(value: Value, name: str, number: int) -> str:
    if isinstance(value, str):
        return value
    raise _wrong(name, number, "a text", value)


def _take_period(value: Value, name: str, number: int) -> Period:
    try:
        return parse_period(_take_text(value, name, number))
    except DefinitionError:
        raise _wrong(name, number, "a period such as '1 day'", value) from None


def _take_zone(value: Value, name: str, number: int) -> ZoneInfo:
    try:
        return ZoneInfo(_take_text(value, name, number))
    except (KeyError, ValueError, OSError):
        # All three come from ZoneInfo: unknown, malformed, and the name of a folder of zones.
        raise _wrong(name, number, "a time zone such as 'America/New_York'", value) from None


def _wrong(name: str, number: int, wanted: str, value: Value) -> DefinitionError:
    given = kind_of(value) if not isinstance(value, str) else "a text that is none"
    return DefinitionError(f"argument {number} of {name!r} must be {wanted}, not {given}")


_TAKERS: dict[str, Callable[[Value, str, int], object]] = {
    "date": _take_date,
    "integer": _take_integer,
    "text": _take_text,
    "period": _take_period,
    "zone": _take_zone,
}


def _shift(moment: datetime, unit: str, count: int) -> datetime:
    """A moment moved by the calendar; hours and minutes are real time whatever the zone."""
    period = Period(1, unit)
    if moment.tzinfo is None:
        return add_periods(moment, period, count)
    zone = moment.tzinfo
    if unit in ("hour", "minute"):
        return add_periods(moment.astimezone(UTC), period, count).astimezone(zone)
    # Through UTC and back, so that a wall time that a clock change skips becomes a real one.
    return add_periods(moment, period, count).astimezone(UTC).astimezone(zone)


def _plus(unit: str) -> Function:
    return Function(("date", "integer"), lambda moment, count: _shift(moment, unit, count))


def _minus(unit: str) -> Function:
    return Function(("date", "integer"), lambda moment, count: _shift(moment, unit, -count))


def _part(read: Callable[[datetime], Value]) -> Function:
    return Function(("date",), read)


def _make_date(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    try:
        return datetime(year, month, day, hour, minute)
    except (ValueError, OverflowError) as error:
        raise DefinitionError(f"there is no such date: {error}") from error


def _in_time_zone(moment: datetime, zone: ZoneInfo) -> datetime:
    known = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    try:
        return known.astimezone(zone)
    except OverflowError as error:
        raise DefinitionError("the date in that zone is outside the calendar") from error


def _previous_sunday(moment: datetime) -> datetime:
    return _shift(moment, "day", -(moment.isoweekday() % 7))


_UNITS = ("Minutes", "Hours", "Days", "Weeks", "Months", "Years")

FUNCTIONS: dict[str, Function] = {
    "day": _part(lambda moment: moment.day),
    "dayOfYear": _part(lambda moment: moment.timetuple().tm_yday),
    "firstOfMonth": _part(lambda moment: moment.replace(day=1)),
    "format": Function(("date", "text"), format_joda),
    "hour": _part(lambda moment: moment.hour),
    "inTimeZone": Function(("date", "zone"), _in_time_zone),
    "makeDate": Function(("integer",) * 3, _make_date),
    "makeDateTime": Function(("integer",) * 5, _make_date),
    "midnight": _part(lambda moment: moment.replace(hour=0, minute=0, second=0, microsecond=0)),
    "minute": _part(lambda moment: moment.minute),
    "month": _part(lambda moment: moment.month),
    "sunday": _part(_previous_sunday),
    "year": _part(lambda moment: moment.year),
    "yesterday": _part(lambda moment: _shift(moment, "day", -1)),
    "plusPeriod": Function(("date", "period"), lambda m, p: _shift(m, p.unit, p.count)),
    "minusPeriod": Function(("date", "period"), lambda m, p: _shift(m, p.unit, -p.count)),
    **{f"plus{unit}": _plus(unit.lower().removesuffix("s")) for unit in _UNITS},
    **{f"minus{unit}": _minus(unit.lower().removesuffix("s")) for unit in _UNITS},
}
"""All functions by name."""
