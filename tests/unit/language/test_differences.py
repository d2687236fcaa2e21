"""What differs between two definitions."""

import pytest

from penstock.language.differences import Change, differences
from penstock.language.forms import from_cli

Object = dict[str, object]

A: Object = {"id": "A", "type": "ShellCommandActivity", "command": "true"}
S: Object = {"id": "S", "type": "Schedule", "period": "1 hour", "startDateTime": "2026-01-01"}


def diff(old: list[Object], new: list[Object], **sides: tuple[object, object]) -> list[Change]:
    """Changes of objects; a keyword gives another member's two sides."""
    documents = (
        {"objects": objects, **{key: both[at] for key, both in sides.items()}}
        for at, objects in enumerate((old, new))
    )
    return list(differences(*map(from_cli, documents)))


def one(*arguments: list[Object], **sides: tuple[object, object]) -> Change:
    """The only change."""
    (change,) = diff(*arguments, **sides)
    return change


@pytest.mark.parametrize(
    ("old", "new", "kind", "before", "after"),
    [
        ({}, {"stdout": "s3://o"}, "added", (), ('"s3://o"',)),
        ({"stdout": "s3://o"}, {}, "removed", ('"s3://o"',), ()),
        ({"stdout": "a"}, {"stdout": "b"}, "changed", ('"a"',), ('"b"',)),
        ({"scriptArgument": ["a", "b"]}, {"scriptArgument": ["b", "a"]}, "changed",
         ('"a"', '"b"'), ('"b"', '"a"')),
        ({"dependsOn": {"ref": "B"}}, {"dependsOn": [{"ref": "B"}, {"ref": "C"}]}, "changed",
         ('{"ref": "B"}',), ('{"ref": "B"}', '{"ref": "C"}')),
        ({"name": "x"}, {"name": "ü"}, "changed", ('"x"',), ('"ü"',)),
        ({"*myPassword": "old hush"}, {"*myPassword": "new hush"}, "changed",
         ('"********"',), ('"********"',)),
    ],
)  # fmt: skip
def test_a_field(
    old: Object, new: Object, kind: str, before: tuple[str, ...], after: tuple[str, ...]
) -> None:
    change = one([A | old], [A | new])
    assert (change.part, change.id, change.kind) == ("object", "A", kind)
    assert change.field == next(iter({**old, **new}))
    assert (change.before, change.after) == (before, after)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"type": "ShellCommandActivity"}, {"type": "shellcommandactivity"}),
        ({"retryDelay": "1 hour"}, {"retryDelay": "1 Hours"}),
        ({"scheduleType": "CRON"}, {"scheduleType": "cron"}),
        ({"stage": "TRUE"}, {"stage": "true"}),
        ({"dependsOn": [{"ref": "B"}, {"ref": "C"}]}, {"dependsOn": [{"ref": "C"}, {"ref": "B"}]}),
        ({"stdout": "a", "stderr": "b"}, {"stderr": "b", "stdout": "a"}),
    ],
)
def test_what_means_the_same(old: Object, new: Object) -> None:
    assert diff([A | old, S], [S, A | new]) == []


def test_objects_that_came_and_went() -> None:
    found = diff([A, S], [A, {"id": "B", "name": "Bee", "command": "x"}])
    assert [(each.id, each.field, each.kind) for each in found] == [
        ("S", None, "removed"),
        ("S", "type", "removed"),
        ("S", "period", "removed"),
        ("S", "startDateTime", "removed"),
        ("B", None, "added"),
        ("B", "command", "added"),
    ]
    assert found[4].after == ('"Bee"',)


def test_parameters_and_values() -> None:
    found = diff(
        [],
        [],
        parameters=(
            [{"id": "myA", "default": "x"}, {"id": "*myB", "default": "hush hush"}],
            [{"id": "myA", "default": "y"}, {"id": "myC"}],
        ),
        values=({"myA": ["1", "2"], "*myD": "hush hush"}, {"myA": "1", "*myD": "hush too"}),
    )
    assert [(each.part, each.id, each.field, each.before, each.after) for each in found] == [
        ("parameter", "myA", "default", ('"x"',), ('"y"',)),
        ("parameter", "*myB", None, ('"*myB"',), ()),
        ("parameter", "*myB", "default", ('"********"',), ()),
        ("parameter", "myC", None, (), ('"myC"',)),
        ("value", "myA", None, ('"1"', '"2"'), ('"1"',)),
        ("value", "*myD", None, ('"********"',), ('"********"',)),
    ]
    assert not any(each.forbidden for each in found)


def test_a_secret_is_struck_out_of_other_texts() -> None:
    secret = {"id": "D", "*password": "hush-hush"}
    change = one([A, secret], [A | {"command": "login hush-hush now"}, secret])
    assert change.after == ('"login ******** now"',)
    assert "hush" not in str(diff([secret], [secret | {"*password": "hush-other"}]))


def test_what_differs_in_a_secret_only_is_told_though_both_look_alike() -> None:
    sides = (
        [A | {"command": f"login {word}"}, {"id": "D", "*password": word}]
        for word in ("hush-one", "hush-two")
    )
    found = diff(*sides)
    assert [(each.id, each.before, each.after) for each in found] == [
        ("A", ('"login ********"',), ('"login ********"',)),
        ("D", ('"********"',), ('"********"',)),
    ]
