from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from penstock.language.expressions.joda import format_joda
from penstock.model.errors import DefinitionError

EVENING = datetime(2011, 5, 4, 17, 9, 5, 123_456)
MIDNIGHT = datetime(2012, 1, 1, 0, 0)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("G", "AD"),
        ("C", "20"),
        ("YYYY", "2011"),
        ("Y", "2011"),
        ("YY", "11"),
        ("YYYYYY", "002011"),
        ("y yy yyyy", "2011 11 2011"),
        ("x xx xxxx", "2011 11 2011"),
        ("w ww", "18 18"),
        ("e ee", "3 03"),
        ("E EEE EEEE", "Wed Wed Wednesday"),
        ("D DDD", "124 124"),
        ("M MM MMM MMMM", "5 05 May May"),
        ("d dd", "4 04"),
        ("a", "PM"),
        ("K KK", "5 05"),
        ("h hh", "5 05"),
        ("H HH", "17 17"),
        ("k kk", "17 17"),
        ("m mm", "9 09"),
        ("s ss", "5 05"),
        ("S SSS SSSSSSSS", "1 123 12345600"),
        ("z", "UTC"),
        ("zzzz", "Coordinated Universal Time"),
        ("Z ZZ ZZZ", "+0000 +00:00 UTC"),
        ("yyyy-MM-dd'T'HH:mm:ss", "2011-05-04T17:09:05"),
        ("hh 'o''clock' a", "05 o'clock PM"),
        ("''yy''", "'11'"),
        ("'open", "open"),
        ("{}{0}", "{}{0}"),
        ("", ""),
    ],
)
def test_every_letter(pattern: str, expected: str):
    assert format_joda(EVENING, pattern) == expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [("H k K h a", "0 24 0 12 AM"), ("x-w e", "2011-52 7"), ("MMM MMMM", "Jan January")],
)
def test_what_differs_at_midnight_of_new_year(pattern: str, expected: str):
    assert format_joda(MIDNIGHT, pattern) == expected


def test_zones():
    zoned = datetime(2011, 7, 1, 10, tzinfo=ZoneInfo("America/St_Johns"))
    assert format_joda(zoned, "HH z Z ZZ ZZZ") == "10 NDT -0230 -02:30 America/St_Johns"


@pytest.mark.parametrize("pattern", ["YYYY-MM-ddTHH", "b", "'a'q", "Y" * 51, "-" * 1_001])
def test_bad_patterns(pattern: str):
    with pytest.raises(DefinitionError):
        format_joda(EVENING, pattern)
