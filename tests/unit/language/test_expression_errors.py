"""Every error of an expression, word for word, with the place that it marks."""

from datetime import datetime
from pathlib import Path

import pytest

from penstock.language.expressions import Budget, ExpressionError, evaluate

GOLDEN = Path(__file__).with_name("expression_errors.txt").read_text("utf-8")
"""Each error as a user sees it; the line above the caret is the text that is evaluated."""


class Names:
    """A context of fixed names."""

    def __init__(self) -> None:
        self.budget = Budget()

    def lookup(self, path: tuple[str, ...]) -> list[object] | None:
        known: dict[str, list[object]] = {
            "@scheduledStartTime": [datetime(2011, 5, 24, 17, 10)],
            "n": [7],
            "d": [2.5],
            "f": [True],
            "empty": [""],
        }
        return known.get(".".join(path))


def error_of(text: str) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        evaluate(text, Names())
    return caught.value


@pytest.mark.parametrize("block", GOLDEN.rstrip("\n").split("\n\n"))
def test_errors(block: str) -> None:
    text = block.split("\n")[-2].removeprefix("  ")
    assert str(error_of(text)) == block


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("#{" + "(" * 99 + "1" + ")" * 99 + "}", "nested more than 30 levels deep"),
        ("#{n" + ".x" * 99 + "}", "more than 30 steps follow one another"),
        ("#{" + "n+" * 20_000 + "n}", "the expression is longer than 16384 characters"),
        ("#{" + "9" * 400 + ".0}", "the number is too great"),
    ],
)
def test_errors_of_what_is_too_much(text: str, problem: str) -> None:
    assert problem in error_of(text).problem


@pytest.mark.parametrize(
    ("text", "problems", "readable"),
    [
        ("#{n.fromat('Y')} #{a} #{day()}", ["no function 'fromat'", "'day' takes (date)"], 3),
        ("#{1 +} #{a} #{} #{b}", ["a value is expected here", "the expression is empty"], 2),
        ("#{a #{b} #{c}", ["cannot stand in another"], 2),
        ("#{foo(day()) 1} #{a}", ["'day' takes", "no function 'foo'", "an operator or '}'"], 1),
        ("#{'a} #{b} #{c +}", ["the text is not closed"], 0),
        ("#{a} #{b", ["the expression is not closed"], 1),
        ("#{" + "(" * 99 + "1" + ")" * 99 + "} #{a}", ["nested more than 30 levels"], 1),
        ("#{}" * 5_000, ["the expression is empty"] * 10, 0),
        ("#{" + "foo(" * 20 + ")" * 20 + "}", ["there is no function 'foo'"] * 10, 0),
    ],
)
def test_one_mistake_does_not_hide_the_others(
    text: str, problems: list[str], readable: int
) -> None:
    found = error_of(text).readable
    assert found is not None
    for (at, said), problem in zip(found.problems, problems, strict=True):
        assert problem in said
        assert at <= len(text)
    trees = [part for part in found.parts if not isinstance(part, str)]
    if readable:
        assert len(trees) == readable


def test_an_error_shows_the_text_with_its_place_marked() -> None:
    assert str(error_of("s3://bucket/#{format(nope, 'YYYY')}/x")) == (
        "there is no field or parameter 'nope' here\n"
        "  s3://bucket/#{format(nope, 'YYYY')}/x\n"
        "                       ^"
    )


def test_of_a_long_text_only_the_part_around_the_place_is_shown() -> None:
    lines = str(error_of("x\n" * 5_000 + "#{nope}" + "y" * 5_000)).split("\n")
    assert len(lines) == 3
    assert lines[1][lines[2].index("^") :].startswith("nope")
    assert lines[1].startswith("  …")
    assert lines[1].endswith("y…")
    assert all(len(line) < 100 for line in lines)


def test_the_caret_stands_right_after_wide_and_combining_characters() -> None:
    # Two columns each, none, one.
    assert error_of("日本e\u0301#{nope}").marked.endswith("\n  " + " " * 7 + "^")


def test_control_characters_do_not_reach_a_terminal() -> None:
    assert "\x1b" not in str(error_of("\x1b[31m\t#{nope}"))
