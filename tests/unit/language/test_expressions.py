from collections.abc import Mapping, Sequence
from datetime import datetime

import pytest

from penstock.language.expressions import (
    Budget,
    ExpressionError,
    evaluate,
    evaluate_to_strings,
    has_expression,
)
from penstock.model.errors import DefinitionError

MOMENT = datetime(2011, 5, 24, 17, 10)


class Names:
    """A context of fixed names."""

    def __init__(self, names: Mapping[str, Sequence[object]]) -> None:
        self._names = names

    @property
    def budget(self) -> Budget:
        return Budget()

    def lookup(self, path: tuple[str, ...]) -> Sequence[object] | None:
        if path == ("broken",):
            raise DefinitionError("cannot be had")
        return self._names.get(".".join(path))


NAMES = Names(
    {
        "@scheduledStartTime": [MOMENT],
        "myDateTime": ["2011-05-24T17:10:00"],
        "myList": ["one", "two"],
        "myNumbers": [1, 2],
        "myEmpty": [],
        "input.directoryPath": ["s3://a", "s3://b"],
        "*mySecret": ["hush"],
        "input.*mySecret": ["husher"],
        "n": [7],
        "myCount": ["3"],
        "flag": [True],
    }
)


def values(text: str) -> list[object]:
    return [*evaluate(text, NAMES)]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 + 2", 3),
        ("1 - 2", -1),
        ("2 * 3 + 4", 10),
        ("2 + 3 * 4", 14),
        ("(2 + 3) * 4", 20),
        ("1 / 2", 0),
        ("-7 / 2", -3),
        ("7 / -2", -3),
        ("1.0 / 2", 0.5),
        ("2 ^ 2", 4.0),
        ("2 ^ 3 ^ 2", 512.0),
        ("-2 ^ 2", -4.0),
        ("2 ^ -1", 0.5),
        ("10 - 3 - 2", 5),
        ("n * n", 49),
        ("myCount * 2", 6),
        ("- myCount", -3),
        ("'hel' + \"lo\"", "hello"),
        ("'n' + 1 + 2", "n12"),
        ("1 + 2 + 'n'", "3n"),
        ("'it\\'s'", "it's"),
        ("'C:\\dir'", "C:\\dir"),
        ("'}'", "}"),
        ("*mySecret", "hush"),
        ("input.*mySecret", "husher"),
        ("n**mySecret", None),
        ("flag + ''", "true"),
        ("9223372036854775807", 2**63 - 1),
        ("'at ' + @scheduledStartTime", "at 2011-05-24T17:10:00"),
    ],
)
def test_operators_and_literals(expression: str, expected: object):
    text = f"#{{{expression}}}"
    if expected is None:
        with pytest.raises(ExpressionError, match="needs numbers, not a text"):
            values(text)
    else:
        assert values(text) == [expected]
        assert type(values(text)[0]) is type(expected)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("day(myDateTime)", 24),
        ("dayOfYear(myDateTime)", 144),
        ("firstOfMonth(myDateTime)", datetime(2011, 5, 1, 17, 10)),
        ("format(myDateTime,'YYYY-MM-dd HH:mm:ss z')", "2011-05-24 17:10:00 UTC"),
        ("hour(myDateTime)", 17),
        ("makeDate(2011,5,24)", datetime(2011, 5, 24)),
        ("makeDateTime(2011,5,24,14,21)", datetime(2011, 5, 24, 14, 21)),
        ("midnight(myDateTime)", datetime(2011, 5, 24)),
        ("minusDays(myDateTime,1)", datetime(2011, 5, 23, 17, 10)),
        ("minusHours(myDateTime,1)", datetime(2011, 5, 24, 16, 10)),
        ("minusMinutes(myDateTime,1)", datetime(2011, 5, 24, 17, 9)),
        ("minusMonths(myDateTime,1)", datetime(2011, 4, 24, 17, 10)),
        ("minusPeriod(myDateTime,'2 days')", datetime(2011, 5, 22, 17, 10)),
        ("minusWeeks(myDateTime,1)", datetime(2011, 5, 17, 17, 10)),
        ("minusYears(myDateTime,1)", datetime(2010, 5, 24, 17, 10)),
        ("minute(myDateTime)", 10),
        ("month(myDateTime)", 5),
        ("plusDays(myDateTime,1)", datetime(2011, 5, 25, 17, 10)),
        ("plusHours(myDateTime,1)", datetime(2011, 5, 24, 18, 10)),
        ("plusMinutes(myDateTime,1)", datetime(2011, 5, 24, 17, 11)),
        ("plusMonths(myDateTime,9)", datetime(2012, 2, 24, 17, 10)),
        ("plusPeriod(myDateTime,1 Day)", datetime(2011, 5, 25, 17, 10)),
        ("plusWeeks(myDateTime,1)", datetime(2011, 5, 31, 17, 10)),
        ("plusYears(myDateTime,1)", datetime(2012, 5, 24, 17, 10)),
        ("sunday(myDateTime)", datetime(2011, 5, 22, 17, 10)),
        ("sunday(makeDate(2011,5,22))", datetime(2011, 5, 22)),
        ("year(myDateTime)", 2011),
        ("yesterday(myDateTime)", datetime(2011, 5, 23, 17, 10)),
        ("plusMonths(makeDate(2011,1,31), 1)", datetime(2011, 2, 28)),
        ("plusDays(myDateTime, myCount)", datetime(2011, 5, 27, 17, 10)),
        ("@scheduledStartTime.format('YYYY')", "2011"),
        ("@scheduledStartTime.minusDays(24).plusHours(7).format('MM-dd')", "05-01"),
        ("hour(inTimeZone(@scheduledStartTime,'America/Los_Angeles'))", 10),
        ("inTimeZone(@scheduledStartTime,'Asia/Tokyo').midnight().format('dd Z')", "25 +0900"),
    ],
)  # fmt: skip
def test_functions(expression: str, expected: object):
    assert values(f"#{{{expression}}}") == [expected]


def test_hours_are_real_time_in_a_zone_and_days_are_by_the_wall():
    before = "makeDateTime(2011,3,12,20,0).inTimeZone('America/New_York')"
    assert values(f"#{{{before}.plusHours(24).format('dd HH')}}") == ["13 16"]
    assert values(f"#{{{before}.plusDays(1).format('dd HH')}}") == ["13 15"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", ["plain"]),
        ("", [""]),
        ("${INPUT1_STAGING_DIR} ${10} #", ["${INPUT1_STAGING_DIR} ${10} #"]),
        ("a#{n}b#{n}c", ["a7b7c"]),
        ("#{myList}", ["one", "two"]),
        ("#{myEmpty}", []),
        ("x#{myEmpty}y", ["xy"]),
        ("#{'this is ' + myList}", ["this is one", "this is two"]),
        ("-#{myList}-", ["-one-", "-two-"]),
        ("#{myNumbers}#{myList}", ["1one", "1two", "2one", "2two"]),
        ("#{input.directoryPath}/x", ["s3://a/x", "s3://b/x"]),
        ("#{myNumbers * myNumbers}", ["1", "2", "2", "4"]),
        ("#{@scheduledStartTime}", ["2011-05-24T17:10:00"]),
        ("#{ flag }", ["true"]),
        ("#{1.0/2}", ["0.5"]),
    ],
)
def test_texts_and_lists(text: str, expected: list[str]):
    assert evaluate_to_strings(text, NAMES) == expected


def test_has_expression():
    assert has_expression("a#{b}")
    assert not has_expression("${b} # {b}")


def test_what_a_context_says_is_the_error():
    with pytest.raises(ExpressionError, match="cannot be had"):
        values("#{broken}")


def test_a_long_text_with_many_expressions_is_one_value():
    (only,) = values("#{n}" * 100_000)
    assert only == "7" * 100_000
