from datetime import datetime

import pytest

from penstock.language.periods import (
    Period,
    add_periods,
    exact_ms,
    floor_index,
    format_datetime,
    parse_datetime,
    parse_period,
)
from penstock.model.errors import DefinitionError
from penstock.model.times import DAY_MS, HOUR_MS, MINUTE_MS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("15 minutes", Period(15, "minute")),
        ("1 YEAR", Period(1, "year")),
        ("70 Minutes", Period(70, "minute")),
        (" 12 hours ", Period(12, "hour")),
        ("1 Week", Period(1, "week")),
        ("3 day", Period(3, "day")),
        ("2 Months", Period(2, "month")),
    ],
)
def test_periods_are_read_in_any_case_and_number(text: str, expected: Period):
    assert parse_period(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("15 Period", "unknown unit 'period'"),
        ("15", "is not a period"),
        ("minutes", "is not a period"),
        ("0 days", "not positive"),
        ("-1 day", "is not a period"),
        ("1.5 hours", "is not a period"),
        ("123456789 days", "is not a period"),
        ("", "is not a period"),
        ("٣ days", "is not a period"),
    ],
)
def test_a_bad_period_says_what_would_be_right(text: str, expected: str):
    with pytest.raises(DefinitionError, match=f"{expected}.*for example '15 minutes'"):
        parse_period(text)


def test_a_bare_number_has_the_unit_that_the_caller_names():
    assert parse_period("2", bare_unit="hour") == Period(2, "hour")
    assert parse_period("2 days", bare_unit="hour") == Period(2, "day")


def test_months_are_counted_from_the_origin():
    origin = datetime(2026, 1, 31, 8)
    month = Period(1, "month")
    assert [add_periods(origin, month, k) for k in (0, 1, 2, 3, -2)] == [
        datetime(2026, 1, 31, 8),
        datetime(2026, 2, 28, 8),
        datetime(2026, 3, 31, 8),
        datetime(2026, 4, 30, 8),
        datetime(2025, 11, 30, 8),
    ]
    assert add_periods(datetime(2024, 2, 29), Period(1, "year"), 1) == datetime(2025, 2, 28)
    assert add_periods(datetime(2024, 2, 29), Period(1, "year"), 4) == datetime(2028, 2, 29)


def test_short_units_are_exact():
    origin = datetime(2026, 1, 31, 8)
    assert add_periods(origin, Period(20, "minute"), 3) == datetime(2026, 1, 31, 9)
    assert add_periods(origin, Period(2, "week"), -1) == datetime(2026, 1, 17, 8)


@pytest.mark.parametrize("period", [Period(1, "year"), Period(99_999_999, "week")])
def test_the_calendar_ends(period: Period):
    with pytest.raises(DefinitionError, match="outside the calendar"):
        add_periods(datetime(2026, 1, 1), period, 99_999)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (datetime(2026, 1, 31, 8), 0),
        (datetime(2026, 1, 31, 7, 59), -1),
        (datetime(2026, 2, 28, 7), 0),
        (datetime(2026, 2, 28, 8), 1),
        (datetime(2026, 3, 30), 1),
        (datetime(2026, 3, 31, 8), 2),
        (datetime(2025, 12, 31, 8), -1),
    ],
)
def test_the_interval_of_a_moment(moment: datetime, expected: int):
    assert floor_index(datetime(2026, 1, 31, 8), Period(1, "month"), moment) == expected


def test_the_interval_of_a_moment_near_the_calendars_ends():
    assert (
        floor_index(datetime(2026, 1, 1), Period(1, "year"), datetime(9999, 12, 31, 23, 59)) == 7973
    )
    assert floor_index(datetime(2026, 1, 1), Period(1, "year"), datetime(1, 1, 1)) == -2025
    assert floor_index(datetime(2026, 6, 1), Period(7, "year"), datetime(1, 1, 1)) < 0


def test_lengths():
    assert exact_ms(Period(2, "hour")) == 2 * HOUR_MS
    assert exact_ms(Period(1, "month")) == 30 * DAY_MS
    assert exact_ms(Period(1, "year")) == 365 * DAY_MS
    assert exact_ms(Period(15, "minute")) == 15 * MINUTE_MS
    assert str(Period(1, "day")) == "1 day"
    assert str(Period(2, "day")) == "2 days"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2012-01-15T23:59:00", datetime(2012, 1, 15, 23, 59)),
        ("2012-01-15", datetime(2012, 1, 15)),
        ("2012-01-15 23:59", datetime(2012, 1, 15, 23, 59)),
        ("2012-01-15T23:59:00.25", datetime(2012, 1, 15, 23, 59, 0, 250_000)),
        ("2012-01-15T23:59:00Z", datetime(2012, 1, 15, 23, 59)),
        ("2012-01-15T23:59:00+02:00", datetime(2012, 1, 15, 21, 59)),
        ("2012-01-15T23:59:00 -0030", datetime(2012, 1, 16, 0, 29)),
        ("2011-05-24T0:00:00", datetime(2011, 5, 24)),
    ],
)
def test_dates_are_taken_to_utc(text: str, expected: datetime):
    assert parse_datetime(text) == expected


@pytest.mark.parametrize(
    "text", ["", "tomorrow", "2012-13-01", "2012-02-30T00:00:00", "2012-01-01T25:00:00",
             "12-01-2012", "0001-01-01T00:00:00+23:00", "2012-01-01T00:00:00+99:00"]
)  # fmt: skip
def test_a_bad_date_says_what_would_be_right(text: str):
    with pytest.raises(DefinitionError, match="write YYYY-MM-DDTHH:MM:SS in UTC"):
        parse_datetime(text)


def test_dates_print_without_fractions():
    assert format_datetime(datetime(2026, 1, 2, 3, 4, 5, 999_999)) == "2026-01-02T03:04:05"
    assert format_datetime(datetime(33, 1, 2)) == "0033-01-02T00:00:00"
