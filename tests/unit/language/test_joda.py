"""Joda-Time patterns: every letter at several widths, against a table of what Joda-Time prints."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from penstock.language.expressions.joda import format_joda
from penstock.model.errors import DefinitionError

AFTERNOON = datetime(2011, 5, 4, 17, 9, 5, 123_000)

MOMENTS = (
    AFTERNOON,
    datetime(2012, 1, 1),  # a Sunday, in the last week of the year before
    datetime(2008, 12, 29, 12),  # a Monday, in the first week of the year after
    datetime(1999, 12, 31, 23, 59, 59, 999_000),
    datetime(99, 3, 7, 1, 2, 3, 45_000),
    datetime(9999, 12, 31, 13, 0, 0, 7_000),
)

FACTS = {
    "G GG GGGGG": (  # era
        "AD AD AD",
        "AD AD AD",
        "AD AD AD",
        "AD AD AD",
        "AD AD AD",
        "AD AD AD",
    ),
    "C CC CCCC": (  # century of era
        "20 20 0020",
        "20 20 0020",
        "20 20 0020",
        "19 19 0019",
        "0 00 0000",
        "99 99 0099",
    ),
    "Y YY YYY YYYY YYYYY": (  # year of era
        "2011 11 2011 2011 02011",
        "2012 12 2012 2012 02012",
        "2008 08 2008 2008 02008",
        "1999 99 1999 1999 01999",
        "99 99 099 0099 00099",
        "9999 99 9999 9999 09999",
    ),
    "y yy yyy yyyy yyyyy": (  # year
        "2011 11 2011 2011 02011",
        "2012 12 2012 2012 02012",
        "2008 08 2008 2008 02008",
        "1999 99 1999 1999 01999",
        "99 99 099 0099 00099",
        "9999 99 9999 9999 09999",
    ),
    "x xx xxx xxxx xxxxx": (  # week year
        "2011 11 2011 2011 02011",
        "2011 11 2011 2011 02011",
        "2009 09 2009 2009 02009",
        "1999 99 1999 1999 01999",
        "99 99 099 0099 00099",
        "9999 99 9999 9999 09999",
    ),
    "w ww www": (  # week of week year
        "18 18 018",
        "52 52 052",
        "1 01 001",
        "52 52 052",
        "10 10 010",
        "52 52 052",
    ),
    "e ee": (  # day of week, Monday is 1
        "3 03",
        "7 07",
        "1 01",
        "5 05",
        "6 06",
        "5 05",
    ),
    "E EE EEE EEEE EEEEE": (  # name of the day
        "Wed Wed Wed Wednesday Wednesday",
        "Sun Sun Sun Sunday Sunday",
        "Mon Mon Mon Monday Monday",
        "Fri Fri Fri Friday Friday",
        "Sat Sat Sat Saturday Saturday",
        "Fri Fri Fri Friday Friday",
    ),
    "D DD DDD DDDD": (  # day of year
        "124 124 124 0124",
        "1 01 001 0001",
        "364 364 364 0364",
        "365 365 365 0365",
        "66 66 066 0066",
        "365 365 365 0365",
    ),
    "M MM MMM MMMM MMMMM": (  # month
        "5 05 May May May",
        "1 01 Jan January January",
        "12 12 Dec December December",
        "12 12 Dec December December",
        "3 03 Mar March March",
        "12 12 Dec December December",
    ),
    "d dd ddd": (  # day of month
        "4 04 004",
        "1 01 001",
        "29 29 029",
        "31 31 031",
        "7 07 007",
        "31 31 031",
    ),
    "a aa aaaa": (  # half of the day
        "PM PM PM",
        "AM AM AM",
        "PM PM PM",
        "PM PM PM",
        "AM AM AM",
        "PM PM PM",
    ),
    "K KK": (  # hour of half day, 0 to 11
        "5 05",
        "0 00",
        "0 00",
        "11 11",
        "1 01",
        "1 01",
    ),
    "h hh hhh": (  # hour of half day, 1 to 12
        "5 05 005",
        "12 12 012",
        "12 12 012",
        "11 11 011",
        "1 01 001",
        "1 01 001",
    ),
    "H HH": (  # hour, 0 to 23
        "17 17",
        "0 00",
        "12 12",
        "23 23",
        "1 01",
        "13 13",
    ),
    "k kk": (  # hour, 1 to 24
        "17 17",
        "24 24",
        "12 12",
        "23 23",
        "1 01",
        "13 13",
    ),
    "m mm": (  # minute
        "9 09",
        "0 00",
        "0 00",
        "59 59",
        "2 02",
        "0 00",
    ),
    "s ss sss": (  # second
        "5 05 005",
        "0 00 000",
        "0 00 000",
        "59 59 059",
        "3 03 003",
        "0 00 000",
    ),
    "S SS SSS SSSS SSSSSSSSS": (  # fraction of second
        "1 12 123 1230 123000000",
        "0 00 000 0000 000000000",
        "0 00 000 0000 000000000",
        "9 99 999 9990 999000000",
        "0 04 045 0450 045000000",
        "0 00 007 0070 007000000",
    ),
    "Z ZZ ZZZ ZZZZ": (  # offset, and the zone's id
        "+0000 +00:00 UTC UTC",
        "+0000 +00:00 UTC UTC",
        "+0000 +00:00 UTC UTC",
        "+0000 +00:00 UTC UTC",
        "+0000 +00:00 UTC UTC",
        "+0000 +00:00 UTC UTC",
    ),
}
"""Pattern, and what Joda-Time 2 prints for each of the moments, in UTC, in English."""


def test_every_letter_has_its_facts() -> None:
    assert {pattern[0] for pattern in FACTS} == set("GCYxweEyDMdaKhHkmsSZ")


@pytest.mark.parametrize("pattern", FACTS)
def test_every_letter(pattern: str) -> None:
    assert tuple(format_joda(moment, pattern) for moment in MOMENTS) == FACTS[pattern]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("YYYY-MM-dd'T'HH:mm:ss", "2011-05-04T17:09:05"),
        ("YYYY-MM-dd-HH-mm-ss", "2011-05-04-17-09-05"),
        ("YYYYMMdd", "20110504"),
        (
            "YY-MM-DD HH:MM:SS",
            "11-05-124 17:05:12",
        ),  # stands so in the guide: D, M, S are not d, m, s
        ("hh 'o''clock' a", "05 o'clock PM"),
        ("''yy''", "'11'"),
        ("''''", "''"),
        ("YYYY''MM", "2011'05"),
        ("'YYYY'", "YYYY"),
        ("'a' 'b'", "a b"),
        ("'open", "open"),
        ("% é ü", "% é ü"),
        ("{0}{}", "{0}{}"),
    ],
)
def test_texts_and_whole_patterns(pattern: str, expected: str) -> None:
    assert format_joda(AFTERNOON, pattern) == expected


@pytest.mark.parametrize(
    ("zone", "month", "expected"),
    [
        ("America/New_York", 1, "07 EST -0500 -05:00 America/New_York"),
        ("America/New_York", 7, "08 EDT -0400 -04:00 America/New_York"),
        ("America/St_Johns", 7, "09 NDT -0230 -02:30 America/St_Johns"),
        ("Europe/Paris", 7, "14 CEST +0200 +02:00 Europe/Paris"),
        ("Asia/Kolkata", 1, "17 IST +0530 +05:30 Asia/Kolkata"),
        ("UTC", 1, "12 UTC +0000 +00:00 UTC"),
    ],
)
def test_zones(zone: str, month: int, expected: str) -> None:
    moment = datetime(2011, month, 1, 12, tzinfo=UTC).astimezone(ZoneInfo(zone))
    assert format_joda(moment, "HH z Z ZZ ZZZ") == expected


def test_the_long_name_of_a_zone_is_known_for_utc_only() -> None:
    for utc in (AFTERNOON, AFTERNOON.replace(tzinfo=ZoneInfo("UTC"))):
        assert format_joda(utc, "z zzz zzzz") == "UTC UTC Coordinated Universal Time"
    tokyo = AFTERNOON.replace(tzinfo=ZoneInfo("Asia/Tokyo"))
    assert format_joda(tokyo, "z zzzz") == "JST JST"


def test_a_fraction_may_be_finer_than_milliseconds() -> None:
    assert format_joda(datetime(2011, 1, 1, 0, 0, 0, 123_456), "SSSSSSSS") == "12345600"


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        (
            "YYYY-MM-ddTHH",
            "'T' is no letter of a date pattern; text in one stands in single quotes",
        ),
        ("b", "'b' is no letter"),
        ("'a'q", "'q' is no letter"),
        ("", "the pattern is empty"),
        ("Y" * 51, "'Y' is repeated more than 50 times"),
        ("-" * 1_001, "longer than 1000 characters"),
    ],
)
def test_bad_patterns(pattern: str, problem: str) -> None:
    with pytest.raises(DefinitionError, match=problem):
        format_joda(AFTERNOON, pattern)
