"""What a hostile definition can make evaluation do: counted, and little."""

import sys
from collections.abc import Callable
from contextlib import suppress

import pytest

from penstock.language.expressions import Budget, ExpressionError, evaluate
from penstock.language.expressions import budget as budgets
from penstock.language.expressions.parser import DEEPEST, LONGEST_TEXT, parse
from penstock.language.expressions.tree import height
from penstock.language.forms import from_cli
from penstock.language.resolve import Resolved, resolve
from penstock.language.scope import ObjectScope
from penstock.model.errors import DefinitionError


def resolved(*objects: dict[str, object], **rest: object) -> Resolved:
    return resolve(from_cli({"objects": list(objects), **rest}))


def spent(budget: Budget) -> int:
    return budgets.LARGEST_WORK - budget.left


class Counting:
    """A context that counts how often it is asked."""

    def __init__(self, values: int = 1) -> None:
        self.budget = Budget()
        self.asked = 0
        self._values = ["x"] * values

    def lookup(self, path: tuple[str, ...]) -> list[str]:
        self.asked += 1
        return self._values


def test_a_name_is_asked_for_once_where_it_stands() -> None:
    context = Counting()
    evaluate("#{a + b}#{c}" * 1000, context)
    assert context.asked == 3000


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("#{a + a + a + a}", 100),
        ("#{a}#{a}#{a}#{a}", 100),
        ("#{" + "a + " * 3000 + "a}", 2),
        ("#{" + "a + " * 3000 + "a}", 1000),
        ("#{format(makeDate(2000,1,1) , a)}#{a}#{a}", 1000),
        ("#{" + "(a + a) + " * 500 + "a}", 30),
        ("#{a + '" + "y" * 16_000 + "'}", 100),
    ],
)
def test_lists_that_multiply_end_in_an_error(text: str, values: int) -> None:
    context = Counting(values)
    with pytest.raises(ExpressionError):
        evaluate(text, context)
    assert context.asked <= 3001


def test_what_an_evaluation_makes_is_paid_for_before_it_is_made() -> None:
    context = Counting(1000)
    with pytest.raises(ExpressionError, match="too large"):
        evaluate("#{a + '" + "y" * 2_000 + "'}", context)
    assert spent(context.budget) <= 3 * budgets.LARGEST_RESULT // budgets.CHARACTERS_PER_STEP


def test_functions_cost_more_than_values() -> None:
    context = Counting(1)
    evaluate("#{day(makeDate(2000, 1, 1))}", context)
    assert spent(context.budget) == 2 * budgets.COST_OF_A_CALL


def test_a_long_pattern_is_paid_for() -> None:
    pattern = "zzzz-" * 200  # each five characters print as twenty-seven
    scope = ObjectScope(
        resolved({"id": "A", "my_": [f"2026-01-0{n}" for n in range(1, 10)] * 100}), "A"
    )
    with pytest.raises(ExpressionError, match="too large"):
        evaluate(f"#{{format(my_, '{pattern}')}}", scope)


def laughing(levels: int, factor: int) -> Resolved:
    """Fields, each of which is the next several times over, across several objects."""
    objects: list[dict[str, object]] = [
        {"id": f"n{n}", "next": {"ref": f"n{n + 1}"}, "my_": "#{next.my_}" * factor}
        for n in range(levels)
    ]
    return resolved(*objects, {"id": f"n{levels}", "my_": "ha" * 100})


def test_fields_that_multiply_over_references_share_one_budget() -> None:
    scope = ObjectScope(laughing(6, 8), "n0")
    with pytest.raises(DefinitionError, match="too large"):
        scope.values("my_")
    assert spent(scope.budget) <= 4 * budgets.LARGEST_RESULT // budgets.CHARACTERS_PER_STEP


def test_parameters_that_multiply_are_evaluated_once_each() -> None:
    texts = {f"my_{n}": f"#{{my_{n + 1}}}#{{my_{n + 1}}}" for n in range(30)}
    scope = ObjectScope(resolved({"id": "A"}, values={**texts, "my_30": ""}), "A")
    assert evaluate("#{my_0}" * 10, scope) == [""]
    assert spent(scope.budget) <= 2 * 30 + 10 + 2 * 30  # names, and what little is made


def test_parameters_that_lead_to_fields_that_lead_to_parameters_are_evaluated_once_each() -> None:
    fields = {f"myField{n}": f"#{{my_{n + 1}}}#{{my_{n + 1}}}" for n in range(14)}
    values = {f"my_{n}": f"#{{myField{n}}}#{{next.myField{n}}}" for n in range(14)}
    world = resolved(
        {"id": "A", "next": {"ref": "B"}, **fields},
        {"id": "B", "next": {"ref": "A"}, **fields},
        values={**values, "my_14": ""},
    )
    scope = ObjectScope(world, "A")
    assert scope.values("myField0") == [""]
    # Two objects, and the first one as an object that is referred to.
    assert spent(scope.budget) <= 3 * 14 * (2 + 2 + 3 * 2)


def test_parameters_that_grow_end_in_an_error() -> None:
    texts = {f"my_{n}": f"#{{my_{n + 1}}}#{{my_{n + 1}}}" for n in range(30)}
    scope = ObjectScope(resolved({"id": "A"}, values={**texts, "my_30": "ha"}), "A")
    with pytest.raises(DefinitionError, match="too large"):
        evaluate("#{my_0}", scope)
    assert spent(scope.budget) <= 4 * budgets.LARGEST_RESULT // budgets.CHARACTERS_PER_STEP


@pytest.mark.parametrize(
    "text", ["#{my_ * my_ * myNone}", "#{-(my_ * my_) * myNone}", "#{day(my_ * my_) * myNone}"]
)
def test_work_that_leaves_nothing_is_paid_for(text: str) -> None:
    fields = {f"my_{n}": text for n in range(30)}
    none = {"id": "myNone", "optional": "true"}
    world = resolved({"id": "A", "my_": ["1"] * 400, **fields}, parameters=[none])
    scope = ObjectScope(world, "A")
    with pytest.raises(DefinitionError, match=r"take more than|too large"):
        any(scope.values(f"my_{n}") for n in range(30))
    assert spent(scope.budget) <= 2 * budgets.LARGEST_WORK


def test_the_fields_of_one_object_share_one_budget() -> None:
    big = {f"my_{n}": "#{my_x}#{my_x}" for n in range(2000)}
    scope = ObjectScope(resolved({"id": "A", **big, "my_x": ["x"] * 300}), "A")
    with pytest.raises(DefinitionError, match="the object's expressions take more than"):
        any(scope.values(f"my_{n}") == [] for n in range(2000))


def test_paths_that_fan_out_are_paid_for() -> None:
    everyone = [{"ref": str(n)} for n in range(90)]
    world = resolved(*({"id": str(n), "all": everyone, "my_": "x"} for n in range(90)))
    text = "#{" + "all.all.my_ + " * 1000 + "''}"
    with pytest.raises(ExpressionError, match=r"take more than|too large"):
        evaluate(text, ObjectScope(world, "0"))


def test_a_parent_of_thousands_of_fields_has_no_effect_on_one_field_of_a_child() -> None:
    parent: dict[str, object] = {
        "id": "P",
        **{f"my_{n}": "#{my_" + str(n + 1) + "}" for n in range(3000)},
    }
    children = [{"id": f"c{n}", "parent": {"ref": "P"}} for n in range(200)]
    world = resolved(parent, *children, {"id": "A", "of": [{"ref": c["id"]} for c in children]})
    scope = ObjectScope(world, "A")
    with pytest.raises(DefinitionError, match="over more than 30 steps"):
        evaluate("#{of.my_0}", scope)
    assert spent(scope.budget) < 1_000


# --- depth -----------------------------------------------------------------------------------


NESTED: list[Callable[[int, str], str]] = [
    lambda levels, inner: "(" * levels + inner + ")" * levels,
    lambda levels, inner: "-" * levels + inner,
    lambda levels, inner: "year(" * levels + inner + ")" * levels,
    lambda levels, inner: inner + ".year()" * levels,
    lambda levels, inner: "2 ^ " * levels + inner,
    lambda levels, inner: "1 + (" * levels + inner + ")" * levels,
    lambda levels, inner: "(" * levels + inner + ".year())" * levels,
]


@pytest.mark.parametrize("nest", NESTED)
def test_nesting_is_bounded(nest: Callable[[int, str], str]) -> None:
    parse("#{" + nest(DEEPEST // 2, "n") + "}")
    for levels in (DEEPEST + 1, 200, 3_000):
        with pytest.raises(ExpressionError, match=r"nested more than|follow one another|longer"):
            parse("#{" + nest(levels, "n") + "}")


def test_steps_within_parentheses_within_steps_are_levels_too() -> None:
    text = "n"
    for _ in range(20):
        text = f"({text}{'.year()' * 20})"
    with pytest.raises(ExpressionError, match="nested more than"):
        parse("#{" + text + "}")


def deep(levels: int, within: int) -> Resolved:
    """Fields that lead to one another, each from so deep within its expression."""
    fields = {
        f"my_{n}": "#{" + "-(1 + " * within + f"my_{n + 1}" + ")" * within + "}"
        for n in range(levels)
    }
    return resolved({"id": "A", **fields, f"my_{levels}": "1"})


@pytest.mark.parametrize("within", [0, 1, 2, 3, 5, 9, 13])
def test_deep_fields_of_deep_expressions_leave_the_stack_whole(within: int) -> None:
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(limit - 50)  # whoever calls has a stack of his own
    try:
        for levels in (1, 8, 25, 29, 30, 40):
            scope = ObjectScope(deep(levels, within), "A")
            with suppress(DefinitionError):  # and no RecursionError
                scope.values("my_0")
            assert scope.budget.depth == 0
    finally:
        sys.setrecursionlimit(limit)


def test_the_deepest_expression_at_the_end_of_the_longest_way() -> None:
    levels = 27
    fields: dict[str, object] = {f"my_{n}": f"#{{my_{n + 1}}}" for n in range(levels)}
    fields[f"my_{levels}"] = "#{" + "(" * (DEEPEST - 1) + "1" + ")" * (DEEPEST - 1) + "}"
    assert ObjectScope(resolved({"id": "A", **fields}), "A").values("my_0") == [1]


def test_a_height_needs_no_stack() -> None:
    assert height(parse("#{1 + 2 * 3}").parts[0]) == 3  # type: ignore[arg-type]


# --- length ----------------------------------------------------------------------------------


def test_texts_and_expressions_have_a_longest_length() -> None:
    with pytest.raises(ExpressionError, match="the text is longer"):
        parse("#{1}" + " " * LONGEST_TEXT)
    with pytest.raises(ExpressionError, match="the expression is longer"):
        parse("#{'" + "x" * 20_000 + "'}")


def test_a_text_that_fails_names_one_place_however_long_it_is() -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate("#{a" * 200_000, Counting())
    assert len(str(caught.value)) < 400


def test_a_guess_is_looked_for_among_few_names() -> None:
    fields = {f"myField{n}": "x" for n in range(5_000)}
    scope = ObjectScope(resolved({"id": "A", **fields}), "A")
    with pytest.raises(ExpressionError, match="no field or parameter 'myFeld7'"):
        evaluate("#{myFeld7}", scope)
