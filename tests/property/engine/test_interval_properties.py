"""Intervals and ties against the plainest reading of the rules, over datetimes."""

from calendar import monthrange
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from penstock.engine.intervals import Schedule, make_schedule, tie
from penstock.language.periods import Period
from penstock.model.times import from_datetime, to_datetime

MANY = 400

origins = st.datetimes(datetime(1995, 1, 1), datetime(2040, 1, 1)).map(
    lambda moment: moment.replace(microsecond=0)
)
periods = st.one_of(
    st.builds(Period, st.integers(1, 500), st.just("minute")),
    st.builds(Period, st.integers(1, 72), st.just("hour")),
    st.builds(Period, st.integers(1, 40), st.just("day")),
    st.builds(Period, st.integers(1, 6), st.just("week")),
    st.builds(Period, st.integers(1, 18), st.just("month")),
    st.builds(Period, st.integers(1, 4), st.just("year")),
)
STEPS = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
}


def plain_start(origin: datetime, period: Period, k: int) -> datetime:
    """The k-th start, by the calendar and from the origin."""
    if period.unit in STEPS:
        return origin + k * period.count * STEPS[period.unit]
    months = k * period.count * (12 if period.unit == "year" else 1)
    month = origin.month - 1 + months
    year, month = origin.year + month // 12, month % 12 + 1
    return origin.replace(year=year, month=month, day=min(origin.day, monthrange(year, month)[1]))


def made(origin: datetime, period: Period, count: int | None = None) -> Schedule:
    return make_schedule("S", from_datetime(origin), period, None, count)


@given(origins, periods, st.integers(0, MANY))
def test_starts_are_counted_from_the_origin(origin, period, k):
    schedule = made(origin, period)
    assert to_datetime(schedule.start(k)) == plain_start(origin, period, k)
    assert schedule.start(k) < schedule.start(k + 1)


@given(origins, periods, st.integers(-3, 60), st.floats(0, 1, exclude_max=True))
def test_every_moment_lies_in_exactly_one_interval(origin, period, k, part):
    schedule = made(origin, period)
    start, end = schedule.start(k), schedule.start(k + 1)
    moment = start + int((end - start) * part)
    assert schedule.index(moment) == k
    assert schedule.index(start) == k
    assert schedule.index(end - 1) == k
    first = schedule.first_from(moment)
    assert first >= 0
    assert schedule.start(first) >= moment
    assert first == 0 or schedule.start(first - 1) < moment


@given(origins, periods, st.timedeltas(timedelta(days=-50), timedelta(days=900)))
def test_no_interval_starts_at_or_after_the_end(origin, period, length):
    end = origin + length
    schedule = make_schedule("S", from_datetime(origin), period, from_datetime(end), None)
    # Only a little beyond what there may be: minutes over years are many.
    for k in (0, 1, 2, (schedule.count or 0) - 1, schedule.count or 0, (schedule.count or 0) + 1):
        assert schedule.has(k) == (k >= 0 and plain_start(origin, period, k) < end)


@given(origins, periods, periods, st.integers(0, 12), st.integers(-90, 90), st.integers(1, MANY))
def test_ties_against_brute_force(origin, own_period, period, k, shift_hours, count):
    own = made(origin, own_period)
    target_origin = origin + timedelta(hours=shift_hours)
    target = made(target_origin, period, count)
    start, end = plain_start(origin, own_period, k), plain_start(origin, own_period, k + 1)
    intervals = [
        (plain_start(target_origin, period, j), plain_start(target_origin, period, j + 1))
        for j in range(count)
    ]
    within = [j for j, (first, last) in enumerate(intervals) if start <= first and last <= end]
    span = tie(own, own.start(k), own.start(k + 1), target)
    found = [] if span is None else list(range(span.first, span.first + span.count))
    holding = target.index(from_datetime(start))
    first = plain_start(target_origin, period, holding)
    last = plain_start(target_origin, period, holding + 1)
    assert first <= start < last
    if last - first >= end - start:
        assert found == ([holding] if 0 <= holding < count else [])
    else:
        assert found == within


@given(origins, periods, st.integers(0, 50), st.none() | st.integers(0, 60))
def test_one_schedule_ties_one_to_one(origin, period, k, count):
    schedule = made(origin, period, count)
    span = tie(schedule, schedule.start(k), schedule.start(k + 1), schedule)
    assert span is not None
    assert (span.first, span.count) == (k, 1)


@given(origins, st.integers(1, 12), st.integers(2, 12), st.integers(0, 20))
def test_every_short_interval_belongs_to_one_long_one_and_the_other_way_round(
    origin, minutes, times, k
):
    """What ties upward ties downward too, when one period is a multiple of the other."""
    short = made(origin, Period(minutes, "minute"))
    long = made(origin, Period(minutes * times, "minute"))
    span = tie(long, long.start(k), long.start(k + 1), short)
    assert span is not None
    assert span.count == times
    for j in range(span.first, span.first + span.count):
        up = tie(short, short.start(j), short.start(j + 1), long)
        assert up is not None
        assert (up.first, up.count) == (k, 1)
