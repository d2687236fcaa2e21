"""What an edit of an activated pipeline may not change."""

import pytest

from penstock.language.edits import forbidden_edits
from penstock.language.forms import from_cli

Object = dict[str, object]

A: Object = {"id": "A", "type": "ShellCommandActivity", "command": "x", "schedule": {"ref": "S"}}
S: Object = {"id": "S", "type": "Schedule", "period": "1 hour", "startDateTime": "2026-01-01"}
N: Object = {"id": "N", "type": "S3DataNode", "filePath": "s3://b/k"}


def refused(*new: Object, old: tuple[Object, ...] = (A, S, N)) -> dict[str, str]:
    """The errors by object."""
    definitions = (from_cli({"objects": list(each)}) for each in (old, new))
    found = forbidden_edits(*definitions)
    assert all(each.rule == "forbidden-edit" and each.severity == "error" for each in found)
    return {each.object_id: each.text for each in found}


@pytest.mark.parametrize(
    "new",
    [
        (A, S, N),
        (A | {"command": "y", "retryDelay": "1 hour"}, S, N),
        (A, S | {"endDateTime": "2027-01-01"}, N | {"filePath": "s3://b/other"}),
        (A, S | {"period": "1 Hours", "startDateTime": "2026-01-01T00:00:00"}, N),
        (A, S, N, {"id": "B", "type": "ShellCommandActivity", "input": {"ref": "N"}}),
        (A, S, N, {"id": "B", "output": {"ref": "M"}}, {"id": "M", "type": "S3DataNode"}),
    ],
)
def test_what_may_change(new: tuple[Object, ...]) -> None:
    assert refused(*new) == {}


@pytest.mark.parametrize(
    ("new", "at", "expected"),
    [
        ((A, S), "N", "the object 'N' is not there any more: an object cannot be removed once"),
        ((A, S | {"period": "2 hours"}, N), "S", "'period' changes from \"1 hour\" to \"2 hours\""),
        ((A, S | {"startDateTime": "2026-02-01"}, N), "S", "(--start-timestamp)"),
        (
            (A, S | {"timeZone": "Europe/Berlin"}, N),
            "S",
            "'timeZone' is \"Europe/Berlin\": a schedule's start cannot change",
        ),
        (
            (A, {"id": "S", "type": "Schedule", "period": "1 hour"}, N),
            "S",
            "'startDateTime' was \"2026-01-01\" and is gone: a schedule's start cannot change",
        ),
        ((A | {"input": {"ref": "N"}}, S, N), "A", "'input' is {\"ref\": \"N\"}: references of an"),
        ((A | {"schedule": {"ref": "N"}}, S, N), "A", "references of an object cannot change once"),
        ((A, S, N, {"id": "B", "output": {"ref": "N"}}), "B", "the object 'N' is part of the act"),
    ],
)  # fmt: skip
def test_what_may_not(new: tuple[Object, ...], at: str, expected: str) -> None:
    found = refused(*new)
    assert list(found) == [at]
    assert expected in found[at]


def test_the_order_of_inputs_counts() -> None:
    two = [{"ref": "N"}, {"ref": "M"}]
    old = (A | {"input": two}, N, {"id": "M"})
    assert "A" in refused(A | {"input": two[::-1]}, N, {"id": "M"}, old=old)


def test_the_value_of_a_parameter_can_change_a_period_too() -> None:
    objects = [S | {"period": "#{myHours} hours"}]
    old, new = (
        from_cli({"objects": objects, "parameters": [{"id": "myHours"}], "values": {"myHours": n}})
        for n in ("1", "2")
    )
    (finding,) = forbidden_edits(old, new)
    assert '\'period\' changes from "1 hour" to "2 hours"' in finding.text
    assert forbidden_edits(old, old) == []
