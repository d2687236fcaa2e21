"""Schedules with a timeZone against the plainest reading of the rules, five minutes by five."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.engine.intervals import Schedule, recurring, tie
from penstock.language.periods import Period, add_periods
from penstock.language.recurrence import recurrence
from penstock.model.times import from_datetime, to_datetime

ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",  # moves by half an hour
    "Pacific/Apia",  # had no 30 December 2011
    "Pacific/Kwajalein",  # had one day twice, and later one never
    "Africa/Casablanca",  # moves for Ramadan
    "America/Sao_Paulo",  # had days without a midnight
    "Asia/Kathmandu",
]
MINUTE = timedelta(minutes=1)
STEP = 5 * MINUTE

zones = st.sampled_from(ZONES)
origins = st.datetimes(datetime(2005, 1, 1), datetime(2030, 1, 1)).map(
    lambda moment: moment.replace(second=0, microsecond=0)
)
long_periods = st.one_of(
    st.builds(Period, st.integers(1, 3), st.just("day")),
    st.builds(Period, st.integers(1, 2), st.just("week")),
    st.builds(Period, st.integers(1, 5), st.just("month")),
    st.just(Period(1, "year")),
)
periods = st.one_of(
    long_periods,
    st.builds(Period, st.integers(20, 90), st.just("minute")),
    st.builds(Period, st.integers(1, 30), st.just("hour")),
)
near_changes = st.sampled_from(
    [
        ("Europe/Berlin", datetime(2026, 3, 27)),
        ("Europe/Berlin", datetime(2026, 10, 23)),
        ("America/New_York", datetime(2026, 3, 6)),
        ("America/New_York", datetime(2026, 10, 30)),
        ("Australia/Lord_Howe", datetime(2026, 4, 3)),
        ("Australia/Lord_Howe", datetime(2026, 10, 2)),
        ("Pacific/Apia", datetime(2011, 12, 28)),
        ("Pacific/Kwajalein", datetime(1993, 8, 18)),
        ("Pacific/Kwajalein", datetime(1969, 9, 28)),
        ("America/Sao_Paulo", datetime(2018, 11, 2)),
    ]
)
minutes_of_day = st.integers(0, 287).map(lambda step: 5 * step)


def made(zone: str, origin: datetime, period: Period, count: int | None = None) -> Schedule:
    return recurring("S", recurrence(period, zone, origin.isoformat(), origin), None, count)


def wall(moment: datetime, zone: str) -> datetime:
    return moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)


@lru_cache
def plain_moment(shown: datetime, zone: str) -> datetime:
    """When the clock first shows a time; one that it skips is counted on from before the skip."""
    moment = shown - timedelta(hours=15)
    before = moment
    while moment < shown + timedelta(hours=15):
        now = wall(moment, zone)
        if now == shown:
            return moment
        if now > shown and wall(before, zone) < shown:
            return before + (shown - wall(before, zone))
        before, moment = moment, moment + STEP
    raise AssertionError("never shown")


@settings(deadline=None)
@given(near_changes, minutes_of_day, st.integers(0, 6))
def test_days_around_a_change(change, minute, k):
    zone, day = change
    origin = day + minute * MINUTE
    schedule = made(zone, origin, Period(1, "day"))
    starts = [to_datetime(schedule.start(each)) for each in range(k + 1)]
    shown = [plain_moment(origin + timedelta(days=each), zone) for each in range(k + 2)]
    # A day that never was falls together with the next.
    assert starts == sorted(set(shown))[: k + 1]


@settings(deadline=None)
@given(near_changes, minutes_of_day, long_periods, st.integers(0, 4))
def test_longer_periods_keep_the_time_of_day(change, minute, period, k):
    if period == Period(1, "day"):
        return  # see above
    zone, day = change
    origin = day + minute * MINUTE
    start = made(zone, origin, period).start(k)
    assert to_datetime(start) == plain_moment(add_periods(origin, period, k), zone)


@given(zones, origins, periods, st.integers(-40, 400), st.floats(0, 1, exclude_max=True))
def test_every_moment_lies_in_exactly_one_interval(zone, origin, period, k, part):
    schedule = made(zone, origin, period)
    start, end = schedule.start(k), schedule.start(k + 1)
    assert start < end
    moment = start + int((end - start) * part)
    assert [schedule.index(each) for each in (start, moment, end - 1)] == [k] * 3
    assert schedule.index(end) == k + 1
    first = schedule.first_from(moment)
    assert schedule.start(first) >= moment
    assert first == 0 or schedule.start(first - 1) < moment


@given(near_changes, minutes_of_day, st.integers(-4000, 4000), st.integers(0, 500))
def test_indices_grow_with_time(change, minute, minutes_on, more):
    zone, day = change
    schedule = made(zone, day + minute * MINUTE, Period(1, "day"))
    moment = from_datetime(day) + minutes_on * 60_000
    assert schedule.index(moment) <= schedule.index(moment + more * 60_000)


@given(zones, origins, st.integers(1, 90), st.integers(0, 300))
def test_minutes_and_hours_are_real_time_whatever_the_zone(zone, origin, count, k):
    for unit, length in (("minute", 60_000), ("hour", 3_600_000)):
        schedule = made(zone, origin, Period(count, unit))
        assert schedule.start(k) == schedule.start(0) + k * count * length


@given(zones, zones, origins, st.integers(0, 400), st.integers(0, 23))
def test_days_of_two_zones_tie_one_to_one(zone, other, origin, k, hours):
    """A day of 23 or 25 hours is a day: none waits for nothing, or for two."""
    own = made(zone, origin, Period(1, "day"))
    target = made(other, origin - timedelta(days=5, hours=hours), Period(1, "day"))
    span = tie(own, own.start(k), own.start(k + 1), target)
    assert span is not None
    assert span.count == 1
    assert target.start(span.first) <= own.start(k) < target.start(span.first + 1)


@pytest.mark.parametrize("zone", ZONES)
@given(origins, st.integers(0, 60))
def test_a_week_has_the_days_that_lie_in_it(zone, origin, k):
    week = made(zone, origin, Period(1, "week"))
    day = made(zone, origin, Period(1, "day"))
    span = tie(week, week.start(k), week.start(k + 1), day)
    assert span is not None
    assert day.start(span.first) == week.start(k)
    assert day.start(span.first + span.count) == week.start(k + 1)
    missing = zone == "Pacific/Apia" and week.start(k) < from_datetime(
        datetime(2011, 12, 30, 12)
    ) < week.start(k + 1)
    assert span.count == (6 if missing else 7)


@given(zones, origins, st.integers(0, 200))
def test_an_hourly_input_of_a_local_day_has_23_24_or_25_hours(zone, origin, k):
    day = made(zone, origin, Period(1, "day"))
    hour = made(zone, origin, Period(1, "hour"))
    span = tie(day, day.start(k), day.start(k + 1), hour)
    assert span is not None
    real = (day.start(k + 1) - day.start(k)) / 3_600_000
    assert real - 2 < span.count <= real
