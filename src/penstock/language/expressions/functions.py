"""The functions of expressions, all of them on dates, with the types of their arguments.

Source: guide, "Date and Time Functions"; plusPeriod, minusPeriod and inTimeZone stand in its
examples. A moment is a naive datetime in UTC; `inTimeZone` makes one with a zone, whose parts and
days are then local.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal
from zoneinfo import ZoneInfo

from msgspec import Struct

from penstock.language.catalogue import nearest
from penstock.language.expressions.joda import format_joda
from penstock.language.expressions.tree import Value, ValueKind
from penstock.language.periods import Period, add_periods, parse_datetime, parse_period
from penstock.language.wording import did_you_mean
from penstock.model.errors import DefinitionError

_SAMPLE = datetime(2000, 1, 1)


class Function(Struct, frozen=True):
    """`parameters` names the kinds of the arguments, `result` the kind of what comes back.

    A parameter is a date, integer, pattern, period or zone; a result is a date, integer or text.
    """

    parameters: tuple[str, ...]
    result: Literal["date", "integer", "text"]
    apply: Callable[..., Value]


def call_fault(name: str, count: int) -> str | None:
    """What is wrong with a call of so many arguments, whatever they are."""
    function = FUNCTIONS.get(name)
    if function is None:
        guess = did_you_mean(nearest(name, FUNCTIONS))
        return f"there is no function {name!r}.{guess or _ALL_FUNCTIONS}"
    if count == len(function.parameters):
        return None
    given = f"{count} argument{' was' if count == 1 else 's were'} given"
    return f"{name!r} takes ({', '.join(function.parameters)}); {given}"


def call(name: str, arguments: tuple[Value, ...]) -> Value:
    """The function's value; raises DefinitionError for arguments that do not fit."""
    apply, takers = _CALLS[name]
    numbered = enumerate(zip(takers, arguments, strict=True), 1)
    return apply(*[take(value, name, number) for number, (take, value) in numbered])


def argument_fault(name: str, number: int, value: Value) -> str | None:
    """What is wrong with one argument (counted from 1), or None."""
    kind = FUNCTIONS[name].parameters[number - 1]
    try:
        _TAKERS[kind](value, name, number)
        if kind == "pattern":
            format_joda(_SAMPLE, str(value))
    except DefinitionError as error:
        return str(error)
    return None


def kind_fault(name: str, number: int, kind: str) -> str | None:
    """The same where only the kind of the argument is known."""
    wanted = FUNCTIONS[name].parameters[number - 1]
    # A text may be a date, a number, a period or a zone: its value decides.
    if kind in (wanted, "text", "unknown"):
        return None
    return f"argument {number} of {name!r} must be {_WANTED[wanted]}, not {WITH_ARTICLE[kind]}"


def kind_of(value: Value) -> ValueKind:
    """The kind of a value; the value itself may be secret."""
    match value:
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "decimal"
        case datetime():
            return "date"
        case _:
            return "text"


WITH_ARTICLE = {
    "boolean": "a boolean",
    "integer": "an integer",
    "decimal": "a decimal",
    "date": "a date",
    "text": "a text",
}
"""What a kind is called in an error."""

_WANTED = {
    "date": "a date",
    "integer": "an integer",
    "pattern": "a pattern such as 'YYYY-MM-dd'",
    "period": "a period such as '1 day'",
    "zone": "a time zone such as 'America/New_York'",
}


def _take_date(value: Value, name: str, number: int) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, str):
        # User fields and parameters have no types of their own: a text that is a date will do.
        try:
            return parse_datetime(value)
        except DefinitionError:
            pass
    raise _wrong(name, number, "date", value)


def _take_integer(value: Value, name: str, number: int) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and len(value) < 20 and value.isascii():
        digits = value.strip()
        if digits.removeprefix("-").isdigit():
            return int(digits)
    raise _wrong(name, number, "integer", value)


def _take_pattern(value: Value, name: str, number: int) -> str:
    if isinstance(value, str):
        return value
    raise _wrong(name, number, "pattern", value)


def _take_period(value: Value, name: str, number: int) -> Period:
    try:
        return parse_period(_text(value))
    except DefinitionError:
        raise _wrong(name, number, "period", value) from None


def _take_zone(value: Value, name: str, number: int) -> ZoneInfo:
    try:
        return ZoneInfo(_text(value))
    except (KeyError, ValueError, OSError):
        # All three come from ZoneInfo: unknown, malformed, and the name of a folder of zones.
        raise _wrong(name, number, "zone", value) from None


def _text(value: Value) -> str:
    """The text, or one that is neither a period nor a zone."""
    return value if isinstance(value, str) else ""


def _wrong(name: str, number: int, wanted: str, value: Value) -> DefinitionError:
    must = f"argument {number} of {name!r} must be {_WANTED[wanted]}"
    if value == "":
        return DefinitionError(
            f"{must}; it is empty here, as a runtime field is until it has a value"
        )
    if isinstance(value, str):
        spelling = " (YYYY-MM-DDTHH:MM:SS)" if wanted == "date" else ""
        return DefinitionError(f"{must}{spelling}, and the text given is none")
    return DefinitionError(f"{must}, not {WITH_ARTICLE[kind_of(value)]}")


_TAKERS: dict[str, Callable[[Value, str, int], object]] = {
    "date": _take_date,
    "integer": _take_integer,
    "pattern": _take_pattern,
    "period": _take_period,
    "zone": _take_zone,
}


def _shift(moment: datetime, unit: str, count: int) -> datetime:
    """A moment moved by the calendar; hours and minutes are real time whatever the zone."""
    if count == 0:
        return moment
    period = Period(1, unit)
    if moment.tzinfo is not None and unit in ("hour", "minute"):
        return _through_utc(moment, lambda utc: add_periods(utc, period, count))
    return _real(add_periods(moment, period, count))


def _real(wall: datetime) -> datetime:
    """A wall time that exists: what a clock change skips is put off by as much.

    Of two moments with one wall time it is the earlier, as Joda-Time has it for days.
    """
    if wall.tzinfo is None:
        return wall
    return _through_utc(wall.replace(fold=0), lambda utc: utc)


def _through_utc(moment: datetime, change: Callable[[datetime], datetime]) -> datetime:
    try:
        return change(moment.astimezone(UTC)).astimezone(moment.tzinfo)
    except OverflowError as error:
        raise DefinitionError("the date is outside the calendar") from error


def _plus(unit: str) -> Function:
    return Function(("date", "integer"), "date", lambda moment, count: _shift(moment, unit, count))


def _minus(unit: str) -> Function:
    return Function(("date", "integer"), "date", lambda moment, count: _shift(moment, unit, -count))


def _part(read: Callable[[datetime], int]) -> Function:
    return Function(("date",), "integer", read)


def _moved(move: Callable[[datetime], datetime]) -> Function:
    return Function(("date",), "date", move)


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
    "firstOfMonth": _moved(lambda moment: _real(moment.replace(day=1))),
    "format": Function(("date", "pattern"), "text", format_joda),
    "hour": _part(lambda moment: moment.hour),
    "inTimeZone": Function(("date", "zone"), "date", _in_time_zone),
    "makeDate": Function(("integer",) * 3, "date", _make_date),
    "makeDateTime": Function(("integer",) * 5, "date", _make_date),
    "midnight": _moved(
        lambda moment: _real(moment.replace(hour=0, minute=0, second=0, microsecond=0))
    ),
    "minute": _part(lambda moment: moment.minute),
    "month": _part(lambda moment: moment.month),
    "sunday": _moved(_previous_sunday),
    "year": _part(lambda moment: moment.year),
    "yesterday": _moved(lambda moment: _shift(moment, "day", -1)),
    "plusPeriod": Function(("date", "period"), "date", lambda m, p: _shift(m, p.unit, p.count)),
    "minusPeriod": Function(("date", "period"), "date", lambda m, p: _shift(m, p.unit, -p.count)),
    **{f"plus{unit}": _plus(unit.lower().removesuffix("s")) for unit in _UNITS},
    **{f"minus{unit}": _minus(unit.lower().removesuffix("s")) for unit in _UNITS},
}
"""All functions by name."""

_ALL_FUNCTIONS = f" The functions are {', '.join(FUNCTIONS)}."

_CALLS = {
    name: (function.apply, tuple(_TAKERS[kind] for kind in function.parameters))
    for name, function in FUNCTIONS.items()
}
"""What a call needs, looked up beforehand."""
