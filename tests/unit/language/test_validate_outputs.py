"""Places that intervals share, though the interval's time is in the path."""

import pytest

from tests.unit.language.checking import DEFAULT, activity, check, only_warning

PATTERN = {"id": "myPattern", "default": "YYYY-MM-dd"}


def found(path: str, period: str, **schedule: object):
    """Findings for an activity that writes to a path."""
    return check(
        {**DEFAULT, "myDay": "#{format(@scheduledStartTime,'YYYYMMdd')}"},
        {"id": "S", "type": "Schedule", "startDateTime": "2030-01-01T00:00:00"}
        | {"period": period, **schedule},
        activity(output={"ref": "N"}),
        {"id": "N", "type": "S3DataNode", "directoryPath": f"s3://bucket/{path}/"},
        parameters=[PATTERN] if "myPattern" in path else [],
    )


def dated(pattern: str) -> str:
    return f"#{{format(@scheduledStartTime,'{pattern}')}}"


@pytest.mark.parametrize(
    ("path", "period", "expected"),
    [
        (dated("YYYY-MM-dd"), "1 hour", "24 intervals have 's3://bucket/2030-01-01/', such as"),
        ("#{myDay}", "1 hour", "24 intervals have 's3://bucket/20300101/'"),
        ("#{format(@scheduledStartTime, myPattern)}", "6 hours", "4 intervals have"),
        (dated("YYYY-MM-dd-hh"), "1 hour", "those of 2030-01-01T00:00:00 and 2030-01-01T12:00:00"),
        (dated("YYYY-MM-dd-hh"), "1 hour", "'hh' goes twice round the day"),
        (dated("YYYY-mm"), "1 day", "100 or more intervals have 's3://bucket/2030-00/'"),
        (dated("YYYY-mm-dd"), "1 day", "'mm' are minutes; months are 'MM'"),
        (dated("HH-mm"), "15 minutes", "2 intervals have 's3://bucket/00-00/'"),
        ("#{firstOfMonth(@scheduledEndTime)}", "1 week", "intervals have 's3://bucket/2030-"),
    ],
)
def test_intervals_that_the_path_does_not_tell_apart_are_counted(path, period, expected):
    assert expected in only_warning(found(path, period), "N")


@pytest.mark.parametrize(
    ("path", "period"),
    [
        (dated("YYYY-MM-dd"), "1 day"),
        (dated("YYYY-MM-dd-HH-mm"), "15 minutes"),
        (dated("YYYY-MM-dd-hh-a"), "1 hour"),
        (dated("YYYY-MM"), "1 month"),
        ("#{myDay}", "1 week"),
        ("#{@actualStartTime}", "1 hour"),
    ],
)
def test_what_tells_intervals_apart_is_sound(path, period):
    assert not found(path, period).found


def test_only_intervals_that_the_schedule_has_count():
    assert not found(dated("YYYY-MM-dd"), "12 hours", occurrences="1").found
    assert not found(dated("YYYY-MM-dd-hh"), "1 hour", occurrences="12").found
    assert not found(dated("hh"), "6 hours", endDateTime="2030-01-01T12:00:00").found
    assert found(dated("hh"), "6 hours", endDateTime="2030-01-01T18:00:00").warnings
    assert found(dated("HH"), "1 day", occurrences="9" * 9).warnings


def test_nodes_with_the_same_pattern_are_told_each_with_its_own_place():
    nodes = [
        {"id": f"N{n}", "type": "S3DataNode", "filePath": f"s3://b/{n}/{dated('YYYY')}"}
        for n in range(2)
    ]
    report = check(activity(output=[{"ref": "N0"}, {"ref": "N1"}]), *nodes)
    assert "'s3://b/0/2030'" in report.warnings["N0"][0]
    assert "'s3://b/1/2030'" in report.warnings["N1"][0]
