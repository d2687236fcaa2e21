"""Expressions: printing and parsing are inverse, and no text, however hostile, does harm."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import pairwise

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.language.expressions import Budget, ExpressionError, evaluate
from penstock.language.expressions.functions import FUNCTIONS
from penstock.language.expressions.joda import format_joda
from penstock.language.expressions.kinds import Known, faults, infer
from penstock.language.expressions.parser import LARGEST_INTEGER, parse
from penstock.language.expressions.printing import print_node, print_template
from penstock.language.expressions.tree import (
    Call,
    Chain,
    Constant,
    Name,
    Negation,
    Node,
    Step,
    Template,
    Value,
    walk,
)
from penstock.model.errors import DefinitionError

QUICK = settings(max_examples=150, deadline=None)

NAMES: Mapping[str, Sequence[Value]] = {
    "myX": ["a", 3],
    "myText": ["2026-02-03"],
    "myNumber": [7],
    "*mySecret": ["12"],
    "@scheduledStartTime": [datetime(2026, 1, 31, 8, 30)],
    "input.directoryPath": ["s3://a", "s3://b"],
    "id": ["x"],
}


class Names:
    """A context of the names above."""

    def __init__(self) -> None:
        self.budget = Budget()

    def lookup(self, path: tuple[str, ...]) -> Sequence[Value] | None:
        return NAMES.get(".".join(path))


def foreseen(path: tuple[str, ...]) -> Known:
    return Known(tuple(NAMES[".".join(path)]))


LITERALS = (
    st.integers(0, LARGEST_INTEGER)
    | st.floats(min_value=0, allow_nan=False, allow_infinity=False)
    | st.text(max_size=6)
    | st.sampled_from(["1 day", "it's", "\\", "C:\\d", "}", '"', "#{", "2026-01-31", "YYYY", "UTC"])
)  # fmt: skip
LEAVES = st.builds(lambda value: Constant((value,)), LITERALS) | st.builds(
    lambda name: Name(tuple(name.split(".")), 0), st.sampled_from(sorted(NAMES))
)


def call(function: str, arguments: Sequence[Node]) -> Call:
    return Call(function, tuple(arguments), 0)


def calls(nodes: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    return st.sampled_from(sorted(FUNCTIONS)).flatmap(
        lambda name: st.builds(
            call, st.just(name), st.tuples(*(nodes for _ in FUNCTIONS[name].parameters))
        )
    )


def chains(nodes: st.SearchStrategy[Node], operators: str, most: int) -> st.SearchStrategy[Node]:
    steps = st.lists(
        st.builds(
            lambda operator, node: Step(operator, node, 0), st.sampled_from(operators), nodes
        ),
        min_size=1,
        max_size=most,
    )
    return st.builds(lambda first, after: Chain(first, tuple(after)), nodes, steps)


NODES: st.SearchStrategy[Node] = st.recursive(
    LEAVES,
    lambda nodes: (
        calls(nodes)
        | st.builds(lambda node: Negation(node, 0), nodes)
        | chains(nodes, "+-", 3)
        | chains(nodes, "*/", 3)
        | chains(nodes, "^", 1)
    ),
    max_leaves=8,
)
PLAIN = st.text(max_size=5).filter(lambda text: text and "#{" not in text)
PARTS = st.lists(PLAIN | NODES, min_size=1, max_size=4).filter(
    lambda parts: not any(isinstance(a, str) and isinstance(b, str) for a, b in pairwise(parts))
)


def placeless(node: Node) -> object:
    """A tree without the places in its text."""

    def without(value: object) -> object:
        if isinstance(value, dict):
            return {key: without(each) for key, each in value.items() if key != "at"}
        if isinstance(value, list | tuple):
            return [without(each) for each in value]
        return repr(value)

    return [type(node).__name__, without(msgspec.to_builtins(node)), *map(kind, walk(node))]


def kind(node: Node) -> str:
    return type(node).__name__


def bare(template: Template) -> list[object]:
    return [part if isinstance(part, str) else placeless(part) for part in template.parts]


@QUICK
@given(PARTS)
def test_what_is_printed_reads_back_as_the_same_tree(parts: list[str | Node]):
    template = Template("", tuple(parts))
    assert bare(parse(print_template(template))) == bare(template)


@QUICK
@given(NODES)
def test_printing_is_canonical(node: Node):
    printed = print_node(node)
    again = parse(f"#{{{printed}}}").lone
    assert again is not None
    assert print_node(again) == printed


def outcome(text: str) -> list[str] | str:
    """The values, or the error's sentence."""
    error = error_of(text)
    if error is not None:
        return error.problem
    return [repr(value) for value in evaluate(text, Names())]


def error_of(text: str) -> ExpressionError | None:
    try:
        evaluate(text, Names())
    except ExpressionError as error:
        return error
    return None


@QUICK
@given(NODES)
def test_what_is_printed_means_the_same(node: Node):
    printed = f"#{{{print_node(node)}}}"
    spaced = printed.replace(", ", " ,\n")
    assert outcome(printed) == outcome(print_template(parse(printed)))
    if "'" not in printed:
        assert outcome(spaced) == outcome(printed)


@QUICK
@given(NODES)
def test_what_is_foreseen_comes_true(node: Node):
    text = f"#{{{print_node(node)}}}"
    template = parse(text)
    assert template.lone is not None
    found = faults(template, foreseen)
    expected = infer(template.lone, foreseen)
    values = outcome(text)
    assert isinstance(values, str) == bool(found)
    if not found and isinstance(expected, Known):
        assert [*map(repr, expected.values)] == values


WORDS = st.sampled_from(
    [
        "1", "2.5", "'t'", '"u"', "myX", "@scheduledStartTime", "node", "input", ".", ",", "(", ")",
        "+", "-", "*", "/", "^", "}", "#{", " ", "'", "day", "id", "parent", "\\", "é", "$",
        *FUNCTIONS,
    ]
)  # fmt: skip
EXPRESSIONS = st.lists(WORDS, max_size=12).map(lambda words: "#{" + "".join(words) + "}")
ANYTHING = EXPRESSIONS | st.text().map(lambda text: f"a#{{{text}}}b")


@QUICK
@given(ANYTHING)
def test_evaluation_raises_only_its_error(text: str):
    with suppress(ExpressionError):
        evaluate(text, Names())


@QUICK
@given(ANYTHING)
def test_an_error_marks_a_place_in_the_text(text: str):
    error = error_of(text)
    if error is not None:
        assert 0 <= error.at <= len(text)
        assert error.marked.count("\n") == 1
        assert error.marked.endswith(" ^")
        assert error.problem
        assert "\n" not in error.problem


@QUICK
@given(ANYTHING)
def test_faults_are_found_without_raising(text: str):
    with suppress(ExpressionError):
        faults(parse(text), lambda path: "unknown")


@QUICK
@given(st.datetimes(), st.text(alphabet="GCYxweEyDMdaKhHkmsSzZ'-: {}T", max_size=12))
def test_patterns_raise_only_their_error(moment: datetime, pattern: str):
    with suppress(DefinitionError):
        format_joda(moment, pattern)
