"""Calendar arithmetic, held against python-dateutil, which has a calendar and zones of its own."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from dateutil.relativedelta import SU, relativedelta
from dateutil.tz import resolve_imaginary
from dateutil.zoneinfo import get_zonefile_instance
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.language.expressions.functions import FUNCTIONS
from penstock.language.expressions.joda import format_joda
from penstock.language.periods import (
    UNITS,
    Period,
    add_periods,
    floor_index,
    format_datetime,
    parse_datetime,
    parse_period,
)
from penstock.model.errors import DefinitionError

QUICK = settings(deadline=None, max_examples=120)

MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1))
PERIODS = st.builds(Period, st.integers(1, 400), st.sampled_from(UNITS))
SMALL_PERIODS = st.builds(Period, st.integers(1, 5), st.sampled_from(UNITS))

MONTH_ENDS = st.builds(
    lambda year, month, back, minutes: (
        datetime(year, month, 1) + relativedelta(months=1, days=-1 - back, minutes=minutes)
    ),
    st.integers(1896, 2104),
    st.integers(1, 12),
    st.integers(0, 3),
    st.integers(0, 1439),
)
"""The days on which month arithmetic goes wrong, if it does."""


def later(origin: datetime, unit: str, count: int) -> datetime:
    """The other library's opinion."""
    return origin + relativedelta(**{f"{unit}s": count})


@QUICK
@given(MOMENTS | MONTH_ENDS, SMALL_PERIODS, st.integers(-400, 400))
def test_periods_go_by_the_calendar(origin: datetime, period: Period, times: int):
    assert add_periods(origin, period, times) == later(origin, period.unit, period.count * times)


@QUICK
@given(MONTH_ENDS, st.integers(1, 3), st.sampled_from(["month", "year"]), MONTH_ENDS)
def test_an_index_is_the_last_start_that_has_come(
    origin: datetime, count: int, unit: str, moment: datetime
):
    index = floor_index(origin, Period(count, unit), moment)
    assert later(origin, unit, count * index) <= moment < later(origin, unit, count * (index + 1))


@QUICK
@given(MOMENTS, PERIODS, MOMENTS)
def test_a_moment_lies_in_the_interval_of_its_index(
    origin: datetime, period: Period, moment: datetime
):
    index = floor_index(origin, period, moment)
    try:
        start, end = (add_periods(origin, period, index + step) for step in (0, 1))
    except DefinitionError:
        return  # the interval reaches beyond the calendar
    assert start <= moment < end


@QUICK
@given(MOMENTS, SMALL_PERIODS, st.integers(-300, 300))
def test_each_start_is_in_its_own_interval(origin: datetime, period: Period, index: int):
    start = add_periods(origin, period, index)
    assert floor_index(origin, period, start) == index
    assert floor_index(origin, period, start - timedelta(microseconds=1)) == index - 1


@QUICK
@given(PERIODS)
def test_a_period_reads_back_as_it_prints(period: Period):
    assert parse_period(str(period)) == period


@QUICK
@given(st.datetimes())
def test_a_date_reads_back_as_it_prints(moment: datetime):
    assert parse_datetime(format_datetime(moment)) == moment.replace(microsecond=0)


@QUICK
@given(st.text())
def test_periods_and_dates_raise_only_their_error(text: str):
    for read in (parse_period, parse_datetime):
        with suppress(DefinitionError):
            read(text)


@QUICK
@given(st.datetimes())
def test_a_full_pattern_prints_what_iso_prints(moment: datetime):
    printed = format_joda(moment, "yyyy-MM-dd'T'HH:mm:ss.SSSSSS")
    assert printed == moment.isoformat(timespec="microseconds")


MOVES = [
    (f"{sign}{unit.capitalize()}s", unit, 1 if sign == "plus" else -1)
    for sign in ("plus", "minus")
    for unit in UNITS
]


@pytest.mark.parametrize(("name", "unit", "direction"), MOVES)
@settings(deadline=None, max_examples=30)
@given(MOMENTS | MONTH_ENDS, st.integers(-1000, 1000))
def test_functions_move_dates(name: str, unit: str, direction: int, moment: datetime, count: int):
    assert FUNCTIONS[name].apply(moment, count) == later(moment, unit, direction * count)


@QUICK
@given(MOMENTS | MONTH_ENDS)
def test_functions_of_one_date(moment: datetime):
    def value(name: str) -> object:
        return FUNCTIONS[name].apply(moment)

    assert value("sunday") == moment + relativedelta(weekday=SU(-1))
    assert value("yesterday") == moment + relativedelta(days=-1)
    assert value("firstOfMonth") == moment + relativedelta(day=1)
    assert value("midnight") == moment + relativedelta(hour=0, minute=0, second=0, microsecond=0)
    january_first = moment + relativedelta(yearday=1)
    assert value("dayOfYear") == (moment - january_first).days + 1


@QUICK
@given(MOMENTS, PERIODS)
def test_a_period_forth_and_back_in_exact_units_is_nothing(moment: datetime, period: Period):
    there = FUNCTIONS["plusPeriod"].apply(moment, period)
    assert there == later(moment, period.unit, period.count)
    if period.unit not in ("month", "year"):
        assert FUNCTIONS["minusPeriod"].apply(there, period) == moment


# The other library's zones end in 2037, and their data are of another year than the system's.
ZONE_NAMES = (
    "America/New_York Europe/Paris America/St_Johns Australia/Lord_Howe Asia/Kolkata".split()
)
ZONES = st.sampled_from(ZONE_NAMES)
ZONED_MOMENTS = st.datetimes(datetime(1980, 1, 1), datetime(2018, 1, 1))


def clock_changes(zone: str) -> list[tuple[str, datetime]]:
    """The days, in UTC, before whose end a zone's clocks change."""
    days = [datetime(2000, 1, 1, tzinfo=UTC) + timedelta(days=n) for n in range(15 * 365)]
    offsets = [day.astimezone(ZoneInfo(zone)).utcoffset() for day in days]
    return [
        (zone, day.replace(tzinfo=None))
        for day, before, after in zip(days, offsets, offsets[1:], strict=False)
        if before != after
    ]


CLOCK_CHANGES = st.sampled_from([change for zone in ZONE_NAMES for change in clock_changes(zone)])
MINUTES = st.integers(0, 30 * 60)


def other(zone: str) -> tzinfo:
    found: tzinfo = get_zonefile_instance().get(zone)
    return found


def in_zone(moment: datetime, zone: str) -> datetime:
    found: datetime = FUNCTIONS["inTimeZone"].apply(moment, ZoneInfo(zone))
    return found


@QUICK
@given(ZONED_MOMENTS, ZONES)
def test_the_wall_time_of_a_zone(moment: datetime, zone: str):
    expected = moment.replace(tzinfo=UTC).astimezone(other(zone))
    zoned = in_zone(moment, zone)
    assert zoned.replace(tzinfo=None) == expected.replace(tzinfo=None)
    assert zoned.utcoffset() == expected.utcoffset()
    assert format_joda(zoned, "ZZ") == expected.isoformat()[-6:]


@settings(deadline=None, max_examples=400)
@given(CLOCK_CHANGES, MINUTES, st.sampled_from(UNITS), st.integers(-15, 15).filter(bool))
def test_moving_to_a_day_on_which_clocks_change(
    change: tuple[str, datetime], minutes: int, unit: str, count: int
):
    zone, day = change
    moment = later(day + timedelta(minutes=minutes), unit, -count)
    moved = FUNCTIONS[f"plus{unit.capitalize()}s"].apply(in_zone(moment, zone), count)
    if unit in ("hour", "minute"):
        expected = later(moment, unit, count).replace(tzinfo=UTC).astimezone(other(zone))
    else:
        wall = moment.replace(tzinfo=UTC).astimezone(other(zone)).replace(tzinfo=None)
        expected = resolve_imaginary(later(wall, unit, count).replace(tzinfo=other(zone)))
    assert moved.astimezone(UTC) == expected.astimezone(UTC)
    assert moved.replace(tzinfo=None) == expected.replace(tzinfo=None)


@QUICK
@given(CLOCK_CHANGES, MINUTES)
def test_the_days_of_a_zone(change: tuple[str, datetime], minutes: int):
    zone, day = change
    zoned = in_zone(day + timedelta(minutes=minutes), zone)
    wall = zoned.replace(tzinfo=None)
    for name, expected in {
        "midnight": wall + relativedelta(hour=0, minute=0, second=0, microsecond=0),
        "firstOfMonth": wall + relativedelta(day=1),
    }.items():
        exists = resolve_imaginary(expected.replace(tzinfo=other(zone)))
        assert FUNCTIONS[name].apply(zoned).astimezone(UTC) == exists.astimezone(UTC)
