"""Schedules as arithmetic."""

from datetime import datetime

import pytest

from penstock.engine.intervals import Span, make_schedule, recurring, tie
from penstock.language.periods import Period, parse_datetime, parse_period
from penstock.language.recurrence import recurrence
from penstock.model.times import DAY_MS, HOUR_MS, MINUTE_MS, format_instant, from_datetime


def at(text: str) -> int:
    return from_datetime(parse_datetime(text))


def every(period: str, start: str = "2024-01-01", end: str | None = None, times: int | None = None):
    return make_schedule(period, at(start), parse_period(period), at(end) if end else None, times)


def test_months_keep_the_origins_day():
    monthly = every("1 month", "2023-01-31T06:00:00")
    days = [format_instant(monthly.start(k))[:10] for k in range(5)]
    assert days == ["2023-01-31", "2023-02-28", "2023-03-31", "2023-04-30", "2023-05-31"]
    leap = every("1 year", "2024-02-29")
    assert format_instant(leap.start(1))[:10] == "2025-02-28"
    assert format_instant(leap.start(4))[:10] == "2028-02-29"


@pytest.mark.parametrize(
    ("moment", "index", "first"),
    [
        ("2024-01-01T00:00:00", 0, 0),
        ("2024-01-01T00:59:59", 0, 1),
        ("2024-01-01T01:00:00", 1, 1),
        ("2023-12-31T23:59:59", -1, 0),
        ("2023-12-31T01:00:00", -23, 0),
    ],
)
def test_the_interval_that_holds_a_moment(moment, index, first):
    hourly = every("1 hour")
    assert hourly.index(at(moment)) == index
    assert hourly.first_from(at(moment)) == first


@pytest.mark.parametrize(
    ("end", "count"),
    [
        ("2024-01-01T00:00:00", 0),
        ("2024-01-01T00:00:01", 1),
        ("2024-01-01T01:00:00", 1),
        ("2024-01-01T01:00:01", 2),
        ("2023-01-01T00:00:00", 0),
    ],
)
def test_no_interval_starts_at_or_after_the_end(end, count):
    schedule = every("1 hour", end=end)
    assert [k for k in range(-1, 5) if schedule.has(k)] == list(range(count))


def test_an_endless_schedule_has_every_interval_from_the_origin_on():
    assert every("1 hour").has(10**9)
    assert not every("1 hour").has(-1)


def spans(own, k, target):
    found = tie(own, own.start(k), own.start(k + 1), target)
    return None if found is None else (found.first, found.count)


def test_shorter_intervals_lie_within():
    assert spans(every("1 week"), 1, every("1 day")) == (7, 7)
    assert spans(every("1 month"), 1, every("1 day")) == (31, 29)
    assert spans(every("1 hour"), 2, every("20 minutes")) == (6, 3)


def test_intervals_that_only_overlap_do_not_count():
    shifted = every("40 minutes", "2024-01-01T00:10:00")
    assert spans(every("2 hours"), 0, shifted) == (0, 2)
    assert spans(every("1 hour"), 0, every("40 minutes", "2024-01-01T00:30:00")) is None


def test_a_longer_interval_holds_the_start():
    assert spans(every("20 minutes"), 5, every("1 hour")) == (1, 1)
    assert spans(every("1 day"), 40, every("1 month")) == (1, 1)
    assert spans(every("1 hour"), 3, every("1 hour", "2024-01-01T00:30:00")) == (2, 1)


def test_the_same_schedule_ties_one_to_one_even_past_its_end():
    own = every("1 hour", times=3)
    assert tie(own, own.start(2), own.start(3), own) == Span(2, 1)


def test_a_target_that_does_not_reach_here_gives_nothing():
    own = every("1 day")
    assert spans(own, 0, every("1 week", "2024-01-02")) is None
    assert spans(own, 9, every("1 week", times=1)) is None
    assert spans(own, 1, every("1 hour", times=30)) == (24, 6)
    assert spans(own, 2, every("1 hour", times=30)) is None
    assert spans(own, 0, every("1 hour", "2024-01-01T12:00:00")) == (0, 12)


def test_figures_are_exact_far_away():
    minutely = every("1 minute", "1970-01-01")
    k = 10**9
    assert minutely.start(k) == k * MINUTE_MS
    assert minutely.index(k * MINUTE_MS + MINUTE_MS - 1) == k
    assert every("1 week").start(1) - every("1 day").start(1) == 6 * DAY_MS
    assert every("36 hours").start(3) - every("1 day").start(0) == 108 * HOUR_MS


def local(zone: str, period: str, start: str, end: str | None = None, times: int | None = None):
    counted = recurrence(parse_period(period), zone, start, datetime(2026, 1, 1))
    return recurring(
        period, counted, from_datetime(parse_datetime(end, zone)) if end else None, times
    )


@pytest.mark.parametrize(
    ("zone", "start", "starts"),
    [
        (
            "Europe/Berlin",
            "2026-03-28T09:00:00",
            ["2026-03-28T08:00:00", "2026-03-29T07:00:00", "2026-03-30T07:00:00"],
        ),
        # 02:30 is skipped on the 29th, and only there the run is at 03:30.
        (
            "Europe/Berlin",
            "2026-03-28T02:30:00",
            ["2026-03-28T01:30:00", "2026-03-29T01:30:00", "2026-03-30T00:30:00"],
        ),
        (
            "Europe/Berlin",
            "2026-03-29T02:30:00",
            ["2026-03-29T01:30:00", "2026-03-30T00:30:00", "2026-03-31T00:30:00"],
        ),
        # 01:30 comes twice on the first of November.
        (
            "America/New_York",
            "2026-10-31T01:30:00",
            ["2026-10-31T05:30:00", "2026-11-01T05:30:00", "2026-11-02T06:30:00"],
        ),
        (
            "Australia/Lord_Howe",
            "2026-10-03T02:15:00",
            ["2026-10-02T15:45:00", "2026-10-03T15:45:00", "2026-10-04T15:15:00"],
        ),
        (
            "Pacific/Apia",
            "2011-12-29T09:00:00",
            ["2011-12-29T19:00:00", "2011-12-30T19:00:00", "2011-12-31T19:00:00"],
        ),
        (
            "Pacific/Apia",
            "2011-12-30T09:00:00",
            ["2011-12-30T19:00:00", "2011-12-31T19:00:00", "2012-01-01T19:00:00"],
        ),
        (
            "Europe/Berlin",
            "2026-03-28T09:00:00+09:00",
            ["2026-03-28T00:00:00", "2026-03-29T00:00:00", "2026-03-29T23:00:00"],
        ),
    ],
)
def test_days_keep_their_time_in_a_zone(zone, start, starts):
    days = local(zone, "1 day", start)
    assert [format_instant(days.start(k)) for k in range(3)] == starts
    assert [days.index(days.start(k)) for k in range(-3, 3)] == list(range(-3, 3))


def test_other_periods_in_a_zone():
    months = local("Europe/Berlin", "1 month", "2026-01-31T00:00:00")
    assert [format_instant(months.start(k)) for k in range(4)] == [
        "2026-01-30T23:00:00",
        "2026-02-27T23:00:00",
        "2026-03-30T22:00:00",
        "2026-04-29T22:00:00",
    ]
    weeks = local("Europe/Berlin", "1 week", "2026-03-23T00:00:00")
    assert weeks.start(1) - weeks.start(0) == 7 * DAY_MS - HOUR_MS
    hours = local("Europe/Berlin", "24 hours", "2026-03-28T09:00:00")
    assert hours.start(9) - hours.start(0) == 9 * DAY_MS
    assert format_instant(hours.start(0)) == "2026-03-28T08:00:00"


def test_a_zone_s_schedule_ends_by_its_own_clock():
    ended = local("Europe/Berlin", "1 day", "2026-03-28T09:00:00", end="2026-03-31T09:00:00")
    assert ended.count == 3
    assert local("Europe/Berlin", "1 day", "2026-03-28", end="2026-03-31T00:00:00Z").count == 4


def test_a_count_from_the_first_activation_keeps_its_local_time():
    moment = datetime(2026, 3, 28, 8, 0, 0, 250_000)
    days = recurring("D", recurrence(Period(1, "day"), "Europe/Berlin", None, moment), None, None)
    assert format_instant(days.start(0)) == "2026-03-28T08:00:00"
    assert format_instant(days.start(1)) == "2026-03-29T07:00:00"


def test_days_of_different_clocks_tie_though_one_is_shorter():
    """On 29 March Berlin's day has 23 hours: no shorter than the day in UTC, as a day."""
    utc, berlin = every("1 day", "2026-03-20"), local("Europe/Berlin", "1 day", "2026-03-20")
    assert spans(utc, 9, berlin) == (9, 1)
    assert spans(berlin, 9, utc) == (8, 1)
    assert spans(berlin, 9, every("1 hour", "2026-03-20")) == (9 * 24 - 1, 23)
