"""`--duration` and `--fail` as a person writes them."""

import click
import pytest

from penstock.cli.scenario import read_duration, read_durations, read_failures
from penstock.model.times import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from penstock.simulation.whatif import Failure

NAMES = ("Load", "Fetch", "a=b", "Odd@2026")
MARCH: int = 1_772_323_200_000
"""2026-03-01T00:00:00."""


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("30s", 30 * SECOND_MS),
        ("5m", 5 * MINUTE_MS),
        ("1h30m", 90 * MINUTE_MS),
        ("1.5h", 90 * MINUTE_MS),
        ("2d", 2 * DAY_MS),
        ("250ms", 250),
        ("0s", 0),
    ],
)
def test_a_time(text: str, milliseconds: int):
    assert read_duration(text) == milliseconds


@pytest.mark.parametrize("text", ["", "5", "m", "5 parsecs", "5m!", "-5m", "1h 30"])
def test_what_is_no_time(text: str):
    with pytest.raises(click.UsageError, match="is no time"):
        read_duration(text)


def test_durations_by_name():
    found = read_durations(("Load=5m, Fetch=1h", "*=30s", "a=b=2s"), NAMES)
    assert found == {
        "Load": 5 * MINUTE_MS,
        "Fetch": HOUR_MS,
        "*": 30 * SECOND_MS,
        "a=b": 2 * SECOND_MS,
    }


def test_a_name_that_is_none_is_refused_with_a_guess():
    with pytest.raises(click.UsageError, match=r"'Laod'.*Did you mean 'Load'"):
        read_durations(("Laod=5m",), NAMES)
    with pytest.raises(click.UsageError, match="There are Fetch, Load"):
        read_failures(("Quite different",), NAMES)


def test_a_duration_without_a_name_is_refused():
    with pytest.raises(click.UsageError, match="NAME=TIME"):
        read_durations(("5m",), NAMES)


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        ("Load", Failure("Load")),
        ("*", Failure("*")),
        ("Load:3", Failure("Load", attempts=3)),
        ("Load@2026-03-01", Failure("Load", MARCH, MARCH + DAY_MS)),
        (
            "Load@2026-03-01T05:00",
            Failure("Load", MARCH + 5 * HOUR_MS, MARCH + 5 * HOUR_MS + SECOND_MS),
        ),
        ("Load@2026-03-01:2", Failure("Load", MARCH, MARCH + DAY_MS, 2)),
        (
            "Load@2026-03-01T05:00:00:2",
            Failure("Load", MARCH + 5 * HOUR_MS, MARCH + 5 * HOUR_MS + SECOND_MS, 2),
        ),
        ("Odd@2026", Failure("Odd@2026")),
    ],
)
def test_a_failure(text: str, failure: Failure):
    assert read_failures((text,), NAMES) == (failure,)


def test_a_failure_on_a_day_that_is_not_there_is_refused():
    with pytest.raises(click.UsageError, match="2026-02-30"):
        read_failures(("Load@2026-02-30",), NAMES)
