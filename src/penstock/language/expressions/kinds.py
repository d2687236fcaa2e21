"""What an expression will yield, said before anything runs, and what cannot work in it.

The same walk as an evaluation's, over what is foreseen in place of values: a kind, or, where all
that goes in is known, the very values. What is not known is let through; so is a text, which may
be a date or a number.
"""

from collections.abc import Callable
from itertools import product
from typing import Literal, TypeAlias

from msgspec import Struct

from penstock.language.expressions.evaluator import negate, operand_fault, operate
from penstock.language.expressions.functions import (
    FUNCTIONS,
    argument_fault,
    call,
    call_fault,
    kind_fault,
    kind_of,
)
from penstock.language.expressions.tree import (
    Call,
    Chain,
    Constant,
    Name,
    Negation,
    Node,
    Problem,
    Template,
    Value,
    ValueKind,
)
from penstock.model.errors import DefinitionError

Kind: TypeAlias = ValueKind | Literal["unknown"]

MOST_KNOWN = 20
LONGEST_KNOWN = 10_000
"""So many values, and so many characters of theirs, are followed; beyond, the kind must do."""


class Known(Struct, frozen=True):
    """The very values, known before anything runs."""

    values: tuple[Value, ...]


Foreseen: TypeAlias = Kind | Known

KindOfPath = Callable[[tuple[str, ...]], Foreseen]
"""What a name stands for; `unknown` for one that is not known."""


def infer(node: Node, kind_of_path: KindOfPath) -> Foreseen:
    """What an expression yields; `unknown` also where it cannot work."""
    return _Foresight(kind_of_path).node(node)


def faults(template: Template, kind_of_path: KindOfPath) -> list[Problem]:
    """All that cannot work or be read in a text, in the order of its places."""
    foresight = _Foresight(kind_of_path)
    for part in template.parts:
        if not isinstance(part, str):
            foresight.node(part)
    return sorted({*template.problems, *foresight.problems})


def kind_of_all(foreseen: Foreseen) -> Kind:
    """The kind alone; of values of several kinds it is `unknown`."""
    if not isinstance(foreseen, Known):
        return foreseen
    kinds = {kind_of(value) for value in foreseen.values}
    return kinds.pop() if len(kinds) == 1 else "unknown"


class _Foresight:
    """One walk: how names are foreseen, and the problems met."""

    def __init__(self, kind_of_path: KindOfPath) -> None:
        self._kind_of_path = kind_of_path
        self.problems: list[Problem] = []

    def node(self, node: Node) -> Foreseen:
        match node:
            case Constant():
                return Known(node.values)
            case Name():
                return _bounded(self._kind_of_path(node.path))
            case Call():
                return self._call(node)
            case Chain():
                return self._chain(node)
            case Negation():
                return self._negation(node)

    def _fail(self, at: int, problem: str) -> Kind:
        self.problems.append(Problem(at, problem))
        return "unknown"

    def _call(self, node: Call) -> Foreseen:
        arguments = [self.node(argument) for argument in node.arguments]
        if call_fault(node.function, len(arguments)) is not None:
            return "unknown"  # the parser has found that already
        for number, argument in enumerate(arguments, 1):
            fault = _argument_fault(node.function, number, argument)
            if fault is not None:
                self._fail(node.at, fault)
                return FUNCTIONS[node.function].result
        known = [argument.values for argument in arguments if isinstance(argument, Known)]
        if len(known) < len(arguments) or not _few(*known):
            return FUNCTIONS[node.function].result
        try:
            return Known(tuple(call(node.function, chosen) for chosen in product(*known)))
        except DefinitionError as error:
            return self._fail(node.at, str(error))

    def _chain(self, chain: Chain) -> Foreseen:
        result = self.node(chain.first)
        for step in chain.steps:
            right = self.node(step.operand)
            try:
                result = _bounded(_operated(step.operator, result, right))
            except DefinitionError as error:
                result = self._fail(step.at, str(error))
        return result

    def _negation(self, node: Negation) -> Foreseen:
        operand = self.node(node.operand)
        try:
            if isinstance(operand, Known):
                return Known(tuple(map(negate, operand.values)))
            return _operated("-", "integer", operand)
        except DefinitionError as error:
            return self._fail(node.at, str(error))


def _few(*lists: tuple[Value, ...]) -> bool:
    count = 1
    for values in lists:
        count *= len(values)
    return count <= MOST_KNOWN


def _bounded(foreseen: Foreseen) -> Foreseen:
    """Values as long as they are few and short, else their kind."""
    if not isinstance(foreseen, Known):
        return foreseen
    texts = sum(len(value) for value in foreseen.values if isinstance(value, str))
    if len(foreseen.values) <= MOST_KNOWN and texts <= LONGEST_KNOWN:
        return foreseen
    return kind_of_all(foreseen)


def _argument_fault(name: str, number: int, argument: Foreseen) -> str | None:
    if not isinstance(argument, Known):
        return kind_fault(name, number, argument)
    for value in argument.values:
        fault = argument_fault(name, number, value)
        if fault is not None:
            return fault
    return None


def _operated(operator: str, left: Foreseen, right: Foreseen) -> Foreseen:
    """What an operator makes of two operands. Raises DefinitionError where it cannot."""
    if isinstance(left, Known) and isinstance(right, Known) and _few(left.values, right.values):
        return Known(tuple(operate(operator, a, b) for a in left.values for b in right.values))
    kinds = {kind_of_all(left), kind_of_all(right)}
    if operator == "+":
        if "text" in kinds:
            return "text"
        if "unknown" in kinds:
            return "unknown"  # a text joins with anything
    for kind in ("date", "boolean"):
        if kind in kinds:
            raise DefinitionError(operand_fault(operator, kind))
    for operand in (left, right):
        if isinstance(operand, Known):
            for value in operand.values:
                operate(operator, value, 1)  # raises what is wrong with a text that is no number
    if operator == "^" or "decimal" in kinds:
        return "decimal"
    return "integer" if kinds == {"integer"} else "unknown"
