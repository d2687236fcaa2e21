"""Evaluation: a field's text in a context of names, to the list of its values.

Every step yields a list, mostly of one value; operators and functions map over lists, every
combination in order. All work is charged beforehand, see `budget`.
"""

import math
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import product
from typing import Protocol

from penstock.language.expressions.budget import (
    CHARACTERS_PER_STEP,
    COST_OF_A_CALL,
    LARGEST_RESULT,
    VALUES_PER_STEP,
    Budget,
)
from penstock.language.expressions.errors import ExpressionError, Fault
from penstock.language.expressions.functions import WITH_ARTICLE, call, kind_of
from penstock.language.expressions.parser import LARGEST_INTEGER, OPENING, parse
from penstock.language.expressions.tree import (
    Call,
    Chain,
    Constant,
    Name,
    Negation,
    Node,
    Template,
    Value,
)
from penstock.language.periods import format_datetime
from penstock.model.errors import DefinitionError

_VALUES = (str, int, float, datetime)


class Context(Protocol):
    """How names are looked up, and what may be spent on it."""

    @property
    def budget(self) -> Budget:
        """Shared by all evaluations that belong together."""

    def lookup(self, path: tuple[str, ...]) -> Sequence[object] | None:
        """The values of a dotted path; None for a name that is not known.

        May raise DefinitionError, which says more of why.
        """


def has_expression(text: str) -> bool:
    """Whether a text has an expression in it."""
    return OPENING in text


def evaluate(text: str, context: Context) -> list[Value]:
    """The values of a field's text.

    A text without expressions is itself. One expression alone keeps the type and number of its
    results; within a longer text each result is printed into its place, lists element by element,
    and an expression without results leaves its place empty. Raises ExpressionError.
    """
    if OPENING not in text:
        return [text]
    template = parse(text)
    budget = context.budget
    evaluation = _Evaluation(context)
    try:
        budget.enter(template.depth)
        lone = template.lone
        return list(evaluation.node(lone)) if lone is not None else evaluation.text(template)
    except Fault as fault:
        raise ExpressionError(text, fault.at, fault.problem) from None
    finally:
        budget.leave(template.depth, LARGEST_RESULT - max(evaluation.left, 0))


def evaluate_to_strings(text: str, context: Context) -> list[str]:
    """The values of a field's text, printed: dates YYYY-MM-DDTHH:MM:SS, booleans true or false."""
    if OPENING not in text:
        return [text]
    return [to_text(value) for value in evaluate(text, context)]


def to_text(value: object) -> str:
    """A value as it stands in a text."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case datetime():
            return format_datetime(value)
        case _:
            return str(value)


class _Evaluation:
    """One evaluation: its context, and what it may still make."""

    __slots__ = ("_context", "left")

    def __init__(self, context: Context) -> None:
        self._context = context
        self.left = LARGEST_RESULT

    def text(self, template: Template) -> list[Value]:
        results: list[str] = [""]
        single: list[str] = []  # parts of one value each, joined only when they must be
        for part in template.parts:
            added = [part] if isinstance(part, str) else self._printed(part)
            if len(added) == 1:
                single.extend(added)
                continue
            joined = "".join(single)
            single.clear()
            self._charge(0, self._size(results, joined, added))
            self._work(0, len(results) * len(added) // VALUES_PER_STEP)
            results = [before + joined + after for before in results for after in added]
        end = "".join(single)
        if results == [""]:
            self._charge(0, len(end))
            return [end]
        self._charge(0, self._size(results, end, [""]))
        return [before + end for before in results]

    def _printed(self, node: Node) -> list[str]:
        return [to_text(value) for value in self.node(node)] or [""]

    def _size(self, results: Sequence[str], joined: str, added: Sequence[str]) -> int:
        """Characters and values of every combination."""
        each = len(joined) + 1
        return sum(map(len, results)) * len(added) + len(results) * (
            sum(map(len, added)) + each * len(added)
        )

    def node(self, node: Node) -> Sequence[Value]:
        match node:
            case Constant():
                return node.values
            case Name():
                return self._name(node)
            case Call():
                return self._call(node)
            case Chain():
                return self._chain(node)
            case Negation():
                return self._negation(node)

    def _name(self, node: Name) -> Sequence[Value]:
        self._work(node.at, 1)
        try:
            values = self._context.lookup(node.path)
        except ExpressionError:
            raise  # it marks its own place, in the field that is at fault
        except DefinitionError as error:
            raise Fault(node.at, str(error)) from error
        if values is None:
            raise Fault(node.at, f"there is no field or parameter {'.'.join(node.path)!r} here")
        self._charge(node.at, len(values))
        self._work(node.at, len(values) // VALUES_PER_STEP)
        return [value if isinstance(value, _VALUES) else str(value) for value in values]

    def _call(self, node: Call) -> Sequence[Value]:
        # By `map`, and not by a comprehension, which would be one more level of the stack.
        arguments = list(map(self.node, node.arguments))
        calls = math.prod(map(len, arguments))
        # A pattern is read anew with each date.
        longest = max([len(v) for a in arguments for v in a if isinstance(v, str)], default=0)
        self._charge(node.at, calls)
        self._work(node.at, calls * (COST_OF_A_CALL + longest // CHARACTERS_PER_STEP))
        results: list[Value] = []
        try:
            for chosen in product(*arguments):
                value = call(node.function, chosen)
                if isinstance(value, str):
                    self._charge(node.at, len(value))
                results.append(value)
        except DefinitionError as error:
            raise Fault(node.at, str(error)) from error
        return results

    def _chain(self, chain: Chain) -> Sequence[Value]:
        results = self.node(chain.first)
        for step in chain.steps:
            added = self.node(step.operand)
            # Texts may be joined: how long they get is known before they are made.
            self._charge(
                step.at,
                len(results) * len(added)
                + _characters(results) * len(added)
                + _characters(added) * len(results),
            )
            self._work(step.at, 1 + len(results) * len(added))
            try:
                results = [operate(step.operator, a, b) for a in results for b in added]
            except DefinitionError as error:
                raise Fault(step.at, str(error)) from error
        return results

    def _negation(self, node: Negation) -> Sequence[Value]:
        values = self.node(node.operand)
        self._charge(node.at, len(values))
        self._work(node.at, len(values))
        try:
            return [negate(value) for value in values]
        except DefinitionError as error:
            raise Fault(node.at, str(error)) from error

    def _charge(self, at: int, cost: int) -> None:
        self.left -= cost
        if self.left < 0:
            raise Fault(at, f"the result is too large: more than {LARGEST_RESULT} characters")

    def _work(self, at: int, steps: int) -> None:
        try:
            self._context.budget.charge(steps)
        except DefinitionError as error:
            raise Fault(at, str(error)) from error


def _characters(values: Sequence[Value]) -> int:
    return sum([len(value) for value in values if isinstance(value, str)])


def operate(operator: str, left: Value, right: Value) -> Value:
    """One operator on two values; `+` with a text joins, integers divide truncating."""
    if operator == "+" and (isinstance(left, str) or isinstance(right, str)):
        return to_text(left) + to_text(right)
    a, b = _number(left, operator), _number(right, operator)
    try:
        return _bounded(_OPERATORS[operator](a, b))
    except ZeroDivisionError as error:
        raise DefinitionError("division by zero") from error
    except (OverflowError, ValueError) as error:
        raise DefinitionError(f"the result of {operator!r} is no number that fits") from error


def negate(value: Value) -> Value:
    """A number with the other sign."""
    return -_number(value, "-")


def _divide(a: float, b: float) -> float:
    if not (isinstance(a, int) and isinstance(b, int)):
        return a / b
    # Towards zero, where Python's own goes down; on integers, so that no digit is lost.
    return a // b if (a < 0) == (b < 0) else -(-a // b)


_OPERATORS: dict[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": _divide,
    "^": math.pow,
}


def _number(value: Value, operator: str) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and len(value) <= 40:
        # Parameters and fields are texts: one that is a number counts as one.
        try:
            return _bounded(float(value) if _DECIMAL_MARKS & {*value} else int(value))
        except ValueError:
            pass
    raise DefinitionError(operand_fault(operator, kind_of(value)))


_DECIMAL_MARKS = frozenset(".eE")


def operand_fault(operator: str, kind: str) -> str:
    """What to say of an operand that is no number."""
    said = f"{operator!r} needs numbers, not {WITH_ARTICLE[kind]}"
    if kind == "date":
        said += "; dates are moved by functions, such as plusDays and minusHours"
    return said


def _bounded(number: float) -> float:
    fits = abs(number) <= LARGEST_INTEGER if isinstance(number, int) else math.isfinite(number)
    if not fits:
        raise ValueError(number)
    return number
